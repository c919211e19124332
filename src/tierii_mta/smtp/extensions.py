"""What a host offers in its reply to EHLO, and what it therefore cannot take.

Owns reading the keywords of RFC 5321 §4.1.1.1 and the local refusal of a message that needs more than is offered, so
that it costs no transaction and another MX may be asked.  RFC 1870 §6.1 (SIZE), RFC 6152 §3, RFC 6531 §3.2.
Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from tierii_mta.mail.reply import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Why a host cannot take a message."""

    extension: str
    reply: Reply  # permanent, and ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """The extensions of one host; those every transaction asks about are read once."""

    keywords: Mapping[str, str]  # keyword in upper case -> its parameters
    has_pipelining: bool = False
    has_size: bool = False
    has_dsn: bool = False
    size_limit: int | None = None  # octets; None: unknown or none

    @classmethod
    def parse(cls, reply: Reply) -> Self:
        """Return the extensions in a reply to EHLO. The first line is a greeting; malformed lines are nobody's."""
        keywords = {}
        for line in reply.lines[1:]:
            keyword, _, parameters = line.strip().partition(" ")
            if keyword and keyword.isascii():
                keywords[keyword.upper()] = parameters.strip()
        limit = keywords.get("SIZE", "")
        return cls(
            keywords=MappingProxyType(keywords),
            has_pipelining="PIPELINING" in keywords,
            has_size="SIZE" in keywords,
            has_dsn="DSN" in keywords,
            # "0" means no fixed limit; twenty digits are as many as RFC 1870 allows.
            size_limit=int(limit) or None if limit.isascii() and limit.isdigit() and len(limit) <= 20 else None,
        )

    def lack(self, *, size_bytes: int, is_8bit: bool, is_smtputf8: bool) -> Lack | None:
        """Return what this host lacks for a message, the most lasting reason first; None: nothing."""
        if is_smtputf8 and "SMTPUTF8" not in self.keywords:
            return Lack(extension="SMTPUTF8", reply=Reply.of(553, "the host does not offer SMTPUTF8", "5.6.7"))
        if is_8bit and "8BITMIME" not in self.keywords:
            return Lack(extension="8BITMIME", reply=Reply.of(554, "the host does not offer 8BITMIME", "5.6.3"))
        if self.size_limit is not None and size_bytes > self.size_limit:
            text = f"the message has {size_bytes} octets, the host takes {self.size_limit}"
            return Lack(extension="SIZE", reply=Reply.of(552, text, "5.3.4"))
        return None


NONE = Extensions(keywords=MappingProxyType({}))
