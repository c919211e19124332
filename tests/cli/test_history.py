"""What `why` and `status` say of mail that was tried."""

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CommandLine
from tierii_mta.clock import SystemClock, later, sortable_id
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionReason
from tierii_mta.daemon.installation import Installation, open_installation
from tierii_mta.daemon.settings import load_settings
from tierii_mta.events import Event, EventType
from tierii_mta.queue.delivery import Delivery, Epoch, FailureReason, State
from tierii_mta.queue.store import Activate, Quota, Settle

SMTP: Mapping[str, Any] = {
    "mx": "mx.open.example", "address": "127.0.0.1", "stage": "rcpt", "class": "InvalidRecipient", "attempt": 1,
    "source": "default",
}  # fmt: skip
CLOCK = SystemClock()


@pytest.fixture
def tried(cli: CommandLine, settings_file: Path, campaign_file: Path) -> CommandLine:
    """The welcome campaign after one round: one person bounced, one was put off, one has the mail."""
    cli("enqueue", campaign_file)

    async def round_() -> None:
        async with open_installation(load_settings(settings_file), role="daemon") as installation:
            await _settle_three(installation)

    asyncio.run(round_())
    return cli


async def _settle_three(installation: Installation) -> None:
    queue, now = installation.queue, CLOCK.now()
    epoch = await queue.register(name="test", role="daemon", pid=1, now=now)
    quotas = [Quota(lane=load.lane.id, priority=load.priority, limit=10) async for load in queue.loads()]
    hand = {delivery.recipient: delivery for delivery in (await queue.claim(quotas, epoch=epoch, now=now)).deliveries}
    gone, late, lucky = hand["gone@strict.example"], hand["eve@patience.example"], hand["ann@open.example"]
    reply = {"code": 550, "enhanced": "5.1.1", "reply": "no such person here"}
    suppression = Suppression(
        key=gone.recipient_key,
        scope=EVERYWHERE,
        reason=SuppressionReason.HARD_BOUNCE,
        address=gone.recipient,
        evidence="550 5.1.1 no such person here",
        created_at=now,
    )
    await queue.apply([Activate(delivery=one.id, epoch=epoch) for one in (gone, late, lucky)])
    await queue.apply(
        [
            _settle(gone, epoch, State.FAILED, EventType.BOUNCED, reply, FailureReason.BOUNCED, suppression),
            _settle(late, epoch, State.RETRY, EventType.DEFERRED, {"code": 451, "enhanced": "4.7.1", "reply": "later"}),
            _settle(lucky, epoch, State.COMPLETED, EventType.DELIVERED, {"code": 250, "reply": "ok", "tls": "TLSv1.3"}),
        ]
    )


def _settle(
    delivery: Delivery,
    epoch: Epoch,
    to_state: State,
    kind: EventType,
    reply: Mapping[str, Any],
    reason: FailureReason | None = None,
    suppression: Suppression | None = None,
) -> Settle:
    now = CLOCK.now()
    event = Event(
        id=sortable_id("evt", CLOCK),
        type=kind,
        at=now,
        campaign_id=delivery.campaign,
        delivery_id=delivery.id,
        recipient=delivery.recipient,
        data={**SMTP, **reply},
    )
    created = replace(
        event,
        id=sortable_id("evt", CLOCK),
        type=EventType.SUPPRESSION_CREATED,
        data={"scope": EVERYWHERE, "reason": "hard_bounce"},
    )
    return Settle(
        delivery=delivery,
        epoch=epoch,
        from_state=State.ACTIVE,
        to_state=to_state,
        at=now,
        due=later(now, timedelta(minutes=5)) if to_state is State.RETRY else None,
        attempts=1,
        reason=reason,
        events=[event, created] if suppression else [event],
        suppression=suppression,
    )


def test_why_shows_every_attempt_with_the_words_of_the_other_side(tried: CommandLine) -> None:
    text = tried("why", "gone@strict.example").out

    assert "gone@strict.example  welcome  failed (bounced)" in text
    assert "attempt 1  mx.open.example [127.0.0.1] at rcpt: 550 5.1.1 no such person here  (InvalidRecipient" in text
    assert "suppressed: all since" in text
    assert "hard_bounce: 550 5.1.1 no such person here" in text


def test_why_as_json_has_the_events_and_the_suppression(tried: CommandLine) -> None:
    delivery, _, summary = tried("why", "gone@strict.example", "--json").records

    assert (delivery["state"], delivery["reason"], delivery["attempts"]) == ("failed", "bounced", 1)
    assert [event["type"] for event in delivery["events"]] == ["email.bounced", "suppression.created"]
    assert delivery["events"][0]["data"]["code"] == 550
    assert [entry["reason"] for entry in summary["suppressions"]] == ["hard_bounce"]


def test_why_says_when_it_is_tried_again(tried: CommandLine) -> None:
    text = tried("why", "eve@patience.example").out

    assert "451 4.7.1 later" in text
    assert "\n  next       20" in text


def test_why_shows_tls(tried: CommandLine) -> None:
    assert "TLSv1.3" in tried("why", "ann@open.example").out


def test_status_counts_what_became_of_the_mail(tried: CommandLine) -> None:
    summary = tried("status", "welcome", "--json").summary

    assert {name: count for name, count in summary["counts"].items() if count} == {
        "queued": 7, "completed": 1, "retry": 1, "failed": 1,
    }  # fmt: skip
    metrics = summary["metrics"]
    assert (metrics["successful_sends"], metrics["failed_sends"], metrics["bounces"]) == (1, 1, 1)
    assert (metrics["delivery_rate"], metrics["bounce_rate"]) == (10.0, 10.0)


def test_failed_mail_can_be_tried_again_once_its_person_may_be_written_to(tried: CommandLine) -> None:
    left = tried("retry", "welcome")
    assert "wait again: 0; left alone, because the person is suppressed by now: 1\n" in left.out
    assert tried("suppress", "rm", "gone@strict.example").code == 0
    again = tried("retry", "welcome", "--json").summary
    assert again == {"campaign": "welcome", "retried": 1, "suppressed": 0}
    assert tried("status", "welcome", "--json").summary["metrics"]["bounces"] == 0


def test_status_tells_the_age_of_a_campaign_in_days_too(tried: CommandLine, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "data" / "tierii-mta.sqlite3")) as database, database:
        database.execute("UPDATE campaign SET created_at = created_at - ?", (3 * 86_400_000,))

    assert "\nwelcome   running  3d" in tried("status").out


def test_why_calls_a_suppression_a_suppression(tried: CommandLine) -> None:
    text = tried("why", "gone@strict.example").out

    assert "\n  bounced " in text
    assert "\n  suppressed " in text
    assert "\n  created " not in text
