"""The preferences page: what is shown, what each button does, what nobody may take back."""

from datetime import timedelta

import httpx
import pytest

from tests.web.stage import Stage
from tests.web.test_unsubscribe import delivery
from tierii_mta.clock import later
from tierii_mta.consent.preferences import MailingList
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionReason, list_scope, sender_scope
from tierii_mta.events import EventType

NEWS, TIPS = list_scope("news.acme.example"), list_scope("tips.acme.example")


def stage_with_lists() -> Stage:
    stage = Stage()
    stage.shelf.deliveries[7] = delivery(stage)
    stage.shelf.lists = [
        MailingList(id="news.acme.example", name="Acme <news>"),
        MailingList(id="tips.acme.example", name="tips.acme.example"),
    ]
    return stage


def own_word(stage: Stage, scope: str, reason: SuppressionReason = SuppressionReason.UNSUBSCRIBE) -> Suppression:
    return Suppression(key=stage.ann, scope=scope, reason=reason, created_at=stage.clock.now())


async def ask(stage: Stage, method: str = "GET", **form: list[str] | str) -> httpx.Response:
    async with stage.listening() as url, httpx.AsyncClient() as client:
        return await client.request(method, f"{url}/p/{stage.preferences()}", data=form or None)


async def test_the_lists_a_person_gets_are_shown_with_what_they_left() -> None:
    stage = stage_with_lists()
    stage.shelf.put(own_word(stage, TIPS))
    answer = await ask(stage)
    assert answer.status_code == 200
    assert 'value="news.acme.example" checked>' in answer.text
    assert 'value="tips.acme.example">' in answer.text
    assert "Acme &lt;news&gt;" in answer.text
    assert "Unsubscribe from all" in answer.text
    assert "ann@" not in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_looking_changes_nothing(method: str) -> None:
    stage = stage_with_lists()
    stage.shelf.put(own_word(stage, TIPS))
    answer = await ask(stage, method, action="leave")
    assert answer.status_code == {"GET": 200, "HEAD": 200, "OPTIONS": 204}.get(method, 405)
    assert len(stage.shelf.suppressions) == 1
    assert not stage.shelf.events
    assert not stage.shelf.undone


async def test_an_empty_box_leaves_a_list_and_a_full_one_comes_back() -> None:
    stage = stage_with_lists()
    stage.shelf.put(own_word(stage, TIPS))
    shown = ["news.acme.example", "tips.acme.example"]
    answer = await ask(stage, "POST", action="save", shown=shown, list=["tips.acme.example"])
    (entry,) = stage.shelf.suppressions.values()
    assert (entry.scope, entry.evidence, entry.address) == (NEWS, "preferences", "ann@example.com")
    assert stage.shelf.undone == [(TIPS, "person", "preferences page")]
    (event,) = stage.shelf.events
    assert (event.type, event.campaign_id) == (EventType.UNSUBSCRIBED, "spring")
    assert event.data == {"scope": NEWS, "method": "preferences"}
    assert "You will get no more mail from <strong>Acme &lt;news&gt;</strong>" in answer.text
    assert "You will get mail from <strong>tips.acme.example</strong> again" in answer.text


async def test_undo_posts_what_was_before() -> None:
    stage = stage_with_lists()
    shown = ["news.acme.example", "tips.acme.example"]
    answer = await ask(stage, "POST", action="save", shown=shown, list=["tips.acme.example"])
    undo = [f'<input type="hidden" name="{name}" value="news.acme.example">' for name in ("shown", "list")]
    assert "".join(undo) in answer.text
    await ask(stage, "POST", action="save", shown=["news.acme.example"], list=["news.acme.example"])
    assert not stage.shelf.suppressions


async def test_leaving_all_is_leaving_the_sender_and_is_undone_with_one_button() -> None:
    stage = stage_with_lists()
    answer = await ask(stage, "POST", action="leave")
    assert [entry.scope for entry in stage.shelf.suppressions.values()] == [sender_scope("acme.example")]
    assert "You have unsubscribed from all mailings of <strong>acme.example</strong>" in answer.text
    again = await ask(stage, "POST", action="return")
    assert not stage.shelf.suppressions
    assert "You will get mail from <strong>acme.example</strong> again" in again.text


async def test_who_left_all_senders_can_come_back_by_this_page() -> None:
    stage = stage_with_lists()
    stage.shelf.put(own_word(stage, EVERYWHERE))
    assert "You have unsubscribed from all" in (await ask(stage)).text
    await ask(stage, "POST", action="return")
    assert not stage.shelf.suppressions


@pytest.mark.parametrize("reason", sorted(set(SuppressionReason) - {SuppressionReason.UNSUBSCRIBE}), ids=str)
async def test_nobody_takes_back_a_bounce_a_complaint_or_the_operators_word(reason: SuppressionReason) -> None:
    stage = stage_with_lists()
    form = {"shown": "news.acme.example", "list": "news.acme.example"}
    async with stage.listening() as url, httpx.AsyncClient() as client:
        page = f"{url}/p/{stage.preferences()}"
        for scope in (EVERYWHERE, sender_scope("acme.example"), NEWS):
            for action in ("leave", "return", "save"):
                stage.shelf.suppressions.clear()
                stage.shelf.put(own_word(stage, scope, reason))
                shown = (await client.post(page, data={"action": action, **form})).text
                assert (stage.ann, scope, reason) in stage.shelf.suppressions
                assert ("Only the sender can change that" in shown) == (scope != NEWS)


async def test_an_entry_that_has_expired_stops_nothing() -> None:
    stage = stage_with_lists()
    now = stage.clock.now()
    stage.shelf.put(
        Suppression(
            key=stage.ann,
            scope=EVERYWHERE,
            reason=SuppressionReason.MANUAL,
            created_at=now,
            expires_at=later(now, -timedelta(seconds=1)),
        )
    )
    assert "Save" in (await ask(stage)).text


@pytest.mark.parametrize(
    "form",
    [{}, {"action": "burn"}, {"confirm": "unsubscribe"}, {"List-Unsubscribe": "One-Click"}],
    ids=["empty", "unknown", "of another page", "one-click"],
)
async def test_a_form_that_is_not_of_this_page_changes_nothing(form: dict[str, str]) -> None:
    stage = stage_with_lists()
    answer = await ask(stage, "POST", **form)
    assert answer.status_code == 400
    assert "Unsubscribe from all" in answer.text
    assert not stage.shelf.suppressions


async def test_lists_that_are_not_theirs_or_were_not_shown_are_not_touched() -> None:
    stage = stage_with_lists()
    await ask(stage, "POST", action="save", shown=["of.somebody.else"], list=[])
    assert not stage.shelf.suppressions
    assert "Nothing was changed" in (await ask(stage, "POST", action="save")).text


async def test_other_tokens_do_not_open_it_and_its_token_opens_nothing_else() -> None:
    stage = stage_with_lists()
    async with stage.listening() as url, httpx.AsyncClient() as client:
        for token in (stage.token(), stage.web_view(), stage.preferences()[:-1], "x"):
            for method in ("GET", "POST"):
                answer = await client.request(method, f"{url}/p/{token}", data={"action": "leave"})
                assert answer.status_code == 404
        for path in ("u", "v"):
            answer = await client.get(f"{url}/{path}/{stage.preferences()}")
            assert answer.status_code == 404
    assert not stage.shelf.suppressions


async def test_the_page_is_closed_and_keeps_its_address_to_itself() -> None:
    answer = await ask(stage_with_lists())
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert "<script" not in answer.text
    assert "http" not in answer.text
