"""Reading replies: bytes in, in whatever pieces they come, `Reply` values out.

Owns the syntax of RFC 5321 §4.2 and the enhanced codes of RFC 2034 in front of each line; not which reply fits the
dialogue (smtp.client).  Lenient where no meaning is lost (a bare LF ends a line, the space after the code may be
missing), strict where the peer cannot be following the protocol.  Bounded by smtp.limits.  Pure.
"""

from tierii_mta.mail.reply import EnhancedCode, Reply
from tierii_mta.smtp import limits

_CODES = {b"%03d" % code: code for code in range(200, 600)}  # 1xx does not occur in SMTP
_FINAL = (b"", b" ")
_MORE = b"-"


class MalformedReply(Exception):
    """The peer's bytes are no reply, or one beyond our limits. The text says how, safe for logs."""


class ReplyReader:
    """Takes bytes and gives replies. After `MalformedReply` the stream has no meaning any more."""

    __slots__ = ("_buffer", "_code", "_lines", "_octets")

    def __init__(self) -> None:
        self._buffer = b""  # not yet parsed; never more than one feed beyond the reply limit
        self._code = b""  # of the multi-line reply under way
        self._lines: list[bytes] = []
        self._octets = 0  # of the lines under way

    @property
    def is_empty(self) -> bool:
        """Whether no byte waits: neither a reply under way nor one not yet taken."""
        return not self._buffer and not self._lines

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire."""
        self._buffer = self._buffer + data if self._buffer else data

    def next_reply(self) -> Reply | None:
        """Return the next whole reply, or None until more bytes come. Raises `MalformedReply`."""
        while True:
            end = self._buffer.find(b"\n")
            if self._octets + (len(self._buffer) if end < 0 else end + 1) > limits.REPLY_OCTETS:
                raise MalformedReply(f"a reply of more than {limits.REPLY_OCTETS} octets")
            if end < 0:
                return None
            line = self._buffer[:end]
            self._buffer = self._buffer[end + 1 :]
            self._octets += end + 1
            if self._take_line(line.removesuffix(b"\r")):
                return self._take_reply()

    def _take_line(self, line: bytes) -> bool:
        """Add a line to the reply under way; True if it is the last one."""
        code, mark = line[:3], line[3:4]
        if code not in _CODES or not (mark in _FINAL or mark == _MORE):
            raise MalformedReply(f"not a reply: {excerpt(line)}")
        if self._lines and code != self._code:
            raise MalformedReply(f"a reply whose code changes from {self._code.decode()} to {code.decode()}")
        if len(self._lines) >= limits.REPLY_LINES:
            raise MalformedReply(f"a reply of more than {limits.REPLY_LINES} lines")
        self._code = code
        self._lines.append(line[4:])
        return mark != _MORE

    def _take_reply(self) -> Reply:
        lines, self._lines, self._octets = self._lines, [], 0
        if len(lines) == 1:
            text = safe_text(lines[0])
            enhanced = EnhancedCode.parse(text)
            return Reply(_CODES[self._code], (_without(text, enhanced) if enhanced else text,), enhanced)
        texts = [safe_text(line) for line in lines]
        enhanced = EnhancedCode.parse(texts[0])
        if enhanced:
            texts = [_without(text, enhanced) for text in texts]
        return Reply(_CODES[self._code], tuple(texts), enhanced)


def _without(text: str, enhanced: EnhancedCode) -> str:
    """Return a line without its enhanced code; a line that carries another one, or none, stays whole."""
    return text.partition(" ")[2] if EnhancedCode.parse(text) == enhanced else text


def safe_text(raw: bytes) -> str:
    r"""Return a peer's bytes as text for logs: UTF-8 where valid, everything unprintable as `\x00`, `\u2028`."""
    text = raw.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def excerpt(raw: bytes) -> str:
    """Return the beginning of a peer's bytes, quoted, for an error message of ours."""
    text = safe_text(raw[: limits.EXCERPT_CHARACTERS])
    return f'"{text[: limits.EXCERPT_CHARACTERS]}"' + ("…" if len(raw) > limits.EXCERPT_CHARACTERS else "")
