"""Feedback reports: somebody pressed "spam", or says so of a message of ours.

Owns recognising one and what it tells: the report format (RFC 5965) with its types (RFC 6430 not-spam, RFC 6591 and
RFC 9991 auth-failure), and the forms without the report part that some mailbox providers send.  Not whether it may be
believed: who acts on it first proves its sender (RFC 9477 §5) and finds our message by what it encloses, for recipients
are mostly redacted (RFC 6590).  What the report leaves out is taken from the enclosed header and named in `derived`.
Pure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from tierii_mta.clock import Instant
from tierii_mta.correspondence.addresses import addresses_in, first_address
from tierii_mta.correspondence.folding import fold
from tierii_mta.correspondence.header import Header, first, header_of, moment
from tierii_mta.correspondence.notification import told_by_notification
from tierii_mta.correspondence.original import ENCLOSING, original_from, original_of
from tierii_mta.correspondence.reading import Complaint, Evidence
from tierii_mta.mail.mime import Mail, Part, parse_fields

NOT_AGAINST_US = frozenset({"not-spam", "auth-failure"})
"""Types of reports that nobody complains with: a message was taken out of the spam folder, or failed authentication."""

_ENCLOSURES = ENCLOSING | {"text/rfc822-header"}  # as some write it
_MAX_REPORT = 64 << 10
_MAX_RECIPIENTS = 50
_MAX_VALUE = 200
_TYPE = re.compile(r"[a-z][a-z0-9-]{0,39}")
_IP = re.compile(r"[\[(]((?:IPv6:)?[0-9A-Fa-f:.]{3,45})[\])]")
_CLIENT_IP = re.compile(r"client-ip=\"?([0-9A-Fa-f:.]{3,45})")
_FOR = re.compile(r"\bfor <([^<>\s]{3,320})>")
_REPORTERS = re.compile(
    r"staff@(?:hotmail|outlook|live|msn)\.com|scomp@aol\.(?:net|com)|(?:feedbackloop|fbl|complaints?|abuse-?reports?|"
    r"feedback|spamreports?|arf|jmrp)@[a-z0-9.-]{1,253}"
)
_SUBJECTS = (
    "complaint about message from",
    "abuse report",
    "email abuse report",
    "email feedback report for ip",
    "spam report",
    "spam complaint",
    "junk mail report",
    "customer complaint",
)


@dataclass(frozen=True, slots=True)
class Report:
    """A feedback report as read."""

    complaint: Complaint
    evidence: Sequence[Evidence]

    @property
    def is_against_us(self) -> bool:
        """Whether somebody complains. `NOT_AGAINST_US` has the types that say otherwise."""
        return self.complaint.feedback_type not in NOT_AGAINST_US


def report_of(mail: Mail) -> Report | None:
    """Return the feedback report that the message is, or None."""
    parts = list(mail.root.walk())
    part = next((each for each in parts if each.content_type == "message/feedback-report"), None)
    declared = mail.root.parameters.get("report-type", "").strip("\"' ;").lower()
    if part is not None or (mail.root.content_type == "multipart/report" and declared == "feedback-report"):
        told = header_of(parse_fields(part.content[:_MAX_REPORT])) if part is not None else {}
        evidence = Evidence(rule="arf", where="part message/feedback-report" if part else "report-type")
        return Report(_complaint(told, _enclosed(parts), mail, default="other"), _with_type(evidence, told))
    if (noted := told_by_notification(mail.body_text())) is not None:
        found = _complaint(noted[0], {}, mail, default="abuse")
        source = Evidence(rule="notification", where="text", detail="notificationType Complaint")
        return Report(replace(found, original=original_from(noted[1])), _with_type(source, noted[0]))
    enclosed = _enclosed(parts)
    reason = _is_bare_report(mail.root, enclosed) if enclosed else None
    return Report(_complaint({}, enclosed, mail, default="abuse"), (reason,)) if reason is not None else None


def _is_bare_report(root: Part, enclosed: Header) -> Evidence | None:
    """Whether a message that encloses another one is a report without saying so."""
    if recipient := enclosed.get("x-hmxmroriginalrecipient"):
        return Evidence(rule="jmrp", where="enclosed X-HmXmrOriginalRecipient", detail=recipient[0][:200])
    sender, subject = (first_address(root.get("From") or "") or "").lower(), fold((root.get("Subject") or "")[:200])
    if _REPORTERS.fullmatch(sender) and any(phrase in subject for phrase in _SUBJECTS):
        return Evidence(rule="feedback-loop", where="header From, Subject", detail=f"{sender}: {subject}"[:200])
    return None


def _with_type(evidence: Evidence, told: Header) -> Sequence[Evidence]:
    if not told.get("feedback-type"):
        return (evidence,)
    kind = Evidence(rule="feedback-type", where="field Feedback-Type", detail=told["feedback-type"][0].strip()[:200])
    return (evidence, kind)


def _complaint(told: Header, enclosed: Header, mail: Mail, *, default: str) -> Complaint:
    recipients = _addresses(told, "original-rcpt-to") or _addresses(told, "removal-recipient")
    source_ip = next(filter(None, map(_ip, told.get("source-ip", ()))), None)
    arrived_at = next(filter(None, map(moment, (*told.get("arrival-date", ()), *told.get("received-date", ())))), None)
    derived: list[str] = []
    if not recipients and (recipients := _enclosed_recipients(enclosed)):
        derived.append("recipient")
    if source_ip is None and (source_ip := _enclosed_source(enclosed)):
        derived.append("source_ip")
    if arrived_at is None and (arrived_at := _enclosed_arrival(enclosed)) is not None:
        derived.append("arrived_at")
    return Complaint(
        feedback_type=_feedback_type(told, default),
        user_agent=_told(told, "user-agent"),
        version=_told(told, "version"),
        recipient=recipients[0] if recipients else None,
        recipients=recipients,
        source_ip=source_ip,
        arrived_at=arrived_at,
        feedback_id=_told(enclosed, "cfbl-feedback-id") or _told(told, "cfbl-feedback-id"),
        original=original_of(mail),
        derived=tuple(derived),
    )


def _feedback_type(told: Header, default: str) -> str:
    found = _TYPE.match((_told(told, "feedback-type") or "").lower())
    return found[0] if found else default


def _enclosed(parts: Sequence[Part]) -> Header:
    """Return the header of the message enclosed last, empty without one."""
    for part in reversed(parts):
        if part.content_type in _ENCLOSURES and part is not parts[0]:
            inner = part.children[0].fields if part.children else parse_fields(part.content[:_MAX_REPORT])
            if inner:
                return header_of(inner)
    return {}


def _enclosed_recipients(enclosed: Header) -> tuple[str, ...]:
    """Return whom the enclosed message was for: what a provider noted, then the envelope's traces, then a lone To."""
    for name in ("x-hmxmroriginalrecipient", "x-original-to", "delivered-to", "envelope-to", "x-apparently-to"):
        if noted := _addresses(enclosed, name):
            return noted[:1]
    traced = (found[1] for value in enclosed.get("received", ()) if (found := _FOR.search(value)))
    if address := next(filter(None, map(first_address, traced)), None):
        return (address,)
    written = _addresses(enclosed, "to")
    return written if len(written) == 1 else ()


def _enclosed_source(enclosed: Header) -> str | None:
    """Return the client that handed the message in: as a provider noted it, else the first public one of the trace."""
    noted = [each.strip(" []") for each in enclosed.get("x-originating-ip", ())]
    noted += [found[1] for value in enclosed.get("received-spf", ()) if (found := _CLIENT_IP.search(value))]
    traced = [found[1] for value in enclosed.get("received", ()) if (found := _IP.search(value))]
    public = (ip for each in traced if (ip := _ip(each)) is not None and ip_address(ip).is_global)
    return next(filter(None, map(_ip, noted)), None) or next(public, None)


def _enclosed_arrival(enclosed: Header) -> Instant | None:
    traced = (value.rpartition(";")[2] for value in enclosed.get("received", ()))
    return next(filter(None, map(moment, (*traced, *enclosed.get("date", ())))), None)


def _addresses(header: Header, name: str) -> tuple[str, ...]:
    found = (address for value in header.get(name, ()) for address in addresses_in(value))
    return tuple(dict.fromkeys(found))[:_MAX_RECIPIENTS]


def _told(header: Header, name: str) -> str | None:
    value = first(header, name)
    return value[:_MAX_VALUE] if value else None


def _ip(text: str) -> str | None:
    try:
        return str(ip_address(text.strip(" []").removeprefix("IPv6:")))
    except ValueError:
        return None
