"""Which servers an http feed may speak to.

A campaign file may come from somebody who may not reach what this machine can reach: the database beside it, the
metadata service of a cloud.  Only addresses of the public Internet are connected to, unless the settings name others.
Owns the judgement; resolving goes through the system, as the connection would.  RFC 6890.
"""

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tierii_mta.errors import Refused, Unavailable

_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Reach:
    """What is allowed beyond the public Internet: hosts by name (`crm.internal`), addresses, networks."""

    allowed: tuple[str, ...] = ()

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host that may be connected to; they, not the name, are to be dialled.

        Raises `Refused` if there are none, `Unavailable` if the name does not resolve.
        """
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as cause:
            raise Unavailable(
                f"the name {host} does not resolve", where=host, remedy="check it; the same command goes on later"
            ) from cause
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        permitted = [address for address in addresses if self.names(host) or self._permits(address)]
        if not permitted:
            raise Refused(
                f"{host} is {', '.join(addresses)}, which is not an address of the public Internet",
                where=host,
                remedy="if this feed may be read, name the host or its network in feeds.allow of the settings",
            )
        return permitted

    def names(self, host: str) -> bool:
        """Return whether the settings name the host itself."""
        return host.lower() in {entry.lower() for entry in self.allowed}

    def _permits(self, address: str) -> bool:
        if is_public(address):
            return True
        ip = ip_address(address.partition("%")[0])
        return any(ip in network for network in map(_network, self.allowed) if network is not None)


def is_public(address: str) -> bool:
    """Return whether an address, and all that it stands for, is of the public Internet."""
    ip = ip_address(address.partition("%")[0])
    return all(each.is_global and not each.is_multicast for each in _meanings(ip))


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry)
    except ValueError:
        return None  # a name


def _meanings(ip: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """Return the address, and those that it stands for: mapped, translated, tunnelled."""
    if isinstance(ip, IPv4Address):
        return [ip]
    inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        inner.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    embedded = [each for each in inner if each is not None]
    return embedded if ip.ipv4_mapped else [ip, *embedded]
