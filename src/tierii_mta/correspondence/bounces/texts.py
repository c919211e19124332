r"""Free-text formats that are built in a way of their own, and what to do with a text that has none.

Owns sendmail's transcript, status fields in a text, LISTSERV's error list, Amazon's JSON, and the fall-back: addresses
near words of failure; not the formats that are a list of recipients (sections).  Pure.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from tierii_mta.correspondence.addresses import addresses_in, first_address
from tierii_mta.correspondence.bounces.claim import MAX_TEXT, Claim
from tierii_mta.correspondence.bounces.delivery_status import merged, report_of
from tierii_mta.correspondence.bounces.notice import Notice
from tierii_mta.correspondence.bounces.sections import LOOSE, MAX_ENTRIES, SECTIONS, read_sections
from tierii_mta.correspondence.reading import Original
from tierii_mta.mail.reply import EnhancedCode

_TRANSCRIPT = re.compile(
    r"(?:(?P<code>[45]\d\d)[ -])?(?:(?P<status>[45]\.\d{1,3}\.\d{1,3}) )?<?(?P<address>[^\s<>]{1,64}@[^\s<>]{1,255}?)>?"
    r"\.\.\. (?P<text>.*)"
)
_TO = re.compile(r">>> RCPT TO: ?<?(?P<address>[^\s<>]{1,64}@[^\s<>]{1,255})>?", re.IGNORECASE)
_SAID = re.compile(r"<<< (?P<text>[45]\d\d.*)")
_STATUS_FIELD = re.compile(r"^(?:Final|Original)-Recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
_ERROR_FOR = re.compile(r"^Error-for:[ \t]*(?P<address>\S{3,320})", re.IGNORECASE | re.MULTILINE)
_ERROR_TEXT = re.compile(r"^Error-Text:(?P<text>(?:.*\n){1,5})", re.IGNORECASE | re.MULTILINE)
_FAILURE = re.compile(
    r"undeliver|not (?:be )?(?:delivered|reached|found|accepted)|fail|error|reject|bounce|unknown|invalid|no such"
    r"|does(?:n't| not) "
    r"(?:exist|have)|unable|unavailable|full|quota|denied|refused|wrong|no longer|expired|blocked|duplicated|deferred"
    r"|timed out"
)
_DELAYED = re.compile(
    r"warning (?:message )?only|do(?:es)? not need to resend|no need to resend|still being retried"
    r"|(?:been|message is|is) delayed"
    r"|will (?:be )?(?:re-?tr|continue)|not yet been delivered|delivery incomplete|temporary failure report"
    r"|attempts will continue|been postponed|message delayed|delayed for more than"
)
_GIVEN_UP = re.compile(r"permanent (?:error|fatal|failure)|given up|giving up|will be deleted from queue")
_FROM = re.compile(
    r"\b(?:from|by|contact|sender|de|von):? {0,3}[\"'<]?[^\s<>]{1,64}@[^\s<>]{1,255}", re.IGNORECASE
)  # no recipient
_ROLE = re.compile(
    r"(?:postmaster|abuse|support|help|helpdesk|admin|hostmaster|mailer-daemon|no-?reply)@", re.IGNORECASE
)
_NEAR = 3  # lines
_WRAPPED = re.compile(r"!\r?\n[ \t]")


def claims_in(notice: Notice, original: Original | None) -> list[Claim]:
    """Return what the text of a report says, by the first format that finds anybody in it."""
    claims = next(filter(None, (read(notice) for read in _READERS)), [])
    if notice.failed:
        claims = _failed_header(notice, claims)
    return list(merged(claims or _nearby(notice, original)))[:MAX_ENTRIES]


def tells_delay(notice: Notice) -> bool:
    """Whether a text says: not yet, and still tried."""
    text = " ".join(notice.text.lower().split())
    return bool(_DELAYED.search(text)) and not _GIVEN_UP.search(text)


def _failed_header(notice: Notice, claims: Sequence[Claim]) -> list[Claim]:
    """X-Failed-Recipients (Exim, Gmail) names the recipients; the text has their reasons."""
    by_key = {claim.key: claim for claim in claims}
    sole = claims[0].text if len(claims) == 1 else notice.text[:MAX_TEXT]
    return [
        by_key.get(address.casefold()) or Claim(recipient=address, source="x-failed-recipients", text=sole)
        for address in notice.failed[:MAX_ENTRIES]
    ]


def _status_fields(notice: Notice) -> list[Claim]:
    """Fields of a status part that stand in the text: broken MIME, or a part of another type."""
    found = _STATUS_FIELD.search(notice.text)
    return list(report_of(notice.text[found.start() :], "status-fields").claims) if found else []


def _listserv(notice: Notice) -> list[Claim]:
    """LISTSERV's list of errors, which LSMTP writes too."""
    text = _ERROR_TEXT.search(notice.text)
    reason = " ".join(text["text"].split())[:MAX_TEXT] if text else ""
    found = (first_address(entry["address"]) for entry in _ERROR_FOR.finditer(notice.text))
    return [Claim(recipient=address, source="listserv", text=reason) for address in found if address]


def _sendmail(notice: Notice) -> list[Claim]:
    """The transcript of sendmail 5 and 8: `550 5.1.1 <ann@example.com>... User unknown`, and what the host said."""
    return list(_transcribed(notice.lines))


def _transcribed(lines: Sequence[str]) -> Iterator[Claim]:
    said, named = "", None
    for line in lines[:2_000]:
        bare = line.strip(" \t>") if not line.lstrip().startswith(">>>") else line.strip()
        if to := _TO.match(bare):
            named = to["address"]
        elif host := _SAID.match(bare):
            said = host["text"]
            if named:
                yield Claim(recipient=first_address(named), source="transcript", text=f"{said} [RCPT_TO]")
                named = None
        elif told := _TRANSCRIPT.match(bare):
            status = EnhancedCode.parse(told["status"]) if told["status"] else None
            words = (told["code"], told["status"], told["text"], said)
            text, said = " ".join(filter(None, words))[:MAX_TEXT], ""
            yield Claim(recipient=first_address(told["address"]), source="sendmail", status=status, text=text)


def _amazon(notice: Notice) -> list[Claim]:
    """A notification of Amazon SES that SNS sent by mail: of a bounce, or of a delivery."""
    text = notice.text.lstrip()
    if not text.startswith('{"') or "notificationType" not in text:
        return []
    try:
        found, _ = json.JSONDecoder().raw_decode(_WRAPPED.sub("", text))
    except (ValueError, RecursionError):
        return []
    told = _object(found)
    bounced, delivered = _object(told.get("bounce")), _object(told.get("delivery"))
    return [_amazon_claim(_object(each)) for each in _items(bounced.get("bouncedRecipients"))] + [
        Claim(
            recipient=first_address(str(each)),
            source="amazon-ses",
            action="delivered",
            text=str(delivered.get("smtpResponse", ""))[:MAX_TEXT],
        )
        for each in _items(delivered.get("recipients"))
    ]


def _amazon_claim(told: Mapping[str, object]) -> Claim:
    return Claim(
        recipient=first_address(str(told.get("emailAddress", ""))),
        source="amazon-ses",
        status=EnhancedCode.parse(str(told.get("status", ""))),
        text=str(told.get("diagnosticCode", ""))[:MAX_TEXT],
    )


def _items(value: object) -> Sequence[object]:
    return value[:MAX_ENTRIES] if isinstance(value, list) else ()


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def tells_failure(notice: Notice) -> bool:
    """Whether a text has words of failure at all."""
    return bool(_FAILURE.search(notice.text.lower()))


def _nearby(notice: Notice, original: Original | None) -> list[Claim]:
    """No known format: whom the original was for and the text names, else addresses near words of failure."""
    reason = notice.text[:MAX_TEXT]
    wanted = {address.lower() for address in original.recipients} if original else set[str]()
    others = {
        address.lower() for found in _FROM.finditer(notice.text) for address in addresses_in(found[0])
    } | notice.own
    named = [each for each in addresses_in(notice.text) if each.lower() not in others and not _ROLE.match(each)]
    found = [address for address in named if address.lower() in wanted]
    if not found and "From" in notice.marks:
        found = [address for address in _near_failure(notice) if address in named]
    return [Claim(recipient=address, source="nearby", text=reason) for address in found]


def _near_failure(notice: Notice) -> Iterator[str]:
    lines = notice.lines
    failing = {at for at, line in enumerate(lines) if _FAILURE.search(line.lower())}
    for at, line in enumerate(lines):
        if "@" in line and any(near in failing for near in range(at - _NEAR, at + _NEAR + 1)):
            yield from addresses_in(line)


_READERS: tuple[Callable[[Notice], list[Claim]], ...] = (
    _status_fields,
    _listserv,
    _amazon,
    lambda notice: read_sections(notice, SECTIONS),
    _sendmail,
    lambda notice: read_sections(notice, LOOSE) if notice.is_likely else [],
)
