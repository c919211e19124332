"""Story: a campaign leaves through our DNS for three kinds of MX and a real Postfix, and every loop closes."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from tests.scenarios.stage import SENDER_DOMAIN, Stage, open_stage
from tests.support.postfix import REASON, Postfix, is_installed
from tierii_mta.mail.tokens import TokenCodec, open_unsubscribe, seal_preferences, seal_web_view


@pytest.fixture
async def stage(tmp_path: Path):  # type: ignore[no-untyped-def]
    async with open_stage(tmp_path) as stage:
        yield stage


async def _receivers(stage: Stage) -> None:
    await stage.sink("plain.example", "127.0.0.2")
    await stage.sink("grey.example", "127.0.0.3", "rules: [{to: '*', do: greylist, wait: 1s}]")
    await stage.sink("strict.example", "127.0.0.4", "rules: [{to: 'gone@*', do: reject}]")


def _unsubscribe_url(message: bytes) -> str:
    found = re.search(rb"^List-Unsubscribe: <(http[^>]+)>", message, re.MULTILINE)
    assert found, message
    return found[1].decode()


CONTACTS = [
    {"email": "ada@plain.example", "first_name": "Ada"},
    {"email": "ben@plain.example", "first_name": "Bén"},
    {"email": "cy@grey.example"},
    {"email": "gone@strict.example"},
    {"email": "dee@strict.example", "first_name": "Dee"},
]


async def test_every_kind_of_mx_ends_as_it_should(stage: Stage) -> None:
    await _receivers(stage)
    await stage.start_daemon(web=False)
    done = await stage.run("enqueue", stage.campaign("spring", CONTACTS), "--json")
    assert {key: done.summary[key] for key in ("campaign", "rows", "accepted", "rejected", "duplicates")} == {
        "campaign": "spring",
        "rows": 5,
        "accepted": 5,
        "rejected": 0,
        "duplicates": 0,
    }
    counts = await stage.settled("spring", completed=4, failed=1)
    assert sum(counts.values()) == 5

    received = {message.recipients[0]: message for sink in stage.sinks.values() for message in sink.received}
    assert set(received) == {"ada@plain.example", "ben@plain.example", "cy@grey.example", "dee@strict.example"}
    for message in received.values():
        assert stage.verifies(message.data), message.data
        assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in message.data
        assert message.sender.endswith("@bounce.news.example")
    assert len({message.sender for message in received.values()}) == 4, "a return path for each"
    assert stage.sinks["grey.example"].stats["refused_greylist"] >= 1

    why = await stage.run("why", "gone@strict.example")
    assert "5.1.1" in why.out
    assert "no such person here" in why.out
    listed = await stage.run("suppress", "ls", "--json")
    assert "hard_bounce" in listed.out

    assert await stage.stop_daemon() == 0


async def test_one_click_unsubscribes_and_looking_does_not(stage: Stage) -> None:
    await stage.sink("plain.example", "127.0.0.2")
    await stage.start_daemon()
    await stage.run("enqueue", stage.campaign("first", CONTACTS[:2]))
    await stage.settled("first", completed=2)
    url = next(_unsubscribe_url(m.data) for m in stage.sinks["plain.example"].received if "ada@" in m.recipients[0])
    codec = TokenCodec((stage.folder / "data" / "secret").read_bytes().strip())
    link = open_unsubscribe(codec, url.rpartition("/")[2])
    assert link is not None
    assert link.delivery is not None
    view = f"{stage.base_url}/v/{seal_web_view(codec, link.key, link.delivery)}"
    preferences = f"{stage.base_url}/p/{seal_preferences(codec, link.key, SENDER_DOMAIN, link.delivery)}"
    async with httpx.AsyncClient(timeout=30) as client:
        shown = await client.get(view)
        assert shown.status_code == 200, shown.text
        assert "<p>Hello Ada, <a" in shown.text
        assert f'href="{view}#web-copy"' in shown.text  # where the mail has its way out
        assert "/u/" not in shown.text
        assert f'value="list.{SENDER_DOMAIN}" checked> <span>News</span>' in (await client.get(preferences)).text
        for look in (client.get(url), client.head(url)):
            assert (await look).status_code == 200
        assert "unsubscribe" not in (await stage.run("suppress", "ls", "--json")).out
        assert (await client.post(url[:-3] + "AAA", data={"List-Unsubscribe": "One-Click"})).status_code == 404
        assert (await client.post(url, data={"List-Unsubscribe": "One-Click"})).status_code == 200
        assert f'value="list.{SENDER_DOMAIN}"> <span>News</span>' in (await client.get(preferences)).text
    again = await stage.run("enqueue", stage.campaign("second", CONTACTS[:2]), "--json")
    assert (again.summary["accepted"], again.summary["suppressed"]) == (1, 1)
    await stage.settled("second", completed=1)
    assert [m.recipients[0] for m in stage.sinks["plain.example"].received].count("ada@plain.example") == 1
    status = await stage.run("status", "first", "--json")
    assert status.summary["marks"]["unsubscribed"] == 1


@pytest.mark.skipif(not is_installed(), reason=REASON)
async def test_a_real_postfix_takes_it_and_the_signatures_hold(stage: Stage) -> None:
    stage.publish("postfix.example", "127.0.0.5")
    with Postfix(["postfix.example"], address=("127.0.0.5", stage.port)) as postfix:
        await stage.start_daemon(web=False)
        contacts = [{"email": f"user{number}@postfix.example", "first_name": f"Ü{number}"} for number in range(20)]
        await stage.run("enqueue", stage.campaign("postfix", contacts))
        await stage.settled("postfix", completed=20)
        for _ in range(100):
            if len(postfix.messages()) == 20:
                break
            await asyncio.sleep(0.1)
        messages = postfix.messages()
    assert len(messages) == 20, postfix.log()
    for message in messages:
        headers, _, body = message.partition(b"\r\n\r\n")
        original = headers[headers.index(b"DKIM-Signature") :] + b"\r\n\r\n" + body
        assert stage.verifies(original), message


async def test_enqueue_can_be_run_again_and_changed_content_is_a_conflict(stage: Stage) -> None:
    await stage.sink("plain.example", "127.0.0.2")
    file = stage.campaign("again", CONTACTS[:1])
    assert (await stage.run("enqueue", file, "--json")).summary["accepted"] == 1  # the daemon may be down
    rerun = await stage.run("enqueue", stage.campaign("again", CONTACTS[:2]), "--json")
    assert (rerun.summary["accepted"], rerun.summary["duplicates"]) == (1, 1)
    conflict = await stage.run("enqueue", stage.campaign("again", CONTACTS[:2], subject="Other"), code=7)
    assert "again" in conflict.err
    await stage.start_daemon(web=False)
    await stage.settled("again", completed=2)
    assert len(stage.sinks["plain.example"].received) == 2


async def test_a_paused_campaign_waits_and_a_cancelled_one_ends(stage: Stage) -> None:
    await stage.sink("plain.example", "127.0.0.2", "delay: {dot: 300ms}\nlimits: {keep: 5000}")
    contacts = [{"email": f"p{number}@plain.example"} for number in range(1000)]
    await stage.start_daemon(web=False)
    await stage.run("enqueue", stage.campaign("slow", contacts))
    await stage.run("pause", "slow")
    counts = await stage.settled("slow", active=0, queued=0)
    waiting = counts["pending"]
    assert waiting > 0
    assert counts["completed"] + waiting == 1000
    await stage.run("resume", "slow")
    for _ in range(100):
        if (await stage.counts("slow"))["completed"] > counts["completed"]:
            break
        await asyncio.sleep(0.1)
    await stage.run("cancel", "slow", "--yes")
    counts = await stage.settled("slow", pending=0, queued=0, active=0, retry=0)
    assert counts["cancelled"] > 0
    assert counts["cancelled"] + counts["completed"] == 1000
    assert len(stage.sinks["plain.example"].received) == counts["completed"]
