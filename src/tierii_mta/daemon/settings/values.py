"""Values that stand in the settings: listening addresses, durations, sizes, secrets, files.

Owns how a scalar of the settings becomes a Python value and how it is written back; not which keys there are
(daemon.settings.model).  Pure; ValueError says what was expected.
"""

import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator

from tierii_mta.mail.address import Address, parse_domain
from tierii_mta.quantities import format_duration, parse_duration, parse_size


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a TCP port, as listeners and next hops are written: `127.0.0.1:8025`, `[::1]:8025`, `mx.local:24`."""

    host: str  # an IP address without brackets, or a name
    port: int  # 0 as a listener: the kernel chooses

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `host:port`; an IPv6 address stands in brackets."""
        if isinstance(value, cls):
            return value
        host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        is_bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"{value!r} is not a listening address; write for instance 127.0.0.1:8025 or [::1]:8025")
        if is_bracketed:
            host = str(ipaddress.IPv6Address(host[1:-1]))
        elif ":" in host:
            raise ValueError(f"{value!r}: put the IPv6 address in brackets, [{host}]:{port}")
        elif all(character in "0123456789." for character in host):
            host = str(ipaddress.IPv4Address(host))
        else:
            host = parse_domain(host)
        return cls(host, int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Return whether a host, written as name or address without brackets, is this machine's loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _domain(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a domain name")  # noqa: TRY004  pydantic turns ValueError into a problem, TypeError not
    return parse_domain(value)


def _mailbox(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be an address of the form local@domain")  # noqa: TRY004
    return str(Address.parse(value))


def _ip_address(value: Any) -> str:
    return str(ipaddress.ip_address(value if isinstance(value, str) else ""))


def _network(value: Any) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    return ipaddress.ip_network(value if isinstance(value, str) else "")


def _nameserver(value: Any) -> str:
    try:
        return _ip_address(value)
    except ValueError:
        return str(Endpoint.parse(value))


def one_or_many(value: Any) -> Any:
    """Let a single text stand for a list of one."""
    return [value] if isinstance(value, str) else value


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


Listen = Annotated[Endpoint, BeforeValidator(Endpoint.parse), PlainSerializer(str, return_type=str)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)]
Wait = Annotated[Duration, AfterValidator(_positive)]
Size = Annotated[int, BeforeValidator(parse_size)]
Domain = Annotated[str, BeforeValidator(_domain)]
Mailbox = Annotated[str, BeforeValidator(_mailbox)]
Mailboxes = Annotated[tuple[Mailbox, ...], BeforeValidator(one_or_many)]
IpAddress = Annotated[str, BeforeValidator(_ip_address)]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network), PlainSerializer(str, return_type=str)]
Nameserver = Annotated[str, BeforeValidator(_nameserver)]
Count = Annotated[int, Field(strict=True, ge=1)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
Switch = Annotated[bool, Field(strict=True)]
File = Path  # relative ones are made absolute by daemon.settings.expansion, from the file that names them
