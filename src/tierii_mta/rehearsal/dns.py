"""An authoritative DNS server on loopback, for the demo and the rehearsal of failures.

Owns the names it was given and how they fail: it answers for the whole name space, so a name it does not know does
not exist.  Speaks UDP and TCP on one port, truncates as RFC 1035 §4.2.1 and RFC 6891 say, adds the SOA that makes
negative answers cacheable (RFC 2308), follows CNAMEs as a recursive server would.  Touches: two sockets.
"""

import asyncio
import struct
from collections import Counter
from datetime import timedelta
from types import TracebackType
from typing import Literal, Self, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

Failure = Literal["timeout", "malformed"]
_UDP_OCTETS = 512  # without EDNS
_EDNS_OCTETS = 4096
_IDLE_SECONDS = 10.0
_MAX_CONNECTIONS = 64
_BIND_ATTEMPTS = 20
_MAX_CHAIN = 32


class DnsServer:
    """The names of a small Internet. `async with DnsServer() as dns:` serves until the block ends.

    Names are given without the final dot and compared without case; names inside records are absolute, too.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, *, negative_ttl: timedelta = timedelta(minutes=1)
    ) -> None:
        self.queries: Counter[tuple[str, str]] = Counter()
        self._host, self._port = host, port
        self._negative_ttl = round(negative_ttl.total_seconds())
        self._names: dict[dns.name.Name, dict[dns.rdatatype.RdataType, dns.rrset.RRset]] = {}
        self._failures: dict[dns.name.Name, dns.rcode.Rcode | Failure] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`, as the setting `dns.nameservers` takes it."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Bind UDP and TCP to one port; with port 0 the kernel chooses one that is free for both."""
        for attempt in range(_BIND_ATTEMPTS):
            server = await asyncio.start_server(self._converse, self._host, self._port)
            port: int = server.sockets[0].getsockname()[1]
            try:
                transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=(self._host, port)
                )
            except OSError:
                server.close()
                await server.wait_closed()
                if self._port or attempt == _BIND_ATTEMPTS - 1:
                    raise
                continue
            self._server, self._transport, self._port = server, transport, port
            return

    async def stop(self) -> None:
        """Close both sockets and every connection."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        if self._server is not None:
            self._server.close()
            tasks = tuple(self._connections)
            for writer in self._connections.values():
                writer.close()  # their readers see the end; asyncio 3.11 logs a cancelled handler as an error
            await asyncio.gather(*tasks)
            await self._server.wait_closed()
            self._server = None

    def add(self, name: str, kind: str, *values: str | int | bytes, ttl: int = 300) -> None:
        """Add one record, e.g. `add("example.com", "MX", 10, "mx.example.com")`.

        The strings of a TXT record need no quotes and are cut at 255 octets. A malformed record raises ValueError.
        """
        owner, rdtype = _name(name), dns.rdatatype.from_text(kind)
        text = " ".join(map(_quoted, values)) if kind.upper() == "TXT" else " ".join(map(str, values))
        try:
            record = dns.rdata.from_text(dns.rdataclass.IN, rdtype, text, origin=dns.name.root, relativize=False)
        except dns.exception.DNSException as cause:
            raise ValueError(f"{name} {kind} {text}: {cause}") from cause
        records = self._names.setdefault(owner, {})
        if rdtype not in records:
            records[rdtype] = dns.rrset.RRset(owner, dns.rdataclass.IN, rdtype)
        records[rdtype].add(record, ttl)

    def add_ptr(self, address: str, host: str, *, ttl: int = 300) -> None:
        """Add the reverse mapping of an IPv4 or IPv6 address."""
        self.add(dns.reversename.from_address(address).to_text(), "PTR", host, ttl=ttl)

    def remove(self, name: str, kind: str | None = None) -> None:
        """Forget one type of a name, or the whole name."""
        if kind is None:
            self._names.pop(_name(name), None)
        else:
            self._names.get(_name(name), {}).pop(dns.rdatatype.from_text(kind), None)

    def fail(self, name: str, how: str | int) -> None:
        """Answer every query for a name with an rcode (`SERVFAIL`, `REFUSED`, …), with `malformed` octets, or not
        at all (`timeout`)."""
        if how in ("timeout", "malformed"):
            self._failures[_name(name)] = cast("Failure", how)
        else:
            self._failures[_name(name)] = dns.rcode.from_text(how) if isinstance(how, str) else dns.rcode.Rcode(how)

    def mend(self, name: str) -> None:
        """End what `fail` began."""
        self._failures.pop(_name(name), None)

    def count(self, name: str, kind: str | None = None) -> int:
        """Return how many queries for a name (and type) have arrived."""
        wanted = name.rstrip(".").lower()
        return sum(n for (asked, type_), n in self.queries.items() if asked == wanted and kind in (None, type_))

    def answer(self, packet: bytes, *, is_udp: bool) -> bytes | None:
        """Return the response to one query, or None where a server says nothing."""
        try:
            query = dns.message.from_wire(packet)
        except dns.exception.DNSException:
            return None
        if query.flags & dns.flags.QR:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        response.flags |= dns.flags.AA
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            response.set_rcode(dns.rcode.NOTIMP)
            return response.to_wire()
        question = query.question[0]
        self.queries[question.name.to_text(omit_final_dot=True).lower(), question.rdtype.name] += 1
        failure = self._failures.get(question.name)
        if failure == "timeout":
            return None
        if failure == "malformed":
            return packet[:2] + b"\x81\x80\x00\x01\x00\x01\xff"
        if failure is not None:
            response.set_rcode(failure)
        else:
            self._resolve(question.name, question.rdtype, response)
        room = min(max(_UDP_OCTETS, query.payload), _EDNS_OCTETS) if is_udp else 65535
        return response.to_wire(max_size=room, prefer_truncation=True)

    def _resolve(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, response: dns.message.Message) -> None:
        seen: set[dns.name.Name] = set()
        while name not in seen and len(seen) < _MAX_CHAIN:
            seen.add(name)
            records = self._names.get(name, {})
            if rdtype in records:
                response.answer.append(records[rdtype])
                return
            alias = records.get(dns.rdatatype.CNAME)
            if alias is None:
                if not records and not any(known.is_subdomain(name) for known in self._names):
                    response.set_rcode(dns.rcode.NXDOMAIN)
                response.authority.append(self._soa(name))
                return
            response.answer.append(alias)
            name = alias[0].target

    def _soa(self, name: dns.name.Name) -> dns.rrset.RRset:
        zone = next((parent for parent in _parents(name) if parent in self._names), dns.name.root)
        text = f"ns.invalid. postmaster.invalid. 1 3600 600 86400 {self._negative_ttl}"
        return dns.rrset.from_text(zone, self._negative_ttl, dns.rdataclass.IN, dns.rdatatype.SOA, text)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One TCP connection: length-prefixed queries, answered in order, until it falls idle."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._connections[task] = writer
        try:
            while len(self._connections) <= _MAX_CONNECTIONS:
                async with asyncio.timeout(_IDLE_SECONDS):
                    (size,) = struct.unpack("!H", await reader.readexactly(2))
                    packet = await reader.readexactly(size)
                response = self.answer(packet, is_udp=False)
                if response is not None:
                    writer.write(struct.pack("!H", len(response)) + response)
                    await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away or fell silent: the connection ends, nothing is owed
        finally:
            del self._connections[task]
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    """The UDP half."""

    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self._server.answer(data, is_udp=True)
        if response is not None and self._transport is not None:
            self._transport.sendto(response, addr)


def _name(text: str) -> dns.name.Name:
    return dns.name.from_text(text)


def _parents(name: dns.name.Name) -> list[dns.name.Name]:
    return [dns.name.Name(name.labels[i:]) for i in range(len(name.labels))]


def _quoted(value: str | int | bytes) -> str:
    octets = value if isinstance(value, bytes) else str(value).encode()
    strings = [octets[i : i + 255] for i in range(0, len(octets), 255)] or [b""]
    return " ".join('"' + "".join(f"\\{octet:03d}" for octet in string) + '"' for string in strings)
