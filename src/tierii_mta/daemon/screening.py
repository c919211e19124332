"""The checks of port 25, wired: which settings reach which check, and what is counted and told of their verdicts.

Owns the parts' life: the resolver of what comes in, the test points of lists, rspamd's connections.  Part of the
composition root, apart from daemon.front_door because checks come and go with the settings.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

import structlog

from tierii_mta.authentication.examine import WITHIN
from tierii_mta.authentication.results import write_results
from tierii_mta.clock import Clock
from tierii_mta.daemon.metrics import CHECK_TROUBLES, FINDINGS, VERDICTS, Metrics
from tierii_mta.daemon.names import make_resolver
from tierii_mta.daemon.settings import Settings
from tierii_mta.daemon.settings.screening import ChecksSettings
from tierii_mta.daemon.way_out import machine_addresses
from tierii_mta.inbound.checks import Decision, Incoming, Verdict
from tierii_mta.inbound.screening.acquaintance import Acquaintance, Correspondents
from tierii_mta.inbound.screening.answers import Answers
from tierii_mta.inbound.screening.content import Content
from tierii_mta.inbound.screening.credentials import Credentials
from tierii_mta.inbound.screening.greylist import Greylist, Terms
from tierii_mta.inbound.screening.lists import ANY_ANSWER, Lists, Zone
from tierii_mta.inbound.screening.origin import ClientName, ReverseName, SenderDomain
from tierii_mta.inbound.screening.rspamd import Rspamd
from tierii_mta.inbound.screening.rules import EVERYTHING, Weight
from tierii_mta.inbound.screening.screening import Check, Screening, Waiting, Witness
from tierii_mta.inbound.screening.verdict import LIST, Policy
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.resolver.stub import StubResolver

GRACE = timedelta(seconds=5)  # for the verdict itself, behind the deadline of the checks
_LINES = 20  # about refusals in a minute
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What checks ask the database."""

    greylist: Greylist
    correspondents: Correspondents


class Screened:
    """The checks, and what has to run and to be closed for them."""

    def __init__(self, checks: Screening, resolver: StubResolver, lists: Lists | None, rspamd: Rspamd | None) -> None:
        self.checks = checks
        self._resolver, self._lists, self._rspamd = resolver, lists, rspamd

    async def tend(self) -> None:
        """Ask the test points of lists, until cancelled."""
        if self._lists is not None:
            await self._lists.tend()
        else:
            await asyncio.Event().wait()

    async def close(self) -> None:
        """End what is under way."""
        await self._resolver.close()
        if self._rspamd is not None:
            await self._rspamd.close()


def build_screening(
    settings: Settings,
    *,
    clock: Clock,
    codec: TokenCodec,
    memory: Memory,
    witness: Witness | None = None,
) -> Screened:
    """Return the checks of the settings, with a resolver of their own: what strangers ask of it is theirs alone."""
    wanted = settings.smtp.inbound.checks
    resolver = make_resolver(settings, clock)
    zones = [Zone(name=one.zone, answers=one.answers or ANY_ANSWER) for one in wanted.lists]
    lists = Lists(zones, resolver, clock) if zones else None
    rspamd = _rspamd(wanted, clock, settings.hostname)
    checks: list[Check] = [
        ReverseName(resolver),
        ClientName(resolver, own_names={settings.hostname}, own_addresses=machine_addresses()),
        SenderDomain(resolver),
        Credentials(
            resolver,
            clock=clock,
            hostname=settings.hostname,
            sealers=wanted.arc_sealers,
            within=min(WITHIN, settings.smtp.inbound.check_timeout * 0.8),  # in time to tell what was found
        ),
        Answers(codec),
        Content(),
        *(one for one in (lists, rspamd) if one is not None),
    ]
    screening = Screening(
        checks,
        policy(wanted),
        clock=clock,
        within=settings.smtp.inbound.check_timeout,
        waiting=Waiting(list=memory.greylist, terms=Terms(**dict(wanted.greylist))),
        acquaintance=Acquaintance(memory.correspondents, codec.person_key),
        trusted=wanted.trusted,
        results=lambda methods: write_results(settings.hostname, methods),
        witness=witness,
    )
    return Screened(screening, resolver, lists, rspamd)


def policy(settings: ChecksSettings) -> Policy:
    """Return the weights and thresholds in force."""
    weights: Mapping[str, Weight] = {
        **EVERYTHING,
        **settings.weights,
        **{f"{LIST}{one.zone}": one.weight for one in settings.lists},
    }
    return Policy(weights=MappingProxyType(weights), **dict(settings.thresholds))


def _rspamd(settings: ChecksSettings, clock: Clock, hostname: str) -> Rspamd | None:
    if settings.rspamd is None:
        return None
    return Rspamd(settings.rspamd.url, timeout=settings.rspamd.timeout, clock=clock, hostname=hostname)


class CheckCounts:
    """Counts verdicts and findings, and writes a line about what was refused: so many a minute, then how many more."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics, self._clock = metrics, clock
        self._minute, self._lines, self._unsaid = 0.0, 0, 0

    def judged(self, incoming: Incoming, verdict: Verdict) -> None:
        """Count a verdict and what led to it."""
        self._metrics.count(VERDICTS, decision=str(verdict.decision))
        for check in {one.check for one in verdict.findings}:
            self._metrics.count(FINDINGS, check=check)
        if verdict.decision in (Decision.REJECT, Decision.GREYLIST) and self._may_speak():
            self._tell(incoming, verdict)

    def troubled(self, check: str, how: str) -> None:
        """Count a check that was late or failed."""
        self._metrics.count(CHECK_TROUBLES, check=check, how=how)

    def _may_speak(self) -> bool:
        now = self._clock.monotonic()
        if now - self._minute >= _MINUTE_S:
            self._minute, self._lines = now, 0
        self._lines += 1
        if self._lines > _LINES:
            self._unsaid += 1
            return False
        return True

    def _tell(self, incoming: Incoming, verdict: Verdict) -> None:
        unsaid, self._unsaid = self._unsaid, 0
        structlog.get_logger().info(
            "message.refused",
            session=incoming.session.id,
            remote=str(incoming.session.remote),
            decision=str(verdict.decision),
            reply=str(verdict.reply),
            score=verdict.total,
            reasons=verdict.reasons,
            **({"unsaid": unsaid} if unsaid else {}),
        )
