"""The ledger of intake: which messages were offered, what we answered, what the database holds of them.

Owns the five properties of intake and how each is judged.  No processes here: clients enter what they did and heard,
`Offers.judge` compares it with the database after a crash and at the end.

| property | a fault is |
|---|---|
| accepted is kept | a message that got its 250 and is not there for each of its recipients |
| kept once | a recipient of one message with two rows |
| refused or unfinished is not kept | a row of a message that got another reply, or whose final dot never went out |
| nothing by halves | rows without parts, parts without rows, recipients missing, content that is not what was offered |
| lost is lost | a message without a reply that was not there after the crash and is there later |

A message without a reply may be there, whole; there are at most as many as transactions were open at the kills.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tierii_mta.storage.backend import SQLITE_FILE


class Door(StrEnum):
    """Which way in; the names of the tables behind it."""

    SUBMISSION = "queue"
    INBOUND = "inbox"


class Answer(StrEnum):
    """What a client knows of a message."""

    UNSENT = "the final dot was not written"
    OPEN = "the final dot was written, no reply came"
    KEPT = "250"
    REFUSED = "another reply"
    FOUND = "no reply, and it was there after the crash"
    GONE = "no reply, and it was not there after the crash"


class Flaw(StrEnum):
    """What can be wrong; each has a sabotage that brings it about."""

    LOST = "accepted and not there"
    DOUBLED = "there twice"
    UNASKED = "there though refused, unfinished or lost before"
    HALF = "there by halves"
    CORRUPT = "the file is damaged"


@dataclass(slots=True)
class Offer:
    """One message on its way in."""

    door: Door
    recipients: tuple[str, ...]
    digest: bytes  # of the body
    answer: Answer = Answer.UNSENT
    reply: str = ""


_ROWS = {
    Door.SUBMISSION: "SELECT message, recipient FROM delivery WHERE message IS NOT NULL ORDER BY message",
    Door.INBOUND: "SELECT message, address FROM inbox_recipient ORDER BY message",
}
_PARTS = {
    Door.SUBMISSION: "SELECT content FROM body_part WHERE message = ? ORDER BY position",
    Door.INBOUND: "SELECT content FROM inbox_part WHERE message = ? ORDER BY position",
}
_HALVES = {
    "a message without parts": "SELECT id FROM message WHERE id NOT IN (SELECT message FROM body_part)",
    "parts without a message": "SELECT message FROM body_part WHERE message NOT IN (SELECT id FROM message)",
    "a delivery without its message": "SELECT id FROM delivery WHERE message NOT IN (SELECT id FROM message)",
    "a message without deliveries": "SELECT id FROM message WHERE id NOT IN "
    "(SELECT message FROM delivery WHERE message IS NOT NULL)",
    "received without parts": "SELECT id FROM inbox WHERE id NOT IN (SELECT message FROM inbox_part)",
    "received parts without a message": "SELECT message FROM inbox_part WHERE message NOT IN (SELECT id FROM inbox)",
    "received by nobody": "SELECT id FROM inbox WHERE id NOT IN (SELECT message FROM inbox_recipient)",
    "recipients of nothing": "SELECT message FROM inbox_recipient WHERE message NOT IN (SELECT id FROM inbox)",
}


@dataclass
class Offers:
    """Facts, as they come in."""

    by_recipient: dict[str, Offer] = field(default_factory=dict)
    flaws: list[tuple[Flaw, str]] = field(default_factory=list)
    open_at_kills: int = 0
    _checked: set[tuple[Door, int]] = field(default_factory=set)  # messages whose content has been compared

    def enter(self, offer: Offer) -> None:
        self.by_recipient |= dict.fromkeys(offer.recipients, offer)

    def answered(self, answer: Answer) -> list[Offer]:
        """Return the messages of which this is known."""
        unique = {id(offer): offer for offer in self.by_recipient.values() if offer.answer is answer}
        return list(unique.values())

    def crashed(self, data: Path) -> None:
        """Judge what a crash left, and settle what became of the messages without a reply."""
        open_now = self.answered(Answer.OPEN)
        self.open_at_kills += len(open_now)
        with closing(_connected(data)) as database:
            there = {recipient for door in Door for _, recipient in database.execute(_ROWS[door])}
        for offer in open_now:
            offer.answer = Answer.FOUND if there.intersection(offer.recipients) else Answer.GONE
        self.judge(data)

    def judge(self, data: Path) -> None:
        """Compare the database with what was offered and answered; nothing may be under way."""
        with closing(_connected(data)) as database:
            if (integrity := _integrity(database)) != "ok":
                self.flaws.append((Flaw.CORRUPT, integrity[:200]))
                return
            self.flaws += [(Flaw.HALF, what) for what in halves(database)]
            for door in Door:
                self.flaws += self._judge_rows(door, database.execute(_ROWS[door]).fetchall())
                self.flaws += self._judge_content(door, database)

    def _judge_rows(self, door: Door, rows: Iterable[tuple[int, str]]) -> Iterator[tuple[Flaw, str]]:
        seen: set[str] = set()
        for message, recipient in rows:
            offer = self.by_recipient.get(recipient)
            if recipient in seen:
                yield Flaw.DOUBLED, f"{recipient} in {door}"
            seen.add(recipient)
            if offer is None or offer.answer not in (Answer.KEPT, Answer.FOUND):
                yield Flaw.UNASKED, f"{recipient} in {door} {message}: {offer.answer if offer else 'never offered'}"
        for recipient, offer in self.by_recipient.items():
            if offer.door is door and recipient not in seen:
                if offer.answer is Answer.KEPT:
                    yield Flaw.LOST, f"{recipient} in {door}"
                elif offer.answer is Answer.FOUND:
                    yield Flaw.HALF, f"{recipient} is missing in {door}, its neighbours are there"

    def _judge_content(self, door: Door, database: sqlite3.Connection) -> Iterator[tuple[Flaw, str]]:
        recipients = dict(database.execute(_ROWS[door]).fetchall())
        for message, recipient in recipients.items():
            if (door, message) in self._checked:
                continue
            self._checked.add((door, message))
            offer = self.by_recipient.get(recipient)
            content = b"".join(part for (part,) in database.execute(_PARTS[door], (message,)))
            body = content.partition(b"\r\n\r\n")[2]
            if offer is not None and hashlib.sha256(body).digest() != offer.digest:
                yield Flaw.HALF, f"{recipient} in {door} {message}: {len(content)} octets that were not offered"


def halves(database: sqlite3.Connection) -> list[str]:
    """Return what stands in the database without what belongs to it."""
    return [f"{what}: {row}" for what, query in _HALVES.items() for (row,) in database.execute(query)]


def _integrity(database: sqlite3.Connection) -> str:
    try:
        return "; ".join(line for (line,) in database.execute("PRAGMA integrity_check"))
    except sqlite3.DatabaseError as error:  # too damaged for the check
        return str(error)


def _connected(data: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{data / SQLITE_FILE}?mode=ro", uri=True, timeout=60)
