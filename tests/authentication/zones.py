"""A resolver over names written down in a test: for suites by the hundred, and for failures no server can play."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TypeVar

from tierii_mta.resolver.answer import Absent, Answer, Found, MxRecord, Tempfail

Value = TypeVar("Value")
_MAX_ALIASES = 8


@dataclass(kw_only=True)
class Names:
    """Records by name, in lower case. Names in `failing` cannot be looked up for the types it holds."""

    txt: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    a: Mapping[str, Sequence[str]] = field(default_factory=dict)
    aaaa: Mapping[str, Sequence[str]] = field(default_factory=dict)
    mx: Mapping[str, Sequence[MxRecord]] = field(default_factory=dict)
    ptr: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cname: Mapping[str, str] = field(default_factory=dict)
    failing: Mapping[str, Container[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.all = {*self.txt, *self.a, *self.aaaa, *self.mx, *self.ptr, *self.cname, *self.failing}


class WrittenDown:
    """The Resolver port over `Names`; notes what it was asked."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.asked: list[tuple[str, str]] = []

    async def mx(self, domain: str) -> Answer[MxRecord]:
        return self._find(domain, "MX", self._names.mx)

    async def a(self, host: str) -> Answer[str]:
        return self._find(host, "A", self._names.a)

    async def aaaa(self, host: str) -> Answer[str]:
        return self._find(host, "AAAA", self._names.aaaa)

    async def txt(self, name: str) -> Answer[bytes]:
        return self._find(name, "TXT", self._names.txt)

    async def ptr(self, address: str) -> Answer[str]:
        return self._find(ip_address(address).reverse_pointer, "PTR", self._names.ptr)

    def _find(self, name: str, kind: str, records: Mapping[str, Sequence[Value]]) -> Answer[Value]:
        self.asked.append((name, kind))
        name = name.rstrip(".").lower()
        for _ in range(_MAX_ALIASES):
            if kind in self._names.failing.get(name, ()):
                return Tempfail("no answer")
            if name in records:
                return Found(tuple(records[name]))
            if name not in self._names.cname:
                return Absent(nxdomain=not any(f".{each}".endswith(f".{name}") for each in self._names.all))
            name = self._names.cname[name].rstrip(".").lower()
        return Tempfail("a loop of aliases")


def texts(**records: str) -> dict[str, list[bytes]]:
    """Return TXT records, one a name, for `Names`."""
    return {name: [text.encode()] for name, text in records.items()}
