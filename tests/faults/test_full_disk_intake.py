"""A disk that fills up while mail comes in: 452 while there is still room for delivery, and nothing by halves ever."""

import asyncio
import random
from pathlib import Path

from tests.faults.clients import Clients
from tests.faults.disk import filled, small_disk
from tests.faults.offers import Answer, Door, Offers
from tests.scenarios.front_door import furnish
from tests.scenarios.stage import Stage, open_stage


async def refused(offers: Offers, more: int, stage: Stage) -> set[str]:
    """Wait until so many more messages were refused at every door; return what was said."""
    before = offers.answered(Answer.REFUSED)
    for _ in range(600):
        new = [offer for offer in offers.answered(Answer.REFUSED) if not any(offer is one for one in before)]
        if all(sum(offer.door is door for offer in new) >= more for door in Door):
            return {offer.reply[:9] for offer in new}
        await asyncio.sleep(0.05)
    raise AssertionError(f"nothing is refused\n{stage.daemon_log()[-3000:]}")


async def test_a_full_disk_is_said_with_452_before_it_is_full_and_nothing_is_kept_by_halves(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", 160):
        async with open_stage(tmp_path, storage={"reserve": "100MB"}) as stage:
            door = await furnish(stage)
            await stage.sink("plain.example", "127.0.0.2", "limits: {keep: 100000}")
            await stage.start_daemon(web=False)
            offers = Offers()
            clients = Clients(offers, door, random.Random(4), ("plain.example",))
            clients.start(2)
            await clients.accepted(20)
            with filled(tmp_path / "data", leave_bytes=90_000_000):
                assert await refused(offers, 5, stage) == {"452 4.3.1"}
            await clients.accepted(20)
            with filled(tmp_path / "data"):
                said = await refused(offers, 5, stage)
                assert all(reply.startswith(("451 4.3.", "452 4.3.")) for reply in said), said
            await clients.accepted(20)
            await clients.stop()
            assert await stage.stop_daemon() == 0
            offers.crashed(tmp_path / "data")
            assert offers.flaws == []
            assert "Traceback" not in stage.daemon_log()
