"""What a hostile host does, at which step, and what must become of the mail: the table of the hostile MX rehearsal.

Numbers are those of the list of behaviours in docs/reference/reliability.md.  An outcome is what `why` shows:
`delivered`, `in doubt` (completed with the mark, for campaign mail), `retry`, or the reason of a failure.
"""

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from tests.support.manners import (
    ENDLESS_LINES,
    TEN_MEGABYTES,
    Act,
    after,
    answers_client_hello,
    answers_ehlo,
    both,
    endless,
    hangs_up,
    once,
    resets,
    says,
    silence,
    starts_tls,
    stops_reading,
    ten_megabytes,
    trickle,
    unread,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One behaviour at some steps. Class and enhanced code are empty for what was delivered."""

    number: str
    what: str
    act: Act
    steps: tuple[str, ...]
    outcome: str
    reply_class: str = ""
    enhanced: str = ""
    tls: str = "opportunistic"


@dataclass(frozen=True, slots=True)
class Case:
    """One behaviour at one step."""

    row: Row
    step: str
    number: int

    @property
    def name(self) -> str:
        policy = "" if self.row.tls == "opportunistic" else f", TLS {self.row.tls}"
        return f"{self.row.number} {self.row.what} at {self.step}{policy}"

    @property
    def domain(self) -> str:
        return f"h{self.number}.example"

    @property
    def address(self) -> str:
        return f"127.2.{self.number // 200}.{self.number % 200 + 1}"


def cases(*tables: Sequence[Row]) -> tuple[Case, ...]:
    """Return the tables' cases, each with a number of its own."""
    pairs: Iterator[tuple[Row, str]] = ((row, step) for row in chain(*tables) for step in row.steps)
    return tuple(Case(row, step, number) for number, (row, step) in enumerate(pairs))


_BEFORE = ("banner", "EHLO", "MAIL", "RCPT", "DATA")
_SPARED = ("STARTTLS", "QUIT")  # a failed STARTTLS is followed by plaintext, and after QUIT nothing is owed


def _anywhere(number: str, what: str, act: Act, reply_class: str, enhanced: str) -> tuple[Row, ...]:
    """A reply that is none: tried again before the final dot, in doubt after it."""
    return (
        Row(number, what, act, _BEFORE, "retry", reply_class, enhanced),
        Row(number, what, act, ("dot",), "in doubt", reply_class, enhanced),
        Row(number, what, act, _SPARED, "delivered"),
    )


_GOES_DOWN = says(b"421 4.3.2 going down\r\n", then_close=True)
_GO_AWAY = says(b"554 5.7.1 go away\r\n")
_BINARY = says(b"451 4.3.0 \0\x1b[31m\xff\xfe\x85 broken\r\n")

ROWS: tuple[Row, ...] = (
    *_anywhere("1, 17", "silence", silence, "BadConnection", "4.4.2"),
    *_anywhere("4", "an octet at a time", trickle, "BadConnection", "4.4.2"),
    *_anywhere("5", "endless lines", endless, "ProtocolErrors", "4.5.0"),
    *_anywhere("7, 24", "a line of 10 MB", ten_megabytes, "ProtocolErrors", "4.5.0"),
    *_anywhere("16", "FIN", hangs_up, "BadConnection", "4.4.2"),
    *_anywhere("14", "RST", resets, "BadConnection", "4.4.2"),
    *_anywhere("20", "a cut reply", says(b"25", then_close=True), "BadConnection", "4.4.2"),
    *_anywhere("20", "a short code", says(b"25\r\n"), "ProtocolErrors", "4.5.0"),
    *_anywhere("21", "changing codes", says(b"250-a\r\n550 b\r\n"), "ProtocolErrors", "4.5.0"),
    *_anywhere("24", "no reply at all", says(b"\0\xff\xfe hello\r\n"), "ProtocolErrors", "4.5.0"),
    # refusals: the host has spoken, so the dot leaves no doubt
    Row("3", "421", _GOES_DOWN, (*_BEFORE, "dot"), "retry", "TransientFailure", "4.3.2"),
    Row("3", "421", _GOES_DOWN, _SPARED, "delivered"),
    Row("2", "554", _GO_AWAY, ("banner", "EHLO", "MAIL"), "retry", "SpamBlock", "5.7.1"),
    Row("2", "554", _GO_AWAY, ("RCPT", "DATA", "dot"), "rejected", "PolicyRelated", "5.7.1"),
    Row("2", "554", _GO_AWAY, _SPARED, "delivered"),
    Row("24", "451 with NULs", _BINARY, (*_BEFORE, "dot"), "retry", "TransientFailure", "4.3.0"),
    Row("24", "451 with NULs", _BINARY, _SPARED, "delivered"),
    # out of step
    Row("25", "354", says(b"354 go\r\n"), ("banner", "EHLO", "MAIL", "RCPT"), "retry", "ProtocolErrors", "4.5.0"),
    Row("25", "354", says(b"354 go\r\n"), ("dot",), "in doubt", "ProtocolErrors", "4.5.0"),
    Row("25", "354", says(b"354 go\r\n"), _SPARED, "delivered"),
    Row("25", "two replies", says(b"250 a\r\n250 b\r\n"), ("MAIL", "RCPT"), "retry", "ProtocolErrors", "4.5.0"),
    Row("25", "two replies", says(b"250 a\r\n250 b\r\n"), ("dot",), "delivered"),
    Row("25", "two greetings", says(b"220 a\r\n220 b\r\n"), ("banner",), "retry", "ProtocolErrors", "4.5.0"),
    Row("25", "FIN behind the reply", answers_ehlo(hangs_up), ("EHLO",), "retry", "BadConnection", "4.4.2"),
    Row("12", "250 for 354", says(b"250 ok\r\n"), ("DATA",), "retry", "ProtocolErrors", "4.5.0"),
    Row("15", "554 before the dot", says(b"354 go\r\n554 5.6.0\r\n"), ("DATA",), "rejected", "ContentRelated", "5.6.0"),
    Row("15", "250 before the dot", says(b"354 go\r\n250 ok\r\n"), ("DATA",), "retry", "ProtocolErrors", "4.5.0"),
    # EHLO and STARTTLS
    Row("6", "502, then HELO", once(says(b"502 5.5.1 what?\r\n"), b"250 mx.example\r\n"), ("EHLO",), "delivered"),
    Row("8", "220 with plaintext behind", says(b"220 go\r\n250 injected\r\n"), ("STARTTLS",), "delivered"),
    Row("9", "a handshake that stalls", answers_client_hello(None), ("STARTTLS",), "delivered"),
    Row("9", "text for a handshake", answers_client_hello(b"500 what?\r\n"), ("STARTTLS",), "delivered"),
    *(
        Row(number, what, act, ("STARTTLS",), "retry", "BadConnection", enhanced, tls="required")
        for number, what, act, enhanced in (
            ("8", "220 with plaintext behind", says(b"220 go\r\n250 injected\r\n"), "4.7.5"),
            ("9", "a handshake that stalls", answers_client_hello(None), "4.7.5"),
            ("9", "text for a handshake", answers_client_hello(b"500 what?\r\n"), "4.7.5"),
            ("1, 17", "silence", silence, "4.4.2"),
        )
    ),
    # MAIL, RCPT, DATA, as hosts refuse them
    Row("10", "452 4.3.1", says(b"452 4.3.1 full\r\n"), ("MAIL",), "retry", "QuotaIssues", "4.3.1"),
    Row("10", "552 5.3.4", says(b"552 5.3.4 too big\r\n"), ("MAIL",), "rejected", "ContentRelated", "5.3.4"),
    Row("10", "550 5.1.8", says(b"550 5.1.8 bad sender\r\n"), ("MAIL",), "error", "InvalidSender", "5.1.8"),
    Row("11", "251", says(b"251 2.1.5 will forward\r\n"), ("RCPT",), "delivered"),
    Row("11", "450", says(b"450 4.2.0 mailbox busy\r\n"), ("RCPT",), "retry", "TransientFailure", "4.2.0"),
    Row("11", "452 4.2.2", says(b"452 4.2.2 over quota\r\n"), ("RCPT",), "retry", "QuotaIssues", "4.2.2"),
    Row("11", "452 4.5.3", says(b"452 4.5.3 too many\r\n"), ("RCPT",), "retry", "TooManyRecipients", "4.5.3"),
    Row("11", "550 5.1.1", says(b"550 5.1.1 who?\r\n"), ("RCPT",), "bounced", "InvalidRecipient", "5.1.1"),
    Row("11", "550", says(b"550 no\r\n"), ("RCPT",), "rejected", "Uncategorized", ""),
    Row("12", "354 late", after(1.0, says(b"354 go\r\n")), ("DATA",), "delivered"),
    # after the dot
    Row("14", "RST in a body that was all sent", resets, ("body",), "in doubt", "BadConnection", "4.4.2"),
    Row("18", "250 then RST", both(says(b"250 2.0.0 ok\r\n"), resets), ("dot",), "delivered"),
    Row("19", "252", says(b"252 2.0.0 perhaps\r\n"), ("dot",), "delivered"),
    Row("19", "200", says(b"200 fine\r\n"), ("dot",), "delivered"),
    Row("24", "250 with NULs", says(b"250 2.0.0 \0\xff ok\r\n"), ("dot",), "delivered"),
    Row("22", "greylisting", once(says(b"451 4.7.1 greylisted\r\n"), b"250 ok\r\n"), ("RCPT", "dot"), "delivered"),
)  # fmt: skip


def tls_rows(context: ssl.SSLContext) -> tuple[Row, ...]:
    """Return what hosts do with a handshake that `context`, whose certificate nobody vouches for, can finish."""
    finishes, breaks = starts_tls(context), starts_tls(context, resets)
    return (
        Row("9", "a certificate of nobody", finishes, ("STARTTLS",), "delivered"),
        Row("9", "a certificate of nobody", finishes, ("STARTTLS",), "delivered", tls="required"),
        Row("9", "a certificate of nobody", finishes, ("STARTTLS",), "retry", "BadConnection", "4.7.5", "verified"),
        Row("9", "RST behind the handshake", breaks, ("STARTTLS",), "delivered"),
        Row("9", "RST behind the handshake", breaks, ("STARTTLS",), "retry", "BadConnection", "4.4.2", "required"),
    )


LARGE_BODIES: tuple[Row, ...] = (
    Row("13", "stops reading", stops_reading, ("body",), "retry", "BadConnection", "4.4.2"),
    Row("14", "RST", resets, ("body",), "retry", "BadConnection", "4.4.2"),
    Row("16", "FIN", hangs_up, ("body",), "retry", "BadConnection", "4.4.2"),
    Row("15", "552", unread(b"552 5.3.4 seen enough\r\n"), ("body",), "rejected", "ContentRelated", "5.3.4"),
    Row("15", "421", unread(b"421 4.3.2 going down\r\n"), ("body",), "retry", "TransientFailure", "4.3.2"),
    Row("15", "250", unread(b"250 ok\r\n"), ("body",), "retry", "ProtocolErrors", "4.5.0"),
    Row("20", "a cut reply", unread(b"25"), ("body",), "retry", "BadConnection", "4.4.2"),
    Row("21", "changing codes", unread(b"250-a\r\n550 b\r\n"), ("body",), "retry", "ProtocolErrors", "4.5.0"),
    Row("5", "endless lines", unread(ENDLESS_LINES * 100), ("body",), "retry", "ProtocolErrors", "4.5.0"),
    Row("7, 24", "a line of 10 MB", unread(*TEN_MEGABYTES), ("body",), "retry", "ProtocolErrors", "4.5.0"),
)
"""Of messages larger than the kernel's buffers: what the host does when it has read the beginning."""
