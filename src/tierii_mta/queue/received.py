"""Received mail as values: what is kept beside the octets of a message that port 25 accepted.

Owns the entry of the inbox and its states; not who may write to whom (inbound), how it is kept (storage) nor what
becomes of it.  It travels through the queue's committer, so that it shares the fsync with everything else.  Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from tierii_mta.clock import Instant
from tierii_mta.mail.tokens import Purpose
from tierii_mta.queue.delivery import Json

InboxId = NewType("InboxId", int)


class InboxState(StrEnum):
    """Where a received message stands."""

    NEW = "new"  # accepted; nobody has looked at it
    QUARANTINED = "quarantined"  # accepted, and kept apart by the checks' verdict
    PROCESSED = "processed"  # read, acted upon, and on its way to its mailboxes


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRecipient:
    """One recipient of a received message, and why we took it."""

    address: str  # as the client wrote it
    mailbox: str | None = None  # `domain/local part` of the settings; None: a signed address
    token: Purpose | None = None  # what the address was signed for


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMailboxJob:
    """A mailbox that a processed message is put into."""

    mailbox: str  # `domain/local part` of the settings, or an address that it is sent on to
    recipient: str  # as the client wrote it


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEntry:
    """A received message, apart from its octets."""

    received_at: Instant
    state: InboxState
    remote: str  # the client's IP address
    client_name: str  # from EHLO or HELO
    tls: str | None
    reverse_path: str  # "" the null sender
    recipients: tuple[InboxRecipient, ...]
    message_id: str | None  # its Message-ID field, with the angle brackets
    size_bytes: int  # with the fields we put on top
    verdict: Mapping[str, Json] = field(default_factory=dict)  # what the checks found
    session: Mapping[str, Json] = field(default_factory=dict)  # further facts of the session
