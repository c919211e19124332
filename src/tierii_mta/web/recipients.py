"""What recipients and their mailbox providers open: unsubscribing, preferences, the web view.

Owns these routes and what their methods may do: GET and HEAD show, for scanners and previews follow links; POST acts.
Each token opens one kind of page alone.  RFC 8058.
"""

import asyncio
from dataclasses import dataclass

from fastapi import FastAPI, Request
from starlette.responses import Response

from tierii_mta.mail.tokens import TokenCodec, open_preferences, open_unsubscribe, open_web_view
from tierii_mta.web import pages
from tierii_mta.web.forms import choices, field_value
from tierii_mta.web.metrics import WebMetrics
from tierii_mta.web.preferences import PreferencesKeeper
from tierii_mta.web.preferences_page import preferences, wish_in
from tierii_mta.web.unsubscribe import Method, Unsubscriber
from tierii_mta.web.webview import WebViewer, show

SAFE = ["GET", "HEAD", "OPTIONS"]
BODY_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientPorts:
    """What these pages work with."""

    codec: TokenCodec
    unsubscriber: Unsubscriber
    preferences: PreferencesKeeper
    views: WebViewer


def add_recipient_routes(app: FastAPI, ports: RecipientPorts, metrics: WebMetrics) -> None:
    """Add the routes to a listener's application."""
    _add_unsubscribe(app, ports, metrics)
    _add_preferences(app, ports, metrics)
    _add_web_view(app, ports)


def _add_unsubscribe(app: FastAPI, ports: RecipientPorts, metrics: WebMetrics) -> None:
    async def look(token: str, request: Request) -> Response:
        """Show the button, whoever asks."""
        link = open_unsubscribe(ports.codec, token)
        if link is None:
            return pages.not_found()
        return _options(request) or pages.ask_to_unsubscribe(link.list_id)

    async def act(token: str, request: Request) -> Response:
        """Unsubscribe: for a mailbox provider (RFC 8058 §3.1) or for the button. No redirect, no cookie."""
        link = open_unsubscribe(ports.codec, token)
        if link is None:
            return pages.not_found()
        body = await _body(request)
        if body is None:
            return pages.failed(408)
        content_type = request.headers.get("content-type", "")
        if field_value(pages.CONFIRM_FIELD, content_type, body) == pages.UNDO_VALUE:
            is_back = await ports.unsubscriber.take_back(link)
            return pages.subscribed_again(link.list_id) if is_back else pages.undone_no_more()
        method = _method(content_type, body)
        if method is None:
            return pages.ask_to_unsubscribe(link.list_id, status=400)
        if await ports.unsubscriber.unsubscribe(link, method):
            metrics.unsubscribed.labels(method=str(method)).inc()
        return pages.unsubscribed(link.list_id)

    app.add_api_route("/u/{token}", look, methods=SAFE)
    app.add_api_route("/u/{token}", act, methods=["POST"])


def _add_preferences(app: FastAPI, ports: RecipientPorts, metrics: WebMetrics) -> None:
    async def look(token: str, request: Request) -> Response:
        """Show what the person gets."""
        link = open_preferences(ports.codec, token)
        if link is None:
            return pages.not_found()
        return _options(request) or preferences(await ports.preferences.standing(link))

    async def act(token: str, request: Request) -> Response:
        """Do what the form says, and show what became of it."""
        link = open_preferences(ports.codec, token)
        if link is None:
            return pages.not_found()
        body = await _body(request)
        if body is None:
            return pages.failed(408)
        present = await ports.preferences.standing(link)
        wish = wish_in(choices(request.headers.get("content-type", ""), body), present)
        if wish is None:
            return preferences(present, status=400)
        await ports.preferences.grant(link, wish)
        if wish.leaves:
            metrics.unsubscribed.labels(method=str(Method.PREFERENCES)).inc()
        return preferences(await ports.preferences.standing(link), done=wish)

    app.add_api_route("/p/{token}", look, methods=SAFE)
    app.add_api_route("/p/{token}", act, methods=["POST"])


def _add_web_view(app: FastAPI, ports: RecipientPorts) -> None:
    async def look(token: str, request: Request) -> Response:
        """Show the mail."""
        link = open_web_view(ports.codec, token)
        if link is None:
            return pages.not_found()
        if (answer := _options(request)) is not None:
            return answer
        mail = await ports.views.mail(link, f"/v/{token}")
        return pages.gone() if mail is None else await asyncio.to_thread(show, mail)

    app.add_api_route("/v/{token}", look, methods=SAFE)


def _options(request: Request) -> Response | None:
    if request.method != "OPTIONS":
        return None
    allowed = "GET, HEAD, OPTIONS" if request.url.path.startswith("/v/") else "GET, HEAD, OPTIONS, POST"
    return Response(status_code=204, headers={"allow": allowed})


async def _body(request: Request) -> bytes | None:
    """Return the posted body, bounded by the guard; None where it does not come in time."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        return None


def _method(content_type: str, body: bytes) -> Method | None:
    """Return who asks, or None if the body asks for nothing we know."""
    one_click = field_value("List-Unsubscribe", content_type, body)
    if one_click is not None and one_click.strip().lower() == "one-click":
        return Method.ONE_CLICK
    if field_value(pages.CONFIRM_FIELD, content_type, body) == pages.CONFIRM_VALUE:
        return Method.PAGE
    return None
