"""A name server that lies, over UDP: it sends whatever datagrams a test's script says, when it says so.

For what an honest server that fails (`tests.support.dns`) cannot do: answer twice, late, for somebody else, with
another id, from another port, or in garbage.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

import dns.flags
import dns.message
import dns.rrset


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram: when it is sent, counted from the query, and whether from a port nobody asked."""

    octets: bytes
    after: float = 0.0
    is_from_elsewhere: bool = False


Script = Callable[[dns.message.Message], list[Datagram]]


def answer(query: dns.message.Message, *records: str) -> dns.message.Message:
    """Return an answer with these records, each as `name TTL IN type data`; a lie is then made of it."""
    response = dns.message.make_response(query, recursion_available=True)
    for record in records:
        name, ttl, _, kind, data = record.split(maxsplit=4)
        response.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, data))
    return response


class LyingDns(asyncio.DatagramProtocol):
    """`async with LyingDns(script) as dns:` plays the script to every query; `queries` counts them."""

    def __init__(self, script: Script, *, address: str = "127.0.0.1") -> None:
        self._script, self._host = script, address
        self.queries = 0
        self._transport: asyncio.DatagramTransport
        self._elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(self._host, 0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()
        self._elsewhere.close()

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return "{}:{}".format(*self._transport.get_extra_info("sockname"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.queries += 1
        loop = asyncio.get_running_loop()
        for datagram in self._script(dns.message.from_wire(data)):
            loop.call_later(datagram.after, self._send, datagram, addr)

    def _send(self, datagram: Datagram, addr: tuple[str, int]) -> None:
        if datagram.is_from_elsewhere:
            self._elsewhere.sendto(datagram.octets, addr)
        elif not self._transport.is_closing():
            self._transport.sendto(datagram.octets, addr)
