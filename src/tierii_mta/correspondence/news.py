"""What an event is to people: which topic, how urgent, in which words; and many of them as one digest.

Owns the choice of events that somebody may be told of; not who is (settings `notify`), how often, nor by which way
(notify).  Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Self

from tierii_mta.clock import rfc3339
from tierii_mta.events import Event, EventType
from tierii_mta.queue.delivery import Json

_SHOWN = 20  # of one digest
_MAX_FACT = 200  # characters


class Topic(StrEnum):
    """What somebody can ask to be told of."""

    REPLY = "reply"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    QUARANTINE = "quarantine"
    CAMPAIGN = "campaign"
    GUARD = "guard"
    LANE = "lane"
    MAILBOX = "mailbox"
    DISK = "disk"


class Severity(IntEnum):
    """How urgent it is."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One thing to be told."""

    topic: Topic
    severity: Severity
    sentence: str
    event: Event

    @property
    def line(self) -> str:
        """The sentence with its time."""
        return f"{rfc3339(self.event.at)}  {self.sentence}"


@dataclass(frozen=True, slots=True)
class _Rule:
    topic: Topic
    severity: Severity
    words: Callable[[Event], str]


def _fact(event: Event, name: str) -> str:
    """Return a fact of an event as it may stand in a line: what others wrote cannot begin a line of its own."""
    value = event.data.get(name) or "unknown"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return "".join(one if one.isprintable() else " " for one in text[:_MAX_FACT])


def _reply(event: Event) -> str:
    who = _fact(event, "from") if event.data.get("from") else event.recipient
    words = f": {_fact(event, 'words')}" if event.data.get("words") else ""
    return f"{who} replied{_about(event)}{words}"


def _paused(event: Event) -> str:
    because = f": {_fact(event, 'reason')}" if event.data.get("reason") else ""
    return f"campaign {event.campaign_id} is paused{because}; tierii-mta resume {event.campaign_id}"


def _guard(event: Event) -> str:
    if event.data.get("action") == "pause":
        return f"campaign {event.campaign_id} is paused by {_fact(event, 'reason')}; {_fact(event, 'command')}"
    return f"campaign {event.campaign_id} goes on in spite of {_fact(event, 'reason')}"


_RULES: Mapping[EventType, _Rule] = {
    EventType.REPLIED: _Rule(Topic.REPLY, Severity.NORMAL, _reply),
    EventType.COMPLAINED: _Rule(
        Topic.COMPLAINT, Severity.NORMAL, lambda e: f"{e.recipient} reported a mail as spam{_about(e)}"
    ),
    EventType.UNSUBSCRIBED: _Rule(Topic.UNSUBSCRIBE, Severity.LOW, lambda e: f"{e.recipient} unsubscribed{_about(e)}"),
    EventType.INBOUND_QUARANTINED: _Rule(
        Topic.QUARANTINE,
        Severity.LOW,
        lambda e: (
            f"mail to {e.recipient} from <{_fact(e, 'reverse_path')}> is in quarantine as inbox "
            f"{_fact(e, 'inbox')}: {_fact(e, 'reasons')}"
        ),
    ),
    EventType.CAMPAIGN_SCHEDULED: _Rule(
        Topic.CAMPAIGN, Severity.LOW, lambda e: f"campaign {e.campaign_id} is scheduled"
    ),
    EventType.CAMPAIGN_STARTED: _Rule(Topic.CAMPAIGN, Severity.LOW, lambda e: f"campaign {e.campaign_id} has started"),
    EventType.CAMPAIGN_PAUSED: _Rule(Topic.CAMPAIGN, Severity.NORMAL, _paused),
    EventType.CAMPAIGN_RESUMED: _Rule(Topic.CAMPAIGN, Severity.LOW, lambda e: f"campaign {e.campaign_id} goes on"),
    EventType.CAMPAIGN_COMPLETED: _Rule(
        Topic.CAMPAIGN, Severity.LOW, lambda e: f"campaign {e.campaign_id} is complete"
    ),
    EventType.CAMPAIGN_CANCELLED: _Rule(
        Topic.CAMPAIGN, Severity.LOW, lambda e: f"campaign {e.campaign_id} is cancelled"
    ),
    EventType.CAMPAIGN_FAILED: _Rule(
        Topic.CAMPAIGN, Severity.HIGH, lambda e: f"campaign {e.campaign_id} failed: {_fact(e, 'reason')}"
    ),
    EventType.CAMPAIGN_GUARD_TRIPPED: _Rule(Topic.GUARD, Severity.HIGH, _guard),
    EventType.LANE_SUSPENDED: _Rule(
        Topic.LANE, Severity.HIGH, lambda e: f"mail to {_fact(e, 'domain')} is suspended: {_fact(e, 'reason')}"
    ),
    EventType.LANE_SLOWED: _Rule(Topic.LANE, Severity.LOW, lambda e: f"mail to {_fact(e, 'domain')} is slowed down"),
    EventType.LANE_RESUMED: _Rule(Topic.LANE, Severity.LOW, lambda e: f"mail to {_fact(e, 'domain')} goes on"),
    EventType.MAILBOX_FAILING: _Rule(
        Topic.MAILBOX, Severity.HIGH, lambda e: f"mailbox {_fact(e, 'mailbox')} takes no mail: {_fact(e, 'reason')}"
    ),
    EventType.MAILBOX_RECOVERED: _Rule(
        Topic.MAILBOX, Severity.LOW, lambda e: f"mailbox {_fact(e, 'mailbox')} takes mail again"
    ),
    EventType.INBOUND_UNDELIVERED: _Rule(
        Topic.MAILBOX,
        Severity.HIGH,
        lambda e: (
            f"mailbox {_fact(e, 'mailbox')} does not get inbox {_fact(e, 'inbox')}, which stays there: "
            f"{_fact(e, 'reason')}"
        ),
    ),
    EventType.INTAKE_CLOSED: _Rule(Topic.DISK, Severity.HIGH, lambda e: f"no mail is taken in: {_fact(e, 'reason')}"),
    EventType.INTAKE_OPENED: _Rule(Topic.DISK, Severity.LOW, lambda _: "there is room again, and mail is taken in"),
}

TYPES = tuple(str(kind) for kind in _RULES)
"""The events that anybody may be told of."""


def _about(event: Event) -> str:
    return f" (campaign {event.campaign_id})" if event.campaign_id else ""


def news_of(event: Event) -> News | None:
    """Return what there is to tell of an event; None: nothing."""
    rule = _RULES.get(event.type)
    if rule is None:
        return None
    is_warning = event.type is EventType.CAMPAIGN_GUARD_TRIPPED and event.data.get("action") != "pause"
    severity = Severity.NORMAL if is_warning else rule.severity
    return News(topic=rule.topic, severity=severity, sentence=rule.words(event), event=event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Several things told at once."""

    news: Sequence[News]  # most urgent first, then oldest first
    more: int  # that are only counted

    @classmethod
    def of(cls, news: Sequence[News], *, more: int = 0) -> Self:
        """Return the digest of at least one thing, and of so many `more` that are only counted."""
        ordered = sorted(news, key=lambda one: (-one.severity, one.event.seq or 0))
        return cls(news=ordered, more=more)

    @property
    def shown(self) -> Sequence[News]:
        """Those that are written out."""
        return self.news[:_SHOWN]

    @property
    def left_out(self) -> int:
        """How many are not."""
        return len(self.news[_SHOWN:]) + self.more

    @property
    def subject(self) -> str:
        """The most urgent one, and how many there are besides."""
        others = len(self.shown) + self.left_out - 1
        return self.shown[0].sentence + (f" (and {others} more)" if others else "")

    @property
    def text(self) -> str:
        """A line for each, the most urgent first."""
        lines = [one.line for one in self.shown]
        if self.left_out:
            first = min(one.event.at for one in self.shown)
            lines.append(f"... and {self.left_out} more: tierii-mta events --since {rfc3339(first)}")
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, Json]:
        """Return what a webhook is told."""
        return {
            "subject": self.subject,
            "news": [
                {
                    "topic": str(one.topic),
                    "severity": one.severity.name.lower(),
                    "text": one.sentence,
                    "event": one.event.as_json(),
                }
                for one in self.shown
            ],
            "left_out": self.left_out,
        }
