"""Story: what an operator does all day: send one mail, explain a lane, reload limits, look at metrics."""

import json
import signal
from pathlib import Path

import httpx

from tests.scenarios.stage import SENDER_DOMAIN, open_stage


async def test_one_mail_is_sent_signed_and_only_once_per_key(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        sink = await stage.sink("plain.example", "127.0.0.2")
        await stage.start_daemon(web=False)
        html = stage.write("receipt.html", "<p>Your order {{ number }}</p>")
        arguments = ["send", "--from", f"Shop <shop@{SENDER_DOMAIN}>", "--to", "ada@plain.example"]
        arguments += [
            "--subject",
            "Receipt {{ number }}",
            "--html",
            str(html),
            "--var",
            "number=7",
            "--idempotency-key",
            "r7",
        ]
        first = await stage.run(*arguments, "--json")
        again = await stage.run(*arguments, "--json")
        await sink.arrived(1)
        assert first.summary["message_id"] == again.summary["message_id"]
        await stage.stop_daemon()
        (message,) = sink.received
        assert stage.verifies(message.data)
        assert b"Subject: Receipt 7\r\n" in message.data
        assert message.sender == f"shop@{SENDER_DOMAIN}", "submitted mail keeps its envelope sender"


async def test_limits_are_explained_with_their_origin_and_reloaded_without_a_restart(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.sink("plain.example", "127.0.0.2")
        shaping = stage.write("shaping.yaml", "domains: {plain.example: {connections: 3}}\n")
        await stage.start_daemon(web=False)
        before = await stage.run("queue", "explain", "plain.example")
        assert "connections 3 per domain" in before.out
        assert "shaping.yaml:1" in before.out
        shaping.write_text("domains: {plain.example: {connections: 2}}\n")
        assert stage.daemon is not None
        stage.daemon.send_signal(signal.SIGHUP)
        for _ in range(50):
            after = await stage.run("queue", "explain", "plain.example")
            if "connections 2 per domain" in after.out:
                break
        assert "connections 2 per domain" in after.out
        shaping.write_text("domains: {plain.example: {conections: 2}}\n")
        stage.daemon.send_signal(signal.SIGHUP)
        assert "connections 2 per domain" in (await stage.run("queue", "explain", "plain.example")).out
        assert await stage.stop_daemon() == 0
        assert "did you mean connections?" in stage.daemon_log()


async def test_metrics_and_readiness_speak_for_the_whole_installation(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.sink("plain.example", "127.0.0.2")
        await stage.start_daemon()
        await stage.run("enqueue", stage.campaign("m", [{"email": "a@plain.example"}]))
        await stage.settled("m", completed=1)
        async with httpx.AsyncClient(base_url=stage.base_url) as client:
            metrics = (await client.get("/metrics")).text
            assert (await client.get("/readyz")).json()["ready"] is True
        assert 'tierii_deliveries_total{outcome="delivered",priority="normal"} 1.0' in metrics
        assert 'tierii_reply_classes_total{class="accepted"' in metrics
        second = await stage.run("serve", code=75)
        assert "another daemon" in second.err
        assert await stage.stop_daemon() == 0


async def test_a_refusal_of_us_suspends_the_lane_and_blames_nobody(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.sink("block.example", "127.0.0.2", "rules: [{to: '*', do: block}]")
        await stage.start_daemon(web=False)
        await stage.run(
            "enqueue", stage.campaign("blocked", [{"email": "a@block.example"}, {"email": "b@block.example"}])
        )
        for _ in range(100):
            status = await stage.run("status", "--json")
            if status.summary.get("suspended"):
                break
        (suspended,) = status.summary["suspended"]
        assert suspended["domain"] == "block.example"
        assert "5.7.1" in suspended["reason"]
        shown = await stage.run("queue", "ls", "--domain", "block.example", "--json")
        lane = json.loads(shown.out.splitlines()[0])
        assert lane["why"] == f"suspended until {suspended['until']}: {suspended['reason']}"
        counts = await stage.settled("blocked", queued=0, active=0)
        assert counts["failed"] == counts["suppressed"] == 0
        assert "block.example" not in (await stage.run("suppress", "ls", "--json")).out
        await stage.run("queue", "unsuspend", "block.example")
        assert await stage.stop_daemon() == 0
