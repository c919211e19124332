"""Story: a campaign waits for its start, is moved to an earlier one, and goes out batch by batch."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from tests.scenarios.stage import open_stage

CONTACTS = [{"email": f"{name}@plain.example"} for name in ("ann", "bob", "cem")]


async def test_a_campaign_starts_at_its_time_and_keeps_its_pace(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        plain = await stage.sink("plain.example", "127.0.0.2")
        await stage.start_daemon(web=False)
        file = stage.campaign(
            "spring", CONTACTS, batch={"size": 1, "delay": "1s"}, rate={"per_provider": {"other": "50/s"}}
        )
        await stage.run("enqueue", file, "--at", "2099-01-01T09:00")
        shown = (await stage.run("status", "spring", "--json")).summary
        assert (shown["state"], shown["calendar"]["starts_at"]) == ("scheduled", "2099-01-01T09:00:00.000Z")
        assert not plain.received

        soon = datetime.now(UTC) + timedelta(seconds=4)
        await stage.run("enqueue", file, "--at", soon.isoformat(timespec="seconds"))
        await stage.settled("spring", completed=3)

        told = await stage.run("events", "--json")
        events = [json.loads(line) for line in told.out.splitlines()]
        kinds = [event["type"] for event in events if event.get("type", "").startswith("campaign.")]
        assert kinds[:2] == ["campaign.created", "campaign.scheduled"]
        assert "campaign.started" in kinds
        delivered = [event for event in events if event.get("type") == "email.delivered"]
        begun = sorted(  # the first waits for the press to start, so it is not when they arrived that counts
            datetime.fromisoformat(event["timestamp"]) - timedelta(milliseconds=event["data"]["elapsed_ms"])
            for event in delivered
        )
        assert begun[0] >= soon.replace(microsecond=0)
        assert all(later - earlier >= timedelta(seconds=0.9) for earlier, later in pairwise(begun))
