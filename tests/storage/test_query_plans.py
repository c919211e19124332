"""No statement of the queue may look at more rows than it wants, however much waits: plans, not times.

The gate runs on tens of thousands of rows; `-m soak` on the design's figures: 500,000 deferred rows in one lane,
500,000 of a paused stream, 100,000 lanes of one row each.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contracts.installation import Installation, key_of
from tests.storage.volumes import fill, watched
from tests.support.clock import ManualClock
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import Instant, later
from tierii_mta.events import EventType
from tierii_mta.inbound.screening.greylist import Terms, Visitor
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import Report, State
from tierii_mta.queue.operator import Order, Verb
from tierii_mta.queue.selection import Ids, Selection
from tierii_mta.queue.store import Activate, Quota

_ALLOWED_SCANS = (
    "SCAN v ",  # the values of a bulk statement
    "SCAN json_each",  # the ids of a bulk statement
    "SCAN CONSTANT",
    "CONSTANT ROWS",
    "SCAN (subquery",  # the few rows a limited seek gave
    "SCAN anon_1",
    "SCAN node",  # a row per process
    "SCAN crash",  # what was in hand when processes died
    "SCAN suspension",  # a row per word of the operator
    "SCAN tally",  # a few rows per stream
    "SCAN event ",  # the head of the log, oldest first, limited
    "SCAN change ",
    "SCAN body_part USING COVERING INDEX",
)

_ALLOWED_SORTS = (
    "WHERE delivery.owner IS NOT NULL",  # what is in hand
    "AND delivery.state IN (4, 6) GROUP BY delivery.lane",  # what is held, counted for people
)

Call = Callable[[Installation], Awaitable[object]]


@pytest.fixture
async def queue(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Installation]:
    """An installation under load: `rows` and `lanes` by the test's parameter."""
    rows, lanes = request.param
    store = Installation("sqlite", tmp_path, ManualClock())
    await store.open()
    await fill(store, rows=rows, lanes=lanes)
    await store.run_campaign("spring", [f"q{n}@d{n % 40}.example" for n in range(400)])
    await store.accept("z@z.example", message_id="<m@example.com>")  # the last lane
    yield store
    await store.close()


async def loads(store: Installation) -> None:
    assert await store.loads()


async def loads_of_a_stream(store: Installation) -> None:
    stream = (await store.loads())[-1].lane.stream
    assert [load async for load in store.queue.loads(stream)]


async def quotas(store: Installation, count: int) -> list[Quota]:
    """Return quotas of the last lanes to be made, which wait behind all the others."""
    return [Quota(lane=load.lane.id, priority=load.priority, limit=5) for load in (await store.loads())[-count:]]


async def claim(store: Installation) -> None:
    assert (await store.claim_lanes(await store.register(), await quotas(store, 450))).deliveries


async def attempt(store: Installation) -> None:
    epoch = await store.register()
    (one,) = (await store.claim_lanes(epoch, await quotas(store, 1))).deliveries
    await store.queue.apply([Activate(delivery=one.id, epoch=epoch)])
    delivered = store.event(EventType.DELIVERED)
    done = store.settle(one, epoch, State.COMPLETED, events=[delivered], suppression=store.suppressed("z"))
    assert await store.queue.apply([done]) == [True]


async def history(store: Installation) -> None:
    assert await store.queue.history(key=key_of("q1@d1.example"))
    assert await store.queue.history(message_id="<m@example.com>")


async def expire(store: Installation) -> None:
    assert await store.queue.expire(Instant(store.now() * 2)) == 1000


async def enqueue(store: Installation) -> None:
    assert (await store.add("spring", [f"r{n}@d{n % 40}.example" for n in range(300)])).accepted == 300


async def counts(store: Installation) -> None:
    assert await store.campaigns.counts("spring")


async def cancel(store: Installation) -> None:
    await store.campaigns.move("spring", CampaignState.DRAINING, reason=None, now=store.now())
    assert await store.queue.finish_streams(store.now()) == ["spring"]


async def retry_failed(store: Installation) -> None:
    await store.campaigns.retry_failed("spring", now=store.now(), expires_at=store.now())


async def refuse(store: Installation) -> None:
    await store.campaigns.open_draft(store.draft("refused"))
    await store.add("refused", ["a@one.example"])
    await store.campaigns.fail("refused", reason="", now=store.now())


async def free_dead(store: Installation) -> None:
    await store.claim_lanes(await store.register(), await quotas(store, 30))
    assert (await store.queue.free_dead(await store.register(), store.now())).queued


async def purge(store: Installation) -> None:
    await store.queue.expire(Instant(store.now() * 2))
    limit = later(store.now(), timedelta(days=1))
    assert await store.queue.purge(deliveries_before=limit, events_before=limit, bodies_before=limit)
    await store.queue.drop_lanes(before=limit)


async def cursors(store: Installation) -> None:
    assert await store.events()
    await store.queue.changes(0)
    assert [entry async for entry in store.suppression.entries()] == []


async def notify(store: Installation) -> None:
    """The story of a report: owed, found, made."""
    epoch = await store.register()
    (one,) = (await store.claim_lanes(epoch, await quotas(store, 1))).deliveries
    told = Report(action=Action.FAILED, at=store.now())
    await store.queue.apply([store.settle(one, epoch, State.FAILED, from_state=State.QUEUED, report=told)])
    assert (await store.queue.stored_message(one.id)).parts
    owed = await store.db.reports.owed(before=store.now(), now=store.now(), limit=1000)
    assert owed is not None
    await store.db.reports.put_off(owed.reports, store.now())
    answer = store.message("sender@z.example", reverse_path="", reports=owed.reports)
    assert all(await store.queue.apply([answer]))


async def greylist(store: Installation) -> None:
    who = Visitor(client="192.0.2.0/24", sender="a.example", recipients=["x@example.com", "y@example.com"])
    await store.db.greylist.meet(who, Terms(), store.now())
    store.clock.advance(Terms().memory * 2)
    assert not (await store.db.greylist.meet(who, Terms(), store.now())).has_waited
    assert not await store.db.correspondents.has_had_mail([key_of("q1@d1.example"), key_of("q2@d2.example")])


async def recent_mail(store: Installation) -> None:
    people = [key_of(f"q{n}@d{n % 40}.example") for n in range(400)]
    assert len(await store.db.recent_mail.find(people, since=store.now(), but="summer")) == 400


ORDERED = (
    Selection(campaign="spring"),
    Selection(campaign="spring", domain="d1.example"),
    Selection(domain="z.example"),
    Selection(tag="receipt"),
    Selection(label="summer"),
    Selection(ids=Ids.parse(["3", "<m@example.com>"])),
)


async def orders(store: Installation) -> None:
    await store.accept("y@z.example", tag="receipt", label="summer")
    for selection in ORDERED:
        for verb in (Verb.HOLD, Verb.RELEASE, Verb.FLUSH):
            order = Order(verb=verb, selection=selection)
            expected = await store.db.operator.survey(order, store.now())
            assert (await store.db.operator.carry_out(order, store.now())).count == expected.count
            assert expected.count or verb is Verb.FLUSH


async def order_of_all(store: Installation) -> None:
    order = Order(verb=Verb.HOLD, selection=Selection(is_all=True))
    assert (await store.db.operator.carry_out(order, store.now())).count


async def view_of_lanes(store: Installation) -> None:
    for selection in (Selection(campaign="spring"), Selection(domain="z.example")):
        assert [view async for view in store.db.operator.lanes(selection, store.now())]


CALLS: list[Call] = [
    orders,
    order_of_all,
    view_of_lanes,
    loads,
    loads_of_a_stream,
    claim,
    attempt,
    history,
    expire,
    enqueue,
    counts,
    cancel,
    retry_failed,
    refuse,
    free_dead,
    purge,
    cursors,
    notify,
    greylist,
    recent_mail,
]


async def check(store: Installation, call: Call) -> None:
    """Run the call and assert how SQLite goes about each of its statements."""
    with watched(store) as statements:
        await call(store)
    plans = await store.db._connections.read(statements.plans)
    assert plans
    sorts = [line for line in plans if "TEMP B-TREE" in line and not any(one in line for one in _ALLOWED_SORTS)]
    assert not sorts
    scans = [line for line in plans if line.startswith("SCAN") and not any(one in line for one in _ALLOWED_SCANS)]
    assert not scans


@pytest.mark.parametrize("queue", [(4_000, 1_000)], indirect=True, ids=["small"])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
async def test_every_statement_seeks(queue: Installation, call: Call) -> None:
    await check(queue, call)


@pytest.mark.soak
@pytest.mark.parametrize("queue", [(500_000, 100_000)], indirect=True, ids=["full"])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
async def test_every_statement_seeks_in_a_full_queue(queue: Installation, call: Call) -> None:
    await check(queue, call)


@pytest.mark.parametrize("queue", [(4_000, 1_000)], indirect=True, ids=["small"])
async def test_a_claim_is_one_seek_per_quota_on_the_partial_index(queue: Installation) -> None:
    with watched(queue) as statements:
        await claim(queue)
    plans = await queue.db._connections.read(statements.plans)
    seeks = [line for line in plans if "delivery_due (lane=? AND priority=? AND due<?)" in line]
    assert len(seeks) == 500  # 450 quotas, padded to the next size
    assert sum(line.startswith("UPDATE delivery SET state = 2") for line, _ in statements.sent) == 1
