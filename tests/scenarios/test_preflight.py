"""Story: a campaign is checked against the running daemon's own endpoint and our DNS, mended, and sent."""

import json
from pathlib import Path
from typing import Any

from tests.scenarios.stage import SENDER_DOMAIN, Stage, open_stage

PEOPLE = [{"email": "ada@plain.example", "first_name": "Ada"}, {"email": "ben@plain.example", "first_name": "Ben"}]


async def _findings(stage: Stage, *arguments: str | Path, code: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    done = await stage.run("check", *arguments, "--json", code=code)
    *findings, summary = [json.loads(line) for line in done.out.splitlines()]
    return findings, summary


async def test_check_proves_the_road_and_the_way_back(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.sink("plain.example", "127.0.0.2")
        await stage.start_daemon()
        campaign = stage.campaign("spring", PEOPLE, headers={"Feedback-ID": "spring:news"})

        findings, summary = await _findings(stage, campaign, code=3)
        assert {each["rule"] for each in findings if each["severity"] == "error"} == {"A2", "A3", "A7"}
        assert summary["left_out"] == []

        stage.dns.add("mta.news.example", "A", "127.0.0.1")
        stage.dns.add_ptr("127.0.0.1", "mta.news.example")
        stage.dns.add(f"bounce.{SENDER_DOMAIN}", "TXT", "v=spf1 a:mta.news.example -all")
        stage.dns.add(f"_dmarc.{SENDER_DOMAIN}", "TXT", f"v=DMARC1; p=none; rua=mailto:d@{SENDER_DOMAIN}")
        stage.dns.add(SENDER_DOMAIN, "MX", 10, "mta.news.example")
        for name, record in stage.keys.items():
            stage.dns.add(name, "TXT", record)
        findings, summary = await _findings(stage, campaign, code=0)
        assert "H3" not in {each["rule"] for each in findings}, "the endpoint is as it should be"
        assert (summary["errors"], summary["accepted"]) == (0, 2)

        again, _ = await _findings(stage, campaign, code=0)
        events = await stage.run("events", "--type", "email.unsubscribed", "--json")
        assert events.summary["events"] == 1, "a second check leaves no second event"
        assert len(again) == len(findings)

        await stage.run("enqueue", campaign, "--set", "compliance.preflight=enforce")
        await stage.settled("spring", completed=2)
        assert await stage.stop_daemon() == 0


async def test_an_endpoint_that_is_down_is_a_warning(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        findings, _ = await _findings(stage, stage.campaign("spring", PEOPLE), code=3)

        told = [each for each in findings if each["rule"] == "H3"]
        assert [each["severity"] for each in told] == ["warning"]
        assert "start the daemon" in told[0]["remedy"]
