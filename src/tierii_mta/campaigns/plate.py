"""The plate: a campaign compiled from its snapshot, from which each mail is printed.

Owns what a campaign's mail consists of: header fields and parts; what is added to a part is `footer`'s.  Everything
comes from the snapshot and the job, so that every attempt at a delivery prints the same octets; signing is not here.
RFC 5322, RFC 2369 and RFC 8058 (List-Unsubscribe, one click), RFC 2919 (List-Id).  No I/O.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, Template, Undefined

from tierii_mta.campaigns.footer import make_footer
from tierii_mta.campaigns.snapshot import Content, read_snapshot
from tierii_mta.campaigns.specification import Specification
from tierii_mta.campaigns.stencil import Stencils
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.campaigns.template import HEADERS, SUBJECT, Templates, make_context
from tierii_mta.clock import Instant
from tierii_mta.mail.address import Address
from tierii_mta.mail.compose import Skeleton
from tierii_mta.mail.header import HeaderInjection, address_field, date_field, raw_field, text_field
from tierii_mta.outbound.content import RenderFailed
from tierii_mta.queue.delivery import Json

ONE_CLICK = "List-Unsubscribe=One-Click"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What differs from mail to mail. Holds no key and no open resource: it can go to another process."""

    recipient: Address
    contact: Mapping[str, Json]
    accepted_at: Instant  # becomes Date
    message_id: str
    unsubscribe_url: str
    preferences_url: str = ""
    web_view_url: str = ""
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
        self._stencils = _stencils(content)
        self._templates = Templates(content.sources, undefined=undefined, marks_values=self._stencils is not None)
        self._subject = self._templates.text(SUBJECT)
        self._headers = [(name, self._templates.text(HEADERS + name)) for name in self.specification.headers]
        self._html = self._templates.html(content.html) if content.html is not None else None
        self._text = self._templates.text(content.text) if content.text is not None else None
        self._skeleton = Skeleton(has_html=self._html is not None, has_text=True, attachments=content.attachments)
        self._footer = make_footer(content)
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
            constants={
                **self._constants,
                "unsubscribe_url": job.unsubscribe_url,
                "preferences_url": job.preferences_url,
                "web_view_url": job.web_view_url,
            },
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
        html, text = None, ""
        if self._html is not None:
            html = self._templates.render(self._html, context)
            if self._footer is not None:
                url = self._stencils.mark(unsubscribe_url) if self._stencils is not None else unsubscribe_url
                html = self._footer.add_to_html(html, url)
            if self._stencils is not None:
                html, text = self._stencils.print(html)
        if self._text is not None:
            text = self._templates.render(self._text, context)
            if self._footer is not None:
                text = self._footer.add_to_text(text, unsubscribe_url)
        return html, text

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


def _stencils(content: Content) -> Stencils | None:
    """Return what makes more of the HTML than the template does; None: nothing does."""
    inlines, makes_text = content.specification.template.inline_css, content.text is None
    return Stencils(inlines=inlines, makes_text=makes_text) if content.html and (inlines or makes_text) else None


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
