"""Files that go along with a campaign's mails.

Owns what each is said to be and how large it may be, and what is wrong with it.  A type comes from the name, by a table
of our own: the one of the machine or of a Python version would make another campaign of the same files.  An image is
what its first octets say, because no reader shows an inline image that calls itself otherwise.  Whether a file can be
run is for `campaigns.preflight` to say.  Reads files, once, at enqueue.
"""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tierii_mta.campaigns.problems import Problem, problem_at
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.mail.compose import Attachment

MAX_OCTETS: Final = 40_000_000  # of one file; what a mail may have is for the settings to say, and it is less
MAX_FILES: Final = 50
UNKNOWN: Final = "application/octet-stream"
_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN = "application/vnd.oasis.opendocument"
_ENDINGS = (
    ("application/epub+zip", "epub"),
    ("application/gzip", "gz"),
    ("application/json", "json"),
    ("application/msword", "doc"),
    ("application/pdf", "pdf"),
    ("application/rtf", "rtf"),
    ("application/vnd.apple.pkpass", "pkpass"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.ms-powerpoint", "ppt"),
    (f"{_OPEN}.presentation", "odp"),
    (f"{_OPEN}.spreadsheet", "ods"),
    (f"{_OPEN}.text", "odt"),
    (f"{_OFFICE}.presentationml.presentation", "pptx"),
    (f"{_OFFICE}.spreadsheetml.sheet", "xlsx"),
    (f"{_OFFICE}.wordprocessingml.document", "docx"),
    ("application/xml", "xml"),
    ("application/zip", "zip"),
    ("audio/mp4", "m4a"),
    ("audio/mpeg", "mp3"),
    ("audio/ogg", "ogg"),
    ("audio/wav", "wav"),
    ("image/avif", "avif"),
    ("image/bmp", "bmp"),
    ("image/gif", "gif"),
    ("image/heic", "heic"),
    ("image/jpeg", "jpeg jpg"),
    ("image/png", "png"),
    ("image/svg+xml", "svg"),
    ("image/tiff", "tif tiff"),
    ("image/webp", "webp"),
    ("text/calendar", "ics"),
    ("text/css", "css"),
    ("text/csv", "csv"),
    ("text/html", "htm html"),
    ("text/markdown", "md"),
    ("text/plain", "txt"),
    ("text/vcard", "vcf"),
    ("video/mp4", "mp4"),
    ("video/quicktime", "mov"),
    ("video/webm", "webm"),
)
_TYPES = MappingProxyType({ending: kind for kind, endings in _ENDINGS for ending in endings.split()})
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def media_type(name: str, content: bytes) -> str:
    """Return what a file is; `application/octet-stream` where we do not know."""
    for signature, kind in _SIGNATURES:
        if content.startswith(signature):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return _TYPES.get(name.rpartition(".")[2].lower(), UNKNOWN)


def read_attachments(campaign: Campaign) -> Iterator[Attachment | Problem]:
    """Yield the campaign's attachments in order, or what is wrong with each."""
    asked = campaign.specification.attachments
    if len(asked) > MAX_FILES:
        what = f"{len(asked)} files, more than {MAX_FILES}"
        yield problem_at(campaign.document, ("attachments",), what, "send a link instead")
        return
    seen: set[str] = set()
    for number, each in enumerate(asked):
        document, where = campaign.document, ("attachments", number, "path")
        path = campaign.file(each.path)
        content = _read(path)
        if isinstance(content, str):
            yield problem_at(document, where, f"{path}: {content}", "check the path")
            continue
        made = Attachment(
            filename=path.name,
            content=content,
            media_type=media_type(path.name, content),
            content_id=each.inline,
        )
        if each.inline is not None and each.inline in seen:
            yield problem_at(document, where, f"inline name {each.inline} stands twice")
        elif each.inline is not None and not made.media_type.startswith("image/"):
            what = f"{path.name} is {made.media_type}, and only images can be shown inside a mail"
            yield problem_at(document, where, what, "drop `inline`, or name an image")
        else:
            yield made
        seen.add(each.inline or "")


def _read(path: Path) -> bytes | str:
    """Return a file's octets, or in words why it cannot be sent."""
    try:
        if not path.is_file():
            return "No such file" if not path.exists() else "is not a file"
        if (size := path.stat().st_size) > MAX_OCTETS:
            return f"has {size} octets, more than {MAX_OCTETS}"
        return path.read_bytes()
    except OSError as cause:
        return cause.strerror or "cannot be read"
