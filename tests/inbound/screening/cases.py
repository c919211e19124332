"""Messages as the checks see them, built from the few facts a test cares about."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from tierii_mta.clock import Instant
from tierii_mta.inbound.checks import Incoming
from tierii_mta.inbound.screening.case import Case, Report
from tierii_mta.inbound.session import Door, Message, Session
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import Purpose
from tierii_mta.queue.received import InboxRecipient
from tierii_mta.smtp.data_reader import Faults

CLIENT = "192.0.2.7"
HEAD = b"""\
From: Ada <ada@elsewhere.example>\r
To: sales@example.com\r
Subject: hello\r
Date: Sat, 21 Nov 2026 10:30:00 +0000\r
Message-ID: <1@elsewhere.example>\r
\r
"""
SALES = InboxRecipient(address="sales@example.com", mailbox="example.com/sales")
BOUNCE = InboxRecipient(address="b+abc@bounce.example.com", token=Purpose.BOUNCE)


def incoming(
    head: bytes = HEAD,
    body: bytes | Sequence[bytes] = b"Hello.\r\n",
    *,
    client: str = CLIENT,
    helo: str = "mx.elsewhere.example",
    sender: str = "ada@elsewhere.example",
    recipients: Sequence[InboxRecipient] = (SALES,),
) -> Incoming:
    """Return a message that is well behaved, but for what is given."""
    pieces = [body] if isinstance(body, bytes) else list(body)
    return Incoming(
        session=Session(
            id="ses_1",
            door=Door.INBOUND,
            remote=ip_address(client),
            remote_port=4711,
            local="192.0.2.1:25",
            started_at=Instant(0),
            client_name=helo,
            is_extended=True,
        ),
        reverse_path=Address.parse(sender) if sender else None,
        recipients=tuple(recipients),
        is_smtputf8=False,
        message=Message(
            head=head,
            body=lambda: iter(pieces),
            size_bytes=len(head) + sum(map(len, pieces)),
            is_8bit=False,
            faults=Faults(),
        ),
    )


def case(*, is_trusted: bool = False, **facts: Any) -> Case:
    """Return a case of such a message."""
    return Case(incoming(**facts), is_trusted=is_trusted)


def rules(report: Report) -> list[str]:
    """Return the rules that were found."""
    return [one.rule for one in report.observations]


def head(*fields: str, without: Sequence[str] = ()) -> bytes:
    """Return a header: the usual fields, but for those named or left out."""
    given = {field.partition(":")[0].lower() for field in fields} | {name.lower() for name in without}
    usual = [line for line in HEAD.decode().split("\r\n")[:-2] if line.partition(":")[0].lower() not in given]
    return "".join(f"{line}\r\n" for line in [*usual, *fields, ""]).encode()
