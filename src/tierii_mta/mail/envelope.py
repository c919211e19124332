"""The envelope: what MAIL FROM and RCPT TO say, apart from the message itself.

RFC 5321 §2.3.1; the parameters are those of RFC 1870 (SIZE), RFC 6152 (8BITMIME) and RFC 6531 (SMTPUTF8).  Pure.
"""

from dataclasses import dataclass

from tierii_mta.mail.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One transaction's envelope."""

    reverse_path: Address | None  # None: the null sender, `<>`
    recipients: tuple[Address, ...]  # at least one
    size_bytes: int
    is_8bit: bool = False
    needs_smtputf8: bool = False
