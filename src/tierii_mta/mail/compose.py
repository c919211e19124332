"""The compiled message: a MIME skeleton built once, the varying parts spliced in for each mail.

Owns the multipart structure, the transfer encodings and the attachments' own headers; not the header fields of the
message (mail.header writes them) nor where the text comes from.  The octets are CR LF only, 7 bit, lines of at most
998.  RFC 2045, RFC 2046, RFC 2183 (Content-Disposition), RFC 2231 (file names), RFC 2387 (related).  Pure.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import quote

from tierii_mta.mail.header import MAX_LINE_OCTETS, HeaderInjection

_CRLF = b"\r\n"
_PLAIN_OCTETS = bytes([0x09, 0x0A, *range(0x20, 0x7F)])
_BASE64_SHARE = 4  # base64 where more than one octet in four would have to be escaped
_BOUNDARY_MARK = b"--=_"
_FILENAME_COLUMNS = 60
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUOTABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_HEADER_BLOCK = re.compile(rb"(?:[!-9;-~]+:[^\r\n\0]*\r\n(?:[ \t][^\r\n\0]*\r\n)*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes along; with a `content_id` (without angle brackets) the HTML may show it as `cid:`."""

    filename: str
    content: bytes
    media_type: str  # e.g. "application/pdf"
    content_id: str | None = None


class _Slot(Enum):
    """Where a varying part goes."""

    TEXT = auto()
    HTML = auto()


_Piece = bytes | _Slot


class Skeleton:
    """The MIME structure of a mail, built once and filled many times; safe to share between threads.

    text | html | alternative(text, html); html with inline attachments is related(html, inline …); other attachments
    make it mixed(…, attachment …).  An inline attachment without HTML to show it is an ordinary one.
    """

    def __init__(self, *, has_html: bool, has_text: bool, attachments: Sequence[Attachment] = ()) -> None:
        if not (has_html or has_text):
            raise ValueError("a message needs a text or an HTML part")
        self._has_html, self._has_text = has_html, has_text
        inline = [each for each in attachments if has_html and each.content_id is not None]
        files = [each for each in attachments if not has_html or each.content_id is None]
        seed = hashlib.sha256(repr((has_html, has_text)).encode())
        for each in attachments:
            seed.update(hashlib.sha256(each.content).digest())
        self._boundaries = _Boundaries(seed.hexdigest()[:24])
        self._pieces = tuple(_merged(self._mixed(inline, files)))

    def assemble(self, header_fields: Sequence[bytes], text: str | None, html: str | None) -> bytes:
        """Return the whole message. Line ends in the parts may be of any kind; each part ends with one.

        The fields come from `mail.header`, without any of MIME's. Raises ValueError where a part of the skeleton is
        missing or one too many is given, `HeaderInjection` for octets that are not whole header fields.
        """
        if (text is not None) is not self._has_text or (html is not None) is not self._has_html:
            raise ValueError("the parts given are not those of the skeleton")
        header = b"".join(header_fields)
        if not _HEADER_BLOCK.fullmatch(header):
            raise HeaderInjection("the header is not made of whole fields")
        out = [header, b"MIME-Version: 1.0\r\n"]
        for piece in self._pieces:
            if isinstance(piece, bytes):
                out.append(piece)
            else:
                out.extend(encode_text((text if piece is _Slot.TEXT else html) or ""))
        return b"".join(out)

    def _mixed(self, inline: Sequence[Attachment], files: Sequence[Attachment]) -> list[_Piece]:
        body = self._alternative(inline)
        if not files:
            return body
        return self._boundaries.multipart("mixed", [body, *([_attachment(each, "attachment")] for each in files)])

    def _alternative(self, inline: Sequence[Attachment]) -> list[_Piece]:
        text: list[_Piece] = [b'Content-Type: text/plain; charset="utf-8"\r\n', _Slot.TEXT]
        html: list[_Piece] = [b'Content-Type: text/html; charset="utf-8"\r\n', _Slot.HTML]
        if inline:
            parts: list[Sequence[_Piece]] = [html, *([_attachment(each, "inline")] for each in inline)]
            html = self._boundaries.multipart("related", parts, '; type="text/html"')
        if not self._has_text:
            return html
        return self._boundaries.multipart("alternative", [text, html]) if self._has_html else text


@dataclass(frozen=True, slots=True)
class _Boundaries:
    """Boundaries that depend on the content and cannot occur in it.

    All start with `=_`, which neither quoted-printable nor base64 can produce; a part that holds `--=_` is never sent
    as it is.
    """

    digest: str

    def multipart(self, kind: str, parts: Sequence[Sequence[_Piece]], parameters: str = "") -> list[_Piece]:
        """Return the pieces of a multipart; each part starts with its own header."""
        boundary = f"=_{kind[0]}{self.digest}"
        header = f'Content-Type: multipart/{kind}; boundary="{boundary}"{parameters}\r\n\r\n'
        pieces: list[_Piece] = [header.encode("ascii")]
        for part in parts:
            pieces.extend([f"--{boundary}\r\n".encode("ascii"), *part, _CRLF])
        pieces.append(f"--{boundary}--\r\n".encode("ascii"))
        return pieces


def _merged(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Join the constant pieces between two slots."""
    merged: list[_Piece] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if isinstance(piece, bytes) and isinstance(last, bytes):
            merged[-1] = last + piece
        else:
            merged.append(piece)
    return merged


def encode_text(content: str) -> tuple[bytes, bytes]:
    """Return the rest of a text part's header, and its body in the encoding that suits it best.

    As it is where that is plain ASCII in short lines; quoted-printable where little needs escaping, else base64.  A
    lone surrogate becomes a question mark.
    """
    octets = content.encode("utf-8", "replace")
    if b"\r" in octets:
        octets = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not octets.endswith(b"\n"):
        octets += b"\n"
    unsafe = len(octets.translate(None, _PLAIN_OCTETS))
    if not unsafe and _BOUNDARY_MARK not in octets and _has_short_lines(octets):
        return b"Content-Transfer-Encoding: 7bit\r\n\r\n", octets.replace(b"\n", _CRLF)
    if unsafe * _BASE64_SHARE <= len(octets):
        # with LF line ends; the encoder's soft breaks follow the first line end it sees
        encoded = binascii.b2a_qp(octets, quotetabs=False, istext=True).replace(b"\n", _CRLF)
        return b"Content-Transfer-Encoding: quoted-printable\r\n\r\n", encoded
    return b"Content-Transfer-Encoding: base64\r\n\r\n", _base64_lines(octets.replace(b"\n", _CRLF))


def _has_short_lines(octets: bytes) -> bool:
    """Whether no line is too long to travel; the last one has its end. Looks at one line in each thousand octets."""
    done, size = 0, len(octets)
    while done < size:
        end = octets.rfind(b"\n", done, done + MAX_LINE_OCTETS + 1)
        if end < 0:
            return False
        done = end + 1
    return True


def _base64_lines(octets: bytes) -> bytes:
    return base64.encodebytes(octets).replace(b"\n", _CRLF)


def _attachment(attachment: Attachment, disposition: str) -> bytes:
    """Return a whole attachment part, header and body."""
    media_type = attachment.media_type
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise HeaderInjection(f"{media_type!r} is not a media type")
    if media_type.lower().startswith(("message/", "multipart/")):
        media_type = "application/octet-stream"  # these may not be sent as base64, RFC 2046 §5.2
    lines = [
        f"Content-Type: {media_type}",
        "Content-Transfer-Encoding: base64",
        f"Content-Disposition: {disposition}{_filename(attachment.filename)}",
    ]
    if attachment.content_id is not None:
        if not _CONTENT_ID.fullmatch(attachment.content_id):
            raise HeaderInjection(f"{attachment.content_id!r} cannot be a Content-ID")
        lines.append(f"Content-ID: <{attachment.content_id}>")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + _base64_lines(attachment.content)


def _filename(name: str) -> str:
    """Return the file name parameter; by RFC 2231 where it is not short ASCII."""
    if _CONTROL.search(name):
        raise HeaderInjection("a file name holds a control character")
    if len(name) <= _FILENAME_COLUMNS and _QUOTABLE.fullmatch(name) and "=?" not in name:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n filename="{escaped}"'
    encoded = quote(name, safe="", errors="replace")
    pieces = re.findall(rf"(?:%..|[^%]){{1,{_FILENAME_COLUMNS // 3}}}", encoded)
    if len(pieces) == 1:
        return f";\r\n filename*=utf-8''{encoded}"
    pieces[0] = f"utf-8''{pieces[0]}"
    return "".join(f";\r\n filename*{number}*={piece}" for number, piece in enumerate(pieces))
