"""Who may come in: how many at once, how often, and who is out for a while.

Owns the counts per address (IPv6: /64) and per network (/24, /48) of all doors together, and the bans; not what is
said to whom is inside (inbound.connection), nor who a login or a recipient is (the judges).  Every memory here is
bounded: where too many addresses come, the oldest are forgotten.  Pure: time comes from the clock.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

from tierii_mta.clock import Clock
from tierii_mta.mail.reply import Reply

IpAddress = IPv4Address | IPv6Address
_MINUTE_S, _HOUR_S, _DAY_S = 60.0, 3600.0, 86_400.0
_NETWORK_SHARE = 3  # how much more often than one address its network may come
_DAILY_FAILURES = 5  # how many times a minute's failed logins a day may bring
_REMEMBERED = 100_000  # addresses in each memory


class Reason(StrEnum):
    """Why somebody is not let in, or not further: the counter's label."""

    FULL = "full"
    FILES = "files"
    ADDRESS = "address"
    NETWORK = "network"
    RATE = "rate"
    BANNED = "banned"
    MESSAGES = "messages"


class Refusal(NamedTuple):
    """Why, and what the client is told."""

    reason: Reason
    reply: Reply


_FULL = Refusal(Reason.FULL, Reply.of(421, "too many sessions, try again later", "4.3.2"))
_ADDRESS = Refusal(Reason.ADDRESS, Reply.of(421, "too many sessions from your address", "4.7.0"))
_NETWORK = Refusal(Reason.NETWORK, Reply.of(421, "too many sessions from your network", "4.7.0"))
_RATE = Refusal(Reason.RATE, Reply.of(421, "too many new sessions, try again later", "4.7.0"))
_BANNED = Refusal(Reason.BANNED, Reply.of(421, "too many failures from your address, try again later", "4.7.0"))
_MESSAGES = Refusal(Reason.MESSAGES, Reply.of(451, "too many messages from your address, try again later", "4.7.1"))
NO_FILES = Refusal(Reason.FILES, Reply.of(421, "too many sessions, try again later", "4.3.2"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is borne."""

    connections: int = 10_000
    connections_per_ip: int = 50
    connections_per_network: int = 150
    connection_rate: int = 300  # a minute
    messages_rate: int = 500  # a minute
    auth_failures: int = 10  # a minute
    unknown_recipients: int = 20  # an hour
    ban: timedelta = timedelta(hours=1)
    exempt: tuple[IPv4Network | IPv6Network, ...] = ()  # only `connections` binds them


class Gate:
    """Counts all that come and go in this process."""

    def __init__(self, bounds: Bounds, clock: Clock, on_ban: Callable[[str], None] | None = None) -> None:
        """`on_ban` hears what for, once for each ban."""
        self._bounds, self._clock, self._on_ban = bounds, clock, on_ban
        self.open = 0
        self._by_address: Counter[int] = Counter()
        self._by_network: Counter[int] = Counter()
        self._entries = _Tally(_MINUTE_S)
        self._network_entries = _Tally(_MINUTE_S)
        self._messages = _Tally(_MINUTE_S)
        self._failures = _Tally(_MINUTE_S)
        self._failures_a_day = _Tally(_DAY_S)
        self._unknown = _Tally(_HOUR_S)
        self._bans: OrderedDict[int, float] = OrderedDict()  # until when

    @property
    def is_crowded(self) -> bool:
        """Whether more than half of the places are taken: whoever keeps silent loses its place sooner."""
        return self.open * 2 > self._bounds.connections

    def enter(self, remote: IpAddress) -> Refusal | None:
        """Let a client in and count it until `leave`, or return why not."""
        refusal = self._why_not(remote)
        if refusal is None:
            self.open += 1
            self._by_address[_address(remote)] += 1
            self._by_network[_network(remote)] += 1
        return refusal

    def leave(self, remote: IpAddress) -> None:
        """Give back the place of one that was let in."""
        self.open -= 1
        for counter, key in ((self._by_address, _address(remote)), (self._by_network, _network(remote))):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]

    def begin_message(self, remote: IpAddress) -> Refusal | None:
        """Count a message that is to come from an address; return why not."""
        if self.is_exempt(remote):
            return None
        count = self._messages.add(_address(remote), self._clock.monotonic())
        return _MESSAGES if count > self._bounds.messages_rate else None

    def fail_login(self, remote: IpAddress) -> bool:
        """Count a failed login; True: the address is out from now on."""
        key, now, bound = _address(remote), self._clock.monotonic(), self._bounds.auth_failures
        a_minute, a_day = self._failures.add(key, now), self._failures_a_day.add(key, now)
        is_over = a_minute >= bound or a_day >= bound * _DAILY_FAILURES
        return is_over and self._ban(remote, "login")

    def miss_recipient(self, remote: IpAddress) -> bool:
        """Count a recipient that nobody knows; True: the address is out from now on (harvesting)."""
        count = self._unknown.add(_address(remote), self._clock.monotonic())
        return count >= self._bounds.unknown_recipients and self._ban(remote, "harvest")

    def is_banned(self, remote: IpAddress) -> bool:
        """Whether an address is out for now."""
        until = self._bans.get(_address(remote))
        return until is not None and until > self._clock.monotonic()

    def is_exempt(self, remote: IpAddress) -> bool:
        """Whether counts and bans do not bind an address."""
        return any(remote in network for network in self._bounds.exempt)

    def _why_not(self, remote: IpAddress) -> Refusal | None:
        bounds, now = self._bounds, self._clock.monotonic()
        if self.open >= bounds.connections:
            return _FULL
        if self.is_exempt(remote):
            return None
        if self.is_banned(remote):
            return _BANNED
        address, network = _address(remote), _network(remote)
        if self._by_address[address] >= bounds.connections_per_ip:
            return _ADDRESS
        if self._by_network[network] >= bounds.connections_per_network:
            return _NETWORK
        by_address = self._entries.add(address, now)
        by_network = self._network_entries.add(network, now)
        is_often = by_address > bounds.connection_rate or by_network > bounds.connection_rate * _NETWORK_SHARE
        return _RATE if is_often else None

    def _ban(self, remote: IpAddress, why: str) -> bool:
        if self.is_exempt(remote):
            return False
        key = _address(remote)
        self._bans.pop(key, None)
        self._bans[key] = self._clock.monotonic() + self._bounds.ban.total_seconds()
        if len(self._bans) > _REMEMBERED:
            self._bans.popitem(last=False)
        if self._on_ban is not None:
            self._on_ban(why)
        return True


class _Tally:
    """How often each key came in its current window; a window begins with the first one."""

    def __init__(self, window_s: float, most: int = _REMEMBERED) -> None:
        self._window_s, self._most = window_s, most
        self._counts: OrderedDict[int, tuple[float, int]] = OrderedDict()  # the oldest window first

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, key: int, now: float) -> int:
        """Count one more, and return how many there are in the window."""
        self._forget(now)
        began, count = self._counts.get(key, (now, 0))
        self._counts[key] = (began, count + 1)  # keeps its place
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return count + 1

    def _forget(self, now: float) -> None:
        while self._counts:
            key, (began, _) = next(iter(self._counts.items()))
            if now - began < self._window_s:
                return
            del self._counts[key]


def _address(remote: IpAddress) -> int:
    """Return who somebody is: an IPv4 address, or the /64 that one customer has (negative, to keep them apart)."""
    return int(remote) if isinstance(remote, IPv4Address) else ~(int(remote) >> 64)


def _network(remote: IpAddress) -> int:
    """Return the /24, or the /48."""
    return int(remote) >> 8 if isinstance(remote, IPv4Address) else ~(int(remote) >> 80)
