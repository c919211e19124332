"""What every request passes through: bounds, Host, security headers, the log line, and the opaque 500.

Owns these for all routes, as ASGI middleware; not the routes.  A path is never logged: it may hold a token.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tierii_mta.clock import Clock
from tierii_mta.errors import Unavailable
from tierii_mta.web import pages
from tierii_mta.web.metrics import WebMetrics

MAX_BODY_BYTES = 64 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_TARGET_BYTES = 4096
PAGES = ("/u/", "/p/", "/v/", "/c/", "/o/")
"""What recipients open: answered for any Host, for links outlive the names they were made with."""

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "content-security-policy": pages.CONTENT_SECURITY_POLICY,
}


class BodyTooLarge(Exception):
    """The request's body goes on past the bound."""


@dataclass(slots=True)
class _Exchange:
    """What is known of one request's answer."""

    status: int = 0
    received: int = 0


class Guard:
    """ASGI middleware around the routes of one listener."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], clock: Clock, metrics: WebMetrics) -> None:
        self._app, self._hosts, self._clock, self._metrics = app, hosts, clock, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # no WebSocket and no life-span events yet
            return
        exchange = _Exchange()
        began = self._clock.monotonic()
        sending = self._with_headers(send, exchange)
        answer = self._refusal(scope)
        try:
            if answer is None:
                await self._app(scope, self._bounded(receive, exchange), sending)
        except BodyTooLarge:
            answer = _failure(scope, 413)
        except Unavailable as error:
            number = self._clock.token(6).hex()
            structlog.get_logger().error("web.unavailable", error_id=number, error=str(error))
            answer = _failure(scope, 503, number)
        except Exception:  # the wall: what went wrong is for our log alone
            number = self._clock.token(6).hex()
            structlog.get_logger().exception("web.failed", error_id=number)
            answer = _failure(scope, 500, number)
        if answer is not None and not exchange.status:  # once begun, an answer cannot be another; the connection ends
            await answer(scope, receive, sending)
        self._note(scope, exchange, self._clock.monotonic() - began)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > MAX_TARGET_BYTES:
            return problem(414, "the address is too long")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
            return problem(431, f"the header fields have at most {MAX_HEADER_BYTES} octets together")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return problem(413, f"a body has at most {MAX_BODY_BYTES} octets")
        if not scope["path"].startswith(PAGES) and not self._is_ours(headers.get("host", "")):
            return problem(421, "this host name is not served here; see web.hosts")
        return None

    def _is_ours(self, host: str) -> bool:
        """Whether a Host may stand for us: a name not ours would let a stranger's page read what we serve."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.strip("[]").lower().rstrip(".")
        if name in self._hosts or name == "localhost":
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True

    def _with_headers(self, send: Send, exchange: _Exchange) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        return sending

    def _bounded(self, receive: Receive, exchange: _Exchange) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
        async def receiving() -> Message:
            message = await receive()
            exchange.received += len(message.get("body", b""))
            if exchange.received > MAX_BODY_BYTES:
                raise BodyTooLarge
            return message

        return receiving

    def _note(self, scope: Scope, exchange: _Exchange, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(route=route, status=str(exchange.status)).inc()
        self._metrics.seconds.labels(route=route).observe(seconds)
        log = structlog.get_logger()
        (log.info if scope["method"] == "POST" else log.debug)(
            "web.request",
            method=scope["method"],
            route=route,
            status=exchange.status,
            elapsed_ms=round(seconds * 1000, 1),
        )


def _failure(scope: Scope, status: int, number: str | None = None) -> Response:
    is_page = scope["path"].startswith(PAGES)
    answer: Response = pages.failed(status, number) if is_page else problem(status, number=number)
    answer.headers["connection"] = "close"
    return answer


_TITLES = {
    400: "Bad request",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timed out",
    413: "Content too large",
    414: "Address too long",
    421: "Misdirected request",
    431: "Header fields too large",
    500: "Internal error",
    503: "Unavailable",
}


def problem(status: int, detail: str | None = None, *, number: str | None = None) -> Response:
    """Return RFC 9457 problem details; `number` finds an error in our log and says nothing else."""
    content: dict[str, Any] = {"type": "about:blank", "title": _TITLES.get(status, "Error"), "status": status}
    if detail:
        content["detail"] = detail
    if number:
        content["instance"] = f"urn:tierii:error:{number}"
    return JSONResponse(content, status_code=status, media_type="application/problem+json")
