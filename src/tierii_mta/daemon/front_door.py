"""The front door, wired: listeners from the settings, each with its judges, its certificate and its bounds.

Owns which settings reach which part of `inbound`, the sockets, and the doors' life under the supervisor.  Part of the
composition root, apart from daemon.assembly because it grows with what is done with mail that comes in.
"""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tierii_mta.clock import Clock
from tierii_mta.daemon.certificate import Certificate
from tierii_mta.daemon.installation import Installation
from tierii_mta.daemon.mailboxes import mail_domains
from tierii_mta.daemon.metrics import (
    FRONT_ACCEPTED,
    FRONT_BANS,
    FRONT_OCTETS,
    FRONT_OPENED,
    FRONT_REFUSED,
    FRONT_SESSIONS,
    Metrics,
)
from tierii_mta.daemon.screening import GRACE, CheckCounts, Memory, Screened, build_screening
from tierii_mta.daemon.settings import Settings
from tierii_mta.daemon.settings.values import Endpoint, is_loopback
from tierii_mta.daemon.sockets import bind, handed_over, written
from tierii_mta.daemon.supervisor import Stop
from tierii_mta.errors import ConfigurationError
from tierii_mta.inbound.arrival import MessageBounds
from tierii_mta.inbound.checks import AcceptAll, Checks
from tierii_mta.inbound.entrance import Entrance, House
from tierii_mta.inbound.gate import Bounds, Gate
from tierii_mta.inbound.listener import Listener
from tierii_mta.inbound.logins import Logins
from tierii_mta.inbound.mailboxes import Mailboxes
from tierii_mta.inbound.patience import Patience
from tierii_mta.inbound.reception import ReceptionDesk
from tierii_mta.inbound.session import Door, Judge, Session
from tierii_mta.inbound.submission import SubmissionDesk
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.intake import Intake
from tierii_mta.smtp.dialogue import Rules

ROLES: Mapping[str, tuple[Door, ...]] = {
    "inbound": (Door.INBOUND,),
    "submission": (Door.SUBMISSION, Door.SUBMISSIONS),
}
_NAMES: Mapping[str, Door] = {"smtp": Door.INBOUND, "submission": Door.SUBMISSION, "submissions": Door.SUBMISSIONS}
_KEYS: Mapping[Door, str] = {
    Door.INBOUND: "smtp.inbound.listen",
    Door.SUBMISSION: "smtp.submission.listen",
    Door.SUBMISSIONS: "smtp.submission.tls_listen",
}
_SUBMITTED = 10  # times as many messages in a session as on port 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """Who decides behind each door: a judge for every session."""

    reception: Callable[[Session], Judge]
    submission: Callable[[Session], Judge]


def reception_desk(
    installation: Installation, gate: Gate, committer: Committer, checks: Checks
) -> Callable[[Session], Judge]:
    """Return who decides on port 25."""
    settings = installation.settings
    return ReceptionDesk(
        mailboxes=Mailboxes(
            mail_domains(settings), hostname=settings.hostname, codec=installation.codec, now=installation.clock.now
        ),
        committer=committer,
        checks=checks,
        gate=gate,
        reserve=installation.reserve,
        clock=installation.clock,
        hostname=settings.hostname,
        check_timeout=settings.smtp.inbound.check_timeout + GRACE,
    ).judge


def submission_desk(installation: Installation, intake: Intake, logins: Logins) -> Callable[[Session], Judge]:
    """Return who decides on submission."""
    settings = installation.settings
    return SubmissionDesk(
        accounts=installation.accounts,
        logins=logins,
        intake=intake,
        codec=installation.codec,
        clock=installation.clock,
        hostname=settings.hostname,
        domains={name: settings.return_path(name) for name in settings.domains},
    ).judge


class FrontDoor:
    """The doors of one process. `run` is a service of the supervisor."""

    def __init__(
        self, listener: Listener, certificate: Certificate, screened: Screened | None, logins: Logins, clock: Clock
    ) -> None:
        self._listener, self._certificate, self._screened = listener, certificate, screened
        self._logins, self._clock = logins, clock
        self._doors: list[tuple[socket.socket, Entrance]] = []
        self.addresses: list[str] = []  # `door host:port`

    def add(self, listening: socket.socket, entrance: Entrance) -> None:
        """Have a socket served; before `run` only."""
        self._doors.append((listening, entrance))
        self.addresses.append(f"{entrance.door} {written(listening)}")

    async def run(self, stop: Stop, drain: timedelta) -> None:
        """Let clients in until asked to stop, then let what is under way end."""
        for listening, entrance in self._doors:
            self._listener.listen(listening, entrance)
        async with asyncio.TaskGroup() as group:
            watching = [
                group.create_task(self._listener.run()),
                group.create_task(self._certificate.watch(self._clock)),
                *([group.create_task(self._screened.tend())] if self._screened is not None else []),
            ]
            await stop.wait()
            await self._listener.drain(drain.total_seconds())
            for task in watching:
                task.cancel()
        if self._screened is not None:
            await self._screened.close()

    def reload(self, settings: Settings) -> None:
        """Take up the certificate anew; raises `ConfigurationError`."""
        self._certificate.reload(settings.tls)

    def close(self) -> None:
        """Give back threads, and sockets that never came to be served."""
        self._logins.close()
        for listening, _ in self._doors:
            listening.close()


def open_front_door(
    installation: Installation,
    *,
    roles: frozenset[str],
    metrics: Metrics,
    intake: Intake,
    committer: Committer,
    environ: Mapping[str, str] = os.environ,
) -> FrontDoor:
    """Load the certificate and bind the sockets of the roles; raises `ConfigurationError`."""
    settings, clock = installation.settings, installation.clock
    certificate = Certificate(settings.tls)
    gate = Gate(_bounds(settings), clock, on_ban=lambda why: metrics.count(FRONT_BANS, reason=why))
    house = House(clock=clock, gate=gate, observer=_Counts(metrics), spool=_spool(settings))
    screened = _screened(installation, metrics) if "inbound" in roles else None
    checks = screened.checks if screened is not None else AcceptAll()
    logins = Logins(installation.accounts, clock)
    front_door = FrontDoor(Listener(house), certificate, screened, logins, clock)
    desks = Desks(
        reception=reception_desk(installation, gate, committer, checks),
        submission=submission_desk(installation, intake, logins),
    )
    doors = {door for role, doors in ROLES.items() if role in roles for door in doors}
    try:
        for door, listening in _sockets(settings, doors, environ):
            front_door.add(listening, _entrance(settings, door, listening, desks, certificate))
    except ConfigurationError:
        front_door.close()
        raise
    return front_door


def _screened(installation: Installation, metrics: Metrics) -> Screened | None:
    """Return the checks of port 25, unless they are switched off."""
    settings, clock = installation.settings, installation.clock
    if not settings.smtp.inbound.checks.enabled:
        return None
    return build_screening(
        settings,
        clock=clock,
        codec=installation.codec,
        memory=Memory(greylist=installation.greylist, correspondents=installation.correspondents),
        witness=CheckCounts(metrics, clock),
    )


def _sockets(settings: Settings, doors: set[Door], environ: Mapping[str, str]) -> Iterator[tuple[Door, socket.socket]]:
    """Yield the sockets of the doors: those handed over, else our own."""
    handed = handed_over(environ, tuple(_NAMES))
    by_door = {door: handed.get(name, []) for name, door in _NAMES.items()}
    for door in sorted(doors):
        yield from ((door, listening) for listening in by_door[door])
        if not by_door[door]:
            yield from ((door, bind(endpoint, _KEYS[door])) for endpoint in _endpoints(settings, door))


def _endpoints(settings: Settings, door: Door) -> tuple[Endpoint, ...]:
    match door:
        case Door.INBOUND:
            return settings.smtp.inbound.listen
        case Door.SUBMISSION:
            return settings.smtp.submission.listen
        case Door.SUBMISSIONS:
            return settings.smtp.submission.tls_listen


def _entrance(
    settings: Settings, door: Door, listening: socket.socket, desks: Desks, certificate: Certificate
) -> Entrance:
    """Return what one listener offers."""
    limits, is_inbound = settings.smtp.limits, door is Door.INBOUND
    eol = settings.smtp.inbound.eol if is_inbound else settings.smtp.submission.eol
    return Entrance(
        door=door,
        rules=_rules(settings, door, may_be_plain=_may_be_plain(settings, listening)),
        judge=desks.reception if is_inbound else desks.submission,
        message=MessageBounds(
            size=limits.message_size, header=limits.header, line=limits.line, mends_line_ends=eol == "normalize"
        ),
        patience=Patience(
            command=limits.command_timeout,
            session=limits.session_timeout,
            message=limits.message_timeout,
            data_rate=limits.data_rate,
            greeting_delay=settings.smtp.inbound.greeting_delay if is_inbound else timedelta(0),
        ),
        tls=certificate.context,
    )


def _rules(settings: Settings, door: Door, *, may_be_plain: bool) -> Rules:
    limits, is_inbound, has_tls = settings.smtp.limits, door is Door.INBOUND, settings.tls is not None
    if not is_inbound and not has_tls and not (may_be_plain and door is Door.SUBMISSION):
        raise ConfigurationError(
            "nobody could log in without TLS, and there is no certificate",
            where=_KEYS[door],
            remedy=f"set tls.certificate and tls.key, or {_KEYS[door]}: []; for tests, "
            "smtp.submission.plaintext_auth: loopback with a listener on 127.0.0.1",
        )
    return Rules(
        name=settings.hostname,
        message_octets=limits.message_size,
        recipients=limits.recipients,
        messages=limits.messages if is_inbound else limits.messages * _SUBMITTED,
        errors=limits.errors,
        has_tls=has_tls and door is not Door.SUBMISSIONS,
        has_auth=not is_inbound,
        auth_needs_tls=not may_be_plain,
        needs_auth=not is_inbound,
        has_dsn=not is_inbound,
        takes_bare_lf=not is_inbound,
    )


def _may_be_plain(settings: Settings, listening: socket.socket) -> bool:
    """Whether a password may come without TLS: where only this machine can hear it, and the operator wants it."""
    return settings.smtp.submission.plaintext_auth == "loopback" and is_loopback(listening.getsockname()[0])


def _bounds(settings: Settings) -> Bounds:
    limits = settings.smtp.limits
    return Bounds(
        connections=limits.connections,
        connections_per_ip=limits.connections_per_ip,
        connections_per_network=limits.connections_per_network,
        connection_rate=limits.connection_rate,
        messages_rate=limits.messages_rate,
        auth_failures=limits.auth_failures,
        unknown_recipients=settings.smtp.inbound.unknown_recipients,
        ban=limits.ban,
        exempt=limits.exempt,
    )


def _spool(settings: Settings) -> Path:
    folder = Path(settings.data_dir) / "spool"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


class _Counts:
    """The front door's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open: Counter[Door] = Counter()

    def opened(self, door: Door) -> None:
        self._move(door, 1)
        self._metrics.count(FRONT_OPENED, door=door)

    def closed(self, door: Door, octets: int) -> None:
        self._move(door, -1)
        self._metrics.count(FRONT_OCTETS, octets, door=door)

    def accepted(self, door: Door, octets: int) -> None:
        self._metrics.count(FRONT_ACCEPTED, door=door)

    def refused(self, door: Door, reason: str) -> None:
        self._metrics.count(FRONT_REFUSED, door=door, reason=reason)

    def _move(self, door: Door, by: int) -> None:
        self._open[door] += by
        self._metrics.set(FRONT_SESSIONS, self._open[door], door=door)
