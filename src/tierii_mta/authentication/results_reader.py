"""Authentication-Results of others: read, and taken away where they speak in our name.

Owns the reading of RFC 8601 §2.2, as lenient as the fields in the wild are, and which fields a message may not bring
along (§5): those whose authserv-id is ours, and those so malformed that some reader may take them for ours.  Pure, and
linear in the length of its input.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tierii_mta.authentication.results import NAME, MethodResult, Property
from tierii_mta.mail.address import InvalidAddress, parse_domain

MAX_RESULTS = 100
_SPACE = re.compile(r"\s*")
_COMMENT_MARK = re.compile(r"[()\\]")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ID = re.compile(r'[^\s;()"=]+')
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_VERSION = re.compile(r"[0-9]+")
_BARE = re.compile(r'[^\s;()"]+')
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_END = (b"\r\n", b"\n")
_BARE_CR = re.compile(rb"\r(?!\n)")
_NOT_OF_A_NAME = re.compile(rb"[^A-Za-z0-9-]+")
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
_ODD = re.compile(r"[()\"\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\U0010ffff]|=\?")  # what readers disagree on
_NOT_OF_AN_ID = re.compile(r"[^A-Za-z0-9.-]+")


class MalformedResults(ValueError):
    """Not the value of an Authentication-Results field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignResults:
    """What somebody says they found."""

    authserv_id: str
    results: tuple[MethodResult, ...]


def parse_results(value: str) -> ForeignResults:
    """Read a field's value; raises `MalformedResults`."""
    cursor = _Cursor(value)
    authserv_id = _read_id(cursor)
    return ForeignResults(authserv_id=authserv_id, results=tuple(_read_results(cursor)))


def strip_results(head: bytes, authserv_id: str) -> bytes:
    """Return a header without the Authentication-Results fields that could be read as ours.

    `head` may end with the empty line; what stands behind that stays as it is.  Never raises.
    """
    return b"".join([field for field in split_fields(head) if not _speaks_as(field, authserv_id)])


def split_fields(head: bytes) -> Iterator[bytes]:
    """Yield each field with its continuation lines, malformed ones too; last the empty line and what follows it."""
    field: list[bytes] = []
    for found in _LINE.finditer(head):
        line = found[0]
        is_end = line in _END
        if field and (is_end or line[:1] not in (b" ", b"\t")):
            yield b"".join(field)
            field = []
        if is_end:
            yield head[found.start() :]
            return
        field.append(line)
    if field:
        yield b"".join(field)


def _speaks_as(field: bytes, authserv_id: str) -> bool:
    """Return whether some reader may find our name in it where the authserv-id stands; a bare CR may end a line."""
    if field.startswith(_END):
        return False
    for part in _BARE_CR.split(field) if field.count(b"\r") > field.count(b"\r\n") else (field,):
        name, _, value = part.partition(b":")
        if len(name) >= len(NAME) and _is_of_results(name) and _could_be(value, authserv_id):
            return True
    return False


def _is_of_results(name: bytes) -> bool:
    return _NOT_OF_A_NAME.sub(b"", name).lower() == NAME.lower().encode()


def _could_be(value: bytes, authserv_id: str) -> bool:
    text = value.decode("utf-8", "replace")
    try:
        claimed = _read_id(_Cursor(text))
        if _PLAIN.fullmatch(claimed):
            return claimed.lower().rstrip(".") == authserv_id.lower().rstrip(".")
        return parse_domain(claimed) == parse_domain(authserv_id)
    except (MalformedResults, InvalidAddress):  # then anything but a harmless mess of others goes
        return _ODD.search(text) is not None or _letters(authserv_id) in _letters(text)


def _letters(text: str) -> str:
    return _NOT_OF_AN_ID.sub("", text).lower()


def _read_id(cursor: "_Cursor") -> str:
    """Read up to the first semicolon."""
    cursor.skip()
    authserv_id = cursor.quoted() or cursor.take(_ID)
    if not authserv_id:
        raise MalformedResults("does not say whose results these are")
    cursor.skip()
    cursor.take(_VERSION)
    cursor.skip()
    if not cursor.is_at_end:
        raise MalformedResults("has no semicolon behind the name of whose results these are")
    return authserv_id


def _read_results(cursor: "_Cursor") -> Iterator[MethodResult]:
    for _ in range(MAX_RESULTS):
        if not cursor.take_mark(";"):
            return  # it is over: results end at a semicolon or there
        method = cursor.take(_WORD).lower()
        if cursor.take_mark("/"):
            cursor.take(_VERSION)
        if cursor.take_mark("="):
            yield _read_result(cursor, method)
        elif method not in ("none", "") or not cursor.is_at_end:
            raise MalformedResults("has a result that is not of the form method=result")
    raise MalformedResults(f"has more than {MAX_RESULTS} results")


def _read_result(cursor: "_Cursor", method: str) -> MethodResult:
    result = cursor.take(_WORD).lower()
    if not method or not result:
        raise MalformedResults("has a result that is not of the form method=result")
    reason = ""
    properties: list[Property] = []
    cursor.skip()
    while not cursor.is_at_end:
        word = cursor.take(_WORD).lower()
        if cursor.take_mark("."):
            name = cursor.take(_WORD).lower()
            if not cursor.take_mark("=") or not word or not name:
                raise MalformedResults("has a property that is not of the form type.name=value")
            properties.append(Property(kind=word, name=name, value=cursor.value()))
        elif cursor.take_mark("="):
            value = cursor.value()
            reason = value if word == "reason" else reason  # other words without a type occur, and say nothing
        elif not word and not cursor.value():
            raise MalformedResults("has a result that does not end")
        cursor.skip()
    return MethodResult(method=method, result=result, reason=reason, properties=tuple(properties))


class _Cursor:
    """A place in a value."""

    __slots__ = ("place", "text")

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0

    @property
    def is_over(self) -> bool:
        return self.place >= len(self.text)

    @property
    def is_at_end(self) -> bool:
        """Whether a result ends here."""
        return self.is_over or self.text[self.place] == ";"

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.place)
        if found:
            self.place = found.end()
        return found

    def take(self, pattern: re.Pattern[str]) -> str:
        found = self.match(pattern)
        return found[0] if found else ""

    def take_mark(self, mark: str) -> bool:
        """Take a character with white space and comments around it, and return whether it was there."""
        self.skip()
        if not self.text.startswith(mark, self.place):
            return False
        self.place += 1
        self.skip()
        return True

    def quoted(self) -> str:
        """Take a quoted string, "" if there is none."""
        if self.is_over or self.text[self.place] != '"':
            return ""
        found = self.match(_QUOTED)
        if found is None:
            raise MalformedResults("has a quoted string without end")
        return _ESCAPE.sub(r"\1", found[1])

    def value(self) -> str:
        return self.quoted() + self.take(_BARE)

    def skip(self) -> None:
        """Pass white space and comments."""
        self.take(_SPACE)
        while not self.is_over and self.text[self.place] == "(":
            self._skip_comment()
            self.take(_SPACE)

    def _skip_comment(self) -> None:
        depth = 0
        while found := _COMMENT_MARK.search(self.text, self.place):
            self.place = found.end()
            if found[0] == "\\":
                self.place += 1
            else:
                depth += 1 if found[0] == "(" else -1
                if depth == 0:
                    return
        raise MalformedResults("has a comment without end")
