"""One contact's mail before it is sent: in a browser, and in one's own mailbox."""

import asyncio
import base64
import re
from email import message_from_bytes, policy
from html import unescape
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tierii_mta.daemon.installation import open_installation
from tierii_mta.daemon.settings import load_settings
from tierii_mta.queue.delivery import Delivery, State
from tierii_mta.queue.store import Quota

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A desktop that writes down what it is asked to open."""
    programs, opened = tmp_path / "bin", tmp_path / "opened"
    programs.mkdir()
    (programs / "xdg-open").write_text(f'#!/bin/sh\necho "$1" >>{opened}\n')
    (programs / "xdg-open").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return opened


async def queued(settings_file: Path) -> list[tuple[Delivery, bytes]]:
    """Return what waits, with its octets."""
    async with open_installation(load_settings(settings_file), role="cli") as opened:
        now = opened.clock.now()
        epoch = await opened.queue.register(name="test", role="outbound", pid=1, now=now)
        assert await opened.campaigns.campaigns() == [], "a test makes no campaign"
        totals = await opened.queue.totals()
        assert {state for (state, _) in totals} <= {State.PENDING}
        loads = [load async for load in opened.queue.loads()]
        quotas = [Quota(lane=load.lane.id, priority=load.priority, limit=10) for load in loads]
        claim = await opened.queue.claim(quotas, epoch=epoch, now=now)
        return [
            (one, b"".join((await opened.queue.stored_message(one.id)).parts))
            for one in sorted(claim.deliveries, key=lambda each: each.recipient)
        ]


def test_a_mail_is_shown_in_a_browser_with_its_pictures(cli: CommandLine, campaign_file: Path, browser: Path) -> None:
    folder = campaign_file.parent
    (folder / "dot.png").write_bytes(PIXEL)
    (folder / "welcome.html.j2").write_text("<p>Hello {{ first_name }} <img src='cid:dot'> &amp; <script>x()</script>")
    campaign_file.write_text(campaign_file.read_text() + "attachments: [{path: dot.png, inline: dot}]\n")

    outcome = cli("preview", campaign_file, "--contact", "bo@open.example", "--open")

    assert outcome.code == 0, outcome.err
    page = Path(outcome.out.strip())
    assert browser.read_text().strip() == str(page)
    assert page.stat().st_mode & 0o077 == 0, "it shows a person's data"
    text = page.read_text()
    assert "Bo, welcome to Lantern Books" in text
    frame = re.search(r'<iframe sandbox title="HTML part" srcdoc="([^"]*)">', text)
    assert frame is not None
    assert "data:image/png;base64," + base64.b64encode(PIXEL).decode() in unescape(frame[1])
    assert "<script" not in text


def test_where_no_browser_is_the_page_is_named(
    cli: CommandLine, campaign_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    outcome = cli("preview", campaign_file, "--open", "--json")

    assert outcome.code == 0
    assert "no browser could be started here" in outcome.err
    assert Path(outcome.summary["page"]).exists()


def test_the_html_part_alone(cli: CommandLine, campaign_file: Path) -> None:
    assert cli("preview", campaign_file, "--html").out.lstrip().startswith("<!")


def test_a_test_goes_out_marked_to_those_who_asked_and_touches_no_campaign(
    cli: CommandLine, campaign_file: Path
) -> None:
    outcome = cli(
        "test", campaign_file, "--to", "me@office.example", "--to", "Me@office.example", "--to", "you@office.example",
        "--contact", "bo@open.example", "--json",
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    assert outcome.summary["campaign"] == "welcome"
    assert outcome.summary["contact"] == "bo@open.example"
    assert [one["to"] for one in outcome.summary["sent"]] == ["me@office.example", "you@office.example"]
    assert cli("status", "welcome").code == 6


async def test_a_test_shows_the_contact_and_leads_to_the_one_who_gets_it(
    cli: CommandLine, campaign_file: Path, settings_file: Path
) -> None:
    outcome = await asyncio.to_thread(
        cli, "test", campaign_file, "--to", "me@office.example", "--contact", "bo@open.example"
    )

    assert outcome.code == 0, outcome.err
    ((delivery, octets),) = await queued(settings_file)
    mail = message_from_bytes(octets, policy=policy.default)
    assert (delivery.recipient, delivery.campaign, delivery.reverse_path) == (
        "me@office.example", None, "hello@lantern.example",
    )  # fmt: skip
    assert mail["Subject"] == "[Test] Bo, welcome to Lantern Books"
    assert mail["X-Tierii-Test"] == "welcome"
    assert mail["To"].addresses[0].addr_spec == "me@office.example"
    text = mail.get_body(("plain",))
    assert text is not None
    assert "Åre" in text.get_content()
    assert mail["List-Unsubscribe"].startswith("<https://mail.lantern.example/u/")
    assert f"{mail['Message-ID']}" in outcome.out


@pytest.mark.parametrize(
    ("change", "code"),
    [(("hello@lantern.example", "hello@other.example"), 5), (("welcome.html.j2", "gone.html.j2"), 3)],
)
def test_a_test_is_refused_as_the_campaign_would_be(
    cli: CommandLine, campaign_file: Path, change: tuple[str, str], code: int
) -> None:
    campaign_file.write_text(campaign_file.read_text().replace(*change))

    assert cli("test", campaign_file, "--to", "me@office.example").code == code


def test_a_test_needs_an_address_and_a_contact(cli: CommandLine, campaign_file: Path) -> None:
    assert cli("test", campaign_file).code == 2
    assert cli("test", campaign_file, "--to", "nobody").code == 2
    assert cli("test", campaign_file, "--to", "me@office.example", "--contact", "stranger@open.example").code == 6
