"""The one-click endpoint: what acts, what shows, and what changes nothing (RFC 8058)."""

from datetime import timedelta

import httpx
import pytest

from tests.web.stage import Stage
from tierii_mta.clock import later
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionReason
from tierii_mta.events import Event, EventType
from tierii_mta.mail.tokens import Purpose, TokenCodec, seal_unsubscribe
from tierii_mta.queue.delivery import DeliveryId, Priority, State
from tierii_mta.queue.views import History

ONE_CLICK = "List-Unsubscribe=One-Click"
FORM = {"content-type": "application/x-www-form-urlencoded"}


def delivery(stage: Stage, *events: Event) -> History:
    return History(
        id=DeliveryId(7),
        campaign="spring",
        step=0,
        recipient="ann@example.com",
        domain="example.com",
        state=State.COMPLETED,
        reason=None,
        priority=Priority.NORMAL,
        attempts=1,
        accepted_at=stage.clock.now(),
        due=None,
        expires_at=stage.clock.now(),
        is_in_doubt=False,
        message_id="<7@mta.example.com>",
        events=events,
    )


@pytest.mark.parametrize(
    "request_parts",
    [
        {"content": ONE_CLICK, "headers": FORM},
        {"content": ONE_CLICK},  # no Content-Type at all
        {"content": "List-Unsubscribe=one-click\r\n", "headers": FORM},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},  # multipart/form-data
    ],
)
async def test_a_one_click_post_suppresses_the_person_for_the_list(request_parts: dict[str, object]) -> None:
    stage = Stage()
    stage.shelf.deliveries[7] = delivery(stage)
    async with stage.listening() as url, httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/u/{stage.token()}", **request_parts)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text
    (entry,) = stage.shelf.suppressions.values()
    assert (entry.key, entry.scope) == (stage.ann, "list:news.example.com")
    assert entry.reason is SuppressionReason.UNSUBSCRIBE
    assert (entry.evidence, entry.address, entry.expires_at) == ("one-click", "ann@example.com", None)
    (event,) = stage.shelf.events
    assert event.type is EventType.UNSUBSCRIBED
    assert (event.campaign_id, event.delivery_id, event.recipient) == ("spring", 7, "ann@example.com")
    assert event.data == {"scope": "list:news.example.com", "method": "one-click"}


async def test_the_button_of_the_page_acts_too_and_says_so_in_the_evidence() -> None:
    stage = Stage()
    async with stage.listening() as url, httpx.AsyncClient() as client:
        await client.post(f"{url}/u/{stage.token()}", data={"confirm": "unsubscribe"})
    assert [entry.evidence for entry in stage.shelf.suppressions.values()] == ["page"]
    assert [event.data["method"] for event in stage.shelf.events] == ["page"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
async def test_no_other_method_changes_anything(method: str) -> None:
    stage = Stage()
    async with stage.listening() as url, httpx.AsyncClient() as client:
        answer = await client.request(method, f"{url}/u/{stage.token()}?{ONE_CLICK}", content=ONE_CLICK, headers=FORM)
    assert answer.status_code == {"GET": 200, "HEAD": 200, "OPTIONS": 204}.get(method, 405)
    assert not stage.shelf.suppressions
    assert not stage.shelf.events


@pytest.mark.parametrize(
    "content",
    ["", "List-Unsubscribe=Two-Clicks", "confirm=no", "x" * 1000, "&" * 100 + ONE_CLICK, "\x00", "List-Unsubscribe"],
)
async def test_a_post_that_asks_for_nothing_shows_the_button_again(content: str) -> None:
    stage = Stage()
    async with stage.listening() as url, httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/u/{stage.token()}", content=content, headers=FORM)
    assert answer.status_code == 400
    assert '<button type="submit">' in answer.text
    assert not stage.shelf.suppressions


async def test_doing_it_twice_is_doing_it_once() -> None:
    stage = Stage()
    stage.shelf.deliveries[7] = delivery(stage)
    async with stage.listening() as url, httpx.AsyncClient() as client:
        first = await client.post(f"{url}/u/{stage.token()}", content=ONE_CLICK, headers=FORM)
        stage.shelf.deliveries[7] = delivery(stage, *stage.shelf.events)
        second = await client.post(f"{url}/u/{stage.token()}", content=ONE_CLICK, headers=FORM)
    assert (first.status_code, first.text) == (second.status_code, second.text)
    assert len(stage.shelf.suppressions) == 1
    assert len(stage.shelf.events) == 1
    assert 'tierii_web_unsubscribed_total{method="one-click"} 1.0' in stage.metrics.text()


async def test_a_slip_is_undone_within_a_day_and_not_later() -> None:
    stage = Stage()
    async with stage.listening() as url, httpx.AsyncClient() as client:
        address = f"{url}/u/{stage.token()}"
        answer = await client.post(address, data={"confirm": "unsubscribe"})
        assert 'value="undo"' in answer.text
        stage.clock.advance(timedelta(hours=23))
        answer = await client.post(address, data={"confirm": "undo"})
        assert "You will go on getting mail" in answer.text
        assert stage.shelf.undone == [("list:news.example.com", "person", "unsubscribe page")]
        await client.post(address, data={"confirm": "unsubscribe"})
        stage.clock.advance(timedelta(hours=25))
        answer = await client.post(address, data={"confirm": "undo"})
    assert answer.status_code == 409
    assert len(stage.shelf.suppressions) == 1


async def test_an_undo_takes_back_nobody_elses_word() -> None:
    stage = Stage()
    scope, now = "list:news.example.com", stage.clock.now()
    for reason in SuppressionReason:
        stage.shelf.put(Suppression(key=stage.ann, scope=scope, reason=reason, created_at=now))
    async with stage.listening() as url, httpx.AsyncClient() as client:
        await client.post(f"{url}/u/{stage.token()}", data={"confirm": "undo"})
    assert {entry.reason for entry in stage.shelf.suppressions.values()} == set(SuppressionReason) - {
        SuppressionReason.UNSUBSCRIBE
    }


async def test_a_link_works_after_the_delivery_was_purged() -> None:
    stage = Stage()
    async with stage.listening() as url, httpx.AsyncClient() as client:
        for _ in range(2):
            answer = await client.post(f"{url}/u/{stage.token()}", content=ONE_CLICK, headers=FORM)
            assert answer.status_code == 200
    (entry,) = stage.shelf.suppressions.values()
    assert entry.address is None
    assert [(event.delivery_id, event.campaign_id) for event in stage.shelf.events] == [(7, None)]


async def test_a_link_without_a_list_means_every_list() -> None:
    stage = Stage()
    async with stage.listening() as url, httpx.AsyncClient() as client:
        await client.post(f"{url}/u/{stage.token('', None)}", content=ONE_CLICK, headers=FORM)
    assert [entry.scope for entry in stage.shelf.suppressions.values()] == [EVERYWHERE]


@pytest.mark.parametrize("reason", [SuppressionReason.MANUAL, SuppressionReason.UNSUBSCRIBE])
async def test_somebody_who_is_suppressed_for_a_while_is_unsubscribed_for_good(reason: SuppressionReason) -> None:
    stage = Stage()
    scope = "list:news.example.com"
    now = stage.clock.now()
    stage.shelf.put(
        Suppression(key=stage.ann, scope=scope, reason=reason, created_at=now, expires_at=later(now, timedelta(days=1)))
    )
    async with stage.listening() as url, httpx.AsyncClient() as client:
        await client.post(f"{url}/u/{stage.token()}", content=ONE_CLICK, headers=FORM)
    entry = stage.shelf.suppressions[stage.ann, scope, SuppressionReason.UNSUBSCRIBE]
    assert entry.expires_at is None
    assert [event.type for event in stage.shelf.events] == [EventType.UNSUBSCRIBED]


async def test_a_forged_or_foreign_token_finds_nothing_and_changes_nothing() -> None:
    stage = Stage()
    genuine = stage.token()
    tampered = ("A" if genuine[20] != "A" else "B").join((genuine[:20], genuine[21:]))
    tokens = [
        tampered,
        genuine[:-1],
        genuine + "A",
        "x",
        "%00",
        "a" * 3000,
        seal_unsubscribe(TokenCodec(b"another secret here"), stage.ann, "news.example.com"),
        stage.codec.seal(
            Purpose.WEB_VIEW, b"0123456789abcdef\x00news.example.com"
        ),  # a link to look cannot unsubscribe
    ]
    async with stage.listening() as url, httpx.AsyncClient() as client:
        for token in tokens:
            for method in ("GET", "POST"):
                answer = await client.request(method, f"{url}/u/{token}", content=ONE_CLICK, headers=FORM)
                assert answer.status_code == 404, token
                assert "This link does not work" in answer.text
    assert not stage.shelf.suppressions


async def test_the_page_is_small_plain_and_closed() -> None:
    stage = Stage()
    async with stage.listening() as url, httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/u/{stage.token('<b>&news')}")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    assert "server" not in answer.headers
    assert "<script" not in answer.text
    assert "&lt;b&gt;&amp;news" in answer.text
    assert "http" not in answer.text  # nothing is fetched from anywhere


async def test_links_are_answered_under_names_used_before() -> None:
    stage = Stage()
    async with stage.listening() as url, httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/u/{stage.token()}", headers={"host": "old-name.example.net"})
    assert answer.status_code == 200


async def test_a_failure_says_a_number_and_nothing_else() -> None:
    stage = Stage()
    stage.shelf.is_broken = True
    async with stage.listening() as url, httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/u/{stage.token()}", content=ONE_CLICK, headers=FORM)
        assert answer.status_code == 500
        assert "hunter2" not in answer.text
        assert "RuntimeError" not in answer.text
        assert "<code>" in answer.text
        stage.shelf.is_broken = False
        assert (await client.post(f"{url}/u/{stage.token()}", content=ONE_CLICK, headers=FORM)).status_code == 200


async def test_a_sick_store_is_never_told_as_success() -> None:
    stage = Stage()
    stage.shelf.is_sick = True
    async with stage.listening() as url, httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/u/{stage.token()}", content=ONE_CLICK, headers=FORM)
    assert answer.status_code == 503
    assert not stage.shelf.events
