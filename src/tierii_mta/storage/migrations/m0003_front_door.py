"""0003: who may submit, what a submitter asks to be told, received mail, suspensions that are remembered. Frozen."""

NAME = "submission, reports and the inbox"

STATEMENTS = (
    # --- who may submit, and how much of it was used up
    """CREATE TABLE account (
        name TEXT NOT NULL PRIMARY KEY, password TEXT NOT NULL, role TEXT NOT NULL, senders TEXT NOT NULL,
        max_priority SMALLINT NOT NULL, return_path TEXT NOT NULL, messages_per_day BIGINT, recipients_per_day BIGINT,
        newcomers_per_day BIGINT, is_enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL,
        changed_at BIGINT NOT NULL)""",
    """CREATE TABLE usage (
        account TEXT NOT NULL, day BIGINT NOT NULL, messages BIGINT NOT NULL, recipients BIGINT NOT NULL,
        newcomers BIGINT NOT NULL, PRIMARY KEY (account, day))""",
    """CREATE TABLE acquaintance (
        account TEXT NOT NULL, recipient_key {blob} NOT NULL, PRIMARY KEY (account, recipient_key))""",
    # --- what a message brought along: DSN parameters (RFC 3461), labels of its sender
    "ALTER TABLE message ADD COLUMN ret SMALLINT",
    "ALTER TABLE message ADD COLUMN envid TEXT",
    "ALTER TABLE message ADD COLUMN is_smtputf8 BOOLEAN NOT NULL DEFAULT FALSE",
    "ALTER TABLE message ADD COLUMN label TEXT",
    "ALTER TABLE message ADD COLUMN tag TEXT",
    "ALTER TABLE message ADD COLUMN return_path TEXT",
    "CREATE INDEX message_label ON message (label) WHERE label IS NOT NULL",
    "CREATE INDEX message_tag ON message (tag) WHERE tag IS NOT NULL",
    "ALTER TABLE delivery ADD COLUMN notify SMALLINT NOT NULL DEFAULT 0",
    "ALTER TABLE delivery ADD COLUMN orcpt TEXT",
    # --- reports owed to senders; a row stays until its delivery goes, so that each is made once
    """CREATE TABLE report (
        delivery BIGINT NOT NULL, kind SMALLINT NOT NULL, owed_at BIGINT NOT NULL, done_at BIGINT,
        PRIMARY KEY (delivery, kind))""",
    "CREATE INDEX report_owed ON report (owed_at) WHERE done_at IS NULL",
    # --- what was said in each attempt
    """CREATE TABLE transcript (
        delivery BIGINT NOT NULL, attempt SMALLINT NOT NULL, at BIGINT NOT NULL, lines TEXT NOT NULL,
        PRIMARY KEY (delivery, attempt))""",
    # --- suspensions by the operator, which lanes made later obey as well
    """CREATE TABLE suspension (
        kind SMALLINT NOT NULL, value TEXT NOT NULL, until BIGINT, reason TEXT NOT NULL, created_at BIGINT NOT NULL,
        PRIMARY KEY (kind, value))""",
    # --- received mail
    """CREATE TABLE inbox (
        id {serial}, received_at BIGINT NOT NULL, remote TEXT NOT NULL, helo TEXT NOT NULL, tls TEXT,
        reverse_path TEXT NOT NULL, message_id TEXT, size BIGINT NOT NULL, state SMALLINT NOT NULL,
        verdict TEXT NOT NULL, session TEXT NOT NULL)""",
    "CREATE INDEX inbox_state ON inbox (state, id)",
    "CREATE INDEX inbox_received ON inbox (received_at)",
    "CREATE INDEX inbox_message_id ON inbox (message_id) WHERE message_id IS NOT NULL",
    """CREATE TABLE inbox_recipient (
        message BIGINT NOT NULL REFERENCES inbox (id) ON DELETE CASCADE, position INTEGER NOT NULL,
        address TEXT NOT NULL, mailbox TEXT, token TEXT, PRIMARY KEY (message, position))""",
    """CREATE TABLE inbox_part (
        message BIGINT NOT NULL REFERENCES inbox (id) ON DELETE CASCADE, position INTEGER NOT NULL,
        content {blob} NOT NULL, PRIMARY KEY (message, position))""",
)
