"""Forwarding: a message is sent on to another address, through our own queue.

Owns what changes on the way: the reverse-path (mail.srs), Delivered-To on top, Return-Path away; the octets below stay
as they came, so DKIM signatures hold.  Not the sending (queue, outbound), nor the way back: a report comes to the
rewritten sender and is routed on like any mail (correspondence.mailboxes.routing).

    * the null sender stays null, and a sender of our own domains stays who they are
    * a message that has been delivered to this very recipient before loops, and goes nowhere; so does one with more
      Received fields than port 25 lets in
    * the job is the idempotency key of the message in the queue: done twice, it is the same message
"""

import re
from collections.abc import Mapping

from tierii_mta.clock import Clock
from tierii_mta.correspondence.mailboxes.delivery import Done, Later, Letter, Never, Outcome, whole
from tierii_mta.errors import Unavailable
from tierii_mta.inbound.inbox import Inbox
from tierii_mta.mail.address import Address
from tierii_mta.mail.message_id import random_message_id
from tierii_mta.mail.srs import is_srs_form, open_srs, rewrite
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.delivery import Priority
from tierii_mta.queue.intake import Intake, Submission
from tierii_mta.queue.received import InboxId
from tierii_mta.smtp.requests import Recipient

STREAM = "forward"
_DELIVERED_TO = re.compile(rb"^delivered-to:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}@[!-;=?-~]{1,250}>")


class Forwarder:
    """Sends letters on. One for all mailboxes."""

    def __init__(
        self,
        *,
        intake: Intake,
        inbox: Inbox,
        codec: TokenCodec,
        clock: Clock,
        domains: Mapping[str, str],
        default: str,
    ) -> None:
        """`domains`: each of ours, return paths and reply domains among them → where rewritten senders are opened;
        `default` is where those are that belong to none.
        """
        self._intake, self._inbox, self._codec, self._clock = intake, inbox, codec, clock
        self._domains, self._default = domains, default

    async def send_on(self, letter: Letter, address: Address) -> Outcome:
        """Put a letter to an address into the queue; one to a rewritten sender goes to the sender."""
        to = await self._opened(address)
        if to is None:
            return Never(reason=f"the sender that {address} stands for is not known any more")
        octets = await whole(letter, with_return_path=False)
        head = octets[: octets.find(b"\r\n\r\n") + 2]
        marks = {found[1].strip().lower() for found in _DELIVERED_TO.finditer(head)}
        if letter.job.recipient.lower().encode() in marks:
            return Never(reason=f"it loops: it was delivered to {letter.job.recipient} before")
        message_id = letter.entry.message_id or ""
        submission = Submission(
            stream=STREAM,
            reverse_path=self._reverse_path(letter),
            recipients=[Recipient(forward_path=to)],
            content=f"Delivered-To: {letter.job.recipient}\r\n".encode() + octets,
            message_id=message_id
            if _MESSAGE_ID.fullmatch(message_id)
            else random_message_id(self._clock, self._default),
            priority=Priority.NORMAL,
            idempotency_key=str(letter.job.id),
            is_smtputf8=letter.is_smtputf8,
        )
        try:
            kept = await self._intake.accept(submission)
        except Unavailable as failure:
            return Later(reason=str(failure))
        return Done(answer=f"queued as {kept.message} for {to}")

    async def _opened(self, address: Address) -> Address | None:
        """Return where an address leads: a rewritten sender of ours leads to the sender."""
        if address.domain not in self._domains or not is_srs_form(address.local):
            return address
        sender = open_srs(self._codec, address.local)  # in time when it came: port 25 looked
        if isinstance(sender, int):
            kept = await self._inbox.get(InboxId(sender))
            return Address.parse(kept.entry.reverse_path) if kept is not None and kept.entry.reverse_path else None
        return sender

    def _reverse_path(self, letter: Letter) -> Address | None:
        sender = letter.reverse_path
        if sender is None or sender.domain in self._domains:
            return sender
        own = letter.job.mailbox.partition("/")[0] if "/" in letter.job.mailbox else letter.job.recipient
        domain = self._domains.get(own.rpartition("@")[2], self._default)
        return rewrite(self._codec, sender, domain=domain, number=letter.job.inbox, at=self._clock.now())


class ForwardDeliverer:
    """Delivers to one address."""

    def __init__(self, forwarder: Forwarder, address: Address) -> None:
        self._forwarder, self._address = forwarder, address

    async def deliver(self, letter: Letter) -> Outcome:
        """Send the letter on."""
        return await self._forwarder.send_on(letter, self._address)
