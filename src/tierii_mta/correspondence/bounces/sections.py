r"""Free-text formats as a table: where each names its recipients, and where the reason stands.

Owns the one shape nearly all formats have, with a row for each: a sentence that opens the list, the lines that name a
recipient, the words that belong to each.  The formats that are built otherwise are in `texts`; what the words mean is
in `diagnosis`.  A sentence may be broken over lines anywhere.  Every repetition is bounded.  Pure.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tierii_mta.correspondence.addresses import first_address
from tierii_mta.correspondence.bounces.claim import MAX_TEXT, Claim, Voice
from tierii_mta.correspondence.bounces.notice import Notice

MAX_ENTRIES = 200
_MAX_REASON_LINES = 40
_NAMED = r"(?P<address>[^\s<>\"'()\[\],;]{1,64}@[^\s<>\"'()\[\],:;]{1,255})"
_ENTRY = re.compile(
    r"[\s>*\-]{0,12}(?:(?:failed |final |intended )?recipient(?: address)?: |\(generated from )?"
    r"[\"'<\[(]{0,3}(?:mailto:|smtp:)?" + _NAMED + r"[\"'>\])]{0,3}(?P<rest>(?:[\s:;,.<(\[\-=].*)?)$",
    re.IGNORECASE,
)
_LOCAL = re.compile(
    r"\s{1,12}(?P<address>[A-Za-z0-9._-]{1,64})(?P<rest>(?:\s.{0,400})?)$"
)  # at the reporter's own domain
_CODE = re.compile(r"\s{0,8}[45]\d\d[ -]")
_X400 = re.compile(r"\s{0,8}c=.{0,300}dda:smtp=(?P<address>[^\s;]{1,320});?(?P<rest>.*)$", re.IGNORECASE)
_RULE = re.compile(r"\s{0,8}[-=*_#|]{3,}")
_HEADING = re.compile(
    r"\s{0,8}(?:for the following reasons?|because(?: of)?|reasons?|error|details?"
    r"|da|weil|grund|parce que|raison|motivo|причина|原因|理由"
    r"|the (?:response|error|problem)\b[^:]{0,80}"
    r"|error message[^:]{0,40}|diagnostic[^:]{0,60})\s{0,4}:\s*$",
    re.IGNORECASE,
)
_EXPANDED = re.compile(
    r"\((?:expanded|generated) from:?\s{1,8}<?(?P<address>[^\s<>()]{1,64}@[^\s<>()]{1,255})>?\)", re.IGNORECASE
)
_ASIDE = re.compile(r"\s{0,8}(?:message will be retried|technical details)", re.IGNORECASE)
_FAREWELL = re.compile(
    r"\s{0,8}(?:for further assistance|if you do so|please note|no action is required|if you (?:need|have|sent)"
    r"|note: this|the original message|this (?:condition|message) (?:occurred|contains)|i have attached|thanks,"
    r"|generating server"
    r"|original message|best regards)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Section:
    """One format."""

    name: str
    opening: str  # a space stands for any white space
    voice: Voice = Voice.SERVER  # of what it says without a reply's code
    names: bool = False  # the opening is followed by a recipient; it may come again for the next
    is_shared: bool = False  # the reason may stand anywhere in the notice, before the recipients too
    is_local: bool = False  # recipients stand without a domain
    closing: str = ""  # what must follow the recipient
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        spelled = f"(?:{self.opening})"
        if self.names:
            spelled += rf"\s{{0,4}}[\"'<\[]{{0,2}}(?:smtp:)?{_NAMED}[>\"'\]]{{0,2}}{self.closing}"
        object.__setattr__(self, "pattern", re.compile(spelled.replace(" ", r"\s{1,8}"), re.IGNORECASE | re.MULTILINE))


SECTIONS: tuple[Section, ...] = (
    Section("postfix", r"this is the .{0,60}(?:mail system|program|gateway) at host", voice=Voice.KEEPER),
    Section(
        "qmail",
        r"this is the (?:qmail-send|deliver|mail delivery agent|machine generated)|the mta program at",
        voice=Voice.KEEPER,
    ),
    Section(
        "qmail",
        r"able to deliver (?:(?:your|the following) )?message to (?:the )?following address(?:es|\(es\))?",
        voice=Voice.KEEPER,
    ),
    Section(
        "exim",
        r"following address(?:es|\(es\))? failed"
        r"|folgenden?(?:\(n\))? adressen?(?:\(n\))? (?:konnte|schlug)[^:]{0,60}:"
        r"|the message has not yet been delivered (?:is|are):",
        voice=Voice.KEEPER,
    ),
    Section("1und1", r"not yet been delivered to the following address(?:es|\(es\))?:", voice=Voice.KEEPER),
    Section(
        "sendmail",
        r"following address(?:es)? (?:had|have) (?:permanent|transient)(?: non-fatal| fatal)? \w{5,6}s?"
        r"|following address(?:es)? have delivery notifications",
        voice=Voice.KEEPER,
    ),
    Section(
        "gmail", r"del[ei]very to the following recipients? (?:failed|has been delayed|was aborted)", voice=Voice.KEEPER
    ),
    Section("gmail", r"problem delivering your message to", names=True, voice=Voice.KEEPER),
    Section("gmail", r"your message (?:wasn't|couldn't be|has not been) delivered to", names=True, voice=Voice.KEEPER),
    Section("exchange-2003", r"did not reach the (?:following|intended) recipients?(?:\(s\))?", voice=Voice.KEEPER),
    Section(
        "exchange",
        r"delivery has failed to these recipients(?: or (?:groups|distribution lists))?"
        r"|hasn't been delivered to these recipients|rejected your message to the following e-?mail address(?:es)?"
        r"|fehler bei der nachrichtenzustellung an folgende empfänger|échec de la remise [aà] ces destinataires"
        r"|error (?:al entregar|de entrega) (?:el mensaje )?a(?: los siguientes| estos) destinatarios"
        r"|recapito non riuscito per i seguenti destinatari|falha na entrega a estes destinatários"
        r"|fout bij bezorging van bericht aan deze geadresseerden"
        r"|次の受信者またはグループへの(?:メッセージの)?配信に失敗しました",
        is_shared=True,
        voice=Voice.KEEPER,
    ),
    Section(
        "exchange", r"your message to", names=True, is_shared=True, closing=" couldn't be delivered", voice=Voice.KEEPER
    ),
    Section("domino", r"was not delivered to:|wurde nicht zugestellt an:|n'a pas été remis à ?:", voice=Voice.KEEPER),
    Section("x400", r"your message was not delivered to", names=True, voice=Voice.KEEPER),
    Section("amazon-ses", r"trying to deliver the mail to the following recipients:"),
    Section("communigate", r"failed to deliver to", names=True, voice=Voice.KEEPER),
    Section("notes", r"-{3,10} failure reasons -{3,10}", voice=Voice.KEEPER, is_shared=True),
    Section("opensmtpd", r"for the following list of recipients", voice=Voice.KEEPER),
    Section("dragonfly", r"there was an error delivering your mail to", names=True, voice=Voice.KEEPER),
    Section("mailenable", r"the following recipients?(?:\(s\))? (?:could|can)not be reached|could not be reached:"),
    Section("mdaemon", r"the following addresses did not receive a copy of your message:"),
    Section("mcafee", r"-{3} the following addresses had delivery (?:problems|errors)|-{3}the following addresses had"),
    Section("courier", r"your message to the following recipients? cannot be delivered:", voice=Voice.KEEPER),
    Section("imail", r"delivery failed \d{1,4} attempts:|undeliverable to", names=True, voice=Voice.KEEPER),
    Section(
        "imail",
        r"(?:unknown user|invalid final delivery userid|unknown host|user mailbox exceeds allowed size):",
        names=True,
        voice=Voice.KEEPER,
    ),
    Section("kddi", r"could not be delivered to:", names=True),
    Section("ezweb", r"following recipients? (?:was|were) rejected by a remote mail server"),
    Section("ezweb", r"following recipients? did not receive (?:this|your) message"),
    Section("zoho", r"a message that you sent could not be delivered to one or more of its recipients"),
    Section("messaging-server", r"your message cannot be delivered to the following recipients:"),
    Section("hmailserver", r"did not reach some or all of the intended recipients"),
    Section("mailmarshal", r"could not be delivered to the following (?:user|recipient)s?:"),
    Section("mailmarshal", r"following recipients? (?:were|was) affected:", is_shared=True),
    Section("interscan", r"unable to deliver message to:?", names=True, is_shared=True),
    Section("groupwise", r"was undeliverable to the following:"),
    Section("groupwise", r"was undeliverable to the following:", voice=Voice.KEEPER, is_local=True),
    Section("aol", r"they are not accepting mail from \S{3,320}:", is_local=True),
    Section(
        "rejected",
        r"your (?:e?mail|message) to:?",
        names=True,
        is_shared=True,
        closing=" (?:was (?:automatically )?rejected|has reached our local|cannot be delivered|has not yet been)",
    ),
    Section("qmail", r"^(?=<[^\s<>]{1,64}@[^\s<>]{1,255}>:[ \t]{0,4}$)", voice=Voice.KEEPER),
    Section("zoho", r"status: error, address:", names=True),
    Section("gateway", r"following recipients? returned (?:permanent|temporary|transient) errors?:", names=True),
    Section("gateway", r"smtp server <?\S{1,255} rejected recipient", names=True, is_shared=True),
    Section("fml", r"duplicated message-id in|you are not a member of this mailing list", names=True),
)
"""The formats, those with the most telling sentence first."""

LOOSE: tuple[Section, ...] = (
    Section(
        "named",
        r"(?:could not be|cannot be|was not|has not been|n'a pas pu [eê]tre|to) (?:delivered|sent|d[eé]livr[eé]|deliver"
        r" your message) (?:to|[aà]):?",
        names=True,
        is_shared=True,
    ),
    Section(
        "named",
        r"message,? addressed to|was addressed,|originally addressed to|undeliverable address:|intended recipient:"
        r"|failed recipient:|mailbox is full:|addressed to:|rcpt to:",
        names=True,
        is_shared=True,
    ),
    Section("named", r"addressed to e-?mail address :|delivery of e-?mail to this address", is_shared=True),
    Section("listed", r"failed (?:recipients|addresses)(?: follow)?|not delivered to the following(?: addresses)?:"),
    Section(
        "listed",
        r"(?:could not|cannot|couldn't|did not|not) (?:be delivered|been delivered|receive this message|be sent)"
        r"|(?:could not|cannot) deliver message"
        r"|awaiting delivery to the following recipient",
        is_shared=True,
    ),
)
"""Sentences that any program may write, for what has no format of its own."""


def read_sections(notice: Notice, sections: Sequence[Section]) -> list[Claim]:
    """Return what the first format that opens in the notice, and names anybody, says."""
    text = notice.text
    for section in sections:
        openings = list(section.pattern.finditer(text))[:MAX_ENTRIES]
        claims = list(_claims(section, notice, openings)) if openings else []
        if claims:
            return claims
    return []


def _claims(section: Section, notice: Notice, openings: Sequence[re.Match[str]]) -> Iterator[Claim]:
    text = notice.text
    if section.names:
        for at, opening in enumerate(openings):
            following = openings[at + 1].start() if at + 1 < len(openings) else len(text)
            lines = text[opening.end() : following].split("\n")
            yield from _claim(section, notice, opening["address"], [lines[0].lstrip(">\"').: "), *lines[1:]])
        return
    lines = text[openings[0].end() :].lstrip(": ").split("\n")
    entries = _entries(section, lines)
    for number, (at, found) in enumerate(entries[:MAX_ENTRIES]):
        end = entries[number + 1][0] if number + 1 < len(entries) else len(lines)
        yield from _claim(section, notice, found["address"], [found["rest"], *lines[at + 1 : end]])


def _entries(section: Section, lines: Sequence[str]) -> list[tuple[int, re.Match[str]]]:
    """Return the lines that name a recipient; one that is indented deeper, or names it again, belongs to a reason."""
    entry = _LOCAL if section.is_local else _ENTRY
    found = [(at, match) for at, line in enumerate(lines) if (match := entry.match(line) or _X400.match(line))]
    deepest = _indent(found[0][1][0]) + 1 if found else 0
    shallow = [(at, match) for at, match in found if _indent(match[0]) <= deepest]
    before = ("", *(match["address"] for _, match in shallow))
    return [entry for entry, last in zip(shallow, before, strict=False) if entry[1]["address"] != last]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _claim(section: Section, notice: Notice, named: str, lines: Sequence[str]) -> Iterator[Claim]:
    address = first_address(f"{named}@{notice.sender.rpartition('@')[2]}" if section.is_local else named)
    if address is None:
        return
    reason = reason_in(lines)
    expanded = _EXPANDED.search(reason)
    yield Claim(
        recipient=address,
        original_recipient=first_address(expanded["address"]) if expanded else None,
        source=section.name,
        text=(notice.text if section.is_shared or not reason else reason)[:MAX_TEXT],
        voice=section.voice,
    )


def _goes_on(lines: Sequence[str]) -> bool:
    """Whether a reply stands behind an empty line, with or without a heading."""
    following = next((line for line in lines if line.strip()), "")
    return bool(_HEADING.match(following) or _CODE.match(following))


def reason_in(lines: Sequence[str]) -> str:
    """Return the words that follow a recipient: to the first empty line behind them, a ruler or a farewell."""
    kept: list[str] = []
    for at, line in enumerate(lines[:_MAX_REASON_LINES]):
        if _RULE.match(line) or _FAREWELL.match(line):
            break
        if _ASIDE.match(line):
            continue
        if line.strip() and not (_HEADING.match(line) and not kept):
            kept.append(line.strip())
        elif kept and not line.strip() and not _goes_on(lines[at + 1 :]):
            break
    return " ".join(kept).lstrip(":;,.-= ")
