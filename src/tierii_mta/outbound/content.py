"""The ContentSource port: the bytes of one delivery, made at the attempt.

Owns the contract between an attempt and whoever knows the content: `campaigns.merge` renders and signs, `storage`
hands out stored messages for signing.  What the first attempt sends every attempt sends; only the DKIM-Signature
may differ.
"""

from dataclasses import dataclass
from typing import Protocol

from tierii_mta.mail.address import Address
from tierii_mta.mail.envelope import DsnRequest
from tierii_mta.queue.delivery import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A message ready for the wire."""

    reverse_path: Address | None  # None: the null sender
    recipient: Address
    data: bytes  # CR LF line ends only, signed, not dot-stuffed
    message_id: str  # with angle brackets
    body_hash: str  # SHA-256 in hex over the bytes before signing
    is_8bit: bool  # some octet above 127 in the body or headers
    needs_smtputf8: bool  # a non-ASCII address in the envelope or a raw UTF-8 header (RFC 6531)
    ret: str | None = None  # what the sender asked for, as in `mail.envelope`
    envid: str | None = None
    request: DsnRequest | None = None
    is_shared: bool = False  # all recipients of the message get these octets and nothing was asked for one of them


class RenderFailed(Exception):
    """The contact's values break the template: nothing but a change of the data will help."""


class WorkerKilled(RenderFailed):
    """No process that renders the mail survives it."""


class ContentSource(Protocol):
    """Where an attempt gets its bytes."""

    async def prepare(self, delivery: Delivery) -> Prepared:
        """Return the signed message of a delivery.

        Raises `RenderFailed`, or lets `errors.Unavailable` through when the store cannot be read now.
        """
