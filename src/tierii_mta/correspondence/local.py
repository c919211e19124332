"""Mail to ourselves: what we send to an address that port 25 knows goes into the inbox, not over the wire.

Owns that short cut: a mailbox of the settings, or an address that we signed, is reached from here as from outside, and
everything that follows (reading, matching, mailboxes) is the same; only the checks are left out, for the sender is one
of us.  Everybody else goes the way out that stands behind it: also who is unknown here, since the domain's MX may be
another server.  Implements `queue.hand.Deliver`.

A copy in the inbox and the settled delivery are two commits; killed between them, the copy comes twice (as any
delivery whose final reply got lost).
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from tierii_mta.clock import Clock, later
from tierii_mta.errors import Unavailable
from tierii_mta.inbound.mailboxes import Known, Mailboxes
from tierii_mta.inbound.reception import MAX_HOPS
from tierii_mta.inbound.trace import hops, return_path
from tierii_mta.mail.address import Address
from tierii_mta.mail.header import date_field
from tierii_mta.mail.reply import Reply
from tierii_mta.outbound.content import ContentSource, Prepared, RenderFailed
from tierii_mta.outbound.interpret import ACCEPTED, decide
from tierii_mta.outbound.reply_class import ReplyClass
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import (
    Attempt,
    Delivered,
    Delivery,
    Failed,
    FailureReason,
    Lane,
    Outcome,
    Priority,
    Returned,
    Stage,
)
from tierii_mta.queue.hand import Deliver
from tierii_mta.queue.intake import Spooled
from tierii_mta.queue.received import InboxEntry, InboxRecipient, InboxState
from tierii_mta.queue.store import Receive, Received
from tierii_mta.smtp.requests import Notify

_AGAIN = timedelta(seconds=5)
_AT_ONCE = 32  # deliveries of a lane in hand
_LOOP = Reply.of(554, f"more than {MAX_HOPS} hosts passed this on: it loops", "5.4.6")


class LocalDelivery:
    """Delivers to mailboxes of ours, and leaves the rest to another way."""

    def __init__(
        self,
        elsewhere: Deliver,
        *,
        mailboxes: Mailboxes,
        content: ContentSource,
        committer: Committer,
        clock: Clock,
        hostname: str,
    ) -> None:
        """`mailboxes` has the domains that receive here, and no others."""
        self._elsewhere, self._mailboxes, self._content = elsewhere, mailboxes, content
        self._committer, self._clock, self._hostname = committer, clock, hostname

    def receives(self, domain: str) -> bool:
        """Whether mail to a domain may turn back here."""
        return self._mailboxes.receives(domain)

    def room(self, lane: Lane, priority: Priority, most: int) -> int:
        """See the port."""
        if self.receives(lane.domain):
            return min(most, _AT_ONCE)
        return self._elsewhere.room(lane, priority, most)

    async def deliver(self, delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
        """See the port."""
        known = self._known(delivery)
        if known is None:
            return await self._elsewhere.deliver(delivery, activate)
        started = self._clock.monotonic()
        try:
            prepared = await self._content.prepare(delivery)
        except RenderFailed as failure:
            reply = Reply.of(554, str(failure), "5.6.0")
            attempt = Attempt(stage=Stage.RENDER, reply=reply, reply_class=ReplyClass.UNCATEGORIZED, is_local=True)
            return Failed(attempt=attempt, reason=FailureReason.RENDER)
        except Unavailable as failure:
            return Returned(why=str(failure), due=later(self._clock.now(), _AGAIN))
        if hops(prepared.data[: prepared.data.find(b"\r\n\r\n") + 2]) > MAX_HOPS:
            attempt = self._attempt(prepared, _LOOP, started, reply_class=ReplyClass.ROUTING_ERRORS)
            return decide(attempt)
        if not await activate():
            return Returned(why="the delivery is no longer ours")
        try:
            kept = await self._committer.submit(self._operation(delivery, prepared, known))
        except Unavailable as failure:
            reply = Reply.of(451, str(failure), "4.3.0")
            return decide(self._attempt(prepared, reply, started, reply_class=ReplyClass.TRANSIENT_FAILURE))
        if not isinstance(kept, Received):
            raise TypeError(f"the store answered a Receive with {kept!r}")
        reply = Reply.of(250, f"kept in our own inbox as {kept.id}", "2.0.0")
        return Delivered(attempt=self._attempt(prepared, reply, started))

    def _known(self, delivery: Delivery) -> Known | None:
        """Return who of ours it is for. Nearly all mail goes elsewhere, which its lane tells at once."""
        if not self.receives(delivery.lane.domain):
            return None
        found = self._mailboxes.find(Address.parse(delivery.recipient))
        return found if isinstance(found, Known) else None

    def _operation(self, delivery: Delivery, prepared: Prepared, known: Known) -> Receive:
        now = self._clock.now()
        date = date_field(now).partition(b" ")[2]
        trace = f"Received: by {self._hostname} (from itself) id {delivery.id};\r\n\t".encode() + date
        top = return_path(prepared.reverse_path) + trace
        entry = InboxEntry(
            received_at=now,
            state=InboxState.NEW,
            remote="127.0.0.1",
            client_name=self._hostname,
            tls=None,
            reverse_path=str(prepared.reverse_path or ""),
            recipients=(InboxRecipient(address=str(prepared.recipient), mailbox=known.mailbox, token=known.token),),
            message_id=prepared.message_id,
            size_bytes=len(top) + len(prepared.data),
            verdict={"decision": "accept", "findings": []},
            session={
                "delivery": delivery.id,
                "is_8bit": prepared.is_8bit,
                "is_smtputf8": prepared.needs_smtputf8,
            },
        )
        return Receive(entry=entry, parts=Spooled(read=lambda: (top, prepared.data), size_bytes=entry.size_bytes))

    def _attempt(self, prepared: Prepared, reply: Reply, started: float, *, reply_class: str = ACCEPTED) -> Attempt:
        asked = prepared.request.notify if prepared.request is not None else frozenset()
        return Attempt(
            stage=Stage.DOT if reply.is_positive else Stage.ROUTE,
            reply=reply,
            reply_class=reply_class,
            is_local=True,
            mx=self._hostname,
            message_id=prepared.message_id,
            body_hash=prepared.body_hash,
            is_untold=Notify.SUCCESS in asked,
            elapsed=timedelta(seconds=self._clock.monotonic() - started),
        )
