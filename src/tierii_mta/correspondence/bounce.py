"""Delivery reports: what came back because mail of ours did not arrive, late, or did.

Owns whether a message is a report and what it says of each recipient; not who it was sent for (the return path knows
best, thread) nor what follows (processor).  In order:
1. the status fields of RFC 3464 (bounces.delivery_status);
2. the words beside them, for what the fields leave out (bounces.notice, bounces.sections, bounces.texts);
3. the words alone, where there are no fields and the message has a mark of a report;
4. each claim is judged (bounces.diagnosis).
The null sender alone makes no report: vacation programs and some lists use it too.  Pure, and never raises.
RFC 3464, RFC 6522, RFC 6533.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tierii_mta.correspondence.bounces.claim import Claim
from tierii_mta.correspondence.bounces.delivery_status import StatusReport, merged, status_report
from tierii_mta.correspondence.bounces.diagnosis import judged
from tierii_mta.correspondence.bounces.notice import Notice, is_machine, marks_of, notice_of
from tierii_mta.correspondence.bounces.stages import stage_in, transcribed_stage
from tierii_mta.correspondence.bounces.texts import claims_in, tells_delay, tells_failure
from tierii_mta.correspondence.original import enclosed_parts, original_of
from tierii_mta.correspondence.reading import Bounce, BouncedRecipient, Evidence, Original
from tierii_mta.mail.mime import Mail

_MAX_DETAIL = 200


def bounce_of(mail: Mail) -> Bounce | None:
    """Return what a delivery report says, or None if the message is none. `Bounce.evidence` tells why it is one."""
    marks = marks_of(mail.root)
    report = status_report(mail, is_marked=bool(marks))
    if report is None and not marks:
        return None
    notice, original = notice_of(mail, marks), original_of(mail)
    spoken = claims_in(notice, original) if marks else []
    if report is None and not spoken and (inner := _report_inside(mail)) is not None:
        return bounce_of(inner)
    if report is not None:
        claims = _completed(report, spoken, notice, original)
    elif spoken or _is_certain(notice, original):
        found = spoken or [_of_the_original(notice, original)]
        claims = [_dated(_for_us(claim, original, is_expanded=True), notice) for claim in found]
    else:
        return None
    recipients = tuple(judged(claim) for claim in claims)
    return Bounce(
        recipients=recipients,
        reporting_mta=report.reporting_mta if report else None,
        envelope_id=report.envelope_id if report else None,
        original=original,
        evidence=tuple(_evidence(report, notice, recipients)),
    )


def _report_inside(mail: Mail) -> Mail | None:
    """Return the report that a gateway put into a notice of its own, or None."""
    if is_machine(mail.root.get("From") or ""):
        for part in enclosed_parts(mail):
            inner = part.children[0] if part.children else part
            if inner.content_type == "multipart/report" and is_machine(inner.get("From") or ""):
                return Mail(inner, mail.faults)
    return None


def _completed(report: StatusReport, spoken: Sequence[Claim], notice: Notice, original: Original | None) -> list[Claim]:
    """The claims of the fields, with what the words beside them add: a reason, a command, or a recipient at all."""
    if not report.claims:
        return [_dated(claim, notice) for claim in spoken] or [_of_the_original(notice, original)]
    by_key = {claim.key: claim for claim in spoken}
    sole = spoken[0] if len(spoken) == 1 and len(report.claims) == 1 else None
    claims = merged(_for_us(claim, original) for claim in report.claims)
    return [_with_words(claim, by_key.get(claim.key, sole), notice) for claim in claims]


def _for_us(claim: Claim, original: Original | None, *, is_expanded: bool = False) -> Claim:
    """Name the recipient as we wrote to it, where the report tells that one too.

    Fields may call a relay's own idea of the recipient the original one: it counts if the message was for it.
    """
    first, final = claim.original_recipient, (claim.recipient or "").lower()
    wanted = {address.lower() for address in original.recipients} if original else set[str]()
    if first and final not in wanted and (is_expanded or first.lower() in wanted or _is_inside(final, first.lower())):
        return replace(claim, recipient=first)
    return claim


def _is_inside(final: str, first: str) -> bool:
    """Whether the final address is a name inside the site that the mail was for: a detail of its routing."""
    host, domain = final.rpartition("@")[2], first.rpartition("@")[2]
    return "." not in host or host.endswith(f".{domain}")


def _with_words(claim: Claim, spoken: Claim | None, notice: Notice) -> Claim:
    if spoken is not None and spoken.source != "nearby":
        stage = stage_in(spoken.text)
        if not claim.text:
            claim = replace(claim, text=spoken.text, voice=spoken.voice)
        claim = replace(claim, recipient=claim.recipient or spoken.recipient, stage=claim.stage or stage)
    if claim.stage is None:
        claim = replace(claim, stage=stage_in(claim.text) or transcribed_stage(notice.text, claim.text))
    return claim if claim.text else replace(claim, text=notice.text[:_MAX_DETAIL])


def _of_the_original(notice: Notice, original: Original | None) -> Claim:
    """A report that names nobody: the message it returns was for somebody, if for one alone."""
    recipients = original.recipients if original else ()
    return Claim(
        recipient=recipients[0] if len(recipients) == 1 else None, source="original", text=notice.text[:_MAX_DETAIL]
    )


def _is_certain(notice: Notice, original: Original | None) -> bool:
    """Whether a message is a report although it names nobody."""
    marks = set(notice.marks)
    if not {"From", "Subject"} <= marks:
        return False
    is_backed = original is not None or "Return-Path" in marks
    return "Content-Type" in marks or (is_backed and tells_failure(notice))


def _dated(claim: Claim, notice: Notice) -> Claim:
    """A claim of a text alone: failed, unless the text says that the message is still tried."""
    return replace(claim, action="delayed") if claim.action == "failed" and tells_delay(notice) else claim


def _evidence(
    report: StatusReport | None, notice: Notice, recipients: Sequence[BouncedRecipient]
) -> Iterator[Evidence]:
    if report is not None:
        yield Evidence(rule="delivery-status", where="part", detail=(report.reporting_mta or "")[:_MAX_DETAIL])
    for mark in notice.marks:
        detail = {"From": notice.sender, "Subject": notice.subject}.get(mark, "")
        yield Evidence(rule="report", where=f"header {mark}", detail=detail[:_MAX_DETAIL])
    for source in dict.fromkeys(recipient.source for recipient in recipients):
        yield Evidence(rule=f"bounce:{source}", where="part" if source == "rfc3464" else "text")
