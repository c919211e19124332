"""The web process: a child of the daemon over the same installation.

Owns what joins the web application to settings, store and daemon; not the application (web.app) nor its own restarts
(daemon.children).  Started as `python -m tierii_mta.daemon.webchild` by `children.web_child`, never by hand: the
settings, with their secrets, come through standard input.

    1. tie our life to the parent's, take the settings           (`adopted`)
    2. open the installation, listen, tell the parent where      (`_run`)
    3. serve until SIGTERM or until the parent is gone           (`_until_told`)
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog
import uvloop

from tierii_mta.campaigns.editions import Editions
from tierii_mta.campaigns.pressroom.pool import PressPool
from tierii_mta.campaigns.webcopy import WebCopies
from tierii_mta.daemon.children import adopted, announce, parent_gone
from tierii_mta.daemon.control import SOCKET_NAME, ControlClient
from tierii_mta.daemon.installation import Installation, open_installation
from tierii_mta.daemon.settings import LoadedSettings, Settings
from tierii_mta.daemon.telemetry import configure_logging
from tierii_mta.errors import ExitCode, TieriiError
from tierii_mta.web.app import Audience, WebPorts, create_app
from tierii_mta.web.metrics import WebMetrics
from tierii_mta.web.preferences import PreferencesDesk
from tierii_mta.web.process import Listener, serving
from tierii_mta.web.recipients import RecipientPorts
from tierii_mta.web.unsubscribe import ListUnsubscriber
from tierii_mta.web.webview import PrintedViews

_EDITION_BYTES = 32_000_000  # campaigns kept ready for web views
DAEMON_PATIENCE = 3.0  # seconds the daemon has to answer for /readyz and /metrics


@dataclass(frozen=True, slots=True)
class _Neighbour:
    """The daemon, through its control socket."""

    client: ControlClient

    async def ping(self) -> Mapping[str, Any]:
        return await self.client.ask("ping")

    async def metrics(self) -> str:
        return str((await self.client.ask("metrics")).get("text", ""))


async def _run(loaded: LoadedSettings) -> None:
    async with (
        open_installation(loaded, role="web") as installation,
        _printing(installation) as copies,
        serving(_listeners(installation, copies)) as addresses,
    ):
        announce({"listen": addresses})
        structlog.get_logger().info("web.listening", listen=addresses)
        await _until_told()


@contextlib.asynccontextmanager
async def _printing(installation: Installation) -> AsyncIterator[WebCopies]:
    """Print web views in a worker of our own: it starts with the first one, and campaigns do not wait for it."""
    press = PressPool(installation.clock, workers=1, threads=1)
    try:
        yield WebCopies(Editions(installation.campaigns, press, installation.clock, max_bytes=_EDITION_BYTES), press)
    finally:
        await press.close()


def _listeners(installation: Installation, copies: WebCopies) -> list[Listener]:
    settings, clock = installation.settings, installation.clock
    suppression, queue = installation.suppression, installation.queue
    recipients = RecipientPorts(
        codec=installation.codec,
        unsubscriber=ListUnsubscriber(suppression, queue, clock),
        preferences=PreferencesDesk(suppression, installation.known_lists, queue, clock),
        views=PrintedViews(installation.correspondence, copies),
    )
    ports = WebPorts(
        recipients=recipients,
        daemon=_Neighbour(ControlClient(settings.data_dir / SOCKET_NAME, DAEMON_PATIENCE)),
        clock=clock,
        hosts=_hosts(settings),
        metrics=WebMetrics(),
    )
    web = settings.web
    if web.public_listen is None:
        return [Listener("web.listen", web.listen.host, web.listen.port, create_app(ports, Audience.BOTH))]
    private, public = create_app(ports, Audience.PRIVATE), create_app(ports, Audience.PUBLIC)
    return [
        Listener("web.listen", web.listen.host, web.listen.port, private),
        Listener("web.public_listen", web.public_listen.host, web.public_listen.port, public),
    ]


def _hosts(settings: Settings) -> frozenset[str]:
    names = {settings.hostname, settings.web.listen.host, *settings.web.hosts}
    if settings.web.public_url:
        names.add(urlsplit(settings.web.public_url).hostname or "")
    return frozenset(name.lower() for name in names if name)


async def _until_told() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    waiting = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(parent_gone())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


def main() -> ExitCode:
    """Run the process; the exit code tells the parent whether trying again may help."""
    loaded = LoadedSettings.receive(adopted())
    log = loaded.settings.log
    configure_logging(level=log.level, format=log.format, recipients=log.recipients, process="web")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(loaded))
    except TieriiError as error:
        structlog.get_logger().error("web.ended", error=str(error))
        return error.exit_code
    return ExitCode.OK


if __name__ == "__main__":
    raise SystemExit(main())
