"""The operator's verbs on waiting deliveries: what each moves, writes and leaves alone."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from tests.contracts.installation import Installation
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import later
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import DeliveryId, FailureReason, State
from tierii_mta.queue.operator import Moved, Order, Scope, StandingSuspension, Survey, Verb
from tierii_mta.queue.selection import Ids, Selection
from tierii_mta.queue.store import Accepted, ChangeKind
from tierii_mta.storage.codes import ACTION
from tierii_mta.storage.tables import report

EVERYTHING = Selection(is_all=True)
EVERYBODY = {"ann@one.example", "bob@two.example", "cay@one.example", "dan@two.example", "eve@one.example"}
MEANT: Mapping[str, tuple[Callable[[Accepted], Selection], set[str]]] = {
    "all": (lambda _: EVERYTHING, EVERYBODY),
    "domain": (lambda _: Selection(domain="one.example"), {"ann@one.example", "cay@one.example", "eve@one.example"}),
    "campaign": (lambda _: Selection(campaign="spring"), {"ann@one.example", "bob@two.example"}),
    "user": (lambda _: Selection(user="shop"), {"cay@one.example", "dan@two.example"}),
    "user and domain": (lambda _: Selection(user="shop", domain="two.example"), {"dan@two.example"}),
    "tag": (lambda _: Selection(tag="receipt"), {"cay@one.example", "dan@two.example"}),
    "tag and domain": (lambda _: Selection(tag="receipt", domain="one.example"), {"cay@one.example"}),
    "label": (lambda _: Selection(label="summer"), {"cay@one.example", "dan@two.example"}),
    "delivery": (lambda shop: Selection(ids=Ids(deliveries=(shop.deliveries[1],))), {"dan@two.example"}),
    "message": (lambda shop: Selection(ids=Ids(messages=(shop.message,))), {"cay@one.example", "dan@two.example"}),
    "message id": (lambda _: Selection(ids=Ids.parse(["m9@example.com"])), {"cay@one.example", "dan@two.example"}),
    "id and user": (lambda shop: Selection(ids=Ids(messages=(shop.message,)), user="other"), set()),
    "unknown": (lambda _: Selection(campaign="nonesuch"), set()),
}

FEW = ("all", "user and domain", "tag and domain", "message id")


async def fill(store: Installation) -> Accepted:
    await store.run_campaign("spring", ["ann@one.example", "bob@two.example"])
    await store.accept("eve@one.example")
    return await store.accept(
        "cay@one.example",
        "dan@two.example",
        stream="user:shop",
        message_id="<m9@example.com>",
        label="summer",
        tag="receipt",
    )


async def carry_out(store: Installation, verb: Verb, selection: Selection = EVERYTHING, text: str = "") -> Moved:
    """Do it, after a look that has to say the same."""
    order = Order(verb=verb, selection=selection, text=text)
    survey = await store.db.operator.survey(order, store.now())
    moved = await store.db.operator.carry_out(order, store.now())
    assert survey == Survey(count=moved.count, in_hand=moved.in_hand)
    again = await store.db.operator.carry_out(order, store.now())
    assert again.count == 0, "what is done stays done"
    await store.check_tally()
    return moved


async def claimed(store: Installation) -> set[str]:
    return {one.recipient for one in await store.claim(await store.register())}


@pytest.mark.parametrize("what", MEANT)
async def test_a_selection_means_exactly_its_deliveries_to_hold_and_to_release(store: Installation, what: str) -> None:
    select_, meant = MEANT[what]
    selection = select_(await fill(store))
    assert (await carry_out(store, Verb.HOLD, selection, "look first")).count == len(meant)
    held = await store.events("email.held")
    assert {one.recipient for one in held} == meant
    assert all(one.data == {"reason": "look first"} and one.delivery_id for one in held)
    assert await claimed(store) == EVERYBODY - meant
    released = await carry_out(store, Verb.RELEASE, selection)
    assert (released.count, released.in_hand) == (len(meant), 0)
    assert await claimed(store) == meant


@pytest.mark.parametrize("what", FEW)
async def test_a_selection_bounces_exactly_its_deliveries_held_or_waiting(store: Installation, what: str) -> None:
    select_, meant = MEANT[what]
    selection = select_(await fill(store))
    await carry_out(store, Verb.HOLD, Selection(domain="one.example"))
    assert (await carry_out(store, Verb.BOUNCE, selection, "not wanted any more")).count == len(meant)
    failed = await store.events("email.failed")
    assert {one.recipient for one in failed} == meant
    for one in failed:
        assert one.delivery_id is not None
        (history,) = await store.queue.history(delivery=DeliveryId(one.delivery_id))
        assert (history.state, history.reason) == (State.FAILED, FailureReason.REJECTED)
        assert one.data["reply"] == "not wanted any more"
    await carry_out(store, Verb.RELEASE)
    assert await claimed(store) == EVERYBODY - meant


async def reports(store: Installation) -> list[tuple[int, int]]:
    def work(connection: Connection) -> list[Any]:
        return [tuple(row) for row in connection.execute(select(report.c.delivery, report.c.kind))]

    return await store.db._connections.read(work)


async def test_the_sender_of_bounced_mail_is_owed_a_report_and_a_campaign_is_not(store: Installation) -> None:
    shop = await fill(store)
    await carry_out(store, Verb.BOUNCE, Selection(user="shop"))
    await carry_out(store, Verb.BOUNCE, Selection(campaign="spring"))
    assert sorted(await reports(store)) == [(one, ACTION[Action.FAILED]) for one in shop.deliveries]


async def put_off(store: Installation) -> None:
    """Try all there is once; each is due again in an hour."""
    epoch = await store.register()
    taken = await store.claim(epoch)
    due = later(store.now(), timedelta(hours=1))
    settles = [store.settle(one, epoch, State.RETRY, from_state=State.QUEUED, due=due) for one in taken]
    assert all(await store.queue.apply(settles))


@pytest.mark.parametrize("what", FEW)
async def test_flushing_makes_exactly_the_selected_deliveries_due(store: Installation, what: str) -> None:
    select_, meant = MEANT[what]
    selection = select_(await fill(store))
    await put_off(store)
    assert await claimed(store) == set()
    assert (await carry_out(store, Verb.FLUSH, selection)).count == len(meant)
    assert await claimed(store) == meant


async def test_what_is_released_is_what_it_was_and_due_when_it_was(store: Installation) -> None:
    await store.accept("ann@one.example")
    await put_off(store)
    await store.accept("bob@two.example")
    await carry_out(store, Verb.HOLD)
    await carry_out(store, Verb.RELEASE)
    assert await claimed(store) == {"bob@two.example"}
    assert (await store.queue.totals()).keys() >= {(State.RETRY, 0), (State.QUEUED, 0)}
    store.clock.advance(timedelta(hours=1))
    assert await claimed(store) == {"ann@one.example"}


async def test_what_is_in_hand_is_left_alone_and_counted(store: Installation) -> None:
    shop = await fill(store)
    await store.claim(await store.register())
    for verb in Verb:
        moved = await carry_out(store, verb)
        assert (moved.count, moved.in_hand) == (0, 5)
    one = Selection(ids=Ids(deliveries=(shop.deliveries[0],)))
    assert (await carry_out(store, Verb.BOUNCE, one)).in_hand == 1


async def test_what_still_holds_flushed_mail_is_told(store: Installation) -> None:
    await fill(store)
    await put_off(store)
    await store.campaigns.move("spring", CampaignState.PAUSED, reason=None, now=store.now())
    shut = StandingSuspension(scope=Scope.USER, value="shop", until=None, reason="", created_at=store.now())
    await store.db.operator.suspend(shut)
    moved = await carry_out(store, Verb.FLUSH)
    assert (moved.count, dict(moved.waits)) == (5, {"the campaign does not run": 2, "suspended": 2})


async def test_a_running_daemon_hears_of_lanes_that_became_due_and_of_streams_where_they_are_many(
    store: Installation,
) -> None:
    await store.run_campaign("wide", [f"p@d{number}.example" for number in range(60)])
    await store.accept("eve@one.example")
    await put_off(store)
    other = await store.another()

    async def heard(selection: Selection) -> list[tuple[ChangeKind, bool]]:
        cursor = await store.queue.last_change()
        await other.db.operator.carry_out(Order(verb=Verb.FLUSH, selection=selection), store.now())
        return [(one.kind, one.lane is not None) for one in await store.queue.changes(cursor)]

    assert await heard(Selection(domain="one.example")) == [(ChangeKind.MAIL, True)]
    assert await heard(Selection(campaign="wide")) == [(ChangeKind.MAIL, False)]


async def test_more_rows_than_a_page_are_moved_in_pages(store: Installation) -> None:
    names = [f"p{number}@d{number % 7}.example" for number in range(2300)]
    await store.run_campaign("wide", names)
    await store.accept(*names, stream="user:shop", tag="big")
    selections = [Selection(campaign="wide"), Selection(tag="big"), EVERYTHING]
    for selection in selections:
        count = 4600 if selection is EVERYTHING else 2300
        for verb in (Verb.HOLD, Verb.RELEASE):
            assert (await carry_out(store, verb, selection)).count == count
    assert (await carry_out(store, Verb.BOUNCE, EVERYTHING)).count == 4600
