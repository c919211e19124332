"""0005: campaigns of the specification in full. Not released: what belongs to it is added here."""

NAME = "campaigns"

STATEMENTS = (
    # --- how many of a campaign go first, while the others wait for their end
    "ALTER TABLE campaign ADD COLUMN canary BIGINT",
    # --- suppression of all that one domain sends
    "ALTER TABLE campaign ADD COLUMN sender TEXT",
)
