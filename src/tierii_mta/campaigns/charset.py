"""The character encoding of a contact file.

Owns detection: a byte order mark, the pattern of UTF-16, valid UTF-8, and Windows-1252 as the last resort with a
notice.  A file is proved readable from its first octet to its last, in pieces of 1 MiB, before any row of it is used;
what is wrong is named with its line.  Reads the file.
"""

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tierii_mta.errors import CheckFailed

_PIECE = 1 << 20
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LAST_RESORT = "cp1252"


@dataclass(frozen=True, slots=True)
class Charset:
    """How to read a file. `notice` is for the operator when we had to guess."""

    name: str  # for `open(encoding=...)`
    notice: str | None = None


def find_charset(path: Path, wanted: str = "auto") -> Charset:
    """Return the encoding that reads the whole file; raises `CheckFailed` naming the first line that does not fit."""
    try:
        with path.open("rb") as stream:
            if wanted == "auto":
                return _detect(stream, path)
            name = _known(wanted, path)
            if fault := _first_fault(stream, name):
                raise _misfit(path, fault, wanted)
            return Charset(name)
    except OSError as cause:
        raise CheckFailed(
            f"cannot be read: {cause.strerror}", where=str(path), remedy="check the path and its permissions"
        ) from cause


def _detect(stream: BinaryIO, path: Path) -> Charset:
    head = stream.read(4096)
    name = next((name for mark, name in _MARKS if head.startswith(mark)), None) or _utf16_by_pattern(head) or "utf-8"
    stream.seek(0)
    fault = _first_fault(stream, name)
    if fault is None:
        return Charset(name)
    if name != "utf-8":
        raise _misfit(path, fault, name)
    stream.seek(0)
    if worse := _first_fault(stream, _LAST_RESORT):
        raise CheckFailed(
            "is neither UTF-8 nor Windows-1252",
            where=f"{path}:{min(fault, worse)}",
            remedy="save the file as UTF-8, or name its encoding in the feed",
        )
    return Charset(
        _LAST_RESORT, f"{path}:{fault}: is not UTF-8, so the file is read as Windows-1252; name its encoding to be sure"
    )


def _utf16_by_pattern(head: bytes) -> str | None:
    """Return UTF-16 without a mark: mostly ASCII text has a zero in every second octet."""
    even, odd = head[0::2], head[1::2]
    if len(odd) >= 4 and odd.count(0) > 0.6 * len(odd) and even.count(0) == 0:
        return "utf-16-le"
    if len(odd) >= 4 and even.count(0) > 0.6 * len(even) and odd.count(0) == 0:
        return "utf-16-be"
    return None


def _known(wanted: str, path: Path) -> str:
    try:
        name = codecs.lookup(wanted).name
        b"a".decode(name, "ignore")  # codecs that are no text encodings fail here
    except LookupError as cause:
        raise CheckFailed(
            f"the encoding {wanted!r} is unknown", where=str(path), remedy="write auto, utf-8, utf-16 or windows-1252"
        ) from cause
    return "utf-8-sig" if name == "utf-8" else name


def _first_fault(stream: BinaryIO, name: str) -> int | None:
    """Return the line of the first octet that the encoding does not allow, or None."""
    decoder = codecs.getincrementaldecoder(name)()
    line = 1
    try:
        while piece := stream.read(_PIECE):
            line += decoder.decode(piece).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as fault:
        return line + fault.object[: fault.start].decode(name, errors="ignore").count("\n")
    except UnicodeError:  # UTF-16 without any mark
        return line
    return None


def _misfit(path: Path, line: int, name: str) -> CheckFailed:
    return CheckFailed(
        f"does not fit the encoding {name}",
        where=f"{path}:{line}",
        remedy="save the file as UTF-8, or name its encoding",
    )
