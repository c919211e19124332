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
_KNOWN_REPLIES = 16
_KNOWN_OCTETS = 64


class MalformedReply(Exception):
    """The peer's bytes are no reply, or one beyond our limits. The text says how, safe for logs."""


class ReplyReader:
    """Takes bytes and gives replies. After `MalformedReply` the stream has no meaning any more."""

    __slots__ = ("_buffer", "_code", "_known", "_lines", "_octets")

    def __init__(self) -> None:
        self._buffer = b""  # not yet parsed; never more than one feed beyond the reply limit
        self._code = b""  # of the multi-line reply under way
        self._lines: list[bytes] = []
        self._octets = 0  # of the lines under way
        self._known: dict[bytes, Reply] = {}  # a host says "250 2.1.0 Ok" once a message: parse it once a connection

    @property
    def is_empty(self) -> bool:
        """Whether no byte waits: neither a reply under way nor one not yet taken."""
        return not self._buffer and not self._lines

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire."""
        self._buffer = self._buffer + data if self._buffer else data

    def next_reply(self) -> Reply | None:
        """Return the next whole reply, or None until more bytes come. Raises `MalformedReply`."""
        while self._buffer:
            end = self._buffer.find(b"\n") + 1
            self._check_size(end or len(self._buffer))
            if not end:
                return None
            line, self._buffer = self._buffer[:end], self._buffer[end:]
            if not self._lines and (known := self._known.get(line)):
                return known
            self._octets += end
            if self._take_line(line.removesuffix(b"\n").removesuffix(b"\r")):
                return self._take_reply(line)
        return None

    def _check_size(self, octets: int) -> None:
        if self._octets + octets > limits.REPLY_OCTETS:
            raise MalformedReply(f"a reply of more than {limits.REPLY_OCTETS} octets")

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

    def _take_reply(self, last_line: bytes) -> Reply:
        texts = [safe_text(line) for line in self._lines]
        enhanced = EnhancedCode.parse(texts[0])
        if enhanced:
            texts = [_without(text, str(enhanced)) for text in texts]
        reply = Reply(_CODES[self._code], tuple(texts), enhanced)
        if len(texts) == 1 and len(last_line) <= _KNOWN_OCTETS:
            if len(self._known) >= _KNOWN_REPLIES:
                self._known.clear()
            self._known[last_line] = reply
        self._lines, self._octets = [], 0
        return reply


def _without(text: str, enhanced: str) -> str:
    """Return a line without the reply's enhanced code; a line that carries another one, or none, stays whole."""
    code, _, rest = text.partition(" ")
    return rest if code == enhanced else text


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
