"""What operators read: suspended lanes with their reason, and why deliveries of a campaign failed."""

from datetime import timedelta

from tests.contracts.installation import Installation
from tierii_mta.clock import later
from tierii_mta.queue.delivery import FailureReason, State
from tierii_mta.queue.store import Activate, SuspendLane
from tierii_mta.queue.views import Suspension


async def test_suspended_lanes_are_listed_with_their_reason_until_they_open(store: Installation) -> None:
    await store.run_campaign("spring", ["a@one.example", "b@two.example"])
    lane = next(load.lane for load in await store.loads() if load.lane.domain == "one.example")
    until = later(store.now(), timedelta(minutes=30))
    await store.queue.apply([SuspendLane(lane=lane.id, until=until, reason="550 5.7.1 blocked")])
    assert await store.queue.suspensions(store.now()) == [
        Suspension(lane=lane, until=until, reason="550 5.7.1 blocked")
    ]
    assert await store.queue.suspensions(until) == []
    await store.queue.apply([SuspendLane(lane=lane.id, until=None)])
    assert await store.queue.suspensions(store.now()) == []


async def test_failures_are_counted_by_reason(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", ["a@one.example", "b@one.example", "c@one.example", "d@one.example"])
    claimed = await store.claim(epoch)
    await store.queue.apply([Activate(delivery=one.id, epoch=epoch) for one in claimed])
    reasons = (FailureReason.BOUNCED, FailureReason.BOUNCED, FailureReason.REJECTED)
    await store.queue.apply(
        [store.settle(one, epoch, State.FAILED, reason=reason) for one, reason in zip(claimed, reasons, strict=False)]
    )
    assert await store.campaigns.failures("spring") == {FailureReason.BOUNCED: 2, FailureReason.REJECTED: 1}
