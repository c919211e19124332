"""The inbox, message by message: read, match, act, settle, each once.

Owns the order of the steps, how many messages are in hand, and that a message which cannot be read or acted upon still
reaches its mailbox; not what it means (read, thread, quote), what follows (effects) nor where it is put (mailboxes).

1. `_claim`     new messages are taken into hand under our epoch, oldest first, as many as there is room for
2. `_read`      the octets become a reading, off the event loop and under bounds; one that fails is UNPARSED
3. `_match`     which mail of ours it is about (find_thread), and, with that at hand, what is new in it
4. `effects`    events, marks, suppressions, the conversation
5. `_settle`    all of it, with the jobs of its mailboxes, in one commit

Until 5 nothing is written, so a process may die anywhere: the next one does it again.  A message that ended three
processes or broke our code three times is not looked at any more: it is UNPARSED, and put into its mailbox.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from tierii_mta.clock import Clock, sortable_id
from tierii_mta.consent.suppression import Suppression, SuppressionReason, scope_of
from tierii_mta.correspondence.codec import encode
from tierii_mta.correspondence.effects import Arrival, Case, Effects, effects
from tierii_mta.correspondence.intray import InHand, Intray
from tierii_mta.correspondence.quote import Cut
from tierii_mta.correspondence.reading import EnvelopeFacts, Evidence, Kind, Original, Reading
from tierii_mta.correspondence.sent import Originals, Sent, SentMail, SentStore
from tierii_mta.correspondence.storable import storable, storable_text
from tierii_mta.correspondence.thread import Inquiry, Match, find_thread
from tierii_mta.errors import Unavailable
from tierii_mta.inbound.inbox import Inbox, InboxMessage
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import Purpose, TokenCodec, list_tag, open_signed_address
from tierii_mta.queue.alarm import Alarm
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import DeliveryId, Epoch, Json, State
from tierii_mta.queue.processed import Conclude, Processed
from tierii_mta.queue.received import InboxId, InboxRecipient, NewMailboxJob

MAX_ATTEMPTS = 3
_EVERY_S = 0.5  # between looks at the inbox
_DEAD_EVERY_S = 60.0
_BREATH_S = 1.0  # after a failure of ours
_PATIENCE = 5  # breaths until a delivery that is on the wire has ended
_LARGE_BYTES = 2_000_000  # such messages are in hand one at a time
_PASSED = frozenset({"dmarc_pass", "dmarc_vouched"})
_HUMAN = frozenset({Kind.REPLY, Kind.OTHER, Kind.UNSUBSCRIBE})


class Reader(Protocol):
    """Reads messages, whatever they hold."""

    async def read(self, octets: Sequence[bytes], envelope: EnvelopeFacts) -> Reading:
        """Return what a message is; its octets come in pieces. Raises `Unavailable` if nothing can be read now."""

    async def cut(self, text: str, html: str = "", original: str | None = None) -> Cut:
        """Return what is new in a reply to `original`. Raises `Unavailable`."""


class Router(Protocol):
    """Knows where received mail goes (mailboxes.routing)."""

    def jobs(
        self, recipients: Sequence[InboxRecipient], *, kind: Kind | None = None, answered: str | None = None
    ) -> Sequence[NewMailboxJob]:
        """Return what is to be done with a message."""


def _nobody_counts(found: Effects) -> None:
    """Nobody wants to know."""


class Processor:
    """Processes the inbox; `run` it in one task."""

    def __init__(
        self,
        *,
        intray: Intray,
        inbox: Inbox,
        store: SentStore,
        originals: Originals,
        reader: Reader,
        router: Router,
        committer: Committer,
        codec: TokenCodec,
        clock: Clock,
        epoch: Epoch,
        concurrency: int = 16,
        on_processed: Callable[[Effects], None] = _nobody_counts,
    ) -> None:
        """`on_processed` hears of each message that ended."""
        self._intray, self._inbox, self._store, self._originals = intray, inbox, store, originals
        self._reader, self._router, self._committer = reader, router, committer
        self._codec, self._clock, self._epoch = codec, clock, epoch
        self._concurrency, self._on_processed = concurrency, on_processed
        self._sent_mail = SentMail(store, originals, codec)
        self._in_hand: dict[InboxId, asyncio.Task[None]] = {}
        self._large = asyncio.Lock()
        self._alarm = Alarm(clock)
        self._looked_for_dead = float("-inf")

    def ring(self) -> None:
        """Say that there may be new mail."""
        self._alarm.ring()

    async def run(self, stop: asyncio.Event) -> None:
        """Process until asked to stop, then let what is in hand end. Cancelled, it lets go of what it has."""
        try:
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(self._alarm.ring_at(stop))
                while not stop.is_set():
                    for one in await self._claim():
                        self._in_hand[one.message.id] = group.create_task(self._process(one))
                    await self._alarm.wait(_EVERY_S)
                asked.cancel()
        finally:
            if self._in_hand:
                await self._intray.release(list(self._in_hand), self._epoch, is_tried=False)

    # -- 1. what is taken

    async def _claim(self) -> Sequence[InHand]:
        room = self._concurrency - len(self._in_hand)
        if room < self._concurrency / 2 or self._committer.is_sick:  # a claim is a commit: better one for several
            return ()
        try:
            await self._free_dead()
            return await self._intray.claim(self._epoch, limit=room)
        except Unavailable as failure:
            structlog.get_logger().warning("inbox.unread", error=str(failure))
            return ()

    async def _free_dead(self) -> None:
        if self._clock.monotonic() - self._looked_for_dead >= _DEAD_EVERY_S:
            freed = await self._intray.free_dead(self._epoch, self._clock.now())
            self._looked_for_dead = self._clock.monotonic()
            if freed:
                structlog.get_logger().warning("inbox.freed", messages=freed)

    # -- one message

    async def _process(self, one: InHand) -> None:
        number = one.message.id
        try:
            await self._conclude(one)
        except Unavailable as failure:
            structlog.get_logger().warning("inbox.deferred", inbox=number, error=str(failure))
            await self._let_go(number, is_tried=False)
        except Exception:
            structlog.get_logger().exception("inbox.failed", inbox=number, attempt=one.attempts)
            await self._let_go(number, is_tried=True)
        del self._in_hand[number]
        if not self._committer.is_taking_in:  # then clients wait, and nobody for us: rounds come by the clock
            self._alarm.ring()

    async def _let_go(self, number: InboxId, *, is_tried: bool) -> None:
        """Have it done again, after a breath; what cannot be let go now is freed when this process ends."""
        await self._clock.sleep(_BREATH_S)
        try:
            await self._intray.release([number], self._epoch, is_tried=is_tried)
        except Unavailable as failure:
            structlog.get_logger().warning("inbox.held", inbox=number, error=str(failure))

    async def _conclude(self, one: InHand) -> None:
        message = one.message
        if one.attempts > MAX_ATTEMPTS:
            why = f"{MAX_ATTEMPTS} attempts came to no end"
            await self._settle(message, _unparsed(why), None, None, Effects(kind=Kind.UNPARSED, notes=[why]))
            return
        reading = await self._read(message)
        match, sent = await self._match(message, reading)
        case = Case(
            arrival=_arrival(message),
            reading=reading,
            match=match,
            sent=sent,
            left=await self._left(message) if sent is None else None,
            author_key=self._key(reading.sender),
            words=await self._words(reading, sent),
            now=self._clock.now(),
            new_id=lambda: sortable_id("evt", self._clock),
        )
        await self._settle(message, reading, match, sent, effects(case))

    # -- 2. what it is

    async def _read(self, message: InboxMessage) -> Reading:
        if message.entry.size_bytes < _LARGE_BYTES:
            return await self._read_whole(message)
        async with self._large:
            return await self._read_whole(message)

    async def _read_whole(self, message: InboxMessage) -> Reading:
        octets = [part async for part in self._inbox.parts(message.id)]
        envelope = EnvelopeFacts(
            reverse_path=message.entry.reverse_path or None,
            purposes=sorted(_arrival(message).purposes),
            received_at=message.entry.received_at,
        )
        try:
            return storable(await self._reader.read(octets, envelope))
        except Unavailable:
            raise
        except Exception as fault:  # whatever a hostile message does to its reader, it is kept and goes to its mailbox
            structlog.get_logger().warning("inbox.unparsed", inbox=message.id, error=repr(fault))
            return _unparsed(f"{type(fault).__name__}: {fault}")

    # -- 3. what it is about

    async def _match(self, message: InboxMessage, reading: Reading) -> tuple[Match | None, Sent | None]:
        inquiry = Inquiry(
            recipients=[*_signed_first(message.entry.recipients), *reading.references.recipients],
            references=reading.references,
            enclosed=_enclosed(reading),
            sender=reading.sender,
            is_authenticated=_arrival(message).is_authenticated,
            received_at=message.entry.received_at,
        )
        match = await find_thread(inquiry, self._sent_mail, self._codec)
        if match is None or match.delivery is None:
            return match, None
        return match, await self._sent(match.delivery, reading)

    async def _sent(self, delivery: DeliveryId, reading: Reading) -> Sent | None:
        """Return the delivery as it ended: a report may be here before the 250 that it follows was committed."""
        answered_by = self._key(reading.sender)
        sent = await self._store.sent(delivery, answered_by=answered_by)
        for _ in range(_PATIENCE):
            if sent is None or sent.state is not State.ACTIVE or reading.kind is not Kind.BOUNCE:
                break
            await self._clock.sleep(_BREATH_S)
            sent = await self._store.sent(delivery, answered_by=answered_by)
        return sent

    async def _left(self, message: InboxMessage) -> Suppression | None:
        """Return who leaves what by the address that the message came to."""
        for recipient in message.entry.recipients:
            address = Address.parse_or_none(recipient.address) if recipient.token is Purpose.UNSUBSCRIBE else None
            found = open_signed_address(self._codec, address) if address is not None else None
            if found is not None and found.leaver is not None:
                tag = found.leaver.list_tag
                left = next((name for name in await self._store.list_ids() if list_tag(name) == tag), None)
                return Suppression(
                    key=found.leaver.key,
                    scope=scope_of(left),
                    reason=SuppressionReason.UNSUBSCRIBE,
                    evidence="mailto",
                    created_at=self._clock.now(),
                )
        return None

    async def _words(self, reading: Reading, sent: Sent | None) -> str:
        """Return what is new in what a human wrote."""
        if reading.kind not in _HUMAN:
            return ""
        original = await self._originals.original(sent.delivery) if sent is not None else None
        said = original.text if original is not None else None
        return storable_text((await self._reader.cut(reading.text, reading.html, said)).words)

    def _key(self, text: str | None) -> PersonKey | None:
        address = Address.parse_or_none(text)
        return self._codec.person_key(address) if address is not None else None

    # -- 5. what is kept

    async def _settle(
        self, message: InboxMessage, reading: Reading, match: Match | None, sent: Sent | None, found: Effects
    ) -> None:
        answered = sent.answers_go_to or None if sent is not None else None
        jobs = self._router.jobs(message.entry.recipients, kind=found.kind, answered=answered)
        operation = Conclude(
            message=message.id,
            epoch=self._epoch,
            processed=Processed(
                at=self._clock.now(),
                kind=str(found.kind),
                sender=reading.sender,
                subject=reading.subject,
                reading=_kept(reading),
                delivery=match.delivery if match is not None else None,
                trust=str(match.trust) if match is not None else None,
                effects=_trail(match, found),
            ),
            events=found.events,
            suppressions=found.suppressions,
            halt=found.halt,
            said=found.said,
            failed=found.failed,
            mailboxes=jobs,
        )
        if not await self._committer.submit(operation):
            structlog.get_logger().warning("inbox.lost", inbox=message.id)  # taken for dead: somebody else has it
            return
        self._on_processed(found)
        structlog.get_logger().info(
            "message.processed",
            inbox=message.id,
            kind=found.kind.value,
            delivery=operation.processed.delivery,
            trust=operation.processed.trust,
            mailboxes=len(jobs),
            notes=list(found.notes),
        )


def _arrival(message: InboxMessage) -> Arrival:
    entry = message.entry
    findings = entry.verdict.get("findings")
    checks = {one.get("check") for one in findings if isinstance(one, dict)} if isinstance(findings, list) else set()
    return Arrival(
        id=message.id,
        at=entry.received_at,
        purposes=frozenset(one.token for one in entry.recipients if one.token is not None),
        is_authenticated=bool(checks & _PASSED),
    )


def _signed_first(recipients: Sequence[InboxRecipient]) -> list[str]:
    """Return the addresses, those that tell a person's will before all others."""
    ordered = sorted(recipients, key=lambda one: (one.token is not Purpose.UNSUBSCRIBE, one.token is None))
    return [one.address for one in ordered]


def _enclosed(reading: Reading) -> Original | None:
    told = reading.bounce or reading.complaint
    return told.original if told is not None else None


def _unparsed(why: str) -> Reading:
    return Reading(kind=Kind.UNPARSED, evidence=[Evidence(rule="unparsed", where="message", detail=why[:200])])


def _kept(reading: Reading) -> dict[str, Json]:
    """Return the reading as it is kept: the octets have the texts."""
    return {name: value for name, value in encode(reading).items() if name not in ("text", "html")}


def _trail(match: Match | None, found: Effects) -> dict[str, Json]:
    matched: dict[str, Json] = {}
    if match is not None:
        matched = {"route": str(match.route), "is_participant": match.is_participant}
    return {**matched, "notes": list(found.notes)}
