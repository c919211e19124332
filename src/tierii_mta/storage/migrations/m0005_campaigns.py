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
)
