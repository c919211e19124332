"""0005: campaigns of the specification in full. Not released: what belongs to it is added here."""

NAME = "campaigns"

STATEMENTS = (
    # --- when and how fast a campaign may send: its plan, what is decided next, and where it stands
    "ALTER TABLE campaign ADD COLUMN plan TEXT",
    "ALTER TABLE campaign ADD COLUMN wakes_at BIGINT",
    "CREATE INDEX campaign_wakes ON campaign (wakes_at) WHERE wakes_at IS NOT NULL",
    """CREATE TABLE pace (
        campaign BIGINT PRIMARY KEY REFERENCES campaign (number), arrival_us BIGINT NOT NULL,
        released BIGINT NOT NULL, resumes_at BIGINT)""",
    # --- how many of a campaign go first, while the others wait for their end
    "ALTER TABLE campaign ADD COLUMN canary BIGINT",
    # --- suppression of all that one domain sends
    "ALTER TABLE campaign ADD COLUMN sender TEXT",
    # --- contacts that are kept here under a name
    """CREATE TABLE contact_list (
        number {serial}, name TEXT NOT NULL UNIQUE, created_at BIGINT NOT NULL, changed_at BIGINT NOT NULL)""",
    """CREATE TABLE list_member (
        list BIGINT NOT NULL REFERENCES contact_list (number), recipient_key {blob} NOT NULL, contact TEXT NOT NULL,
        PRIMARY KEY (list, recipient_key))""",
)
