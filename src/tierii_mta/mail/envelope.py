"""The envelope: what MAIL FROM and RCPT TO say, apart from the message itself.

RFC 5321 §2.3.1; the parameters are those of RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8) and RFC 3461
(DSN).  Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tierii_mta.mail.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class DsnRequest:
    """What the sender wants to be told of one recipient."""

    notify: frozenset[str] = frozenset()  # NEVER, or some of SUCCESS, FAILURE, DELAY; empty: not said
    orcpt: str | None = None  # `type;xtext`


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One transaction's envelope."""

    reverse_path: Address | None  # None: the null sender, `<>`
    recipients: tuple[Address, ...]  # at least one
    size_bytes: int
    is_8bit: bool = False
    needs_smtputf8: bool = False
    ret: str | None = None  # FULL or HDRS
    envid: str | None = None  # in xtext
    requests: Mapping[Address, DsnRequest] = field(default_factory=dict)
