"""0002: which deliveries broke an attempt off, or were in hand when the process died. Frozen."""

NAME = "crashes of deliveries"

STATEMENTS = (
    # No foreign key, as `delivery` has none; a few rows, and none in the days without an accident.
    """CREATE TABLE crash (
        delivery BIGINT NOT NULL PRIMARY KEY, crashes SMALLINT NOT NULL, certain SMALLINT NOT NULL)""",
)
