"""The web view: a mail as it was sent, in a browser.

Owns what becomes of the message's HTML on a page of ours: it runs nothing, posts nothing and keeps the address of the
page to itself.  What might be in it is the operator's template with values of contacts, and the page's address holds a
token, so a browser is told to treat it as a stranger's.  Images that came with the mail are put into the page.
"""

import asyncio
import base64
import re
from dataclasses import dataclass
from html import escape
from typing import Protocol

from starlette.responses import HTMLResponse

from tierii_mta.campaigns.press import EditionUnusable
from tierii_mta.correspondence.sent import Sent
from tierii_mta.errors import NotFound, Unavailable
from tierii_mta.mail.mime import parse
from tierii_mta.mail.parts import Mail
from tierii_mta.mail.tokens import WebView
from tierii_mta.outbound.content import RenderFailed, WorkerKilled
from tierii_mta.queue.delivery import Delivery, DeliveryId
from tierii_mta.web.pages import page

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src data: https: http:; style-src 'unsafe-inline'; font-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)
NOTE = "web-copy"
"""The fragment of the note on top: where links lead that a web view must not have."""

_SENTENCE = "This is a copy of a mail on the web. To unsubscribe or to change what you get, use the mail itself."
_BAR = (
    f'<div id="{NOTE}" role="note" style="margin:0;padding:12px 16px;background:#f3f4f6;color:#1c1e21;'
    f'font:14px/1.5 sans-serif;text-align:center">{_SENTENCE}</div>'
)
_WITHIN_S = 10.0
_MAX_IMAGES_BYTES = 4_000_000
_BODY = re.compile(r"<body\b[^<>]{0,4000}>", re.IGNORECASE)
# What could tell other servers the page's address, or lead elsewhere; the rest is the policy's.
_TELLTALE = re.compile(r"<meta\b[^<>]{0,4000}>|(?<=[\s/\"'])referrerpolicy(?=[\s=])", re.IGNORECASE)
_CID = re.compile(r"cid:([A-Za-z0-9._-]{1,64})")


class SentMails(Protocol):
    """Mail that was sent, as far as kept (`correspondence.sent.SentStore`)."""

    async def sent(self, delivery: DeliveryId) -> Sent | None:
        """Return a delivery, None once it was purged."""


class Printer(Protocol):
    """Who prints a mail again (`campaigns.webcopy.WebCopies`)."""

    async def print(self, delivery: Delivery, *, path: str, note: str) -> bytes:
        """Return the mail; raises what the press raises, or `NotFound`."""


class WebViewer(Protocol):
    """Where the page's requests go."""

    async def mail(self, link: WebView, path: str) -> Mail | None:
        """Return the mail as it was sent, None if it was not, is not kept any more, or cannot be made."""


@dataclass(frozen=True, slots=True)
class PrintedViews:
    """`WebViewer` that has the mail printed once more."""

    mails: SentMails
    printer: Printer

    async def mail(self, link: WebView, path: str) -> Mail | None:
        """Return the mail; raises `Unavailable` where the press does not get to it in time."""
        sent = await self.mails.sent(DeliveryId(link.delivery))
        if sent is None or sent.delivery.recipient_key != link.key or sent.delivery.campaign is None:
            return None
        if sent.delivery.body_hash is None:  # no attempt has come to an end yet
            return None
        try:
            async with asyncio.timeout(_WITHIN_S):
                return parse(await self.printer.print(sent.delivery, path=path, note=NOTE))
        except (RenderFailed, WorkerKilled, EditionUnusable, NotFound):
            return None
        except TimeoutError as cause:
            raise Unavailable("the press is too busy for a web view") from cause


def show(mail: Mail) -> HTMLResponse:
    """Return the page of a mail."""
    html = mail.body_html()
    if not html:
        text = escape(mail.body_text())
        body = f'<p id="{NOTE}" role="note"><small>{_SENTENCE}</small></p><pre>{text}</pre>'
        return page(mail.root.get("subject") or "Mail", body)
    html = _with_images(_TELLTALE.sub("", html), mail)
    found = _BODY.search(html)
    whole = f"{html[: found.end()]}{_BAR}{html[found.end() :]}" if found else f"<!doctype html><body>{_BAR}{html}"
    return HTMLResponse(whole, headers={"content-security-policy": CONTENT_SECURITY_POLICY})


def _with_images(html: str, mail: Mail) -> str:
    """Put images into the page that the mail brought with it, as long as they are few and small."""
    room = _MAX_IMAGES_BYTES
    images = {
        (part.get("Content-ID") or "").strip("<> "): part
        for part in mail.root.walk()
        if part.content_type.startswith("image/")
    }

    def image(found: re.Match[str]) -> str:
        nonlocal room
        part = images.get(found[1])
        if part is None or len(part.content) > room:
            return found[0]
        room -= len(part.content)
        return f"data:{part.content_type};base64,{base64.b64encode(part.content).decode('ascii')}"

    return _CID.sub(image, html)
