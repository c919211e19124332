"""When a stream may send: from its start to its end, within a weekly window by somebody's clock.

Owns the arithmetic of local time.  The window is open at every moment at which the clocks of the zone show a time
within it, so nothing goes out at an hour nobody agreed to: a time that the clocks skip in spring opens or shuts the
window where they go on, and one that comes twice in autumn counts both times.  Not what a campaign file may say
(campaigns.calendar) nor who is let through (queue.lanes, queue.hours).  Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tierii_mta.clock import Instant, from_datetime, later, to_datetime

_DAYS_AHEAD = 16  # a window may be skipped by the clocks for one week, not for two
_MARGIN = timedelta(hours=15)  # no zone is further from UTC
_MINUTES = 24 * 60
_MOST_OPENINGS = 4_000  # that `advance` goes through: a daily window for ten years

Span = tuple[Instant, Instant]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of certain days. A window that shuts at or before it opens shuts on the next day."""

    days: frozenset[int]  # on which it opens, Monday is 0
    opens: int  # minutes after midnight
    shuts: int

    def spans(self, day: date, zone: ZoneInfo) -> list[Span]:
        """Return when the window that opens on `day` is open: once; twice where clocks are put back out of it; never
        where they skip it.
        """
        midnight = datetime.combine(day, time())
        begin = midnight + timedelta(minutes=self.opens)
        length = (self.shuts - self.opens) % _MINUTES or _MINUTES
        end = begin + timedelta(minutes=length)
        found: list[Span] = []
        for since, until, offset in _offsets(begin, end, zone):
            opened = max((begin - offset).replace(tzinfo=UTC), since)
            shut = min((end - offset).replace(tzinfo=UTC), until)
            if opened >= shut:
                continue
            span = from_datetime(opened), from_datetime(shut)
            if found and found[-1][1] >= span[0]:
                found[-1] = found[-1][0], span[1]
            else:
                found.append(span)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Start, end and window of a stream; each may be missing."""

    start: Instant | None = None
    end: Instant | None = None
    zone: str = "UTC"
    window: Window | None = None
    is_local: bool = False  # the window goes by each recipient's clock; `zone` is for those whose zone is not known

    def opening(self, at: Instant, *, zone: str | None = None) -> Instant | None:
        """Return the first moment from `at` on when mail may go, `at` itself if it may now; None: it never may again.

        `zone` is the recipient's, where it counts.
        """
        moment = at if self.start is None else max(at, self.start)
        if self.window is not None:
            span = self._span(moment, zone)
            if span is None:
                return None
            moment = max(moment, span[0])
        return moment if self.end is None or moment < self.end else None

    def shutting(self, at: Instant, *, zone: str | None = None) -> Instant | None:
        """Return when the opening that `at` is in shuts; None: never, or it is shut."""
        if self.opening(at, zone=zone) != at:
            return None
        span = self._span(at, zone)
        ends = [each for each in (span[1] if span else None, self.end) if each is not None]
        return min(ends, default=None)

    def next_opening(self, after: Instant, *, zone: str | None = None) -> Instant | None:
        """Return the first moment after `after` at which the window opens; None: it never does, or is always open."""
        if self.window is None:
            return None
        span = self._span(after, zone)
        while span is not None and span[0] <= after:
            span = self._span(span[1], zone)
        return span[0] if span is not None and (self.end is None or span[0] < self.end) else None

    def advance(self, at: Instant, work: timedelta) -> Instant | None:
        """Return when `work` is done that begins at `at` and rests while the window is shut; None: not before the end,
        or not within years.
        """
        moment = self.opening(at)
        for _ in range(_MOST_OPENINGS):
            if moment is None:
                return None
            shuts = self.shutting(moment)
            done = later(moment, work)
            if shuts is None or done <= shuts:
                return done
            work -= timedelta(milliseconds=shuts - moment)
            moment = self.opening(shuts)
        return None

    def _span(self, at: Instant, zone: str | None) -> Span | None:
        """Return the window's span that `at` is in, else the next one."""
        if self.window is None:
            return None
        where = ZoneInfo(zone if self.is_local and zone is not None else self.zone)
        today = to_datetime(at).astimezone(where).date()
        for ahead in range(-1, _DAYS_AHEAD):
            day = today + timedelta(days=ahead)
            if day.weekday() in self.window.days:
                for span in self.window.spans(day, where):
                    if at < span[1]:
                        return span
        return None


def local_instant(wall: datetime, zone: ZoneInfo) -> Instant:
    """Return when clocks show `wall` (naive): the first time of two; where they skip it, when they go on."""
    for since, until, offset in _offsets(wall, wall, zone):
        moment = max((wall - offset).replace(tzinfo=UTC), since)
        if moment < until:
            return from_datetime(moment)
    raise AssertionError("the last stretch has no end")


def _offsets(begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Yield the stretches of one offset from UTC that hold these local times: since, until, offset."""
    low = (begin - _MARGIN).replace(tzinfo=UTC)
    high = (end + _MARGIN).replace(tzinfo=UTC)
    forever = high + _MARGIN
    before, after = _offset(low, zone), _offset(high, zone)
    if before == after:
        yield low, forever, before
        return
    changes, unchanged = high, low  # the clocks change between the two
    while changes - unchanged > timedelta(seconds=1):
        middle = unchanged + (changes - unchanged) // 2
        middle = middle.replace(microsecond=0)
        if middle <= unchanged:
            break
        if _offset(middle, zone) == before:
            unchanged = middle
        else:
            changes = middle
    yield low, changes, before
    yield changes, forever, after


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)
