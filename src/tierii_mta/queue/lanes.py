"""The lane directory: which (stream, destination) have due mail, and how much of each is in hand.

Owns whose turn it is: high priority first, then streams in turn, then each stream's lanes in turn. What it knows is a
hint: fed by one look at the store, by our own commits and by the change log, and put right by every claim (a lane that
gave less than asked says when it is due again). An entry that is looked at too early costs one empty seek; none is
looked at too late. Not how much a destination takes (the `room` asked) nor the claim itself (queue.manager). Pure.

An entry is READY in its stream's ring, WAITING for its due time, PARKED (due, but no room), or TAKEN by the claim that
runs. Pausing a stream drops its entries; no delivery row is touched. A stream that is shut for a time (its window, its
rate, the pause between two batches) is held: its rings stand aside as they are, and come back when it opens.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence

from tierii_mta.clock import Instant
from tierii_mta.queue.delivery import Delivery, Lane, LaneId, Priority, StreamId
from tierii_mta.queue.held_streams import HeldStreams, Ring, Rings
from tierii_mta.queue.lane_table import LaneTable, Place
from tierii_mta.queue.pacing import Plans
from tierii_mta.queue.store import Claim, LaneLoad, Quota
from tierii_mta.queue.suspended import SuspendedLanes
from tierii_mta.queue.waiting import WaitingRoom

_TURN = 25  # rows a stream may take at least before the next one's turn
_LOOKS = 2_000  # entries looked at per pick, so that a pick is short even when nobody has room
_WAKES = 10_000  # due entries moved to the rings per pick
_MANY = 1_000  # the count of an entry whose count is not known


class LaneDirectory:
    """Claimable mail by lane, in memory. One per process; its owner is the queue manager."""

    def __init__(self, plans: Plans | None = None) -> None:
        """`plans` says when a stream is shut; none: it never is."""
        self.table = LaneTable()
        self._plans = plans or Plans()
        self._rings: dict[Priority, OrderedDict[StreamId, Ring]] = {p: OrderedDict() for p in Priority}
        self._held = HeldStreams()
        self._waiting = WaitingRoom(self.table)
        self._closed: set[StreamId] = set()
        self._leaving: list[int] = []  # slots of closed streams, yet to be dropped
        self._suspended = SuspendedLanes()
        self._in_hand: dict[tuple[LaneId, Priority], int] = {}
        self._news: dict[int, Instant] = {}  # what came for TAKEN entries while their claim ran

    def __len__(self) -> int:
        """Return how many (lane, priority) have claimable mail."""
        return len(self.table)

    # -- what there is ------------------------------------------------------------------------------------------

    def add(self, load: LaneLoad, *, now: Instant) -> None:
        """Learn of claimable mail; one that is known keeps its earlier due time."""
        if load.suspended_until is not None:
            self.suspend(load.lane, load.suspended_until)
        self._learn_due(load.lane, load.priority, load.due, load.count, now)

    def note(self, lane: Lane, priority: Priority, due: Instant, *, now: Instant) -> None:
        """Learn of one more claimable delivery: a retry, or one that was returned."""
        self._learn_due(lane, priority, due, 1, now)

    def close_stream(self, stream: StreamId) -> None:
        """Give out nothing of the stream: it was paused, cancelled or is over. `sweep` then drops its entries."""
        self._closed.add(stream)
        for rings in self._rings.values():
            rings.pop(stream, None)
        self._held.release(stream)
        self._leaving += self.table.slots(stream)

    def open_stream(self, stream: StreamId) -> None:
        """Take the stream's mail again; its loads must be added anew."""
        while self.sweep():
            pass
        self._closed.discard(stream)

    def sweep(self, limit: int = 5_000) -> bool:
        """Drop some entries of closed streams, and return whether there are more: half a million take a second."""
        leaving = self._leaving[-limit:]
        del self._leaving[-limit:]
        for slot in leaving:
            if self.table.place[slot] != Place.FREE and not self.is_open(self.table.stream(slot)):
                self._forget(slot)
        return bool(self._leaving)

    def is_open(self, stream: StreamId) -> bool:
        return stream not in self._closed

    # -- streams that are shut for a while ----------------------------------------------------------------------

    def hold(self, stream: StreamId, until: Instant) -> None:
        """Give out nothing of the stream before `until`; costs the same whatever it has."""
        rings = {}
        for priority, streams in self._rings.items():
            ring = streams.pop(stream, None)
            if ring:
                rings[priority] = ring
        self._held.hold(stream, until, rings)

    def stream_of(self, quota: Quota) -> StreamId:
        """Return the stream of a quota that `pick` returned and nobody has learnt of yet."""
        slot = self.table.find(quota.lane, quota.priority)
        assert slot is not None  # TAKEN entries stay
        return self.table.stream(slot)

    def is_held(self, stream: StreamId) -> bool:
        return stream in self._held

    # -- suspended lanes ----------------------------------------------------------------------------------------

    def suspend(self, lane: Lane, until: Instant) -> None:
        """Give out nothing of the lane before `until`."""
        self._suspended.add(lane, until)

    def release(self, lane: LaneId, *, now: Instant) -> bool:
        """End a suspension early; return whether there was one."""
        if not self._suspended.remove(lane):
            return False
        self._reopen(lane, now)
        return True

    def resumed(self, now: Instant) -> list[Lane]:
        """Return the lanes whose suspension has run out since the last call."""
        lanes = self._suspended.pop_ended(now)
        for lane in lanes:
            self._reopen(lane.id, now)
        return lanes

    def is_suspended(self, lane: LaneId) -> bool:
        return lane in self._suspended

    def strike(self, lane: LaneId) -> int:
        """Count a refusal of us; return how many came before it since the lane last took mail."""
        return self._suspended.strike(lane)

    def clear_strikes(self, lane: LaneId) -> None:
        """The lane took mail."""
        self._suspended.clear_strikes(lane)

    # -- whose turn it is ---------------------------------------------------------------------------------------

    def pick(
        self, now: Instant, *, room: Callable[[Lane, Priority, int], int], budget: Mapping[Priority, int], limit: int
    ) -> list[Quota]:
        """Return what to claim now: at most `limit` rows, and at most `budget[priority]` up to and including each
        priority. The entries named are TAKEN until `learn` is told what the claim brought.
        """
        self._wake(now)
        for stream, rings in self._held.pop_due(now):
            self._take_back(stream, rings)
        quotas: list[Quota] = []
        given = 0
        looks = _LOOKS
        for priority in Priority:
            left = min(limit, budget[priority]) - given
            if left > 0 and looks > 0:
                picked, looks = self._pick_class(priority, left, looks, room=room, now=now)
                quotas += picked
                given += sum(quota.limit for quota in picked)
        return quotas

    def learn(self, quotas: Sequence[Quota], claim: Claim, *, now: Instant) -> None:
        """Take in what a claim brought: counts in hand, and when its lanes are due again."""
        got: dict[tuple[LaneId, Priority], int] = {}
        for delivery in claim.deliveries:
            key = (delivery.lane.id, delivery.priority)
            got[key] = got.get(key, 0) + 1
        for key, count in got.items():
            self._in_hand[key] = self._in_hand.get(key, 0) + count
        for quota in quotas:
            slot = self.table.find(quota.lane, quota.priority)
            if slot is not None and self.table.place[slot] == Place.TAKEN:
                self._put_back(slot, got.get((quota.lane, quota.priority), 0), quota, claim, now)
        for stream, until in claim.shut.items():
            self.hold(stream, until)

    def learn_failure(self, quotas: Sequence[Quota], *, now: Instant) -> None:
        """The claim did not happen: its entries are due again."""
        self.learn(quotas, Claim(deliveries=(), exhausted={}), now=now)

    def ended(self, delivery: Delivery, *, now: Instant) -> None:
        """One delivery in hand has ended, however; its lane may have room again."""
        key = (delivery.lane.id, delivery.priority)
        left = self._in_hand.get(key, 0) - 1
        if left > 0:
            self._in_hand[key] = left
        else:
            self._in_hand.pop(key, None)
        slot = self.table.find(*key)
        if slot is not None and self.table.place[slot] == Place.PARKED:
            self._make_ready(slot)

    def in_hand(self, lane: LaneId, priority: Priority) -> int:
        return self._in_hand.get((lane, priority), 0)

    def next_wake(self, now: Instant, *, with_ready: bool = True) -> Instant | None:
        """Return when to pick again if nothing else happens: `now` if some entry is ready, None if nothing waits."""
        if with_ready and any(self._rings.values()):
            return now
        times = [each for each in self._next_times() if each is not None]
        return max(now, min(times)) if times else None

    def _next_times(self) -> tuple[Instant | None, ...]:
        return self._waiting.next_due(), self._suspended.next_end(), self._held.next_opening()

    # -- below: moving entries ----------------------------------------------------------------------------------

    def _learn_due(self, lane: Lane, priority: Priority, due: Instant, count: int, now: Instant) -> None:
        if lane.stream in self._closed:
            return
        slot = self.table.find(lane.id, priority)
        if slot is None:
            self._arrange(self.table.insert(lane, priority, due=due, count=count), due, now)
            return
        self.table.count[slot] = min(self.table.count[slot] + count, 1 << 30)
        place = self.table.place[slot]
        if place == Place.TAKEN:
            self._news[slot] = min(due, self._news.get(slot, due))
        elif place == Place.WAITING and due < self.table.due[slot]:
            self._arrange(slot, due, now)

    def _put_back(self, slot: int, got: int, quota: Quota, claim: Claim, now: Instant) -> None:
        """Place an entry after its claim."""
        table = self.table
        news = self._news.pop(slot, None)
        key = (quota.lane, quota.priority)
        table.count[slot] = table.count[slot] - got if table.count[slot] > got else _MANY
        if key not in claim.exhausted:
            self._make_ready(slot)
            return
        due = claim.exhausted[key]
        known = [moment for moment in (due, news) if moment is not None]
        if known:
            self._arrange(slot, min(known), now)
        else:
            self._forget(slot)

    def _pick_class(
        self, priority: Priority, left: int, looks: int, *, room: Callable[[Lane, Priority, int], int], now: Instant
    ) -> tuple[list[Quota], int]:
        """Go round the streams of one priority, then round each one's lanes."""
        rings = self._rings[priority]
        quotas: list[Quota] = []
        capped: dict[StreamId, Ring] = {}
        share = max(_TURN, left // len(rings)) if rings else 0
        while rings and left > 0 and looks > 0:
            stream, ring = next(iter(rings.items()))
            if (shut_until := self._plans.shut_until(stream, now)) is not None:
                self.hold(stream, shut_until)
                continue
            turn = min(share, left, self._plans.most(stream) or left)
            while ring and turn > 0 and looks > 0:
                looks -= 1
                quota = self._offer(ring.popleft(), max(_TURN, share // min(1 + len(ring), 8)), turn, room, now)
                if quota is not None:
                    quotas.append(quota)
                    turn -= quota.limit
                    left -= quota.limit
            if not ring:
                del rings[stream]
            elif self._plans.most(stream) is not None and turn <= 0:
                capped[stream] = rings.pop(stream)  # one turn a claim
            else:
                rings.move_to_end(stream)
        rings.update(capped)
        return quotas, looks

    def _offer(
        self, slot: int, most: int, turn: int, room: Callable[[Lane, Priority, int], int], now: Instant
    ) -> Quota | None:
        """Return the quota of one entry, or put it aside where it cannot go now."""
        lane, priority = self.table.lane(slot), self.table.priority(slot)
        if lane.id in self._suspended:
            self._waiting.wait(slot, self._suspended.until(lane.id))
            return None
        # One more than we know of: a lane that gives less tells when it is due next, and needs no second, empty claim.
        limit = room(lane, priority, min(self.table.count[slot] + 1, most, turn))
        if limit <= 0:
            self._waiting.park(slot, now)
            return None
        self.table.place[slot] = Place.TAKEN
        return Quota(lane=lane.id, priority=priority, limit=limit)

    def _wake(self, now: Instant) -> None:
        for _ in range(_WAKES):
            slot = self._waiting.pop_due(now)
            if slot is None:
                return
            self._make_ready(slot)

    def _reopen(self, lane: LaneId, now: Instant) -> None:
        """Let the lane's entries wait no longer than to now."""
        for priority in Priority:
            slot = self.table.find(lane, priority)
            if slot is not None and self.table.place[slot] in (Place.WAITING, Place.PARKED):
                self._arrange(slot, now, now)

    def _arrange(self, slot: int, due: Instant, now: Instant) -> None:
        if due <= now:
            self.table.due[slot] = due
            self._make_ready(slot)
        else:
            self._waiting.wait(slot, due)

    def _make_ready(self, slot: int) -> None:
        stream = self.table.stream(slot)
        if stream in self._closed:
            self._forget(slot)
            return
        self._waiting.leave(slot)
        self.table.place[slot] = Place.READY
        priority = self.table.priority(slot)
        if not self._held.keep(stream, priority, slot):
            self._rings[priority].setdefault(stream, deque()).append(slot)

    def _take_back(self, stream: StreamId, rings: Rings) -> None:
        for priority, ring in rings.items():
            self._rings[priority].setdefault(stream, deque()).extend(ring)

    def _forget(self, slot: int) -> None:
        self._waiting.leave(slot)
        self._news.pop(slot, None)
        self.table.remove(slot)
