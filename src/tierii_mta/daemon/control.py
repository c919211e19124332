"""The control socket: how the CLI and the web child talk to the running daemon.

Owns the socket `data_dir/control.sock` (0600, and only its owner's or root's processes are heard, by SO_PEERCRED), its
line protocol and both of its ends; not the verbs (daemon.assembly).  One connection is one request:

    → {"verb": "explain", "domain": "example.com"}
    ← {...}                                 none, one or many lines
    ← {"done": true}                        or {"error": {"what": ..., "where": ..., "remedy": ..., "exit_code": 6}}

Lines are JSON, UTF-8, bounded in length and time.
"""

import asyncio
import contextlib
import json
import os
import socket
import stat
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from tierii_mta.clock import Clock
from tierii_mta.errors import ConfigurationError, ExitCode, TieriiError, Unavailable, UsageError

SOCKET_NAME = "control.sock"
MAX_REQUEST_BYTES = 1 << 16
MAX_REPLY_BYTES = 1 << 23  # a line of a reply; metrics of a big installation are the longest
MAX_CONNECTIONS = 64
_LINGER_BYTES = 1 << 20
_LOOK_EVERY_S = 5.0  # whether the socket still has its name
_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid
_MAX_ADDRESS = 107  # sun_path, without the final NUL

Answer = Mapping[str, Any] | AsyncIterator[Mapping[str, Any]] | None
Handler = Callable[[Mapping[str, Any]], Awaitable[Answer]]
"""A verb: takes the request, returns one line, a stream of lines, or nothing. TieriiErrors reach the caller as such."""


class _Refused(Exception):
    """The request is none; the text goes to the peer."""


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """Yield a name for the socket that fits into sockaddr_un, however deep its folder lies."""
    if len(os.fsencode(path)) <= _MAX_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class ControlServer:
    """The daemon's end. Use as `async with ControlServer(...)`: it listens inside."""

    def __init__(
        self,
        path: Path,
        handlers: Mapping[str, Handler],
        clock: Clock,
        *,
        patience: float = 10.0,  # seconds for a request to arrive and for each reply line to be taken
    ) -> None:
        self._path, self._handlers, self._clock, self._patience = path, handlers, clock, patience
        self._server: asyncio.Server | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._inode = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "ControlServer":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Listen; a socket nobody listens on any more is replaced. Raises `Unavailable` if another daemon answers."""
        await asyncio.to_thread(self._claim_name)
        self._server = await self._listen()
        self._keeper = asyncio.create_task(self._keep_name())

    async def close(self) -> None:
        """Stop listening, end open requests and remove the socket, unless it is another's by now."""
        if self._server is None:
            return
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._server.close()
        for connection in tuple(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None
        with contextlib.suppress(FileNotFoundError):
            if self._path.lstat().st_ino == self._inode:
                self._path.unlink()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._accept, sock=self._bind(), limit=MAX_REQUEST_BYTES)

    async def _keep_name(self) -> None:
        """Make the socket anew when somebody has removed it: without its name nobody reaches this daemon."""
        while True:
            await self._clock.sleep(_LOOK_EVERY_S)
            if self._server is None or os.path.lexists(self._path):
                continue
            try:
                renewed = await self._listen()
            except OSError as failure:
                structlog.get_logger().warning("control.unnamed", path=str(self._path), error=str(failure))
                continue
            self._server.close()
            self._server = renewed
            structlog.get_logger().warning("control.renewed", path=str(self._path))

    def _claim_name(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(self._path.lstat().st_mode):
                raise ConfigurationError("is no socket", where=str(self._path), remedy="move it away")
            with _address(self._path) as address, socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(self._patience)
                try:
                    probe.connect(address)
                except OSError:
                    return
            raise Unavailable(
                "another daemon answers here", where=str(self._path), remedy="stop it first, or use another data_dir"
            )

    def _bind(self) -> socket.socket:
        """Return a listening socket. Its name appears when its mode is right: at no moment may others connect."""
        temporary = self._path.with_name(f".{SOCKET_NAME}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _address(temporary) as address:
                listener.bind(address)
            temporary.chmod(0o600)
            listener.listen(MAX_CONNECTIONS)
            listener.setblocking(False)
            self._inode = temporary.lstat().st_ino
            temporary.replace(self._path)
        except OSError:
            listener.close()
            raise
        return listener

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # pragma: no cover  a coroutine always runs in one
            return
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, TimeoutError) as cause:
            structlog.get_logger().info("control.lost", error=str(cause) or "timed out")
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self._check_peer(writer.get_extra_info("socket"))
            request = await self._request(reader)
            await self._answer(await self._handler(request)(request), writer)
            last: Mapping[str, Any] = {"done": True}
        except _Refused as refusal:
            last = _error_line(UsageError(str(refusal)))
        except TieriiError as error:
            last = _error_line(error)
        except (ConnectionError, TimeoutError):
            raise
        except Exception:  # the wall: a broken verb must not end the daemon
            number = self._clock.token(4).hex()
            structlog.get_logger().exception("control.failed", error_id=number)
            last = _error_line(TieriiError(f"unexpected error {number}", remedy="the daemon's log has the details"))
        await self._write(last, writer)
        if "error" in last:
            await self._linger(reader, writer)

    async def _linger(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read what the peer still sends: closing with octets unread would reset the connection and lose the answer."""
        writer.write_eof()
        left = _LINGER_BYTES
        async with asyncio.timeout(self._patience):
            while left > 0 and (octets := await reader.read(min(left, MAX_REQUEST_BYTES))):
                left -= len(octets)

    def _handler(self, request: Mapping[str, Any]) -> Handler:
        handler = self._handlers.get(str(request.get("verb")))
        if handler is None:
            raise _Refused(f"unknown verb {request.get('verb')!r}; known: {', '.join(sorted(self._handlers))}")
        return handler

    def _check_peer(self, peer: socket.socket) -> None:
        if len(self._connections) > MAX_CONNECTIONS:
            raise Unavailable("too many control connections at once")
        _, uid, _ = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if uid not in (0, os.geteuid()):
            structlog.get_logger().warning("control.refused", uid=uid)
            raise _Refused("only the daemon's own user and root are heard")

    async def _request(self, reader: asyncio.StreamReader) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(self._patience):
                line = await reader.readline()
        except TimeoutError as cause:
            raise _Refused("no request came in time") from cause
        except ValueError as cause:  # asyncio's word for a line beyond the limit
            raise _Refused(f"a request has at most {MAX_REQUEST_BYTES} octets") from cause
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as cause:
            raise _Refused("a request is one line of JSON") from cause
        if not isinstance(request, dict):
            raise _Refused("a request is a JSON object")
        return request

    async def _answer(self, answer: Answer, writer: asyncio.StreamWriter) -> None:
        if answer is None:
            return
        if isinstance(answer, Mapping):
            await self._write(answer, writer)
            return
        async for line in answer:
            await self._write(line, writer)

    async def _write(self, line: Mapping[str, Any], writer: asyncio.StreamWriter) -> None:
        raw = json.dumps(line, ensure_ascii=False, default=str).encode() + b"\n"
        if len(raw) > MAX_REPLY_BYTES:
            raise TieriiError("the answer is too long for one line")
        writer.write(raw)
        async with asyncio.timeout(self._patience):
            await writer.drain()


def _error_line(error: TieriiError) -> Mapping[str, Any]:
    return {
        "error": {
            "what": error.what,
            "where": error.where,
            "remedy": error.remedy,
            "exit_code": int(error.exit_code),
        }
    }


@dataclass(frozen=True, slots=True)
class ControlClient:
    """The caller's end. Every call is a connection of its own."""

    path: Path
    patience: float = 30.0  # seconds without a line after which the daemon counts as gone

    async def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Return the one line (or the first) a verb answers with, {} if none.

        Raises `Unavailable` when no daemon answers, and what the daemon raised, as the same kind of error.
        """
        lines = [line async for line in self.stream(verb, **arguments)]
        return lines[0] if lines else {}

    async def stream(self, verb: str, **arguments: Any) -> AsyncIterator[dict[str, Any]]:
        """Yield the lines of an answer as they come; raises as `ask` does."""
        reader, writer = await self._connect()
        try:
            try:
                writer.write(json.dumps({"verb": verb} | arguments, default=str).encode() + b"\n")
                await writer.drain()
            except ConnectionError:
                structlog.get_logger().debug("control.closed_early")  # its reason, if any, stands in the reply
            while True:
                line = await self._line(reader)
                if error := line.get("error"):
                    raise _raised(error)
                if line.get("done") is True:
                    return
                yield line
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            with _address(self.path) as address:
                async with asyncio.timeout(self.patience):
                    return await asyncio.open_unix_connection(address, limit=MAX_REPLY_BYTES)
        except PermissionError as cause:
            raise ConfigurationError(
                "is not ours to use", where=str(self.path), remedy="run as the owner of data_dir, or as root"
            ) from cause
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError, TimeoutError) as cause:
            raise self._gone("no daemon answers") from cause

    async def _line(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.patience):
                raw = await reader.readline()
            line = json.loads(raw)
        except (TimeoutError, ConnectionError, ValueError) as cause:
            raise self._gone("the daemon stopped answering") from cause
        if not isinstance(line, dict):
            raise self._gone("what answers is no daemon of ours")
        return line

    def _gone(self, what: str) -> Unavailable:
        return Unavailable(
            what, where=str(self.path), remedy="start it with `tierii-mta serve`, or see `systemctl status tierii-mta`"
        )


class _Remote(TieriiError):
    """An error the daemon raised for our request; its exit code is the daemon's."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("what")), where=error.get("where"), remedy=error.get("remedy"))
        code = error.get("exit_code")
        self.exit_code = ExitCode(code) if code in set(ExitCode) else ExitCode.UNEXPECTED


def _raised(error: Mapping[str, Any]) -> TieriiError:
    """Return the daemon's error as the class it had there, where the exit code names one."""
    remote = _Remote(error)
    for kind in TieriiError.__subclasses__():
        if kind.exit_code is remote.exit_code and kind is not _Remote:
            return kind(remote.what, where=remote.where, remedy=remote.remedy)
    return remote
