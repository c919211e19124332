"""Stored messages at the attempt: the content source of submitted mail.

Owns reading the kept octets and signing them for the author's domain; not how they were composed or taken in
(queue.intake).  A message of a domain we have no key for goes out unsigned: submission decided that it may.  So does
UTF-8 in a header whose sender asked for no SMTPUTF8, as 8-bit text: hosts that know it only so would refuse it else.
Touches the store; signing runs on the caller's threads, because RSA costs more than the event loop should give.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from email.utils import getaddresses
from typing import Protocol

from tierii_mta.authentication.dkim import DkimKey, sign
from tierii_mta.clock import Clock
from tierii_mta.mail.address import Address, InvalidAddress
from tierii_mta.mail.dsn import original_recipient
from tierii_mta.mail.envelope import DsnRequest
from tierii_mta.mail.header import HeaderField, MalformedHeader, parse_header_block
from tierii_mta.mail.tokens import TokenCodec, return_path
from tierii_mta.outbound.content import Prepared, RenderFailed
from tierii_mta.queue.delivery import Delivery, DeliveryId
from tierii_mta.queue.views import StoredMessage


class StoredMessages(Protocol):
    """Where messages are kept."""

    async def stored_message(self, delivery: DeliveryId) -> StoredMessage:
        """Return what a submitted delivery sends, and what its sender asked to be told."""


class StoredContent:
    """Implements `outbound.content.ContentSource` for stored messages. `keys` may be replaced while it runs."""

    def __init__(
        self,
        messages: StoredMessages,
        keys: Mapping[str, Sequence[DkimKey]],
        *,
        codec: TokenCodec,
        clock: Clock,
        threads: Executor,
    ) -> None:
        self.keys = keys  # by author domain, in A-labels
        self._messages, self._codec, self._clock, self._threads = messages, codec, clock, threads

    async def prepare(self, delivery: Delivery) -> Prepared:
        """Return a stored message, signed; see the port for what it raises."""
        if delivery.message is None:
            raise ValueError(f"delivery {delivery.id} has no stored message")
        stored = await self._messages.stored_message(delivery.id)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._sign, delivery, stored)

    def _sign(self, delivery: Delivery, stored: StoredMessage) -> Prepared:
        message = b"".join(stored.parts)
        try:
            fields, body = parse_header_block(message)
        except MalformedHeader as cause:
            raise RenderFailed(f"the stored message has a malformed header: {cause}") from cause
        recipient = Address.parse(delivery.recipient)
        reverse_path = self._reverse_path(delivery, recipient, stored)
        keys = self.keys.get(_author_domain(fields), ())
        signature = sign(message, keys, now=self._clock.now(), expires=None) if keys else b""
        addresses = [recipient] if reverse_path is None else [recipient, reverse_path]
        return Prepared(
            reverse_path=reverse_path,
            recipient=recipient,
            data=signature + message,
            message_id=_value(fields, "message-id"),
            body_hash=hashlib.sha256(message).hexdigest(),
            is_8bit=not message.isascii(),
            needs_smtputf8=(stored.is_smtputf8 and not message[:body].isascii())
            or any(each.needs_smtputf8 for each in addresses),
            ret=stored.ret,
            envid=stored.envid,
            request=_request(stored, recipient),
            is_shared=not (stored.return_path or stored.ret or stored.envid or stored.has_wishes),
        )

    def _reverse_path(self, delivery: Delivery, recipient: Address, stored: StoredMessage) -> Address | None:
        if not delivery.reverse_path:
            return None
        if stored.return_path is not None:
            return return_path(self._codec, delivery.id, recipient, stored.return_path)
        return Address.parse(delivery.reverse_path)


def _request(stored: StoredMessage, recipient: Address) -> DsnRequest | None:
    """Return what was asked of a recipient. A sender who asked for anything has it named to the next host as it was
    given to us (RFC 3461 §5.2.1).
    """
    if not (stored.ret or stored.envid or stored.notify or stored.orcpt):
        return None
    return DsnRequest(notify=stored.notify, orcpt=stored.orcpt or original_recipient(recipient))


def _value(fields: Sequence[HeaderField], name: str) -> str:
    return next((field.value.decode("utf-8", "replace").strip() for field in fields if field.name.lower() == name), "")


def _author_domain(fields: Sequence[HeaderField]) -> str:
    """Return the domain of the one author, or nothing where there is not exactly one."""
    authors = getaddresses([_value(fields, "from")])
    try:
        return Address.parse(authors[0][1]).domain if len(authors) == 1 else ""
    except InvalidAddress:
        return ""
