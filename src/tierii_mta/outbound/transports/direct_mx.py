"""Direct MX: straight to the hosts that take a domain's mail.

Owns the Deliver port's side of it: which source, what is in hand, the route, then one attempt (outbound.attempt); and
what operators ask of it.  One per process; several sources live in it, each with its own windows and limits.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from tierii_mta.clock import Clock, later
from tierii_mta.outbound.allotments import Allotments
from tierii_mta.outbound.attempt import DeliveryAttempt
from tierii_mta.outbound.connection import Timeouts
from tierii_mta.outbound.content import ContentSource
from tierii_mta.outbound.errand import Equipment, Errand
from tierii_mta.outbound.explanation import Line, path_lines, route_line
from tierii_mta.outbound.gate import Gate
from tierii_mta.outbound.interpret import decide
from tierii_mta.outbound.party import Parties
from tierii_mta.outbound.path import Path
from tierii_mta.outbound.pool import Pool
from tierii_mta.outbound.pools import Pools
from tierii_mta.outbound.route import Route, RouteFailed, RoutePolicy
from tierii_mta.outbound.route_book import RouteBook
from tierii_mta.outbound.security import BrokenTls, TlsContexts
from tierii_mta.outbound.shaping import Shaping
from tierii_mta.outbound.sources import Source, choose_source
from tierii_mta.outbound.throttle import Throttle
from tierii_mta.queue.delivery import Attempt, Delivery, Lane, Outcome, Priority, Returned, Stage
from tierii_mta.resolver.answer import Resolver

SOURCE_PAUSE = timedelta(minutes=1)
"""How long a source is left out after no socket could be bound to it."""
_CROWDED = timedelta(seconds=5)  # on average, until what came too much comes again

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectMxSettings:
    """The operator's choices, and what tests shorten."""

    sources: Sequence[Source]  # at least one
    own_names: frozenset[str] = frozenset()
    own_addresses: frozenset[str] = frozenset()
    allow_loopback: bool = False
    port: int = 25
    pools: Pools = field(default_factory=Pools)  # which sources a mail may leave from
    timeouts: Timeouts = field(default_factory=Timeouts)
    deadline: timedelta = timedelta(minutes=20)  # of one attempt


class DirectMx:
    """Implements `queue.hand.Deliver`."""

    def __init__(
        self,
        settings: DirectMxSettings,
        *,
        clock: Clock,
        resolver: Resolver,
        shaping: Shaping,
        content: ContentSource,
        contexts: TlsContexts,
        share: Callable[[], float] = lambda: 1.0,
    ) -> None:
        """`share` says how much of a campaign's rates is ours, where several daemons send."""
        self._allotments = Allotments(settings.pools.plans, share=share)
        self._settings, self._shaping, self._clock = settings, shaping, clock
        self._throttle = Throttle(shaping)
        self._gate = Gate(self._throttle, clock)
        self._pool = Pool(clock)
        self._routes = RouteBook(resolver, clock, _route_policy(settings, shaping))
        self._content, self._contexts, self._broken_tls = content, contexts, BrokenTls(clock)
        self._parties = Parties()
        self._equipment = self._new_equipment()
        self._unrouted: Counter[str] = Counter()  # deliveries in hand by domain, before its site is known
        self._paused: dict[str, float] = {}  # source → until

    def reload(self, settings: DirectMxSettings, shaping: Shaping) -> None:
        """Follow other settings and limits from the next attempt on; counts and windows stay."""
        self._settings, self._shaping = settings, shaping
        self._throttle.reshape(shaping)
        self._routes.use(_route_policy(settings, shaping))
        self._equipment = self._new_equipment()
        self._paused.clear()

    def room(self, lane: Lane, priority: Priority, most: int) -> int:
        """See the port."""
        if self._routes.is_failing(lane.domain):
            return 0
        rooms = (self._room_from(pool, lane, priority, most) for pool in self._settings.pools.of_lane(lane))
        return next((room for room in rooms if room > 0), 0)

    async def deliver(self, delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
        """See the port."""
        pool = self._settings.pools.of(delivery)
        source = self._source_of(delivery.lane, pool)
        if source is None:
            why = f"no source of the pool {pool} can be used now"
            return Returned(why=why, due=later(self._clock.now(), SOURCE_PAUSE))
        started = self._clock.monotonic()
        domain = delivery.lane.domain
        known = self._throttle.path(source.name, domain, started)
        with self._in_hand(domain, known):
            route = await self._routes.find(domain, attempts=delivery.attempts)
        if not isinstance(route, Route):
            return _unroutable(route, elapsed=timedelta(seconds=self._clock.monotonic() - started))
        path = self._path(source, route)
        if self._throttle.is_crowded(path, delivery.priority):
            pause = _CROWDED * (0.5 + self._clock.random())
            return Returned(why=f"enough mail waits for {route.site} already", due=later(self._clock.now(), pause))
        stream, now = delivery.lane.stream, self._clock.monotonic()
        if (wait := self._allotments.take(stream, path.provider, now)) is not None:
            why = f"the campaign's rate to {path.provider} has no room"
            return Returned(why=why, due=later(self._clock.now(), timedelta(seconds=wait)))
        with self._in_hand(domain, path):
            errand = Errand(
                delivery=delivery, route=route, path=path, source=source, activate=activate, started=started
            )
            attempt = DeliveryAttempt(self._equipment, errand)
            outcome = await attempt.run()
        if isinstance(outcome, Returned):
            self._allotments.give_back(stream, path.provider)
        if attempt.is_source_broken:
            self._pause(source, outcome)
        return outcome

    async def explain(self, domain: str) -> list[Line]:
        """Return what applies to a domain's mail now and why it waits, line by line, for every source."""
        route = await self._routes.find(domain, attempts=0)
        lines = [route_line(route)]
        if isinstance(route, Route):
            now = self._clock.monotonic()
            for source in self._settings.sources:
                if self._is_paused(source.name):
                    text = f"{source.name}: paused, no socket could be bound to its address"
                    lines.append({"kind": "paused", "source": source.name, "text": text})
                path = self._path(source, route)
                lines += path_lines(self._throttle, path, now, waiting=self._gate.waiting(path))
        return lines

    @property
    def idle_sessions(self) -> int:
        """How many sessions wait for their next message."""
        return len(self._pool)

    async def run(self) -> None:
        """Close idle sessions as their time comes, until cancelled."""
        await self._pool.run()

    async def close(self) -> None:
        """Say QUIT on every idle session."""
        self._gate.close()
        await self._pool.close_all()

    def _room_from(self, pool: str, lane: Lane, priority: Priority, most: int) -> int:
        source = self._source_of(lane, pool)
        if source is None:
            return 0
        now = self._clock.monotonic()
        path = self._throttle.path(source.name, lane.domain, now)
        if path is None:
            return self._throttle.unknown_room(self._unrouted[lane.domain], priority, now, most=most)
        most = self._allotments.room(lane.stream, path.provider, now, most=most)
        return self._throttle.room(path, priority, now, most=most) if most > 0 else 0

    def _source_of(self, lane: Lane, pool: str) -> Source | None:
        usable = [each for each in self._settings.sources if each.pool == pool and not self._is_paused(each.name)]
        return choose_source(lane, usable)

    def _path(self, source: Source, route: Route) -> Path:
        self._throttle.learn(route.domain, site=route.site, provider=route.provider)
        path = self._throttle.path(source.name, route.domain, self._clock.monotonic())
        assert path is not None  # it was learnt just now
        return path

    @contextmanager
    def _in_hand(self, domain: str, path: Path | None) -> Iterator[None]:
        """Count a delivery against `room` while the block runs."""
        if path is not None:
            self._throttle.enter(path)
        else:
            self._unrouted[domain] += 1
            self._throttle.unproven.enter()
        try:
            yield
        finally:
            if path is not None:
                self._throttle.leave(path)
            else:
                self._throttle.unproven.leave()
                self._unrouted[domain] -= 1
                if not self._unrouted[domain]:
                    del self._unrouted[domain]

    def _is_paused(self, source: str) -> bool:
        if not self._paused:
            return False
        until = self._paused.get(source)
        if until is not None and self._clock.monotonic() >= until:
            del self._paused[source]
            return False
        return until is not None

    def _pause(self, source: Source, outcome: Outcome) -> None:
        why = outcome.why if isinstance(outcome, Returned) else "no socket"
        _log.error("source %s is left out for %d s: %s", source.name, SOURCE_PAUSE.total_seconds(), why)
        self._paused[source.name] = self._clock.monotonic() + SOURCE_PAUSE.total_seconds()

    def _new_equipment(self) -> Equipment:
        return Equipment(
            clock=self._clock,
            gate=self._gate,
            pool=self._pool,
            content=self._content,
            contexts=self._contexts,
            broken_tls=self._broken_tls,
            parties=self._parties,
            port=self._settings.port,
            timeouts=self._settings.timeouts,
            deadline=self._settings.deadline,
        )


def _unroutable(failed: RouteFailed, *, elapsed: timedelta) -> Outcome:
    attempt = Attempt(
        stage=Stage.ROUTE, reply=failed.reply, reply_class=failed.reply_class, is_local=True, elapsed=elapsed
    )
    return decide(attempt)


def _route_policy(settings: DirectMxSettings, shaping: Shaping) -> RoutePolicy:
    return RoutePolicy(
        own_names=settings.own_names,
        own_addresses=settings.own_addresses,
        allow_loopback=settings.allow_loopback,
        provider_of=shaping.provider_of,
    )
