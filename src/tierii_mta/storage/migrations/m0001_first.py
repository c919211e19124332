"""0001: the whole first schema. Frozen: a change to it is another migration.

`{serial}` is a key that never comes back once given (tokens, cursors and epochs rely on it), `{blob}` raw octets.
The hot table `delivery` has no foreign keys: its rows are written by this package alone, and deleting a lane or a
message would cost an index over every row.
"""

NAME = "queue, campaigns, consent and events"

STATEMENTS = (
    """CREATE TABLE node (
        epoch {serial}, name TEXT NOT NULL, role TEXT NOT NULL, pid BIGINT NOT NULL,
        started_at BIGINT NOT NULL, seen_at BIGINT NOT NULL)""",
    """CREATE TABLE change (
        seq {serial}, kind SMALLINT NOT NULL, stream BIGINT, lane BIGINT, origin BIGINT NOT NULL,
        at BIGINT NOT NULL)""",
    "CREATE TABLE probe (number {serial}, filler {blob} NOT NULL)",
    "CREATE TABLE content (sha256 TEXT PRIMARY KEY, body {blob} NOT NULL)",
    """CREATE TABLE campaign (
        number {serial}, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, state SMALLINT NOT NULL, ends_as SMALLINT,
        is_marketing BOOLEAN NOT NULL, priority SMALLINT NOT NULL, list_id TEXT, fingerprint TEXT NOT NULL,
        specification TEXT NOT NULL, report TEXT NOT NULL, reason TEXT, created_at BIGINT NOT NULL,
        started_at BIGINT, finished_at BIGINT)""",
    "CREATE INDEX campaign_state ON campaign (state)",
    """CREATE TABLE campaign_content (
        campaign BIGINT NOT NULL REFERENCES campaign (number), sha256 TEXT NOT NULL REFERENCES content (sha256),
        PRIMARY KEY (campaign, sha256))""",
    "CREATE INDEX campaign_content_use ON campaign_content (sha256)",
    """CREATE TABLE stream (
        id {serial}, name TEXT NOT NULL UNIQUE, campaign BIGINT REFERENCES campaign (number), step SMALLINT NOT NULL,
        state SMALLINT NOT NULL, swept TEXT)""",
    "CREATE INDEX stream_campaign ON stream (campaign, step)",
    """CREATE TABLE lane (
        id {serial}, stream BIGINT NOT NULL REFERENCES stream (id), domain TEXT NOT NULL,
        suspended_until BIGINT, reason TEXT)""",
    "CREATE UNIQUE INDEX lane_destination ON lane (stream, domain)",
    """CREATE TABLE message (
        id {serial}, stream BIGINT NOT NULL REFERENCES stream (id), reverse_path TEXT NOT NULL,
        message_id TEXT NOT NULL, is_marketing BOOLEAN NOT NULL, accepted_at BIGINT NOT NULL)""",
    "CREATE INDEX message_by_id ON message (message_id)",
    """CREATE TABLE body_part (
        message BIGINT NOT NULL REFERENCES message (id) ON DELETE CASCADE, position INTEGER NOT NULL,
        content {blob} NOT NULL, PRIMARY KEY (message, position))""",
    """CREATE TABLE idempotency (
        stream BIGINT NOT NULL, key TEXT NOT NULL, message BIGINT NOT NULL REFERENCES message (id) ON DELETE CASCADE,
        PRIMARY KEY (stream, key))""",
    "CREATE INDEX idempotency_message ON idempotency (message)",
    """CREATE TABLE delivery (
        id {serial}, lane BIGINT NOT NULL, state SMALLINT NOT NULL, priority SMALLINT NOT NULL, due BIGINT NOT NULL,
        owner BIGINT, origin SMALLINT, attempts SMALLINT NOT NULL, campaign BIGINT, step SMALLINT NOT NULL,
        recipient_key {blob} NOT NULL, recipient TEXT NOT NULL, message BIGINT, contact TEXT NOT NULL,
        accepted_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, finished_at BIGINT, reason SMALLINT,
        marks SMALLINT NOT NULL, was_blocked BOOLEAN NOT NULL, body_hash TEXT, last_reply TEXT)""",
    "CREATE UNIQUE INDEX delivery_once ON delivery (recipient_key, campaign, step)",
    # A claim is an equality seek; `state` stands at the end so that counting needs no look at the rows.
    "CREATE INDEX delivery_due ON delivery (lane, priority, due, state) WHERE state IN (0, 1)",
    # In hand: a few thousand rows at most; frees a dead owner's rows without looking at the others.
    "CREATE INDEX delivery_owner ON delivery (owner) WHERE owner IS NOT NULL",
    # The age sweep and retention: `finished_at` changes once in a life, so moves between open states touch neither.
    "CREATE INDEX delivery_expiry ON delivery (expires_at) WHERE finished_at IS NULL",
    "CREATE INDEX delivery_finished ON delivery (finished_at) WHERE finished_at IS NOT NULL",
    "CREATE INDEX delivery_set_aside ON delivery (campaign, state) WHERE state IN (4, 6)",
    "CREATE INDEX delivery_message ON delivery (message) WHERE message IS NOT NULL",
    """CREATE TABLE tally (
        stream BIGINT NOT NULL, priority SMALLINT NOT NULL, kind SMALLINT NOT NULL, node TEXT NOT NULL,
        count BIGINT NOT NULL, PRIMARY KEY (stream, priority, kind, node))""",
    """CREATE TABLE event (
        seq {serial}, id TEXT NOT NULL, type SMALLINT NOT NULL, at BIGINT NOT NULL, campaign TEXT, delivery BIGINT,
        message_id TEXT, recipient TEXT, provider TEXT, data TEXT NOT NULL)""",
    "CREATE INDEX event_delivery ON event (delivery) WHERE delivery IS NOT NULL",
    """CREATE TABLE suppression (
        recipient_key {blob} NOT NULL, scope TEXT NOT NULL, reason TEXT NOT NULL, address TEXT, evidence TEXT NOT NULL,
        created_at BIGINT NOT NULL, expires_at BIGINT, PRIMARY KEY (recipient_key, scope))""",
)
