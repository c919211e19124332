"""Story: a campaign sends a canary first, a guard stops it, people are told, and the operator lets it go on."""

import asyncio
import json
import re
from email import message_from_bytes, policy
from pathlib import Path

from tests.scenarios.stage import Stage, open_stage
from tierii_mta.rehearsal.sink import Sink

GOOD = [{"email": f"{name}@plain.example"} for name in ("ada", "bo", "cy")]
GONE = [{"email": f"gone{number}@strict.example"} for number in range(5)]
REASON = re.compile(r"guard bounce: [1-4] of 4 mails bounced \(\d+ %; the limit is 5 %\)")


async def subjects(sink: Sink, recipient: str, count: int, stage: Stage) -> list[str]:
    """Wait for so many mails to somebody, and return their subjects in the order of arrival."""
    found: list[str] = []
    for _ in range(600):
        found = [
            str(message_from_bytes(one.data, policy=policy.default)["Subject"])
            for one in sink.received
            if one.recipients == (recipient,)
        ]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{recipient} got {found}\n{stage.daemon_log()}")


async def test_a_canary_goes_wrong_and_the_operator_decides(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        plain = await stage.sink("plain.example", "127.0.0.2")
        strict = await stage.sink("strict.example", "127.0.0.3", "rules: [{to: 'gone*', do: reject}]")
        office = await stage.sink("office.example", "127.0.0.4")
        await stage.start_daemon()
        file = stage.campaign(
            "spring",
            [*GOOD, *GONE],
            guards={"canary": 4},
            notify={"when": ["guard", "completed"], "to": ["ops@office.example"]},
        )
        tested = await stage.run("test", file, "--to", "me@office.example", "--contact", "cy@plain.example", "--json")
        assert tested.summary["contact"] == "cy@plain.example"
        waited = await stage.run("enqueue", file, "--wait", code=5)
        found = REASON.search(waited.err)
        assert found, waited.err
        reason = found[0]
        assert "tierii-mta resume spring" in waited.err
        shown = (await stage.run("status", "spring", "--json")).summary
        assert (shown["state"], shown["reason"]) == ("paused", reason)
        assert (shown["command"], shown["canary"]) == ("tierii-mta resume spring", 4)
        counts = shown["counts"]
        assert (counts["completed"] + counts["failed"], counts["pending"]) == (4, 4)
        assert len(plain.received) + strict.stats["refused_reject"] == 4, "nobody behind the canary was written to"

        await stage.run("resume", "spring")
        await stage.settled("spring", completed=len(GOOD), failed=len(GONE))
        told = await subjects(office, "ops@office.example", 2, stage)
        assert told[0] == f"campaign spring is paused by {reason}; tierii-mta resume spring"
        assert told[1] == "campaign spring is complete"
        (test,) = await subjects(office, "me@office.example", 1, stage)
        assert test == "[Test] Hello friend"
        assert all(stage.verifies(one.data) for one in office.received)
        *records, _ = map(json.loads, (await stage.run("events", "--json")).out.splitlines())
        life = [record["type"] for record in records if record["type"].startswith("campaign.")]
        assert life == [
            "campaign.created",
            "campaign.started",
            "campaign.guard_tripped",
            "campaign.paused",
            "campaign.resumed",
            "campaign.canary_passed",
            "campaign.completed",
        ]
        assert await stage.stop_daemon() == 0
