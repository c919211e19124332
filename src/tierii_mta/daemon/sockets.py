"""Listening sockets: our own, and those systemd hands over (sd_listen_fds(3)).

Owns binding and what operators read where it fails; not who is let in (inbound.listener).  Touches sockets and the
environment it is given.
"""

import errno
import os
import socket
from collections.abc import Mapping, Sequence

from tierii_mta.daemon.settings.values import Endpoint
from tierii_mta.errors import ConfigurationError

VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
"""What systemd passes to the main process alone; children are started without."""

_FIRST = 3  # descriptors are handed over from here on
_BACKLOG = 4096


def handed_over(environ: Mapping[str, str], names: Sequence[str]) -> dict[str, list[socket.socket]]:
    """Return the listening sockets we were started with, by name. Raises `ConfigurationError` for other names."""
    if environ.get("LISTEN_PID") != str(os.getpid()) or not environ.get("LISTEN_FDS", "").isdigit():
        return {}
    found: dict[str, list[socket.socket]] = {}
    given = environ.get("LISTEN_FDNAMES", "").split(":")
    for number in range(int(environ["LISTEN_FDS"])):
        name = given[number] if number < len(given) else ""
        if name not in names:
            raise ConfigurationError(
                f"the socket handed over as {name or '(no name)'} belongs to no door",
                where="systemd",
                remedy=f"set FileDescriptorName= of the socket unit to one of {', '.join(names)}",
            )
        descriptor = _FIRST + number
        os.set_inheritable(descriptor, False)
        found.setdefault(name, []).append(socket.socket(fileno=descriptor))
    return found


def bind(endpoint: Endpoint, key: str) -> socket.socket:
    """Return a socket that listens on an address of the settings. Raises `ConfigurationError`, naming the key."""
    try:
        flags = socket.AI_PASSIVE
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=flags)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as cause:
        raise _cannot(endpoint, key, cause) from cause
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as cause:
        listening.close()
        raise _cannot(endpoint, key, cause) from cause
    return listening


def written(listening: socket.socket) -> str:
    """Return where a socket listens, as `host:port`."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _cannot(endpoint: Endpoint, key: str, cause: OSError) -> ConfigurationError:
    if cause.errno == errno.EACCES:
        remedy = (
            "ports below 1024 need CAP_NET_BIND_SERVICE or a socket of systemd's (the shipped units have both); "
            f"else choose a higher port, or {key}: []"
        )
    else:
        remedy = f"another process may use it; choose another address, or {key}: []"
    return ConfigurationError(f"cannot listen on {endpoint}: {cause.strerror or cause}", where=key, remedy=remedy)
