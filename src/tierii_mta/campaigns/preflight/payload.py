"""What an attachment can do to whoever opens it.

Owns telling files that run from those that do not: by their name, by their first octets, and by the names inside of an
archive.  Not a virus scanner.  Pure.
"""

import zipfile
from collections.abc import Collection
from io import BytesIO

from tierii_mta.mail.compose import Attachment

_PROGRAMS = (
    b"MZ",  # Windows
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",  # macOS, as the next four
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"#!",
)
_ENCRYPTED = 0x1
_MAX_MEMBERS = 10_000


def why_refused(attachment: Attachment, executables: Collection[str]) -> str | None:
    """Return why receivers refuse a file, in words that follow its name; None: they do not. `executables`: `.exe` …"""
    if _runs(attachment.filename, executables):
        return "can be run"
    if attachment.content.startswith(_PROGRAMS):
        return "is a program, whatever its name says"
    if attachment.content.startswith(b"PK\x03\x04"):
        return _why_archive_refused(attachment.content, executables)
    return None


def _why_archive_refused(content: bytes, executables: Collection[str]) -> str | None:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = archive.infolist()[:_MAX_MEMBERS]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError):
        return "is an archive that cannot be read"
    for member in members:
        if _runs(member.filename, executables):
            return f"holds {member.filename[:80]!r}, which can be run"
        if member.flag_bits & _ENCRYPTED:
            return "is an encrypted archive, which nobody can look into"
    return None


def _runs(name: str, executables: Collection[str]) -> bool:
    _, dot, ending = name.lower().rstrip(". ").rpartition(".")
    return dot + ending in executables
