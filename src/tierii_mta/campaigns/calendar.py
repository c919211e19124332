"""The calendar of a campaign file, compiled: its hours, rates and batches as the queue keeps them.

Owns what `schedule`, `rate` and `batch` mean: moments in the campaign's zone, a window that must open at all, when each
recipient's own window first opens, and until when deliveries of a slow campaign are kept alive.  The arithmetic of
local time is queue.timetable, what happens at each moment campaigns.agenda.  Pure.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tierii_mta.campaigns.specification import Campaign, Specification
from tierii_mta.campaigns.specification.timing import DAYS, WindowSection, parse_moment
from tierii_mta.clock import Instant, from_datetime, later, rfc3339
from tierii_mta.errors import CheckFailed, UsageError
from tierii_mta.queue.delivery import Json
from tierii_mta.queue.pacing import NEVER, StreamPlan
from tierii_mta.queue.timetable import Timetable, Window, local_instant
from tierii_mta.queue.zones import ZONE_FIELD, is_zone, zone_of

_LONGEST = timedelta(days=3650)
_A_DAY = timedelta(days=1)  # the zones of the earth lie within it, and an hour
_SHOWN = 3


def compile_plan(campaign: Campaign, *, pool: str, now: Instant, at: str | None = None) -> StreamPlan:
    """Return the plan of a campaign; `pool` is that of its From domain, `at` a start that goes before the file's.

    Raises `CheckFailed` where nothing could ever be sent, and `UsageError` for an `at` that is no time.
    """
    specification = campaign.specification
    schedule, batch = specification.schedule, specification.pacing
    window = _window(schedule.window) if schedule.window is not None else None
    plan = StreamPlan(
        timetable=Timetable(
            start=_start(specification, at),
            end=_instant(schedule.end, schedule.timezone) if schedule.end is not None else None,
            zone=schedule.timezone,
            window=window,
            is_local=schedule.recipient_local and window is not None,
        ),
        misfire=schedule.misfire,
        rate=specification.rate.max if specification.rate is not None else None,
        per_provider=specification.rate.per_provider if specification.rate is not None else {},
        batch_size=batch.size if batch.delay > timedelta(0) else None,
        batch_delay=batch.delay,
        pool=specification.campaign.pool or pool,
    )
    _check(campaign, plan, now)
    return plan


def remarks(plan: StreamPlan, now: Instant) -> tuple[str, ...]:
    """Return what the operator may not have meant."""
    start = plan.timetable.start
    return (f"the start, {rfc3339(start)}, is past: it starts now",) if start is not None and start <= now else ()


def parse_at(text: str, zone: str) -> Instant | None:
    """Return a start given on the command line, None for `now`; raises `UsageError`."""
    try:
        return None if text == "now" else _instant(text, zone)
    except ValueError as cause:
        raise UsageError(str(cause), where="--at") from cause


def alive_until(plan: StreamPlan, count: int, *, now: Instant, lifetime: timedelta) -> Instant:
    """Return when `count` deliveries expire: `lifetime` after the last of them has had its turn, at the latest."""
    table = plan.timetable
    begins = now if table.start is None else max(now, table.start)
    limits = [each for each in (plan.rate, *plan.per_provider.values()) if each is not None]
    work = timedelta(seconds=max((count / each.per_second for each in limits), default=0))
    if plan.batch_size is not None:
        work = max(work, plan.batch_delay * ((count - 1) // plan.batch_size))
    done = replace(table, end=None).advance(begins, min(work, _LONGEST))
    waits = _A_DAY * 8 if table.window is not None else timedelta(0)  # for a window that opens once a week
    return later(done if done is not None else later(begins, _LONGEST), waits + lifetime)


class Clocks:
    """When each recipient's window first opens, and whose zone nobody knows."""

    def __init__(self, plan: StreamPlan) -> None:
        self._table = plan.timetable
        self._spans: dict[str | None, tuple[Instant, Instant]] = {}  # zone → its present or next opening: from, until
        self.unknown: Counter[str] = Counter()

    def due(self, contact: Mapping[str, Json], now: Instant) -> Instant | None:
        """Return when a contact's mail is due; None: as soon as the campaign may send."""
        if not self._table.is_local:
            return None
        name = contact.get(ZONE_FIELD)
        if name not in (None, "") and not (isinstance(name, str) and is_zone(name)):
            self.unknown[str(name)[:50]] += 1
        zone = zone_of(contact)
        opens, shuts = self._spans.get(zone, (now, now))
        if now >= shuts:
            opening = self._table.opening(now, zone=zone)
            opens = opening or self._table.end or now  # it never opens again: what is left ends with the campaign
            shuts = (self._table.shutting(opens, zone=zone) if opening is not None else None) or NEVER
            self._spans[zone] = opens, shuts
        return max(opens, now)

    def notices(self) -> list[str]:
        """Return what the operator should know."""
        if not self.unknown:
            return []
        shown = ", ".join(repr(name) for name, _ in self.unknown.most_common(_SHOWN))
        count = f"{self.unknown.total()} contacts have a {ZONE_FIELD} that is no time zone ({shown})"
        return [f"{count}; they go by the campaign's, {self._table.zone}"]


def _start(specification: Specification, at: str | None) -> Instant | None:
    schedule = specification.schedule
    if at is not None:
        return parse_at(at, schedule.timezone)
    return None if schedule.start == "now" else _instant(schedule.start, schedule.timezone)


def _instant(text: str, zone: str) -> Instant:
    moment: datetime = parse_moment(text)
    return from_datetime(moment) if moment.tzinfo is not None else local_instant(moment, ZoneInfo(zone))


def _window(section: WindowSection) -> Window:
    days = section.days or list(DAYS)
    return Window(
        days=frozenset(DAYS.index(day) for day in days), opens=_minutes(section.from_time), shuts=_minutes(section.to)
    )


def _minutes(clock_time: str) -> int:
    hours, _, minutes = clock_time.partition(":")
    return int(hours) * 60 + int(minutes)


def _check(campaign: Campaign, plan: StreamPlan, now: Instant) -> None:
    table = plan.timetable
    begins = now if table.start is None else max(now, table.start)
    where = campaign.document.where(("schedule", "end"))
    if table.end is not None and table.end <= begins:
        what = f"the end, {rfc3339(table.end)}, is not after the start, {rfc3339(begins)}: nothing would be sent"
        raise CheckFailed(what, where=where, remedy="choose a later end")
    if table.opening(begins) is None:
        what = "the window does not open between start and end: nothing would be sent"
        raise CheckFailed(what, where=where, remedy="choose a later end, or another window")
