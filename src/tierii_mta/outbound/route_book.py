"""The route book: routes of domains in use, and domains that were once found missing.

Owns how long a route is believed and when a look-up counts as the second look at a missing domain; not how a route is
found (outbound.route) nor the TTLs of the DNS (the resolver caches by them; this only saves choosing anew for each of a
thousand messages a second).  Failures are not kept: the resolver keeps the answers behind them.
"""

from datetime import timedelta
from typing import TypeVar

from tierii_mta.clock import Clock
from tierii_mta.outbound.route import Route, RouteFailed, RoutePolicy, find_route
from tierii_mta.resolver.answer import Resolver

Value = TypeVar("Value")
SECOND_LOOK_AFTER = timedelta(minutes=1)
_LIFETIME_SECONDS = 60.0
_MISSING_SECONDS = 86_400.0
_MAX_ROUTES = 10_000
_MAX_MISSING = 10_000


class RouteBook:
    """Routes by domain, bounded; the oldest are forgotten first."""

    def __init__(self, resolver: Resolver, clock: Clock, policy: RoutePolicy) -> None:
        self._resolver, self._clock, self._policy = resolver, clock, policy
        self._routes: dict[str, tuple[Route, float]] = {}  # with the time until which it is believed
        self._missing: dict[str, float] = {}  # when a domain was first found missing

    def use(self, policy: RoutePolicy) -> None:
        """Follow another policy from now on (reload)."""
        self._policy = policy
        self._routes.clear()

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
        return found


def _keep(kept: dict[str, Value], domain: str, value: Value, most: int) -> None:
    kept.pop(domain, None)
    if len(kept) >= most:
        del kept[next(iter(kept))]
    kept[domain] = value
