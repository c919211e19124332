"""The ledger of a run: who was accepted, who received what, what the database said after each crash, and the verdict.

Owns the seven properties and how each is counted.  No processes here: the harness enters facts, `audit` compares.

| property | a fault is |
|---|---|
| nobody is lost | an accepted person without a row, or whose row has ended and who has no mail |
| doubles are explained | a copy more than 1 + the crashes that found the person's delivery `active` |
| one Message-ID a person | copies of one delivery under different Message-IDs |
| endings are true | a refused person not `failed(bounced)`, another one not `completed` |
| nobody uninvited | a row or a mail of somebody who was never accepted |
| the file is whole | `PRAGMA integrity_check` says other than ok |
| the tally is true | `tally` differs from counting the rows |
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tierii_mta.queue.delivery import FailureReason, State


class Fate(StrEnum):
    """What a receiving host has decided for the people of a domain."""

    DELIVERED = "delivered"
    GREYLISTED = "greylisted"  # at the first attempt; delivered afterwards
    REFUSED = "refused"


class Fault(StrEnum):
    """What can be wrong; each has a sabotage that brings it about."""

    LOST = "lost"
    DOUBLED = "doubled without an active delivery at a crash"
    MESSAGE_ID = "two Message-IDs"
    ENDING = "a wrong ending"
    UNINVITED = "never accepted"
    CORRUPT = "the file is damaged"
    TALLY = "the tally is wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One delivery as the database has it."""

    recipient: str
    state: State
    reason: FailureReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a database says at one moment."""

    rows: tuple[Row, ...]
    integrity: str
    counted: Mapping[tuple[int, int, int], int]  # (stream, priority, state) → rows
    tallied: Mapping[tuple[int, int, int], int]

    @property
    def active(self) -> list[str]:
        return [row.recipient for row in self.rows if row.state is State.ACTIVE]


@dataclass
class Ledger:
    """Facts, as they come in."""

    accepted: dict[str, Fate] = field(default_factory=dict)
    offered: dict[str, Fate] = field(default_factory=dict)  # an enqueue has begun; it may or may not have been accepted
    received: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # → Message-IDs
    acknowledged: Counter[str] = field(default_factory=Counter)
    active: Counter[str] = field(default_factory=Counter)  # how many crashes found the person's delivery active
    faults: list[tuple[Fault, str]] = field(default_factory=list)
    crashes: int = 0

    def enter_received(self, recipient: str, message: bytes) -> None:
        head = message.partition(b"\r\n\r\n")[0]
        ids = [line for line in head.split(b"\r\n") if line.lower().startswith(b"message-id:")]
        self.received[recipient].append(b" ".join(ids).decode())

    def enter_acknowledged(self, recipient: str) -> None:
        self.acknowledged[recipient] += 1

    def enter_crash(self, picture: Picture) -> None:
        """Take down what a crash left, and judge what must hold even then."""
        self.crashes += 1
        self.active.update(picture.active)
        self._judge_file(picture)
        rows = {row.recipient: row for row in picture.rows}
        for recipient in self.accepted.keys() - rows.keys():
            self.faults.append((Fault.LOST, f"{recipient} was accepted and has no row after the crash"))
        for row in picture.rows:
            if row.state is State.COMPLETED and row.recipient not in self.received:
                self.faults.append((Fault.LOST, f"{row.recipient} is completed and has no mail"))

    def audit(self, end: Picture) -> list[tuple[Fault, str]]:
        """Return every fault of the run, given what the database says when nothing is left to do."""
        self._judge_file(end)
        found = list(self.faults)
        rows = {row.recipient: row for row in end.rows}
        found += [(Fault.UNINVITED, one) for one in {*rows, *self.received} - self.accepted.keys()]
        for recipient, fate in self.accepted.items():
            found += self._judge(recipient, fate, rows.get(recipient))
        return found

    @property
    def copies(self) -> int:
        """Mails beyond the first, over all people."""
        return sum(len(ids) - 1 for ids in self.received.values())

    def _judge(self, recipient: str, fate: Fate, row: Row | None) -> Iterable[tuple[Fault, str]]:
        ids = self.received.get(recipient, [])
        wanted = (State.FAILED, FailureReason.BOUNCED) if fate is Fate.REFUSED else (State.COMPLETED, None)
        if row is None or (fate is not Fate.REFUSED and not ids):
            yield Fault.LOST, f"{recipient}: {row.state if row else 'no row'}, {len(ids)} mails"
        elif (row.state, row.reason) != wanted:
            yield Fault.ENDING, f"{recipient}: {row.state} ({row.reason})"
        if len(set(ids)) > 1:
            yield Fault.MESSAGE_ID, f"{recipient}: {ids}"
        if len(ids) > 1 + self.active[recipient]:
            yield Fault.DOUBLED, f"{recipient}: {len(ids)} mails, active at {self.active[recipient]} crashes"

    def _judge_file(self, picture: Picture) -> None:
        if picture.integrity != "ok":
            self.faults.append((Fault.CORRUPT, picture.integrity[:200]))
        if picture.counted != picture.tallied:
            differing = {
                key: (picture.counted.get(key, 0), picture.tallied.get(key, 0))
                for key in picture.counted.keys() | picture.tallied.keys()
                if picture.counted.get(key, 0) != picture.tallied.get(key, 0)
            }
            self.faults.append((Fault.TALLY, f"(stream, priority, state): (rows, tally): {differing}"))
