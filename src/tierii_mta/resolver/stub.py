"""The stub resolver: asks the configured recursive name servers, and remembers.

Owns asking: which server, UDP or TCP, how long, how often; one look-up for all who ask the same at once; the bounds on
what is kept.  Not what a response means (resolver.response).  RFC 1035 §4.2, RFC 5452 (a socket and port per query),
RFC 6891, RFC 7766.  Touches: UDP and TCP to the name servers, and the system's resolv.conf when none are given.

A look-up: `_ask_once` (cache, then join the look-up in flight) → `_resolve` (alias chain across responses) →
`_query` (rounds over the servers) → `_exchange` (UDP, TCP after truncation) → `resolver.response.read`.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from ipaddress import ip_address
from typing import Any, TypeVar, cast

import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.resolver

from tierii_mta.clock import Clock
from tierii_mta.errors import ConfigurationError
from tierii_mta.resolver import response
from tierii_mta.resolver.answer import Absent, Answer, Found, MxRecord, Tempfail
from tierii_mta.resolver.cache import AnswerCache, Question
from tierii_mta.resolver.response import Continue, Missing, Reading, Records

Record = TypeVar("Record")
MAX_RECORDS = 100
_DEFAULT_TIMEOUT = timedelta(seconds=5)
_ROUNDS = 2
_MAX_SERVERS = 3  # as in resolv.conf(5)
_EDNS_OCTETS = 1232  # never fragmented; DNS flag day 2020


class StubResolver:
    """The `Resolver` port over dnspython. Use it from one event loop; `close` ends what is in flight.

    `timeout` bounds a whole look-up, all servers and tries included; at most `concurrency` are on the wire at once.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        nameservers: Sequence[str] = (),
        timeout: timedelta = _DEFAULT_TIMEOUT,
        cache_entries: int = 50_000,
        concurrency: int = 200,
    ) -> None:
        self._clock = clock
        self._servers = [_parse_server(text) for text in nameservers] if nameservers else _system_servers()
        self._timeout_seconds = timeout.total_seconds()
        self._cache = AnswerCache(entries=cache_entries)
        self._in_flight: dict[Question, asyncio.Task[Answer[Any]]] = {}
        self._room = asyncio.Semaphore(concurrency)
        self._first = 0  # index of the server that answered last

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """Return the MX records of a domain; of more than 100 those with the lowest preference."""
        return await self._ask_once(domain, "MX", _mx)

    async def a(self, host: str) -> Answer[str]:
        """Return IPv4 addresses in dotted form."""
        return await self._ask_once(host, "A", lambda record: cast("dns.rdtypes.IN.A.A", record).address)

    async def aaaa(self, host: str) -> Answer[str]:
        """Return IPv6 addresses in RFC 5952 form."""
        return await self._ask_once(host, "AAAA", lambda record: cast("dns.rdtypes.IN.AAAA.AAAA", record).address)

    async def txt(self, name: str) -> Answer[bytes]:
        """Return TXT records, each with its strings joined."""
        return await self._ask_once(
            name, "TXT", lambda record: b"".join(cast("dns.rdtypes.ANY.TXT.TXT", record).strings)
        )

    async def ptr(self, address: str) -> Answer[str]:
        """Return the names an address maps back to; ValueError if it is not an address."""
        name = ip_address(address).reverse_pointer
        return await self._ask_once(name, "PTR", lambda record: _host(cast("dns.rdtypes.ANY.PTR.PTR", record).target))

    def forget(self) -> None:
        """Drop every cached answer: the operator knows that something has changed."""
        self._cache.clear()

    async def close(self) -> None:
        """End the look-ups in flight; those who wait for them get a Tempfail."""
        tasks = tuple(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask_once(self, name: str, kind: str, convert: Callable[[dns.rdata.Rdata], Record]) -> Answer[Record]:
        question = Question(name.rstrip(".").lower(), kind)
        kept = self._cache.find(question, now=self._clock.monotonic())
        if kept is not None:
            return kept
        task = self._in_flight.get(question)
        if task is None:
            task = asyncio.create_task(self._look_up(question, convert), name=f"look up {question.name} {kind}")
            self._in_flight[question] = task
            task.add_done_callback(lambda _: self._in_flight.pop(question, None))
        try:
            return await asyncio.shield(task)  # a caller that gives up does not take the answer from the others
        except asyncio.CancelledError:
            caller = cast("asyncio.Task[Any]", asyncio.current_task())
            if task.cancelled() and not caller.cancelling():
                return Tempfail("the resolver was closed")
            raise

    async def _look_up(self, question: Question, convert: Callable[[dns.rdata.Rdata], Record]) -> Answer[Record]:
        answer: Answer[Record]
        ttl_seconds = 0
        async with self._room:
            reading = await self._resolve(question)
        match reading:
            case Records(records, ttl_seconds):
                answer = Found(_first_hundred([convert(record) for record in records]))
            case Missing(answer, ttl_seconds):
                pass
            case Tempfail():
                answer = reading
        self._cache.keep(question, answer, ttl_seconds=ttl_seconds, now=self._clock.monotonic())
        return answer

    async def _resolve(self, question: Question) -> Records | Missing | Tempfail:
        try:
            name = dns.name.from_text(question.name)
        except dns.exception.DNSException:
            return Missing(Absent(nxdomain=True), 0)  # a name that no zone can hold
        aliases, ttl_seconds = 0, 0xFFFFFFFF
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        while True:
            reading = await self._query(name, dns.rdatatype.from_text(question.kind), deadline)
            match reading:
                case Records(records, ttl):
                    return Records(records, min(ttl, ttl_seconds))
                case Missing(answer, ttl):
                    return Missing(answer, min(ttl, ttl_seconds))
                case Tempfail():
                    return reading
                case Continue():
                    aliases += reading.aliases
                    if aliases > response.MAX_ALIASES:
                        return Tempfail(f"more than {response.MAX_ALIASES} aliases, or a loop of them")
                    name, ttl_seconds = reading.target, min(ttl_seconds, reading.ttl_seconds)

    async def _query(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, deadline: float) -> Reading:
        """Ask one server after the other, the last good one first, until one gives a usable response.

        Each try may take half of the time left, the last all of it.
        """
        loop, failure = asyncio.get_running_loop(), Tempfail("no time left")
        tries, first = _ROUNDS * len(self._servers), self._first
        for number in range(tries):
            index = (first + number) % len(self._servers)
            left = deadline - loop.time()
            if left <= 0:
                break
            try:
                message = await self._exchange(index, name, kind, left if number == tries - 1 else left / 2)
            except (dns.exception.Timeout, TimeoutError):
                failure = Tempfail(f"no answer from {_server_text(self._servers[index])}")
                continue
            except (dns.exception.DNSException, OSError, EOFError) as error:
                failure = Tempfail(f"{_server_text(self._servers[index])}: {str(error) or type(error).__name__}")
                continue
            reading = response.read(message, name, kind)
            if not isinstance(reading, Tempfail):
                self._first = index
                return reading
            failure = reading
            if number + 1 >= len(self._servers):
                break  # every server has spoken; asking the same again brings the same
        return failure

    async def _exchange(
        self, index: int, name: dns.name.Name, kind: dns.rdatatype.RdataType, seconds: float
    ) -> dns.message.Message:
        address, port = self._servers[index]
        query = dns.message.make_query(name, kind, use_edns=0, payload=_EDNS_OCTETS)
        async with asyncio.timeout(seconds):
            message, _ = await dns.asyncquery.udp_with_fallback(
                query, address, timeout=seconds, port=port, ignore_unexpected=True, ignore_errors=True
            )
        return message


def _mx(record: dns.rdata.Rdata) -> MxRecord:
    mx = cast("dns.rdtypes.ANY.MX.MX", record)
    return MxRecord(mx.preference, _host(mx.exchange))


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _first_hundred(records: list[Record]) -> tuple[Record, ...]:
    if len(records) > MAX_RECORDS and isinstance(records[0], MxRecord):
        records = sorted(records, key=lambda record: cast("MxRecord", record).preference)
    return tuple(records[:MAX_RECORDS])


def _parse_server(text: str) -> tuple[str, int]:
    """Return address and port of `192.0.2.1`, `127.0.0.1:5353`, `2001:db8::1` or `[::1]:5353`."""
    host, port = text, "53"
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = "53" if bracket and not rest else rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        address, number = str(ip_address(host)), int(port)
    except ValueError:
        number, address = 0, ""
    if not 0 < number < 65536:
        raise ConfigurationError(
            f"{text!r} is not the address of a name server",
            where="dns.nameservers",
            remedy="write an IP address, with a port if it is not 53: 127.0.0.1:5353 or [::1]:5353",
        )
    return address, number


def _system_servers() -> list[tuple[str, int]]:
    try:
        system = dns.resolver.Resolver(configure=True)
    except dns.resolver.NoResolverConfiguration as cause:
        raise ConfigurationError(
            "the system names no name server",
            where="/etc/resolv.conf",
            remedy="add a nameserver line there, or set dns.nameservers",
        ) from cause
    return [(str(server), system.port) for server in system.nameservers[:_MAX_SERVERS] if isinstance(server, str)]


def _server_text(server: tuple[str, int]) -> str:
    return f"[{server[0]}]:{server[1]}" if ":" in server[0] else f"{server[0]}:{server[1]}"
