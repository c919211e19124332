"""The throttle: how much may go where, now.

Owns the meters of every (source, site), provider, domain and source, permits, how much of a lane may be in hand, and
why mail waits; not the limits (outbound.shaping), the arithmetic of one meter (outbound.meters) nor the waiting
(outbound.gate).  Pure: `now` is a monotonic reading in seconds that comes in.

A *path* is the way from a source to a domain: the window of its site and every ceiling above it.  A *permit* is one
busy connection on a path and one message out of each rate.  All meters must have room before any is touched, so a
small limit never uses up a bigger one.  State that has become idle is dropped: memory follows the destinations in use.

A site is *proven* while the last attempt that tells reached it.  All others together, and domains whose site is not
known, have half of the hand: they may be black holes, each of which keeps its deliveries for a time-out, and thousands
of them must leave room for those who answer.  The fewer places are left, the fewer one site gets, and once a third is
taken each gets one.  So black holes delay nobody before there are some 400 of them with mail.  Beyond, a site that was
never reached waits for its first place: 450 places, each taken for a connect time-out of 30 s, are 15 first contacts
a second, so at most H/15 seconds for H black holes, a few times over until their windows are shut.
"""

from collections.abc import Iterator

from tierii_mta.outbound.meters import Bucket, Gauge, Load, Window, WindowRules
from tierii_mta.outbound.path import Feedback, Meter, Path, Permit, Wait
from tierii_mta.outbound.shaping import Ceiling, Resource, Shaping
from tierii_mta.queue.delivery import Priority

UNKNOWN_ROOM = 2
"""How much of a lane may be in hand while its site is not known."""

_AHEAD = 2  # in hand per connection, at least: one on it and one that follows
_MOST_AHEAD = 8  # where messages are so quick that more are needed, lest a connection waits for the next claim
_CROWD = 10  # in hand per connection, when more are sent away
_HIGH_EXTRA = 2  # in hand beyond that for high priority, which bulk cannot use up
_LOOK_AHEAD_SECONDS = 1.0  # messages a rate lets through in this time may be in hand
_UNPROVEN_MOST = 450  # in hand for all sites that are not proven; half of what the hand holds of bulk mail
_UNPROVEN_HIGH = 50  # beyond that for high priority
_UNPROVEN_SINGLE = 300  # while no more of them are left, a site gets one
_UNPROVEN_SHARE = 12  # of the places left beyond those, a site may have as many as one in so many
_PROMISE_SECONDS = 0.25  # until those promised should have come
_SWEEP_EVERY = 2048  # paths used, between two sweeps of idle state
_MAX_DOMAINS = 50_000


class Throttle:
    """All meters of this process."""

    def __init__(self, shaping: Shaping, *, rules: WindowRules | None = None) -> None:
        self._shaping = shaping
        self._rules = rules or WindowRules()
        self._paths: dict[tuple[str, str], Path] = {}
        self._windows: dict[tuple[str, str], Window] = {}
        self._gauges: dict[tuple[str, ...], Gauge] = {}
        self._buckets: dict[tuple[str, ...], Bucket] = {}
        self._domains: dict[str, tuple[str, str]] = {}  # domain → site, provider; oldest first
        self._until_sweep = _SWEEP_EVERY
        self.unproven = Load()  # in hand for sites that are not proven, and for domains whose site is not known

    def reshape(self, shaping: Shaping) -> None:
        """Take over other limits (reload). Windows, connections in use and what was sent stay counted."""
        self._shaping = shaping
        self._paths.clear()

    def learn(self, domain: str, *, site: str, provider: str) -> None:
        """Remember where a domain's mail goes, for `room` and `explain`; a changed MX set begins a new path."""
        known = self._domains.pop(domain, None)
        self._domains[domain] = (site, provider)
        if known is None and len(self._domains) > _MAX_DOMAINS:
            del self._domains[next(iter(self._domains))]
        if known is not None and known != (site, provider):
            for key in [key for key in self._paths if key[1] == domain]:
                del self._paths[key]

    def path(self, source: str, domain: str, now: float) -> Path | None:
        """Return the path from a source to a domain; None while the domain's site was not learnt."""
        found = self._paths.get((source, domain))
        if found is None:
            known = self._domains.get(domain)
            if known is None:
                return None
            self._until_sweep -= 1
            if self._until_sweep <= 0:
                self.drop_idle(now)
            found = self._paths[source, domain] = self._new_path(source, domain, *known)
        found.window.used_at = now
        return found

    def enter(self, path: Path) -> None:
        """A delivery is on its way to the path: it counts against `room` until `leave`."""
        for load in path.loads:
            load.enter()
        if not path.window.is_proven:
            self.unproven.enter()

    def leave(self, path: Path) -> None:
        """A delivery that had entered is done with."""
        for load in path.loads:
            load.leave()
        if not path.window.is_proven:
            self.unproven.leave()

    def room(self, path: Path, priority: Priority, now: float, *, most: int) -> int:
        """Return how many more deliveries, at most `most`, may come into hand for the path.

        The answer is promised for a moment: many lanes ask before the first delivery comes, and those that share a
        site or a provider must not all be told of the same room.
        """
        window = path.window
        limit = window.limit(now)
        coming = window.coming(now)
        if window.dead_until is not None:
            room = min(most, limit - coming)
        else:
            extra = _HIGH_EXTRA if priority is Priority.HIGH else 0
            ahead = _ahead(window)
            room = min(most, ahead * min(limit, path.most) + extra - coming)
            for gauge in path.gauges:
                room = min(room, ahead * gauge.limit + extra - gauge.coming(now))
            waiting = max(0, coming - window.busy)
            for bucket in path.rates:
                room = min(room, bucket.available(now, within=_LOOK_AHEAD_SECONDS) - waiting)
        loads = path.loads
        if not window.is_proven:
            room = min(room, self._unproven_room(coming, priority, now))
            loads = (*loads, self.unproven)
        if room <= 0:
            return 0
        for load in loads:
            load.promise(room, now, seconds=_PROMISE_SECONDS)
        return room

    def unknown_room(self, in_hand: int, priority: Priority, now: float, *, most: int) -> int:
        """Return how many more deliveries may come into hand for a domain whose site is not known, beside `in_hand`."""
        room = min(most, UNKNOWN_ROOM - in_hand, self._unproven_room(in_hand, priority, now))
        if room <= 0:
            return 0
        self.unproven.promise(room, now, seconds=_PROMISE_SECONDS)
        return room

    def _unproven_room(self, coming: int, priority: Priority, now: float) -> int:
        """Return the places for a site that is not proven and has `coming` already: what it has shrinks as they fill,
        so that a new site finds one.
        """
        left = _UNPROVEN_MOST + (_UNPROVEN_HIGH if priority is Priority.HIGH else 0) - self.unproven.coming(now)
        return min(left, max(1, (left - _UNPROVEN_SINGLE) // _UNPROVEN_SHARE) - coming)

    def is_crowded(self, path: Path, priority: Priority) -> bool:
        """Whether so many wait already that another one had better come again later: nobody may fill the hand."""
        extra = _HIGH_EXTRA if priority is Priority.HIGH else 0
        window = path.window
        if window.in_hand >= _CROWD * min(max(window.size, self._rules.start), path.most) + extra:
            return True
        if not window.is_proven and self.unproven.in_hand >= _UNPROVEN_MOST + _UNPROVEN_HIGH + extra:
            return True
        return any(gauge.in_hand >= _CROWD * gauge.limit + extra for gauge in path.gauges)

    def stand_by(self, path: Path, now: float) -> bool:
        """Whether a delivery may be activated before it gets its permit; if so, `step_up` follows.

        Only where nothing but the busy connections of a proven site is in the way, and for no more deliveries than
        there are connections: each waits about as long as one message takes.
        """
        window = path.window
        if not window.is_proven or window.standing >= min(window.size, path.most):
            return False
        if window.busy < window.size and all(gauge.busy < gauge.limit for gauge in path.gauges):
            return False
        if _longest(path.rates, now) is not None:
            return False
        window.standing += 1
        return True

    def step_up(self, path: Path) -> None:
        """A delivery that stood by has its permit, or has gone."""
        path.window.standing -= 1

    def acquire(self, path: Path, now: float) -> Permit | Wait:
        """Take a connection and a message of every meter, or none and say what is missing."""
        window = path.window
        if window.busy >= window.limit(now):
            return self._window_wait(path, now)
        for gauge in path.gauges:
            if gauge.busy >= gauge.limit:
                return Wait(None, f"all {gauge.limit} connections are busy ({_says(gauge.ceiling)})", gauge)
        if (wait := _longest(path.rates, now)) is not None:
            return wait
        window.busy += 1
        for gauge in path.gauges:
            gauge.busy += 1
        for bucket in path.rates:
            bucket.take(now)
        return Permit(path, now)

    def connect(self, path: Path, now: float) -> Wait | None:
        """Count a new connection against the connection rates; None: go ahead."""
        if (wait := _longest(path.connection_rates, now)) is not None:
            return wait
        for bucket in path.connection_rates:
            bucket.take(now)
        return None

    def release(self, permit: Permit, feedback: Feedback, now: float, *, is_used: bool = True) -> None:
        """Give a permit back, with what the attempt showed; `is_used` False returns the message to the rates."""
        if not permit.is_held:
            raise RuntimeError("a permit is released once")
        permit.is_held = False
        path = permit.path
        window = path.window
        if feedback is Feedback.REACHED:
            window.took(now - permit.since)
            window.succeeded(path.most)
            self._prove(window, is_proven=True)
        elif feedback is Feedback.UNREACHED:
            window.failed(now)
            self._prove(window, is_proven=False)
        window.busy -= 1
        for gauge in path.gauges:
            gauge.busy -= 1
        if not is_used:
            for bucket in path.rates:
                bucket.give_back()

    def drop_idle(self, now: float) -> None:
        """Forget state that a new one would equal."""
        self._until_sweep = _SWEEP_EVERY
        self._paths = {key: path for key, path in self._paths.items() if not path.window.is_idle(now)}
        kept: set[Meter] = set()
        for path in self._paths.values():
            kept.update(path.meters, path.connection_rates)
        self._windows = {key: each for key, each in self._windows.items() if not each.is_idle(now)}
        self._gauges = {key: each for key, each in self._gauges.items() if each in kept or not each.is_idle(now)}
        self._buckets = {key: each for key, each in self._buckets.items() if each in kept or not each.is_idle(now)}

    @property
    def size(self) -> int:
        """How many paths and meters are kept; a metric."""
        return len(self._paths) + len(self._windows) + len(self._gauges) + len(self._buckets)

    def site_of(self, domain: str) -> tuple[str, str] | None:
        """Return the site and provider learnt for a domain."""
        return self._domains.get(domain)

    def waits(self, path: Path, now: float) -> Iterator[Wait]:
        """Yield everything that would keep a message waiting now, for `queue explain`."""
        if path.window.busy >= path.window.limit(now):
            yield self._window_wait(path, now)
        if not path.window.is_proven and self.unproven.in_hand >= _UNPROVEN_MOST:
            why = f"{path.site} was not reached lately, and such sites have {_UNPROVEN_MOST} deliveries in hand already"
            yield Wait(None, why, path.window)
        for gauge in path.gauges:
            if gauge.busy >= gauge.limit:
                yield Wait(None, f"all {gauge.limit} connections are busy ({_says(gauge.ceiling)})", gauge)
        for bucket in (*path.rates, *path.connection_rates):
            if bucket.wait(now):
                yield _bucket_wait(bucket, bucket.wait(now))

    def _prove(self, window: Window, *, is_proven: bool) -> None:
        if window.is_proven != is_proven:
            window.is_proven = is_proven
            self.unproven.in_hand += -window.in_hand if is_proven else window.in_hand

    def _window_wait(self, path: Path, now: float) -> Wait:
        window = path.window
        if window.dead_until is None:
            why = f"all {window.size} connections of the concurrency window to {path.site} are busy"
            return Wait(None, why, window)
        if now < window.dead_until:
            return Wait(window.dead_until - now, f"{path.site} could not be reached and is shut until a probe", window)
        return Wait(None, f"a probe finds out whether {path.site} can be reached again", window)

    def _new_path(self, source: str, domain: str, site: str, provider: str) -> Path:
        ceilings = self._shaping.ceilings(source=source, domain=domain, provider=provider, site=site)
        window = self._windows.get((source, site))
        if window is None:
            window = self._windows[source, site] = Window(self._rules)
        gauges = tuple(self._gauge(each) for each in ceilings if each.resource is Resource.CONNECTIONS)
        rates = tuple(self._bucket(each) for each in ceilings if each.resource is Resource.RATE)
        return Path(
            source=source,
            domain=domain,
            site=site,
            provider=provider,
            knobs=self._shaping.knobs(source=source, domain=domain, provider=provider),
            window=window,
            gauges=gauges,
            rates=rates,
            connection_rates=tuple(
                self._bucket(each) for each in ceilings if each.resource is Resource.CONNECTION_RATE
            ),
            most=min((gauge.limit for gauge in gauges), default=self._rules.most),
            loads=(window, *gauges),
            meters=(window, *gauges, *rates),
        )

    def _gauge(self, ceiling: Ceiling) -> Gauge:
        found = self._gauges.get(ceiling.bucket)
        if found is None:
            found = self._gauges[ceiling.bucket] = Gauge(ceiling)
        elif found.ceiling != ceiling:
            found.adopt(ceiling)
        return found

    def _bucket(self, ceiling: Ceiling) -> Bucket:
        found = self._buckets.get(ceiling.bucket)
        if found is None:
            found = self._buckets[ceiling.bucket] = Bucket(ceiling)
        elif found.ceiling != ceiling:
            found.adopt(ceiling)
        return found


def _ahead(window: Window) -> int:
    """Return how many deliveries may be in hand for each connection: those it takes while another one is on its way.

    A slow site gets few, so it never fills the hand; what a quick one has ahead is soon gone.
    """
    return min(_MOST_AHEAD, _AHEAD + int(window.way_seconds / window.message_seconds))


def _longest(buckets: tuple[Bucket, ...], now: float) -> Wait | None:
    longest: tuple[float, Bucket] | None = None
    for bucket in buckets:
        seconds = bucket.wait(now)
        if seconds and (longest is None or seconds > longest[0]):
            longest = (seconds, bucket)
    return None if longest is None else _bucket_wait(longest[1], longest[0])


def _bucket_wait(bucket: Bucket, seconds: float) -> Wait:
    return Wait(
        seconds, f"{bucket.ceiling.resource} {bucket.ceiling.limit} is used up ({_says(bucket.ceiling)})", bucket
    )


def _says(ceiling: Ceiling) -> str:
    return f"{ceiling.level}, {ceiling.origin}"
