"""What one campaign may send to one provider: `rate.per_provider`.

Owns a rate per (stream, provider) beside the ceilings of shaping, and when a delivery that was turned away comes again:
each gets a turn of its own, one interval behind the other, so that ten thousand hosted domains of one provider do not
come back together.  With several daemons each has its share.  Pure: `now` is a monotonic reading in seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tierii_mta.outbound.meters import Bucket
from tierii_mta.outbound.shaping import Ceiling, Resource
from tierii_mta.outbound.shaping_file import Level
from tierii_mta.quantities import Rate
from tierii_mta.queue.delivery import StreamId
from tierii_mta.queue.pacing import Plans

_MOST = 10_000  # allotments kept


@dataclass(slots=True)
class _Allotment:
    rate: Rate
    bucket: Bucket
    tail: float = 0.0  # when the last one that was turned away has its turn


class Allotments:
    """The allotments of this process."""

    def __init__(self, plans: Plans, *, share: Callable[[], float]) -> None:
        """`share` says how much of every rate is ours: one divided by the daemons that send."""
        self._plans, self._share = plans, share
        self._kept: dict[tuple[StreamId, str], _Allotment] = {}

    def room(self, stream: StreamId, provider: str, now: float, *, most: int) -> int:
        """Return how many of `most` may come into hand."""
        allotment = self._find(stream, provider)
        return min(most, allotment.bucket.available(now, within=0)) if allotment is not None else most

    def take(self, stream: StreamId, provider: str, now: float) -> float | None:
        """Take one; where none is left, return in how many seconds its turn comes."""
        allotment = self._find(stream, provider)
        if allotment is None:
            return None
        wait = allotment.bucket.wait(now)
        if wait == 0:
            allotment.bucket.take(now)
            return None
        allotment.tail = max(allotment.tail + 1 / allotment.rate.per_second, now + wait)
        return allotment.tail - now

    def give_back(self, stream: StreamId, provider: str) -> None:
        """Return one that was not used after all."""
        allotment = self._find(stream, provider)
        if allotment is not None:
            allotment.bucket.give_back()

    def _find(self, stream: StreamId, provider: str) -> _Allotment | None:
        plan = self._plans.get(stream)
        rate = plan.per_provider.get(provider) if plan is not None else None
        if rate is None:
            return None
        ours = Rate(rate.count * self._share(), rate.period)
        found = self._kept.get((stream, provider))
        if found is None:
            if len(self._kept) >= _MOST:
                del self._kept[next(iter(self._kept))]
            found = self._kept[stream, provider] = _Allotment(ours, Bucket(_ceiling(provider, ours)))
        elif found.rate != ours:
            found.rate = ours
            found.bucket.adopt(_ceiling(provider, ours))
        return found


def _ceiling(provider: str, rate: Rate) -> Ceiling:
    bucket = ("campaign", provider)
    return Ceiling(resource=Resource.RATE, level=Level.PROVIDER, bucket=bucket, limit=rate, origin="rate.per_provider")
