"""Story: mail is held, flushed, bounced and suspended while the daemon runs, and each attempt can be read then."""

import json
from pathlib import Path
from typing import Any

from tests.scenarios.stage import SENDER_DOMAIN, Stage, open_stage

GREYLIST = "rules: [{to: '*', do: greylist}]"


async def send(stage: Stage, to: str) -> str:
    """Submit one mail and return its Message-ID."""
    html = stage.write("mail.html", "<p>Secret words</p>")
    sender = f"shop@{SENDER_DOMAIN}"
    done = await stage.run("send", "--from", sender, "--to", to, "--subject", "Hi", "--html", html, "--json")
    return str(done.summary["message_id"])


async def shown(stage: Stage, subject: str, **wanted: Any) -> dict[str, Any]:
    """Wait until `queue show` says what is wanted."""
    record: dict[str, Any] = {}
    for _ in range(120):
        done = await stage.run("queue", "show", subject, "--json")
        record = json.loads(done.out.splitlines()[0])
        if all(record[name] == value for name, value in wanted.items()):
            return record
    raise AssertionError(f"{subject} stays at {record}, wanted {wanted}\n{stage.daemon_log()}")


async def test_an_operator_moves_mail_while_the_daemon_runs(tmp_path: Path) -> None:
    retry = {"intervals": ["1h"], "lifetime": "5d"}
    async with open_stage(tmp_path) as stage:
        stage.settings["outbound"]["retry"] = retry
        stage.save_settings()
        await stage.sink("grey.example", "127.0.0.2", GREYLIST)
        plain = await stage.sink("plain.example", "127.0.0.3")
        await stage.start_daemon(web=False)
        greylisted = await send(stage, "ann@grey.example")
        first = await shown(stage, greylisted, state="retry", attempts=1)
        assert "< 4" in first["transcripts"][0]["text"]

        await stage.run("queue", "hold", greylisted)
        assert (await shown(stage, greylisted, state="held"))["events"][-1]["type"] == "email.held"
        await stage.run("queue", "release", "--domain", "grey.example")
        await shown(stage, greylisted, state="retry", due=first["due"])
        flushed = await stage.run("queue", "flush", greylisted, "--json")
        assert flushed.summary["count"] == 1
        done = await shown(stage, greylisted, state="completed")
        refused, delivered = [one["text"] for one in done["transcripts"]]
        assert f"> MAIL FROM:<shop@{SENDER_DOMAIN}>" in refused
        assert "- the message\n< 250" in delivered
        assert "Secret" not in refused + delivered

        await stage.run("queue", "suspend", "plain.example", "--for", "1h", "--reason", "they asked us to")
        waiting = await send(stage, "bob@plain.example")
        unwanted = await send(stage, "cay@plain.example")
        bounced = await stage.run("queue", "bounce", unwanted, "--reason", "sent by mistake", "--yes", "--json")
        assert bounced.summary["count"] == 1
        assert (await shown(stage, unwanted))["last_reply"] == "550 5.7.1 sent by mistake"
        explained = await stage.run("queue", "explain", "plain.example")
        assert "they asked us to" in explained.out
        assert not plain.received

        await stage.run("queue", "suspend", "plain.example", "--for", "1s")
        await shown(stage, waiting, state="completed")
        assert await stage.stop_daemon() == 0
        assert len(plain.received) == 1
