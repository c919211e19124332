"""Posted forms, small ones: URL-encoded or multipart.

Owns finding a field's values in a body that is already bounded.  Pure and linear; what is malformed has no fields.
"""

from email.message import Message
from urllib.parse import parse_qs

_MAX_FIELDS = 20
_MAX_CHOICES = 200  # of a form with many boxes


def field_value(name: str, content_type: str, body: bytes) -> str | None:
    """Return the first value of a field, or None.

    A body that does not say what it is counts as URL-encoded: RFC 8058 §3.2 allows both forms, and senders of the
    request are many.
    """
    if content_type.lower().startswith("multipart/form-data"):
        return _from_multipart(name, content_type, body)
    try:
        fields = parse_qs(body.decode("ascii", errors="replace").strip(), max_num_fields=_MAX_FIELDS)
    except ValueError:
        return None
    return fields.get(name, [None])[0]


def choices(content_type: str, body: bytes) -> dict[str, list[str]]:
    """Return the fields of a form of ours with their values; browsers post it URL-encoded."""
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return {}
    try:
        return parse_qs(body.decode("ascii", errors="replace").strip(), max_num_fields=_MAX_CHOICES)
    except ValueError:
        return {}


def _from_multipart(name: str, content_type: str, body: bytes) -> str | None:
    """RFC 7578, without files and without nested parts."""
    boundary = _parameter("content-type", content_type, "boundary")
    if not boundary:
        return None
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("ascii", errors="replace"), _MAX_FIELDS + 1)
    for part in parts[1:]:
        if part.startswith(b"--"):
            break
        header, blank, value = part.partition(b"\r\n\r\n")
        for line in header.decode("utf-8", errors="replace").split("\r\n"):
            field, _, text = line.partition(":")
            if field.strip().lower() == "content-disposition" and blank and _parameter(field, text, "name") == name:
                return value.decode("utf-8", errors="replace")
    return None


def _parameter(field: str, text: str, name: str) -> str | None:
    message = Message()
    message[field.strip()] = text.replace("\r", "").replace("\n", "").strip()
    value = message.get_param(name, header=field.strip())
    return value if isinstance(value, str) else None
