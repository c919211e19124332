r"""The words of a report, apart from the message it returns.

Owns which text of a mail is the reporter's own, who wrote it, and whether it has the marks of a report at all; not what
the words say (sections, texts).  A mail without a mark is never read further: people write about bounces too.
RFC 5321 §4.5.5 (null sender), RFC 3834 §5.  Pure.
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tierii_mta.correspondence.addresses import addresses_in, first_address
from tierii_mta.correspondence.original import MAX_LINES, block_in
from tierii_mta.mail.mime import Mail, Part

_MAX_LINE = 20_000
_MAX_CHARACTERS = 100_000
_MACHINE = re.compile(
    r"^(?:(?:mail|mailer)[-_. ]?(?:d(?:ae|ea)mon|delivery|deliver|administrator|adm)\S{0,40}|post[-_.]?master\S{0,40}"
    r"|m?daemon|(?:e\d{3}_)?smtp\S{0,40}|mail[-_.]?system|mta[-_.]?\S{0,20}|bounces?[-_.+]?\S{0,60}"
    r"|\S{0,30}anti-?virus\S{0,40}|listserv|imss|ndr|system[-_ ]?administrator)@"
)
_NO_REPLY = re.compile(r"^(?:no|do-?not)[-_.]?reply")
_MACHINE_NAME = re.compile(
    r"mail(?:er)?[-_ ]?d(?:ae|ea)mon|mail deliver(?:y)? (?:sub)?system|(?:system|mail) administrator"
    r"|delivery subsystem"
    r"|mail system|mail delivery|postmaster|auto\w+ response"
)
_SUBJECT = re.compile(
    r"undeliver|un-deliver|non[- ]?deliver|not (?:be )?delivered|n't (?:be )?delivered|not (?:yet )?been delivered"
    r"|deliver(?:y|ance)? (?:status|report|failure|fail|problem|error|notification|incomplete|delay|has failed|warning)"
    r"|(?:mail|message|e-?mail|failure|permanent|automated) deliver(?:y|ance)"
    r"|returned (?:mail|e-?mail|message|to sender)"
    r"|failure (?:notice|delivery)|(?:mail|message|delivery) (?:system )?(?:error|failed|failure|delayed)"
    r"|delayed mail"
    r"|failed mail|rejected mail|return(?:ing|ed)? (?:message )?to sender|warning: (?:could not send|message)"
    r"|user unknown"
    r"|could not send|error sending|can(?:no|')t send|processing error|nameserver error|error during delivery"
    r"|loop alert"
    r"|unzustellbar|nicht zugestellt|zustell(?:ung|fehler|bericht)|non remis|non distribu"
    r"|échec de (?:la )?(?:remise|distrib)"
    r"|no (?:se (?:ha )?pud|se puede )?entreg|devuelto|mancat[ao] (?:consegna|recapito)|non recapitat|não entregue"
    r"|onbestelbaar|niet bezorgd|niedostarcz|nie dostarczono|nedoručiteln|недостав|не доставлен|не удалось доставить"
    r"|配信(?:不能|できません|エラー)|送信できません|配送エラー|エラーメール"
    r"|不达|退信|投递失败|无法投递|無法傳遞|未傳遞|반송|배달 실패"
)
_ANSWER = re.compile(r"^(?:re|aw|sv|antw|fwd?|wg|tr|rv|res|回复|答复|转发|返信)(?:\[\d{1,3}\])?\s?[:：]")
_RETURNED = re.compile(
    r"^[\s\-=*_|#>~.]{0,80}(?:"
    r"(?:here|below|this|following|included|attached|attachment|enclosed|a copy)(?: \S{1,20}){0,5} (?:copy|header)s? of"
    r"|(?:the )?(?:headers?|first|original)(?: \S{1,20}){0,4} (?:of|from) (?:the|your) (?:original|source|message|mail)"
    r"|(?:-- )?the header and top"
    r"|(?:your |the )?(?:original|returned|unsent|undelivered|unaltered|old|bounced|forwarded) (?:e-?)?(?:message|mail)"
    r"\b(?! (?:was received|has been|could|did|will|sent|and|to|from|is still|details))"
    r"|message (?:headers?|text|body)(?: follows?| suppressed)?\b|start of returned message|enclosed are the"
    r"|a copy of (?:the|your) (?:original )?message|your message reads|a summary of the undelivered"
    r"|(?:the )?first \d{1,4} lines of|original header"
    r"|mensaje original|mensagem original|message d'origine|ursprüngliche nachricht|исходное сообщение"
    r")",
    re.IGNORECASE,
)
_OF_THE_ORIGINAL = frozenset({"received", "return-path", "message-id", "mime-version", "delivered-to", "x-mailer"})
_HIDDEN = re.compile(r"<(style|script|head|title)\b[^<>]{0,500}>[^<]{0,20000}</\1>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/h[1-6]|/li|/pre|p)\b[^<>]{0,500}>", re.IGNORECASE)
_TAG = re.compile(r"<[!/?a-zA-Z][^<>]{0,4000}>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a reporter wrote, and the marks that it is one."""

    sender: str  # address of From in lower case, "" without one
    subject: str
    lines: tuple[str, ...]  # up to the returned message
    marks: tuple[str, ...]  # what makes this a report; none: it is not read as one
    own: frozenset[str]  # addresses of the report's own header, in lower case: nobody that failed
    failed: tuple[str, ...] = ()  # X-Failed-Recipients

    @property
    def is_likely(self) -> bool:
        """Whether the marks carry a sentence that anybody may write, such as a parcel service."""
        by_header = {"From", "Content-Type", "X-Failed-Recipients"} & set(self.marks)
        return bool(by_header) or {"Subject", "Return-Path"} <= set(self.marks)

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


def notice_of(mail: Mail, marks: tuple[str, ...]) -> Notice:
    """Return the report's own words; `marks` are those of the message."""
    root = mail.root
    fields = (value for name in ("From", "To", "Sender", "Reply-To", "Errors-To") for value in root.get_all(name))
    return Notice(
        sender=(first_address(root.get("From") or "") or "").lower(),
        subject=" ".join((root.get("Subject") or "")[:_MAX_LINE].lower().split()),
        lines=tuple(_own_lines(_words(mail))),
        marks=marks,
        own=frozenset(found.lower() for value in fields for found in addresses_in(value)),
        failed=tuple(found for value in root.get_all("X-Failed-Recipients") for found in addresses_in(value)),
    )


def marks_of(root: Part) -> tuple[str, ...]:
    """Return the marks of a report that a header has; none is needed where there are status fields."""
    sender = root.get("From") or ""
    return tuple(_marks(root, sender, (first_address(sender) or "").lower()))


def _marks(root: Part, sender: str, address: str) -> Iterator[str]:
    subject = (root.get("Subject") or "")[:_MAX_LINE].strip().lower()
    if _ANSWER.match(subject) and not _is_machine(sender, address):
        return  # people answer and forward reports
    if root.get("X-Failed-Recipients"):
        yield "X-Failed-Recipients"
    if root.content_type == "multipart/report" and root.parameters.get("report-type", "").lower() == "delivery-status":
        yield "Content-Type"
    if _is_machine(sender, address):
        yield "From"
    if _SUBJECT.search(subject):
        yield "Subject"
    if _NO_REPLY.match(address):
        yield "no-reply"
    if (root.get("Return-Path") or "").strip().lower() in ("<>", "<mailer-daemon>", "<null>"):
        yield "Return-Path"


def is_machine(sender: str) -> bool:
    """Whether a field From names a mail system."""
    return _is_machine(sender, (first_address(sender) or "").lower())


def _is_machine(sender: str, address: str) -> bool:
    name = sender[:_MAX_LINE].lower()
    return bool(_MACHINE.match(address) or _MACHINE_NAME.search(name) or name.rstrip().endswith("<>"))


def _words(mail: Mail) -> str:
    """The text a reader sees; of HTML only where there is no other."""
    text = mail.body_text()
    if not text.strip():
        text = plain(mail.body_html())
    return text[:_MAX_CHARACTERS]


def plain(markup: str) -> str:
    """Return HTML as lines of text: what separates blocks ends a line, every other tag is gone."""
    text = _HIDDEN.sub(" ", markup[: 4 * _MAX_CHARACTERS])
    return html.unescape(_TAG.sub(" ", _BREAK.sub("\n", text)))


def _own_lines(text: str) -> Iterator[str]:
    """Yield the lines before the returned message: before what announces it, or its header."""
    lines = [line[:_MAX_LINE].rstrip() for line in text.split("\n", MAX_LINES)[:MAX_LINES]]
    end = _returned_at(lines)
    yield from lines[:end]


def _returned_at(lines: Sequence[str]) -> int:
    block = block_in(lines)
    end = len(lines)
    if block and len(block.names & _OF_THE_ORIGINAL) >= 2 and any(line.strip() for line in lines[: block.start]):
        end = block.start
    announced = (at for at, line in enumerate(lines[:end]) if at and _RETURNED.match(line))
    return next(announced, end)
