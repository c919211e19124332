"""The web application: which listener serves which routes.

Owns the FastAPI app and the operator's routes; not what recipients open (web.recipients), the bounds and headers of all
(web.guard), nor the sockets (web.process).  The private listener carries health, readiness and metrics, later dashboard
and API; the public one only what recipients and their mailbox providers open.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tierii_mta.clock import Clock
from tierii_mta.errors import TieriiError, Unavailable
from tierii_mta.web import metrics
from tierii_mta.web.guard import Guard, problem
from tierii_mta.web.recipients import SAFE, RecipientPorts, add_recipient_routes


class Audience(Enum):
    """Whom a listener is for."""

    PRIVATE = "private"
    PUBLIC = "public"
    BOTH = "both"  # no public listener is set


class Daemon(Protocol):
    """The daemon beside the web process."""

    async def ping(self) -> Mapping[str, Any]:
        """Return what the daemon says of itself; raises `Unavailable` if none answers. `ready: false` is a no."""

    async def metrics(self) -> str:
        """Return the daemon's metrics in the Prometheus text format; raises `Unavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPorts:
    """What the application works with."""

    recipients: RecipientPorts
    daemon: Daemon
    clock: Clock
    hosts: frozenset[str] = frozenset()  # names the private routes answer to, besides localhost and IP addresses
    metrics: metrics.WebMetrics


def create_app(ports: WebPorts, audience: Audience) -> FastAPI:
    """Return the application of one listener."""
    app = FastAPI(title="tierii-mta", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_middleware(Guard, hosts=ports.hosts, clock=ports.clock, metrics=ports.metrics)
    app.add_exception_handler(HTTPException, _problem)
    app.add_api_route("/healthz", _alive, methods=SAFE)
    if audience is not Audience.PUBLIC:
        _add_operations(app, ports)
    if audience is not Audience.PRIVATE:
        add_recipient_routes(app, ports.recipients, ports.metrics)
    return app


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):  # pragma: no cover  registered for that one class
        raise error
    answer = problem(error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def _alive() -> Response:
    """Answer whether this process serves; asks nobody."""
    return PlainTextResponse("ok\n")


def _add_operations(app: FastAPI, ports: WebPorts) -> None:
    async def ready() -> Response:
        """Answer whether mail is carried: the daemon answers and does not say no."""
        try:
            said = await ports.daemon.ping()
        except TieriiError as error:
            return JSONResponse({"ready": False, "reason": error.what}, status_code=503)
        is_ready = said.get("ready", True) is not False
        return JSONResponse({"ready": is_ready} | dict(said), status_code=200 if is_ready else 503)

    async def all_metrics() -> Response:
        """Answer with the daemon's values and ours; without the daemon with ours, which say so."""
        try:
            theirs = await ports.daemon.metrics()
        except Unavailable:
            theirs = ""
        ports.metrics.daemon_up.set(1 if theirs else 0)
        if theirs and not theirs.endswith("\n"):
            theirs += "\n"
        return Response(theirs + ports.metrics.text(), headers={"content-type": metrics.CONTENT_TYPE})

    app.add_api_route("/readyz", ready, methods=SAFE)
    app.add_api_route("/metrics", all_metrics, methods=SAFE)
