"""Letters for deliverers: a received message and its job, without a database."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from tests.support.clock import START
from tierii_mta.correspondence.mailboxes.delivery import Letter
from tierii_mta.correspondence.mailboxes.jobs import JobId, MailboxJob
from tierii_mta.queue.received import InboxEntry, InboxId, InboxRecipient, InboxState

TOP = b"Return-Path: <ada@elsewhere.example>\r\nReceived: from a by b; now\r\n"
BODY = b"Subject: hello\r\nFrom: ada@elsewhere.example\r\n\r\nHello\r\n.\r\nBye\r\n"


def letter(
    parts: Sequence[bytes] = (TOP, BODY),
    *,
    job: int = 7,
    attempts: int = 1,
    mailbox: str = "example.com/sales",
    recipient: str = "sales@example.com",
    **fields: Any,
) -> Letter:
    """Return a letter whose octets come in these parts; further fields are the entry's."""
    entry: dict[str, Any] = {
        "received_at": START,
        "state": InboxState.NEW,
        "remote": "192.0.2.7",
        "client_name": "mx.elsewhere.example",
        "tls": None,
        "reverse_path": "ada@elsewhere.example",
        "recipients": (InboxRecipient(address=recipient, mailbox=mailbox),),
        "message_id": "<1@elsewhere.example>",
        "size_bytes": sum(map(len, parts)),
    }

    async def read() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    return Letter(
        job=MailboxJob(
            id=JobId(job),
            inbox=InboxId(4711),
            mailbox=mailbox,
            recipient=recipient,
            attempts=attempts,
            created_at=START,
        ),
        entry=InboxEntry(**entry | fields),
        read=read,
    )
