"""The verdict on a message that came whole: the place where the checks of its content and of its sender plug in.

Owns the port `Checks`, what is handed to it and what it may say, and the rule that checks never lose mail: one that
fails or takes too long is noted, and the message is accepted.  Not the checks themselves, nor what a verdict does
(inbound.reception).
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from tierii_mta.inbound.session import Message, Session
from tierii_mta.mail.address import Address
from tierii_mta.mail.reply import Reply
from tierii_mta.queue.delivery import Json
from tierii_mta.queue.received import InboxRecipient

_log = logging.getLogger(__name__)


class Decision(StrEnum):
    """What becomes of a message."""

    ACCEPT = "accept"
    QUARANTINE = "quarantine"  # accepted, and kept apart
    GREYLIST = "greylist"  # not now: the client keeps it and comes again
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found, for the operator's eyes, and what it adds to the score or decides by itself."""

    check: str
    detail: str
    score: float = 0.0
    decides: Decision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision and what led to it. ValueError where a refusal has no reply that says it."""

    decision: Decision = Decision.ACCEPT
    reply: Reply | None = None  # 4xx of a greylist, 5xx of a reject; none else
    findings: Sequence[Finding] = field(default=())
    thresholds: Mapping[str, float] = field(default_factory=dict)  # by decision, what the total was held against
    fields: bytes = b""  # header fields of ours to put on top of the message

    def __post_init__(self) -> None:
        reply = self.reply
        match self.decision:
            case Decision.GREYLIST:
                fits = reply is not None and reply.is_transient
            case Decision.REJECT:
                fits = reply is not None and reply.is_permanent
            case _:
                fits = reply is None
        if not fits:
            raise ValueError(f"{reply} does not say {self.decision}")

    @property
    def total(self) -> float:
        """The scores, added up."""
        return round(sum(one.score for one in self.findings), 2)

    @property
    def reasons(self) -> list[str]:
        """The checks that spoke against the message, those that decide first, then those that weigh most."""
        against = [one for one in self.findings if one.decides is not None or one.score > 0]
        return [one.check for one in sorted(against, key=lambda one: (one.decides is None, -one.score))]

    def as_json(self) -> dict[str, Json]:
        """Return what is kept beside the message: enough to add it up again."""
        findings: list[Json] = []
        for one in self.findings:
            shown: dict[str, Json] = {"check": one.check, "detail": one.detail, "score": one.score}
            findings.append(shown | ({"decides": str(one.decides)} if one.decides is not None else {}))
        kept: dict[str, Json] = {"decision": str(self.decision), "total": self.total, "findings": findings}
        return kept | ({"thresholds": dict(self.thresholds)} if self.thresholds else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """What is judged."""

    session: Session
    reverse_path: Address | None  # None: the null sender
    recipients: Sequence[InboxRecipient]  # at least one, all of them known here
    is_smtputf8: bool
    message: Message  # as the client sent it, without the fields we put on top


class Checks(Protocol):
    """Judges messages."""

    async def check(self, incoming: Incoming) -> Verdict:
        """Return the verdict. May be cancelled when time is up; the message's body may be read meanwhile only."""


class AcceptAll:
    """No checks: every message is accepted."""

    async def check(self, incoming: Incoming) -> Verdict:
        """Return the verdict."""
        return Verdict()


async def judged(checks: Checks, incoming: Incoming, *, within: timedelta) -> Verdict:
    """Return the verdict of `checks`, or one that accepts and says why there is no other."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            return await checks.check(incoming)
    except TimeoutError:
        detail = f"no verdict within {within.total_seconds():g} s"
        _log.warning("the checks of a message are late, it is accepted: %s", detail)
    except Exception as fault:  # a fault of ours is no reason to lose mail
        detail = f"the checks failed: {type(fault).__name__}"
        _log.exception("the checks of a message failed, it is accepted")
    return Verdict(findings=[Finding(check="checks", detail=detail)])
