"""0005: campaigns of the specification in full. Not released: what belongs to it is added here."""

NAME = "campaigns"

STATEMENTS = (
    # --- suppression of all that one domain sends
    "ALTER TABLE campaign ADD COLUMN sender TEXT",
)
