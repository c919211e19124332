"""Complaints as Amazon SES tells them: a JSON document as the text of a mail.

Owns reading the document into the words of RFC 5965; not what they mean (complaint).  Some relays break its one long
line, which is mended.  Pure, never raises.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from tierii_mta.correspondence.header import Header

_MAX_DOCUMENT = 200_000
_BROKEN = re.compile(r"!\r?\n[ \t]")  # how Sendmail breaks a line that is too long


def told_by_notification(text: str) -> tuple[Header, Sequence[tuple[str, str]]] | None:
    """Return the fields of the report and those of the message it is about, or None if the text is no such document."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        said, _ = json.JSONDecoder().raw_decode(_BROKEN.sub("", text[:_MAX_DOCUMENT].lstrip()))
    except (ValueError, RecursionError):
        return None
    complaint = _at(said, "complaint")
    if _at(said, "notificationType") != "Complaint" or not isinstance(complaint, dict):
        return None
    told = {
        "feedback-type": _texts([complaint.get("complaintFeedbackType")]),
        "user-agent": _texts([complaint.get("userAgent")]),
        "original-rcpt-to": _texts(_at(each, "emailAddress") for each in _list(complaint.get("complainedRecipients"))),
        "arrival-date": [_date(each) for each in _texts([complaint.get("timestamp")]) if _date(each)],
    }
    fields = ((_at(each, "name"), _at(each, "value")) for each in _list(_at(_at(said, "mail"), "headers")))
    pairs = [(name.lower(), value) for name, value in fields if isinstance(name, str) and isinstance(value, str)]
    return told, pairs


def _at(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _texts(values: Iterable[Any]) -> list[str]:
    return [each for each in values if isinstance(each, str)]


def _date(text: str) -> str:
    """Return an ISO date as RFC 5322 has it, "" for anything else."""
    try:
        return format_datetime(datetime.fromisoformat(text[:40]))
    except ValueError:
        return ""
