"""The doors: sockets that are listened on, those who are let in, and the end of all sessions.

Owns accepting, the refusal of whom the gate keeps out (at the price of one write), the last file descriptors, and the
sweep that finds what takes too long; not what is talked about (inbound.connection).  We accept ourselves: at a lack of
file descriptors uvloop's own server would close its listening socket.  Touches sockets.
"""

import asyncio
import contextlib
import errno
import resource
import socket
from ipaddress import IPv6Address, ip_address

import structlog

from tierii_mta.inbound.connection import HANDSHAKE_S, SHUTDOWN_S, Connection
from tierii_mta.inbound.entrance import Entrance, House
from tierii_mta.inbound.gate import NO_FILES, IpAddress, Refusal
from tierii_mta.inbound.session import Door
from tierii_mta.smtp.dialogue import written

_AT_ONCE = 100  # accepted before others have their turn
_SWEEP_S = 1.0
_REST_S = 1.0  # without accepting, when the system has no file or memory left
_RESERVED_FILES = 200  # for mail going out, the database and the logs
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """All doors of one process. `run` watches the clock until cancelled; `drain` ends it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._sockets: list[socket.socket] = []
        self._connections: set[Connection] = set()
        self._arriving: set[asyncio.Task[None]] = set()
        self._most_files = _most_files()

    @property
    def open_sessions(self) -> int:
        """How many there are."""
        return len(self._connections)

    def listen(self, listening: socket.socket, entrance: Entrance) -> None:
        """Let clients in through a listening socket, which is ours from now on."""
        listening.setblocking(False)
        self._sockets.append(listening)
        asyncio.get_running_loop().add_reader(listening, self._accept, listening, entrance)

    async def run(self) -> None:
        """End what takes too long, until cancelled."""
        while True:
            await self._house.clock.sleep(_SWEEP_S)
            now = self._house.clock.monotonic()
            for connection in tuple(self._connections):
                connection.check(now)

    async def drain(self, seconds: float) -> None:
        """Let nobody in any more, end idle sessions with 421, and wait for what is under way; then drop the rest."""
        self._house.is_closing = True
        self._close_doors()
        for task in tuple(self._arriving):
            task.cancel()
        for connection in tuple(self._connections):
            connection.retire()
        ends = self._house.clock.monotonic() + seconds
        while self._connections and self._house.clock.monotonic() < ends:
            await self._house.clock.sleep(0.05)
        if self._connections:
            structlog.get_logger().warning("sessions.dropped", count=len(self._connections))
        for connection in tuple(self._connections):
            connection.abort()

    def _close_doors(self) -> None:
        for listening in self._sockets:
            asyncio.get_running_loop().remove_reader(listening)
            listening.close()
        self._sockets.clear()

    def _accept(self, listening: socket.socket, entrance: Entrance) -> None:
        for _ in range(_AT_ONCE):
            try:
                client, address = listening.accept()
            except BlockingIOError:
                return
            except OSError as failure:
                if failure.errno in _EXHAUSTED:
                    self._rest(listening, entrance, failure)
                    return
                continue  # it was gone before we looked
            client.setblocking(False)
            self._admit(client, address, entrance)

    def _admit(self, client: socket.socket, address: tuple[str, int], entrance: Entrance) -> None:
        remote = _unmapped(address[0])
        # The kernel gives the lowest free number: so many files are open at least.
        refusal = NO_FILES if client.fileno() >= self._most_files else self._house.gate.enter(remote)
        if refusal is not None:
            self._turn_away(client, entrance, refusal)
            return
        connection = Connection(
            self._house, entrance, remote=(remote, address[1]), local=_written(client.getsockname()), on_gone=self._gone
        )
        self._connections.add(connection)
        self._house.observer.opened(entrance.door)
        task = asyncio.get_running_loop().create_task(self._connect(client, connection, entrance))
        self._arriving.add(task)
        task.add_done_callback(lambda done: self._arrived(done, client, connection))

    async def _connect(self, client: socket.socket, connection: Connection, entrance: Entrance) -> None:
        """Hand the socket to the loop; where TLS comes first, the handshake is done behind this."""
        loop = asyncio.get_running_loop()
        try:
            if entrance.door is Door.SUBMISSIONS:
                await loop.connect_accepted_socket(
                    lambda: connection,
                    client,
                    ssl=entrance.tls(),
                    ssl_handshake_timeout=HANDSHAKE_S,
                    ssl_shutdown_timeout=SHUTDOWN_S,
                )
            else:
                await loop.connect_accepted_socket(lambda: connection, client)
        except OSError as failure:  # also what ssl raises
            self._house.observer.refused(entrance.door, "tls")
            client.close()
            connection.lost(f"TLS: {failure}")

    def _arrived(self, task: asyncio.Task[None], client: socket.socket, connection: Connection) -> None:
        self._arriving.discard(task)
        if task.cancelled():  # maybe before its first step
            client.close()
            connection.lost("the service closes")

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._house.gate.leave(connection.session.remote)

    def _turn_away(self, client: socket.socket, entrance: Entrance, refusal: Refusal) -> None:
        self._house.observer.refused(entrance.door, refusal.reason)
        with contextlib.suppress(OSError), client:
            if entrance.door is not Door.SUBMISSIONS:
                client.send(written(refusal.reply))

    def _rest(self, listening: socket.socket, entrance: Entrance, failure: OSError) -> None:
        """Wait a little before the next try: the socket stays ready, and would be asked in vain all the time."""
        structlog.get_logger().error("accept.failed", error=str(failure), rest_s=_REST_S)
        self._house.observer.refused(entrance.door, "files")
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        loop.call_later(_REST_S, self._wake, listening, entrance)

    def _wake(self, listening: socket.socket, entrance: Entrance) -> None:
        if listening in self._sockets:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening, entrance)


def _most_files() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft * 9 // 10 - _RESERVED_FILES, soft // 2)


def _unmapped(host: str) -> IpAddress:
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _written(address: tuple[str, int]) -> str:
    host, port = str(_unmapped(address[0])), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
