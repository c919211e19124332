"""The plate: a campaign compiled from its snapshot, from which each mail is printed.

Owns what a campaign's mail consists of: header fields, parts, footer.  Everything comes from the snapshot and the job,
so that every attempt at a delivery prints the same octets; signing is not here.  RFC 5322, RFC 2369 and RFC 8058
(List-Unsubscribe, one click), RFC 2919 (List-Id).  No I/O.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from jinja2 import StrictUndefined, Template, Undefined, meta

from tierii_mta.campaigns.snapshot import Content, read_snapshot
from tierii_mta.campaigns.specification import Specification
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.campaigns.template import HEADERS, SUBJECT, Sources, Templates, make_context, names_used, parse
from tierii_mta.clock import Instant
from tierii_mta.mail.address import Address
from tierii_mta.mail.compose import Skeleton
from tierii_mta.mail.header import HeaderInjection, address_field, date_field, raw_field, text_field
from tierii_mta.mail.plaintext import TextMaker
from tierii_mta.outbound.content import RenderFailed
from tierii_mta.queue.delivery import Json

ONE_CLICK = "List-Unsubscribe=One-Click"
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_FOOTER_STYLE = "margin:24px 0 0;font:12px/1.5 sans-serif;color:#666"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What differs from mail to mail. Holds no key and no open resource: it can go to another process."""

    recipient: Address
    contact: Mapping[str, Json]
    accepted_at: Instant  # becomes Date
    message_id: str
    unsubscribe_url: str
    reply_to: Address | None = None  # signed for this delivery; None: the one that the campaign names
    unsubscribe_address: Address | None = None  # likewise signed; None: unsubscribing goes by the URL alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One mail, unsigned."""

    data: bytes
    body_hash: str  # SHA-256 in hex
    is_8bit: bool
    needs_smtputf8: bool


class Plate:
    """A compiled campaign. Safe to share between threads."""

    def __init__(self, snapshot: Snapshot, *, undefined: type[Undefined] = StrictUndefined) -> None:
        """Compile; raises `template.TemplateBroken`. Enqueue has compiled the same sources before."""
        content = read_snapshot(snapshot)
        self.specification = content.specification
        self.public_url = content.public_url
        self._templates = Templates(content.sources, undefined=undefined)
        self._subject = self._templates.text(SUBJECT)
        self._headers = [(name, self._templates.text(HEADERS + name)) for name in self.specification.headers]
        self._html = self._templates.html(content.html) if content.html is not None else None
        self._text = self._templates.text(content.text) if content.text is not None else None
        self._text_maker = TextMaker()
        self._skeleton = Skeleton(has_html=self._html is not None, has_text=True, attachments=content.attachments)
        self._footer = _footer(content)
        self._fixed = _fixed_fields(self.specification)
        self._date = (Instant(0), date_field(Instant(0)))  # the last one written: all of a file's contacts share one
        self._needs_smtputf8 = _needs_smtputf8(self.specification)
        self._constants = _constants(content)
        self._dates = frozenset(name for name, kind in self.specification.schema_.types.items() if kind == "date")

    def print(self, job: Job) -> Sheet:
        """Return the mail of one recipient; raises `RenderFailed`."""
        context = make_context(
            job.contact,
            variables=self.specification.variables,
            dates=self._dates,
            constants={**self._constants, "unsubscribe_url": job.unsubscribe_url},
        )
        html, text = self._parts(context, job.unsubscribe_url)
        try:
            fields = self._fields(job, context)
            data = self._skeleton.assemble(fields, text, html)
        except (HeaderInjection, ValueError) as cause:
            raise RenderFailed(f"the header cannot be written: {cause}") from cause
        return Sheet(
            data=data,
            body_hash=hashlib.sha256(data).hexdigest(),
            is_8bit=not data.isascii(),
            needs_smtputf8=self._needs_smtputf8 or job.recipient.needs_smtputf8,
        )

    def _parts(self, context: Mapping[str, Any], unsubscribe_url: str) -> tuple[str | None, str]:
        html = self._templates.render(self._html, context) if self._html is not None else None
        if html is not None and self._footer is not None:
            html = self._footer.add_to_html(html, unsubscribe_url)
        if self._text is None:
            return html, self._text_maker.to_text(html or "")
        text = self._templates.render(self._text, context)
        return html, self._footer.add_to_text(text, unsubscribe_url) if self._footer is not None else text

    def _fields(self, job: Job, context: Mapping[str, Any]) -> list[bytes]:
        """Return the header in the order readers expect."""
        subject = self._one_line(self._subject, context)
        if not subject:
            raise RenderFailed("subject: is empty for this contact")
        sender, *others = self._fixed
        fields = [
            sender,
            address_field("To", [(" ".join(str(context["full_name"]).split()), job.recipient)]),
            text_field("Subject", subject),
            self._date_field(job.accepted_at),
            raw_field("Message-ID", job.message_id),
        ]
        if reply_to := self.specification.reply_to:
            address = job.reply_to or Address.parse(reply_to.email)
            fields.append(address_field("Reply-To", [(reply_to.name or None, address)]))
        fields += others
        if self.specification.is_marketing:
            fields.append(raw_field("List-Unsubscribe", ", ".join(_ways_out(job))))
            if self.specification.unsubscribe.one_click:
                fields.append(raw_field("List-Unsubscribe-Post", ONE_CLICK))
        for name, template in self._headers:
            if value := self._one_line(template, context):
                fields.append(text_field(name, value))
        return fields

    def _date_field(self, accepted_at: Instant) -> bytes:
        instant, field = self._date
        if instant != accepted_at:
            field = date_field(accepted_at)
            self._date = (accepted_at, field)
        return field

    def _one_line(self, template: Template, context: Mapping[str, Any]) -> str:
        """Render a header's value; runs of white space, line breaks included, become one space."""
        return " ".join(self._templates.render(template, context).split())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Footer:
    """A visible way out and who writes (`unsubscribe.footer: auto`): added to a part whose template lacks it."""

    postal_address: str | None
    html_has_link: bool  # the template shows the link
    text_has_link: bool

    def add_to_html(self, html: str, unsubscribe_url: str) -> str:
        """Return the page with what it lacks, inside its body."""
        lines = []
        if self.postal_address and escape(self.postal_address) not in html and self.postal_address not in html:
            lines.append(escape(self.postal_address))
        if not self.html_has_link:
            lines.append(f'<a href="{escape(unsubscribe_url)}" style="color:#666">Unsubscribe</a>')
        if not lines:
            return html
        block = f'<p style="{_FOOTER_STYLE}">{"<br>".join(lines)}</p>\n'
        at = max((end.start() for end in _BODY_END.finditer(html)), default=len(html))
        return f"{html[:at]}{block}{html[at:]}"

    def add_to_text(self, text: str, unsubscribe_url: str) -> str:
        """Return the text with what it lacks at its end."""
        lines = []
        if self.postal_address and self.postal_address not in text:
            lines.append(self.postal_address)
        if not self.text_has_link:
            lines.append(f"Unsubscribe: {unsubscribe_url}")
        return f"{text.rstrip()}\n\n-- \n{chr(10).join(lines)}\n" if lines else text


def _ways_out(job: Job) -> Iterator[str]:
    """Yield the URL, and the address that a mail of any content to is an order (RFC 2369 §3.2)."""
    yield f"<{job.unsubscribe_url}>"
    if job.unsubscribe_address is not None:
        yield f"<mailto:{job.unsubscribe_address}?subject=unsubscribe>"


def _fixed_fields(specification: Specification) -> list[bytes]:
    """Return From, and what else is the same in every mail."""
    fields = [address_field("From", [(specification.sender.name or None, specification.from_address)])]
    if listing := specification.mailing_list:
        name = listing.name.replace("\\", "").replace('"', "") if listing.name.isascii() else ""
        fields.append(raw_field("List-Id", f'"{name}" <{listing.id}>' if name else f"<{listing.id}>"))
    return fields


def _needs_smtputf8(specification: Specification) -> bool:
    reply_to = specification.reply_to
    return specification.from_address.needs_smtputf8 or bool(reply_to and Address.parse(reply_to.email).needs_smtputf8)


def _constants(content: Content) -> dict[str, Any]:
    section = content.specification.campaign
    return {
        "campaign": {
            "id": section.id,
            "name": content.specification.name,
            "kind": section.kind,
            "tags": tuple(section.tags),
        },
        "campaign_date": content.campaign_date,
    }


def _footer(content: Content) -> _Footer | None:
    if not content.specification.is_marketing or content.specification.unsubscribe.footer != "auto":
        return None
    return _Footer(
        postal_address=content.postal_address,
        html_has_link=_uses_link(content.sources, content.html),
        text_has_link=_uses_link(content.sources, content.text),
    )


def _uses_link(sources: Sources, main: str | None) -> bool:
    """Return whether a template, or one it includes or extends, shows the unsubscribe link."""
    waiting, seen = [main], set[str]()
    while waiting:
        name = waiting.pop()
        if name is None or name in seen or name not in sources.texts:
            continue
        seen.add(name)
        text = sources.texts[name]
        if any(use.name == "unsubscribe_url" for use in names_used(text, file=name)):
            return True
        waiting += meta.find_referenced_templates(parse(text, file=name))
    return False
