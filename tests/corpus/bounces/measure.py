"""Readings of delivery reports against what others say of them.

Owns which of our classes fit a reason of the set, the two halves of it, and the counting; the messages stay where they
are.  The reasons and whether they are hard are Sisimai's own reading, with its quirks: a report that it reads by one
of two texts that contradict each other counts as it says.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tierii_mta.correspondence.bounce import bounce_of
from tierii_mta.correspondence.reading import BouncedRecipient
from tierii_mta.mail.mime import parse
from tierii_mta.outbound.reply_class import ReplyClass

_NOBODY = "InvalidRecipient InactiveMailbox BadDomain"
_NETWORK = (
    "DNSFailure RoutingErrors NoAnswerFromHost BadConnection TransientFailure MessageExpired RelayingIssues"
    " BadConfiguration BadDomain"
)
_SENDER = (
    "SpamBlock AuthenticationFailed PolicyRelated InvalidSender RelayDenied SpamRelated SpamContent BadConfiguration"
    " ProhibitedAttachment"
)
_MESSAGE = (
    "SpamContent SpamRelated ContentRelated VirusRelated ProhibitedAttachment PolicyRelated TooManyRecipients"
    " ProtocolErrors QuotaIssues"
)
_FAMILIES = {
    "userunknown hostunknown hasmoved suspend": f"{_NOBODY} RelayDenied",
    "filtered": f"{_NOBODY} PolicyRelated SpamContent SpamRelated Uncategorized",
    "notaccept": f"{_NOBODY} RoutingErrors NoAnswerFromHost",
    "mailboxfull": "QuotaIssues",
    "expired networkerror systemerror mailererror systemfull": f"{_NETWORK} Uncategorized",
    "toomanyconn": "TransientFailure TooManyRecipients",
    "blocked badreputation authfailure requireptr rejected policyviolation securityerror norelaying": _SENDER,
    "spamdetected virusdetected contenterror mesgtoobig exceedlimit notcompliantrfc syntaxerror": _MESSAGE,
}
FAMILIES: Mapping[str, frozenset[ReplyClass]] = {
    reason: frozenset(ReplyClass(name) for name in classes.split())
    for reasons, classes in _FAMILIES.items()
    for reason in reasons.split()
}
"""Reason of the set → classes of ours that say the same; a reason that is missing (undefined, onhold) fits any."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One recipient that the set expects, and what we found."""

    message: str
    recipient: str
    reason: str
    is_hard: bool  # as the set has it
    is_named: bool  # found under this very address
    found: BouncedRecipient | None

    @property
    def is_right(self) -> bool:
        """Hard or soft as expected, and of the reason's family."""
        found = self.found
        if found is None or found.is_hard != self.is_hard:
            return False
        if self.reason == "delivered":
            return found.action in ("delivered", "relayed", "expanded")
        return found.reply_class in FAMILIES.get(self.reason, frozenset(ReplyClass))


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over recipients."""

    recipients: int
    found: int
    right: int
    hard_and_said: int
    hard: int
    said_hard: int

    @property
    def precision(self) -> float:
        """How many of those called hard are."""
        return self.hard_and_said / self.said_hard if self.said_hard else 1.0

    @property
    def recall(self) -> float:
        """How many of the hard ones are called so."""
        return self.hard_and_said / self.hard if self.hard else 1.0


def half_of(name: str) -> int:
    """Return 1 for messages that were looked at while the rules were written, 2 for those looked at last."""
    return 1 + hashlib.sha256(name.encode()).digest()[0] % 2


def judged(folder: Path, names: Iterable[str] | None = None) -> list[Judged]:
    """Return every expected recipient of the set but those of complaints."""
    expected = json.loads((folder / "expected.json").read_text())
    return [
        each
        for name in (expected if names is None else names)
        for each in _judged_of(name, [row for row in expected[name] if row["reason"] != "feedback"], folder)
    ]


def unexpected(folder: Path) -> list[str]:
    """Return the messages read as reports of which the set expects none."""
    expected = json.loads((folder / "expected.json").read_text())
    return [name for name, rows in expected.items() if not rows and _recipients(folder / name)]


def score(judgements: Iterable[Judged]) -> Score:
    """Return the counts."""
    rows = list(judgements)
    said = [row for row in rows if row.found is not None and row.found.is_hard]
    return Score(
        recipients=len(rows),
        found=sum(row.found is not None for row in rows),
        right=sum(row.is_right for row in rows),
        hard_and_said=sum(row.is_hard for row in said),
        hard=sum(row.is_hard for row in rows),
        said_hard=len(said),
    )


def _judged_of(name: str, rows: list[dict[str, str]], folder: Path) -> Iterable[Judged]:
    left = _recipients(folder / name) if rows else []
    for row in rows:
        same = next((each for each in left if (each.recipient or "").lower() == row["recipient"].lower()), None)
        # one expected and one found are the same person: forwarding gives an address more than one name
        found = same or (left[0] if len(rows) == len(left) == 1 else None)
        if found is not None:
            left.remove(found)
        yield Judged(name, row["recipient"], row["reason"], bool(row["hard"]), same is not None, found)


def _recipients(path: Path) -> list[BouncedRecipient]:
    bounce = bounce_of(parse(path.read_bytes()))
    return list(bounce.recipients) if bounce else []
