"""The pace of a campaign: claims take no more than it allows, whoever claims, and after a restart too."""

import asyncio
from datetime import timedelta

from tests.contracts.installation import Installation
from tierii_mta.clock import later
from tierii_mta.quantities import Rate
from tierii_mta.queue.delivery import Epoch, State
from tierii_mta.queue.pacing import Paced, StreamPlan
from tierii_mta.queue.store import Claim, Quota

NAMES = [f"p{number}@d{number % 3}.example" for number in range(30)]


async def paced_claim(
    store: Installation, epoch: Epoch, plan: StreamPlan, *, unused: int = 0, limit: int = 100
) -> Claim:
    loads = await store.loads()
    quotas = [Quota(lane=one.lane.id, priority=one.priority, limit=min(limit, one.count)) for one in loads]
    stream = loads[0].lane.stream
    paced = {stream: Paced(plan=plan, unused=unused)}
    return await store.queue.claim(quotas, epoch=epoch, now=store.now(), paced=paced)


async def test_a_rate_counts_over_all_lanes_of_a_campaign(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", NAMES)
    plan = StreamPlan(rate=Rate.parse("10/s"))
    claim = await paced_claim(store, epoch, plan)
    assert len(claim.deliveries) == 10
    (opens_at,) = claim.shut.values()
    assert opens_at == later(store.now(), timedelta(milliseconds=100))
    assert (await paced_claim(store, epoch, plan)).deliveries == []
    store.clock.advance(timedelta(milliseconds=500))
    assert len((await paced_claim(store, epoch, plan)).deliveries) == 5
    await store.check_tally()


async def test_a_batch_is_counted_in_the_database_so_a_restart_does_not_begin_a_new_one(store: Installation) -> None:
    await store.run_campaign("spring", NAMES)
    plan = StreamPlan(batch_size=12, batch_delay=timedelta(minutes=10))
    first = await paced_claim(store, await store.register(), plan, limit=3)
    assert len(first.deliveries) == 9
    assert first.shut == {}
    other = await store.another()
    epoch = await other.register("two")
    second = await paced_claim(other, epoch, plan)
    assert len(second.deliveries) == 3
    assert list(second.shut.values()) == [later(store.now(), timedelta(minutes=10))]
    store.clock.advance(timedelta(minutes=9, seconds=59))
    assert (await paced_claim(other, epoch, plan)).deliveries == []
    store.clock.advance(timedelta(seconds=1))
    assert len((await paced_claim(other, epoch, plan)).deliveries) == 12


async def test_two_daemons_share_one_rate(store: Installation) -> None:
    other = await store.another()
    await store.run_campaign("spring", NAMES)
    plan = StreamPlan(rate=Rate.parse("8/s"))
    owners = [(one, await one.register()) for one in (store, other) for _ in range(3)]
    claims = await asyncio.gather(*(paced_claim(one, epoch, plan) for one, epoch in owners))
    assert sum(len(claim.deliveries) for claim in claims) == 8


async def test_what_came_back_unused_and_who_is_suppressed_cost_nothing_of_the_rate(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", NAMES)
    await store.suppression.add([store.suppressed(name) for name in NAMES[:15]])  # five of the ten of each lane
    plan = StreamPlan(rate=Rate.parse("8/s"))
    claim = await paced_claim(store, epoch, plan)
    taken = len(claim.deliveries)
    assert 3 <= taken <= 5
    back = claim.deliveries[0]
    await store.queue.apply([store.settle(back, epoch, State.PENDING, from_state=State.QUEUED, due=store.now())])
    claim = await paced_claim(store, epoch, plan, unused=1)
    taken += len(claim.deliveries)
    while not claim.shut:
        claim = await paced_claim(store, epoch, plan)
        taken += len(claim.deliveries)
    assert taken == 8 + 1


async def test_other_mail_is_claimed_beside_a_paced_campaign(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", NAMES)
    plan = StreamPlan(rate=Rate.parse("1/m"))
    await paced_claim(store, epoch, plan)
    await store.accept("quinn@one.example")
    claim = await paced_claim(store, epoch, plan)
    assert [one.recipient for one in claim.deliveries] == ["quinn@one.example"]
