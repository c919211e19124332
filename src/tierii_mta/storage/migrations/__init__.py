"""The numbered steps from an empty database to the present schema, oldest first.

A step is a module with `NAME` and `STATEMENTS`; once released it is never edited.  `storage.migrate` runs them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tierii_mta.storage.migrations import (
    m0001_first,
    m0002_crashes,
    m0003_front_door,
    m0004_what_comes_back,
    m0005_campaigns,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step. Its statements run in one transaction, together with the row that says it was done."""

    number: int
    name: str
    statements: Sequence[str]


MIGRATIONS: Sequence[Migration] = (
    Migration(number=1, name=m0001_first.NAME, statements=m0001_first.STATEMENTS),
    Migration(number=2, name=m0002_crashes.NAME, statements=m0002_crashes.STATEMENTS),
    Migration(number=3, name=m0003_front_door.NAME, statements=m0003_front_door.STATEMENTS),
    Migration(number=4, name=m0004_what_comes_back.NAME, statements=m0004_what_comes_back.STATEMENTS),
    Migration(number=5, name=m0005_campaigns.NAME, statements=m0005_campaigns.STATEMENTS),
)
