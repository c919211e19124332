"""Header fields: reading them as they stand, writing them so that nothing can be injected.

Owns field syntax, folding, display names, encoded words and dates; not which fields a mail has (campaigns, daemon)
nor MIME structure (mail.compose).  A field that was read is never re-serialised.  A field that is written is either
refused (`HeaderInjection`) or exactly one field.  RFC 5322 §2.2 and §3, RFC 2047, RFC 6532 (UTF-8 in addresses).  Pure.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.clock import Instant, to_datetime
from tierii_mta.mail.address import Address

MAX_LINE_OCTETS = 998  # without CR LF, RFC 5322 §2.1.1
FOLD_COLUMNS = 78
_WORD_LINE_COLUMNS = 76  # of a line with an encoded word, RFC 2047 §2
_WORD_COLUMNS = 75
_MIN_WORD_ROOM = 24
_MAX_QUOTED_NAME = 60  # a longer display name is written as encoded words, which can be folded anywhere

_NAME = re.compile(r"[!-9;-~]{1,76}")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)")
_CONTROL = re.compile(r"[\r\n\0]")
_PLAIN = re.compile(r"(?:[!-~]+(?: +[!-~]+)*)?")
_LAST_SPACE = re.compile(r" (?=[^ ])")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_NEEDS_ESCAPE = re.compile(r'(["\\])')
_WORD_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")  # RFC 2047 §5 (3)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class HeaderInjection(ValueError):
    """A name or value that would be more than one field, or none: CR, LF or NUL in it, or no field name at all."""


class MalformedHeader(ValueError):
    """A line of a header that is neither a field nor the continuation of one."""


@dataclass(frozen=True, slots=True)
class HeaderField:
    """A field as it stands in a message: its name as written and all its octets, line ends included."""

    name: str
    raw: bytes

    @property
    def value(self) -> bytes:
        """What follows the colon, unfolded, without white space around it."""
        return self.raw.partition(b":")[2].replace(b"\r\n", b"").replace(b"\n", b"").strip(b" \t")


def parse_header_block(message: bytes) -> tuple[list[HeaderField], int]:
    """Return the fields of a message, in order, and where its body starts. Lines may end in LF alone.

    Without an empty line all is header and the body is empty. Raises `MalformedHeader`.  Linear.
    """
    fields: list[HeaderField] = []
    position, end = 0, len(message)
    while position < end:
        found = _FIELD.match(message, position)
        if found is None:
            if message.startswith(b"\r\n", position):
                return fields, position + 2
            if message.startswith(b"\n", position):
                return fields, position + 1
            raise MalformedHeader(f"octet {position} of the message starts a line that is no header field")
        fields.append(HeaderField(found[1].decode("ascii"), found[0]))
        position = found.end()
    return fields, end


def text_field(name: str, value: str) -> bytes:
    """Return a field of free text, such as Subject, encoded (RFC 2047) only where ASCII cannot say it.

    Raises `HeaderInjection`.
    """
    _check(name, value)
    if _PLAIN.fullmatch(value) and "=?" not in value:
        if len(name) + len(value) + 2 <= FOLD_COLUMNS:
            return f"{name}: {value}\r\n".encode("ascii") if value else f"{name}:\r\n".encode("ascii")
        folded = _fold(f"{name}:", _LAST_SPACE.split(value))
        if folded is not None:
            return folded
    words = _encoded_words(value, first_room=_WORD_LINE_COLUMNS - len(name) - 2)
    return f"{name}: {words}\r\n".encode("ascii")


def address_field(name: str, mailboxes: Sequence[tuple[str | None, Address]]) -> bytes:
    """Return From, To, Reply-To, …: display names quoted or encoded as they need, addresses as they are.

    A local part that is not ASCII makes the field UTF-8 (RFC 6532). Raises `HeaderInjection`; ValueError without any
    mailbox.
    """
    if not mailboxes:
        raise ValueError(f"{name} needs at least one address")
    _check(name, "")
    line, lines = f"{name}:", []
    for index, (display, address) in enumerate(mailboxes):
        comma = "," if index < len(mailboxes) - 1 else ""
        room = _WORD_COLUMNS if index else _WORD_LINE_COLUMNS - len(line) - 1  # not the first: on a line of its own
        for piece in _mailbox_pieces(display, address, comma, first_room=room):
            if len(line) + 1 + len(piece.partition("\r\n")[0]) > _WORD_LINE_COLUMNS and line != f"{name}:":
                lines.append(line)
                line = ""
            line = f"{line} {piece}"
            *done, line = line.split("\r\n")
            lines.extend(done)
    lines.append(line)
    return "\r\n".join(lines).encode() + b"\r\n"


def raw_field(name: str, value: str) -> bytes:
    """Return a structured field, such as List-Unsubscribe or Message-ID: never encoded, folded only at its spaces.

    Raises `HeaderInjection`; ValueError for a value that is not printable ASCII or has a word too long for a line.
    """
    _check(name, value)
    if not _PLAIN.fullmatch(value):
        raise ValueError(f"the value of {name} is not printable ASCII")
    if 0 < len(value) <= FOLD_COLUMNS - len(name) - 2:
        return f"{name}: {value}\r\n".encode("ascii")
    folded = _fold(f"{name}:", _LAST_SPACE.split(value))
    if folded is None:
        raise ValueError(f"the value of {name} has a word of more than {MAX_LINE_OCTETS} octets")
    return folded


def date_field(instant: Instant, utc_offset: timedelta = timedelta(0), *, name: str = "Date") -> bytes:
    """Return the date of a message in the given zone, e.g. `Date: Sat, 21 Nov 2026 10:30:00 +0100`."""
    _check(name, "")
    minutes = round(utc_offset / timedelta(minutes=1))
    moment = to_datetime(instant) + timedelta(minutes=minutes)
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    day = f"{_DAYS[moment.weekday()]}, {moment.day} {_MONTHS[moment.month - 1]} {moment.year:04}"
    return f"{name}: {day} {moment.hour:02}:{moment.minute:02}:{moment.second:02} {zone}\r\n".encode("ascii")


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise HeaderInjection(f"{name!r} is not the name of a header field")
    found = _CONTROL.search(value)
    if found:
        raise HeaderInjection(f"the value of {name} holds U+{ord(found[0]):04X}")


def _fold(start: str, words: Iterable[str]) -> bytes | None:
    """Join words with spaces, on a new line where 78 columns are not enough; None if a line would exceed 998.

    The first word stays beside the field's name: some receivers take a name alone on its line for an empty field.
    """
    lines, line = [], start
    for index, word in enumerate(words):
        if index and len(line) + 1 + len(word) > FOLD_COLUMNS:
            lines.append(line)
            line = ""
        line = f"{line} {word}"
        if len(line) > MAX_LINE_OCTETS:
            return None
    lines.append(line.rstrip(" ") if line == f"{start} " else line)
    return "\r\n".join(lines).encode("ascii") + b"\r\n"


def _mailbox_pieces(display: str | None, address: Address, comma: str, *, first_room: int) -> tuple[str, ...]:
    """Return what a mailbox consists of, so that it can be folded between the pieces."""
    text = str(address)
    _check("address", text)
    if not display or not display.strip(" \t"):
        return (f"{text}{comma}",)
    return (_display_name(display, first_room=first_room), f"<{text}>{comma}")


def _display_name(display: str, *, first_room: int) -> str:
    found = _CONTROL.search(display)
    if found:
        raise HeaderInjection(f"a display name holds U+{ord(found[0]):04X}")
    if "=?" not in display and len(display) <= _MAX_QUOTED_NAME:
        if _PHRASE.fullmatch(display):
            return display
        if _PLAIN.fullmatch(display):
            return '"' + _NEEDS_ESCAPE.sub(r"\\\1", display) + '"'
    return _encoded_words(display, first_room=first_room)


def _encoded_words(text: str, *, first_room: int) -> str:
    """Return text as encoded words of at most 75 columns, one a line, characters never split (RFC 2047 §5).

    A lone surrogate, which no charset can say, becomes a question mark.
    """
    octets = [character.encode("utf-8", "replace") for character in text]
    is_q = 2 * sum(character.isascii() for character in text) >= len(text)  # Q stays legible where ASCII prevails
    words: list[str] = []
    chunk: list[bytes] = []
    used, capacity = 0, _capacity(min(max(first_room, _MIN_WORD_ROOM), _WORD_COLUMNS), is_q=is_q)
    for each in octets:
        cost = _q_columns(each) if is_q else len(each)
        if chunk and used + cost > capacity:
            words.append(_encoded_word(chunk, is_q=is_q))
            chunk, used = [], 0
            capacity = _capacity(_WORD_COLUMNS, is_q=is_q)
        chunk.append(each)
        used += cost
    words.append(_encoded_word(chunk, is_q=is_q))
    return "\r\n ".join(words)


def _capacity(columns: int, *, is_q: bool) -> int:
    """Return how much one word of so many columns can hold: columns of Q, octets of B."""
    left = columns - len("=?utf-8?q??=")
    return left if is_q else left // 4 * 3


def _q_columns(octets: bytes) -> int:
    return sum(1 if octet in _WORD_SAFE or octet == 0x20 else 3 for octet in octets)


def _encoded_word(chunk: list[bytes], *, is_q: bool) -> str:
    octets = b"".join(chunk)
    if not is_q:
        return f"=?utf-8?b?{base64.b64encode(octets).decode('ascii')}?="
    text = "".join(chr(o) if o in _WORD_SAFE else "_" if o == 0x20 else f"={o:02X}" for o in octets)
    return f"=?utf-8?q?{text}?="
