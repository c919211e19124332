"""The only door in for stored messages: submission, HTTP and `send` pass here.

Owns how a message becomes one durable `Accept`: body parts, persons, lanes, deadline, events. When `accept` returns,
the message is kept; when it raises, the sender keeps it. Not who may send nor how large a message may be (the caller's
rules), nor campaign rows, which are loaded in bulk (campaigns.store).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tierii_mta.clock import Clock, Instant, sortable_id
from tierii_mta.errors import Conflict
from tierii_mta.events import Event, EventType
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Priority, ReportKey
from tierii_mta.queue.reserve import Reserve
from tierii_mta.queue.schedule import RetrySchedule
from tierii_mta.queue.store import Accept, Accepted, LaneLoad, NewDelivery, Parts
from tierii_mta.smtp.requests import Recipient, Return

PART_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """A message that is too large to be held."""

    read: Callable[[], Iterable[bytes]]  # each call begins anew; made on the thread that writes to the database
    size_bytes: int

    def __len__(self) -> int:
        return (self.size_bytes + PART_BYTES - 1) // PART_BYTES

    def __iter__(self) -> Iterator[bytes]:
        return split_content(self.read())


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A message to be accepted, checked by whoever took it."""

    stream: str  # whose queue: "send", "user:shop"
    reverse_path: Address | None  # None: the null sender
    recipients: Sequence[Recipient]  # one delivery per person; of the same one twice, the first mention counts
    content: bytes | Spooled  # CR LF line ends, unsigned
    message_id: str  # with angle brackets
    priority: Priority = Priority.HIGH
    is_marketing: bool = False
    idempotency_key: str | None = None
    fingerprint: str | None = None  # of what is asked for under the key: two of one key must not differ
    account: str | None = None  # whose day it counts to
    ret: Return | None = None
    envid: str | None = None
    is_smtputf8: bool = False
    label: str | None = None
    tag: str | None = None
    return_path: str | None = None  # domain of signed return paths; None: the reverse-path travels


class Intake:
    """Accepts stored messages through the committer."""

    def __init__(
        self,
        *,
        committer: Committer,
        codec: TokenCodec,
        schedule: RetrySchedule,
        clock: Clock,
        reserve: Reserve | None = None,
        on_accepted: Callable[[Sequence[LaneLoad]], None] | None = None,
    ) -> None:
        """`reserve` is kept free of new mail. `on_accepted` tells the queue manager of this process, if it has one,
        what became claimable.
        """
        self._committer, self._codec, self._schedule, self._clock = committer, codec, schedule, clock
        self._reserve, self._on_accepted = reserve, on_accepted

    @property
    def is_busy(self) -> bool:
        """Whether several clients at once hand in messages."""
        return self._committer.is_taking_in

    async def accept(self, submission: Submission) -> Accepted:
        """Keep the message durably and return its deliveries, in the order of the recipients' first mention.

        A repeated idempotency key answers with the first message, `is_repeat`. Raises `Conflict` if that was another
        mail, by the fingerprints; `Unavailable` (the sender keeps the message and may try again; `NoRoom` is one that
        says why, 452), `StatementFailed`, or ValueError for a message without recipients.
        """
        if not submission.recipients:
            raise ValueError("a message needs a recipient")
        if self._reserve is not None:
            self._reserve.check()
        result = await self._keep(self._operation(submission, self._clock.now()))
        if result is None:
            raise TypeError("the store answered an Accept without reports with nothing")
        if result.is_repeat and _differ(submission.fingerprint, result.fingerprint):
            raise Conflict(
                f"the idempotency key {submission.idempotency_key!r} was used for another mail, {result.message_id}",
                remedy="give each mail a key of its own",
            )
        return result

    async def notify(self, notification: Submission, reports: Sequence[ReportKey]) -> Accepted | None:
        """Keep a notification and mark the reports it makes, in one; None: they were made by somebody else.

        Raises as `accept` does. The reserve is not asked: it is what mail that was accepted lives on.
        """
        return await self._keep(replace(self._operation(notification, self._clock.now()), reports=reports))

    async def _keep(self, operation: Accept) -> Accepted | None:
        result = await self._committer.submit(operation)
        if result is not None and not isinstance(result, Accepted):
            raise TypeError(f"the store answered an Accept with {result!r}")
        if result is not None and result.loads and self._on_accepted is not None:
            self._on_accepted(result.loads)
        return result

    def _operation(self, submission: Submission, now: Instant) -> Accept:
        persons: dict[PersonKey, Recipient] = {}
        for recipient in submission.recipients:
            persons.setdefault(self._codec.person_key(recipient.forward_path), recipient)
        deliveries = [_new(recipient, key) for key, recipient in persons.items()]
        return Accept(
            stream=submission.stream,
            priority=submission.priority,
            reverse_path=str(submission.reverse_path) if submission.reverse_path is not None else "",
            message_id=submission.message_id,
            parts=_parts(submission.content),
            deliveries=deliveries,
            accepted_at=now,
            expires_at=self._schedule.expires_at(now),
            is_marketing=submission.is_marketing,
            idempotency_key=submission.idempotency_key,
            fingerprint=submission.fingerprint,
            account=submission.account,
            ret=submission.ret,
            envid=submission.envid,
            is_smtputf8=submission.is_smtputf8,
            label=submission.label,
            tag=submission.tag,
            return_path=submission.return_path,
            events=[self._queued(one, submission.message_id, now) for one in deliveries],
        )

    def _queued(self, new: NewDelivery, message_id: str, now: Instant) -> Event:
        return Event(
            id=sortable_id("evt", self._clock),
            type=EventType.QUEUED,
            at=now,
            message_id=message_id,
            recipient=new.recipient,
        )


def _new(recipient: Recipient, key: PersonKey) -> NewDelivery:
    address = recipient.forward_path
    return NewDelivery(
        recipient=str(address),
        recipient_key=key,
        domain=address.domain,
        notify=recipient.notify,
        orcpt=recipient.orcpt,
    )


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _parts(content: bytes | Spooled) -> Parts:
    if isinstance(content, Spooled):
        return content
    return tuple(content[start : start + PART_BYTES] for start in range(0, len(content), PART_BYTES))


def split_content(content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the message in parts of `PART_BYTES`, the last one shorter, however it comes in."""
    pending = bytearray()
    for piece in content:
        pending += piece
        while len(pending) >= PART_BYTES:
            yield bytes(pending[:PART_BYTES])
            del pending[:PART_BYTES]
    if pending:
        yield bytes(pending)
