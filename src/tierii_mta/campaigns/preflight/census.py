"""What the preflight notes of everybody who is written to, while `enqueue` puts them aside.

Owns the counts and the choice of who is rendered; not what follows from them.  Memory is bounded: so many domains and
values, so many samples.  A contact is chosen by its person key, which is as good as drawn by lot and the same at each
run.  Pure.
"""

import heapq
from collections import Counter
from collections.abc import Collection

from tierii_mta.campaigns.spool import Waiting

_MAX_DOMAINS = 200_000
_MAX_VALUES = 1_000


class Census:
    """Counts of one audience."""

    def __init__(self, *, sample: int = 0, tallied: Collection[str] = (), roles: Collection[str] = ()) -> None:
        """`sample`: how many contacts are kept; `tallied`: fields of which each value is counted."""
        self.contacts = 0
        self.domains: Counter[str] = Counter()
        self.filled: Counter[str] = Counter()  # by field: contacts in which it is not blank
        self.values: dict[str, Counter[str]] = {name: Counter() for name in tallied}
        self.roles: Counter[str] = Counter()  # by local part
        self._known_roles, self._sample = frozenset(roles), sample
        self._chosen: list[tuple[bytes, int, Waiting]] = []  # a heap, the greatest key first

    def see(self, contact: Waiting) -> None:
        """Count one contact."""
        self.contacts += 1
        domain = contact.domain
        if domain in self.domains or len(self.domains) < _MAX_DOMAINS:
            self.domains[domain] += 1
        local = contact.recipient.rpartition("@")[0].lower()
        if local in self._known_roles:
            self.roles[local] += 1
        filled = self.filled
        for name, value in contact.fields.items():
            if value not in ("", None):
                filled[name] += 1
        for name, values in self.values.items():
            value = str(contact.fields.get(name) or "")[:100]
            if value in values or len(values) < _MAX_VALUES:
                values[value] += 1
        if self._sample:
            self._choose(contact)

    def _choose(self, contact: Waiting) -> None:
        item = (bytes(255 - octet for octet in contact.person), -self.contacts, contact)
        if len(self._chosen) < self._sample:
            heapq.heappush(self._chosen, item)
        elif item[0] > self._chosen[0][0]:
            heapq.heapreplace(self._chosen, item)

    @property
    def chosen(self) -> list[Waiting]:
        """The sample."""
        return [contact for _, _, contact in sorted(self._chosen, key=lambda each: each[:2], reverse=True)]

    def blank(self, field: str) -> int:
        """Return how many contacts have nothing in a field."""
        return self.contacts - self.filled[field]
