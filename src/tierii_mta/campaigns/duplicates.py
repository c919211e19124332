"""Rows of the same person: which one stays.

Owns `dedupe.on_conflict`.  Works on contacts that stand by person, in the order of their feeds, and holds one of them.
Pure.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from tierii_mta.campaigns.spool import Waiting

OnConflict = Literal["first", "last", "merge", "error"]
Drop = Callable[[Waiting, Waiting], None]
"""Is told a row that does not stay, and the one that stands for the person so far."""


def settle(contacts: Iterable[Waiting], on_conflict: OnConflict, drop: Drop) -> Iterator[Waiting]:
    """Yield one contact for each person.

    `first` and `last` keep that row whole; `merge` keeps the first and fills in what it lacks or has empty from the
    later ones, in order; `error` does what `first` does, and leaves it to `drop` to say so.
    """
    kept: Waiting | None = None
    for contact in contacts:
        if kept is None or contact.person != kept.person:
            if kept is not None:
                yield kept
            kept = contact
        elif on_conflict == "last":
            drop(kept, contact)
            kept = contact
        else:
            drop(contact, kept)
            kept = _merged(kept, contact) if on_conflict == "merge" else kept
    if kept is not None:
        yield kept


def _merged(kept: Waiting, other: Waiting) -> Waiting:
    fields = dict(kept.fields)
    for name, value in other.fields.items():
        if fields.get(name) in (None, ""):
            fields[name] = value
    return kept._replace(fields=fields)
