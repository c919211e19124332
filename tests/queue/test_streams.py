"""Campaign streams in the manager: paused, resumed, cancelled while mail is moving."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from tests.queue.plant import CODEC, Plant, Script, addresses, deliver_it, open_database, plant
from tierii_mta.campaigns.store import CampaignState, Draft, NewRecipient, Snapshot
from tierii_mta.clock import later
from tierii_mta.mail.address import Address
from tierii_mta.queue.delivery import Delivered, Delivery, Outcome, Priority, State
from tierii_mta.queue.janitor import Janitor, Retention
from tierii_mta.storage.database import Database


async def enqueue(database: Database, queue: Plant, campaign: str, count: int) -> None:
    """Load and start a campaign, as the command line does from another process."""
    now = queue.clock.now()
    draft = Draft(
        id=campaign,
        name=campaign,
        is_marketing=True,
        priority=Priority.NORMAL,
        list_id=None,
        fingerprint="f" * 64,
        snapshot=Snapshot(specification={}, contents={}),
        created_at=now,
    )
    await database.campaigns.open_draft(draft)
    rows = []
    for text in addresses(count, f"{campaign}.example"):
        address = Address.parse(text)
        rows.append(
            NewRecipient(
                recipient=text, recipient_key=CODEC.person_key(address), domain=address.domain, contact={"email": text}
            )
        )
    expires_at = later(now, timedelta(days=1))
    await database.campaigns.add_recipients(campaign, rows, now=now, expires_at=expires_at)
    await database.campaigns.start(campaign, report={}, now=now)


async def in_states(queue: Plant, campaign: str, state: State) -> int:
    return (await queue.database.campaigns.counts(campaign))[state]


class Steps:
    """Lets so many deliveries through as the test permits."""

    def __init__(self) -> None:
        self.permits = asyncio.Semaphore(0)

    async def __call__(self, delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
        await self.permits.acquire()
        return await deliver_it(delivery, activate)

    def let(self, count: int) -> None:
        for _ in range(count):
            self.permits.release()


async def test_a_paused_campaign_stops_alone_and_goes_on_where_it_was(tmp_path: Path) -> None:
    steps = Steps()
    script = Script(acts={"spring.example": steps}, rooms={"spring.example": 5})
    async with plant(tmp_path, script) as queue:
        other = await open_database(tmp_path, queue.clock)
        await enqueue(other, queue, "spring", 40)
        steps.let(10)
        await queue.ended(10)
        await other.campaigns.move("spring", CampaignState.PAUSED, reason="by hand", now=queue.clock.now())
        steps.let(100)
        await queue.until(lambda: len(queue.manager.hand) == 0)
        await enqueue(other, queue, "summer", 20)
        handed = len(script.handed)
        await queue.until(lambda: len(script.handed) >= handed + 20)
        await queue.until(lambda: len(queue.manager.hand) == 0)
        paused = await in_states(queue, "spring", State.PENDING)
        assert paused > 0
        assert await in_states(queue, "summer", State.COMPLETED) == 20
        await other.campaigns.move("spring", CampaignState.RUNNING, reason=None, now=queue.clock.now())
        await queue.until(lambda: sum(isinstance(one.outcome, Delivered) for one in queue.endings) == 60)
        assert await in_states(queue, "spring", State.COMPLETED) == 40
        await other.close()


async def test_what_a_paused_campaign_has_in_hand_but_not_on_the_wire_goes_back(tmp_path: Path) -> None:
    script = Script(acts={"spring.example": Steps()}, rooms={"spring.example": 5})
    async with plant(tmp_path, script) as queue:
        other = await open_database(tmp_path, queue.clock)
        await enqueue(other, queue, "spring", 40)
        await queue.until(lambda: len(queue.manager.hand) == 5)
        await other.campaigns.move("spring", CampaignState.PAUSED, reason="by hand", now=queue.clock.now())
        await queue.until(lambda: len(queue.manager.hand) == 0)
        assert await in_states(queue, "spring", State.PENDING) == 40
        await other.close()


async def test_a_cancelled_campaign_lets_the_active_finish_and_ends(tmp_path: Path) -> None:
    steps = Steps()
    script = Script(acts={"spring.example": steps}, rooms={"spring.example": 5})
    async with plant(tmp_path, script) as queue:
        await enqueue(queue.database, queue, "spring", 40)
        queue.manager.learn([load async for load in queue.database.queue.loads()])
        await queue.until(lambda: len(queue.manager.hand) == 5)
        await queue.database.campaigns.move("spring", CampaignState.DRAINING, reason=None, now=queue.clock.now())
        janitor = Janitor(
            store=queue.database.queue,
            operator=queue.database.operator,
            clock=queue.clock,
            epoch=queue.epoch,
            retention=Retention(),
        )
        steps.let(5)
        await queue.ended(5)
        for _ in range(10):
            await janitor.finish_streams()
        record = await queue.database.campaigns.find("spring")
        assert record is not None
        assert record.state is CampaignState.CANCELLED
        assert await in_states(queue, "spring", State.CANCELLED) == 40 - await in_states(
            queue, "spring", State.COMPLETED
        )
        assert len(script.handed) == await in_states(queue, "spring", State.COMPLETED)
