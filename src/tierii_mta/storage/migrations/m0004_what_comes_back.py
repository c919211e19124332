"""0004: what was read from received mail and done about it, conversations, mailboxes, greylisting. Frozen."""

NAME = "what comes back"

STATEMENTS = (
    # --- what was asked for under an idempotency key
    "ALTER TABLE idempotency ADD COLUMN fingerprint TEXT",
    # --- a person may be suppressed for several reasons, each with its own end
    "ALTER TABLE suppression RENAME TO suppression_of_one_reason",
    """CREATE TABLE suppression (
        recipient_key {blob} NOT NULL, scope TEXT NOT NULL, reason TEXT NOT NULL, address TEXT,
        evidence TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT,
        PRIMARY KEY (recipient_key, scope, reason))""",
    """INSERT INTO suppression (recipient_key, scope, reason, address, evidence, created_at, expires_at)
        SELECT recipient_key, scope, reason, address, evidence, created_at, expires_at
        FROM suppression_of_one_reason""",
    "DROP TABLE suppression_of_one_reason",
    # --- received mail: who has it in hand, what it turned out to be, which delivery of ours it is about
    "ALTER TABLE inbox ADD COLUMN owner BIGINT",
    "ALTER TABLE inbox ADD COLUMN attempts SMALLINT NOT NULL DEFAULT 0",
    "ALTER TABLE inbox ADD COLUMN processed_at BIGINT",
    "ALTER TABLE inbox ADD COLUMN kind TEXT",
    "ALTER TABLE inbox ADD COLUMN sender TEXT",
    "ALTER TABLE inbox ADD COLUMN subject TEXT",
    "ALTER TABLE inbox ADD COLUMN reading TEXT",
    "ALTER TABLE inbox ADD COLUMN delivery BIGINT",
    "ALTER TABLE inbox ADD COLUMN trust TEXT",
    "ALTER TABLE inbox ADD COLUMN effects TEXT",
    "CREATE INDEX inbox_owner ON inbox (owner) WHERE owner IS NOT NULL",
    "CREATE INDEX inbox_delivery ON inbox (delivery) WHERE delivery IS NOT NULL",
    # --- both sides of what is said with a person
    """CREATE TABLE conversation (
        id {serial}, recipient_key {blob} NOT NULL, address TEXT NOT NULL, campaign BIGINT, subject TEXT NOT NULL,
        opened_at BIGINT NOT NULL, last_at BIGINT NOT NULL)""",
    "CREATE INDEX conversation_person ON conversation (recipient_key, last_at)",
    "CREATE INDEX conversation_age ON conversation (last_at)",
    """CREATE TABLE conversation_message (
        id {serial}, conversation BIGINT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
        is_ours BOOLEAN NOT NULL, inbox BIGINT, delivery BIGINT, message_id TEXT, sender TEXT NOT NULL,
        at BIGINT NOT NULL, words TEXT)""",
    "CREATE INDEX conversation_message_order ON conversation_message (conversation, id)",
    "CREATE UNIQUE INDEX conversation_message_received ON conversation_message (inbox) WHERE inbox IS NOT NULL",
    """CREATE UNIQUE INDEX conversation_message_sent ON conversation_message (delivery)
        WHERE is_ours AND delivery IS NOT NULL""",
    "CREATE INDEX conversation_message_named ON conversation_message (message_id) WHERE message_id IS NOT NULL",
    # --- received mail on its way to its mailboxes
    """CREATE TABLE mailbox_job (
        id {serial}, inbox BIGINT NOT NULL REFERENCES inbox (id) ON DELETE CASCADE, mailbox TEXT NOT NULL,
        recipient TEXT NOT NULL, state SMALLINT NOT NULL, due BIGINT NOT NULL, owner BIGINT,
        attempts SMALLINT NOT NULL, last_error TEXT, created_at BIGINT NOT NULL, finished_at BIGINT)""",
    "CREATE UNIQUE INDEX mailbox_job_once ON mailbox_job (inbox, mailbox, recipient)",
    "CREATE INDEX mailbox_job_due ON mailbox_job (mailbox, due) WHERE state = 0",
    "CREATE INDEX mailbox_job_owner ON mailbox_job (owner) WHERE owner IS NOT NULL",
    # --- how far those who follow the event log have come
    "CREATE TABLE event_reader (name TEXT NOT NULL PRIMARY KEY, seq BIGINT NOT NULL, moved_at BIGINT NOT NULL)",
    # --- whom the greylist has met
    """CREATE TABLE greylist (
        client TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL, first_at BIGINT NOT NULL,
        last_at BIGINT NOT NULL, attempts BIGINT NOT NULL, passed_at BIGINT,
        PRIMARY KEY (client, sender, recipient))""",
    "CREATE INDEX greylist_age ON greylist (last_at)",
)
