"""The route book: routes of domains in use, domains that were once found missing, and those whose look-up fails.

Owns how long a route is believed, when a look-up counts as the second look at a missing domain, and how long mail waits
after a failed look-up: else each message of the domain would fail by itself, within a second, and wait for its retry
though the next look-up succeeds.  Not how a route is found (outbound.route) nor the TTLs of the DNS (the resolver
caches by them; this only saves choosing anew for each of a thousand messages a second).
"""

from datetime import timedelta
from typing import TypeVar

from tierii_mta.clock import Clock
from tierii_mta.outbound.reply_class import ReplyClass
from tierii_mta.outbound.route import Route, RouteFailed, RoutePolicy, find_route
from tierii_mta.resolver.answer import Resolver

Value = TypeVar("Value")
SECOND_LOOK_AFTER = timedelta(minutes=1)
_LIFETIME_SECONDS = 60.0
_MISSING_SECONDS = 86_400.0
_MAX_ROUTES = 10_000
_MAX_MISSING = 10_000
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 5.0, 300.0  # after a failed look-up, then twice as long, ...
_MAX_FAILING = 10_000


class RouteBook:
    """Routes by domain, bounded; the oldest are forgotten first."""

    def __init__(self, resolver: Resolver, clock: Clock, policy: RoutePolicy) -> None:
        self._resolver, self._clock, self._policy = resolver, clock, policy
        self._routes: dict[str, tuple[Route, float]] = {}  # with the time until which it is believed
        self._missing: dict[str, float] = {}  # when a domain was first found missing
        self._failing: dict[str, tuple[float, float]] = {}  # until when its mail waits, and the length of that pause

    def use(self, policy: RoutePolicy) -> None:
        """Follow another policy from now on (reload)."""
        self._policy = policy
        self._routes.clear()
        self._failing.clear()

    def is_failing(self, domain: str) -> bool:
        """Whether a look-up of the domain failed lately, so that its mail had better wait."""
        if not self._failing:
            return False
        failing = self._failing.get(domain)
        return failing is not None and self._clock.monotonic() < failing[0]

    async def find(self, domain: str, *, attempts: int) -> Route | RouteFailed:
        """Return the route of a domain for a delivery that had so many attempts.

        A missing domain is final for a delivery that has been tried before, and for every delivery once the domain was
        missing a minute or more ago: its first look may have been another delivery's.
        """
        now = self._clock.monotonic()
        known = self._routes.get(domain)
        if known is not None and now < known[1]:
            return known[0]
        first = self._missing.get(domain)
        if first is not None and now > first + _MISSING_SECONDS:
            first = None
        is_second = attempts > 0 or (first is not None and now >= first + SECOND_LOOK_AFTER.total_seconds())
        found = await find_route(
            domain, self._resolver, policy=self._policy, chance=self._clock.random, is_second_look=is_second
        )
        if isinstance(found, Route):
            _keep(self._routes, domain, (found, now + _LIFETIME_SECONDS), _MAX_ROUTES)
            self._missing.pop(domain, None)
        elif found.is_nxdomain:
            _keep(self._missing, domain, now if first is None else first, _MAX_MISSING)
        is_failing = isinstance(found, RouteFailed) and found.reply_class is ReplyClass.DNS_FAILURE
        self._note_failure(domain, is_failing=is_failing)
        return found

    def _note_failure(self, domain: str, *, is_failing: bool) -> None:
        """Begin a pause, or end what pauses there were; those who shared the look-up begin no second one."""
        if not is_failing:
            self._failing.pop(domain, None)
        elif not self.is_failing(domain):
            _, latest = self._failing.get(domain, (0.0, 0.0))
            pause = min(max(_PAUSE_SECONDS, 2 * latest), _LONGEST_PAUSE_SECONDS)
            _keep(self._failing, domain, (self._clock.monotonic() + pause, pause), _MAX_FAILING)


def _keep(kept: dict[str, Value], domain: str, value: Value, most: int) -> None:
    kept.pop(domain, None)
    if len(kept) >= most:
        del kept[next(iter(kept))]
    kept[domain] = value
