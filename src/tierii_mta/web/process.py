"""The web process's sockets: uvicorn on each listener, until told to stop.

Owns binding, uvicorn's configuration and a patience it lacks: a peer that does not finish its request's header in time
is dropped.  Touches sockets; sets no signal handlers.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from tierii_mta.errors import ConfigurationError
from tierii_mta.web.guard import MAX_HEADER_BYTES

HEADER_SECONDS = 10.0
MAX_CONNECTIONS = 1000
KEEP_ALIVE_SECONDS = 5
FAREWELL_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Listener:
    """One address and what is served there."""

    key: str  # the setting that asked for it, for errors
    host: str
    port: int  # 0: the kernel chooses
    app: ASGIApp


@contextlib.asynccontextmanager
async def serving(listeners: Sequence[Listener]) -> AsyncIterator[list[str]]:
    """Serve inside the block; yield the addresses as `host:port`. Open requests end within a few seconds after it.

    Raises `ConfigurationError` for an address that cannot be listened on.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(contextlib.closing(_bind(listener))) for listener in listeners]
        servers = [_server(listener.app) for listener in listeners]
        async with asyncio.TaskGroup() as group:
            for server, listening in zip(servers, sockets, strict=True):
                group.create_task(server.serve(sockets=[listening]))
            try:
                yield [_address(listening) for listening in sockets]
            finally:
                for server in servers:
                    server.should_exit = True


class _Server(Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: the process has one place for them, and two servers."""
        yield


class _PatientProtocol(H11Protocol):
    """uvicorn's protocol, which waits for ever for the end of a header."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Between requests a peer has so long to send a header; while one is answered, the application is patient."""
        if not self._is_between():
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._drop)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _drop(self) -> None:
        self._deadline = None
        if self._is_between():
            self.transport.abort()

    def _is_between(self) -> bool:
        return getattr(self.cycle, "response_complete", True)  # no cycle: no request yet


def _server(app: ASGIApp) -> _Server:
    return _Server(
        Config(
            app,
            http=_PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,  # headers that come whole are web.guard's to refuse
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=FAREWELL_SECONDS,
        )
    )


def _bind(listener: Listener) -> socket.socket:
    try:
        found = socket.getaddrinfo(listener.host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as cause:
        raise _cannot(listener, cause) from cause
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(1024)
        listening.setblocking(False)
    except OSError as cause:
        listening.close()
        raise _cannot(listener, cause) from cause
    return listening


def _cannot(listener: Listener, cause: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"cannot listen on {listener.host} port {listener.port}: {cause.strerror or cause}",
        where=listener.key,
        remedy="another process may use it; choose another address",
    )


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
