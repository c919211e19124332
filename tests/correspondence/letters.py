"""Letters for the tests of this package: a header, a body, and the envelope they came in."""

from tierii_mta.clock import Instant
from tierii_mta.correspondence.read import read
from tierii_mta.correspondence.reading import EnvelopeFacts, Reading
from tierii_mta.mail.tokens import Purpose

SENT = Instant(1_784_538_000_000)  # Mon, 20 Jul 2026 09:00:00 +0000
DATE = "Mon, 20 Jul 2026 11:00:00 +0200"
FROM = "Ann <ann@example.com>"


def letter(body: str = "Hello.", *, content_type: str = "text/plain; charset=utf-8", **fields: str) -> bytes:
    """Return a message; `in_reply_to="<1@x>"` is the field In-Reply-To."""
    header = {"From": FROM, "To": "Shop <shop@sender.example>", "Date": DATE, "Subject": "Hello"}
    header |= {name.replace("_", "-").title(): value for name, value in fields.items()}
    lines = [f"{name}: {value}" for name, value in header.items()]
    return "\r\n".join([*lines, f"Content-Type: {content_type}", "", *body.split("\n")]).encode()


def facts(*purposes: Purpose, reverse_path: str | None = "ann@example.com") -> EnvelopeFacts:
    """Return an envelope to addresses signed for these purposes."""
    return EnvelopeFacts(reverse_path=reverse_path, purposes=purposes, received_at=SENT)


def reading(
    body: str = "Hello.", *purposes: Purpose, reverse_path: str | None = "ann@example.com", **fields: str
) -> Reading:
    """Return what is read from a letter."""
    return read(letter(body, **fields), facts(*purposes, reverse_path=reverse_path))
