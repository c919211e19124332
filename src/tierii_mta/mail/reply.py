"""SMTP replies as values, and the errors that carry one.

Owns the reply code, the enhanced status code (RFC 3463, registry of RFC 5248) and the text of a reply, whoever gave
it; not what it means for a delivery (outbound.interpret) nor how it is read from the wire (smtp.replies).
RFC 5321 §4.2.
"""

import re
from dataclasses import dataclass
from typing import Self

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?= |$)", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class EnhancedCode:
    """An enhanced mail system status code, `class.subject.detail` (RFC 3463 §2)."""

    klass: int  # 2 success, 4 persistent transient failure, 5 permanent failure
    subject: int
    detail: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the code at the start of `text`, or None where there is none."""
        found = _ENHANCED.match(text)
        return cls(int(found[1]), int(found[2]), int(found[3])) if found else None

    def __str__(self) -> str:
        return f"{self.klass}.{self.subject}.{self.detail}"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: a three-digit code and one or more lines of text, without the enhanced code and line ends.

    `code` 0 never comes from a peer. Text is what a log may show: decoded with `backslashreplace`, no control
    characters.
    """

    code: int
    lines: tuple[str, ...] = ("",)
    enhanced: EnhancedCode | None = None

    @classmethod
    def of(cls, code: int, text: str, enhanced: str | None = None) -> Self:
        """Make a reply of our own, e.g. `Reply.of(451, "try later", "4.4.1")`; ValueError if the code is malformed."""
        parsed = EnhancedCode.parse(enhanced) if enhanced else None
        if enhanced and parsed is None:
            raise ValueError(f"{enhanced!r} is not an enhanced status code")
        return cls(code, (text,), parsed)

    @property
    def text(self) -> str:
        """The lines joined with spaces."""
        return " ".join(self.lines)

    @property
    def is_positive(self) -> bool:
        """2xx or 3xx."""
        return 200 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        """4xx: the same command may succeed later."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """5xx: do not repeat the command unchanged."""
        return 500 <= self.code < 600

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), str(self.enhanced or ""), self.text) if part)


class ReplyError(Exception):
    """A refusal that is known before or instead of a peer's reply, and the reply that says so."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(str(reply))


class TransientError(ReplyError):
    """May succeed later; its reply is 4xx."""


class PermanentError(ReplyError):
    """Will not succeed unchanged; its reply is 5xx."""
