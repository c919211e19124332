"""The web view: a mail as it was sent, shown to whoever has the link, and no more than shown."""

import httpx
import pytest

from tests.web.stage import Stage
from tierii_mta.campaigns.press import EditionUnusable
from tierii_mta.errors import NotFound, Unavailable
from tierii_mta.mail.compose import Attachment, Skeleton
from tierii_mta.mail.header import text_field
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import seal_web_view
from tierii_mta.outbound.content import RenderFailed, WorkerKilled
from tierii_mta.web.webview import NOTE

PIXEL = b"GIF89a"


def mail(html: str | None, text: str = "plain words") -> bytes:
    logo = Attachment(filename="logo.gif", content=PIXEL, media_type="image/gif", content_id="logo")
    skeleton = Skeleton(has_html=html is not None, has_text=True, attachments=(logo,) if html else ())
    return skeleton.assemble([text_field("Subject", "Spring <sale>")], text, html)


def stage_with(html: str | None) -> Stage:
    stage = Stage()
    stage.shelf.sends[7] = stage.sent()
    stage.shelf.printed = mail(html)
    return stage


async def view(stage: Stage, token: str | None = None, method: str = "GET") -> httpx.Response:
    async with stage.listening() as url, httpx.AsyncClient() as client:
        return await client.request(method, f"{url}/v/{token or stage.web_view()}")


async def test_the_mail_is_shown_under_a_note_with_its_own_images() -> None:
    stage = stage_with('<html><body class="x"><h1>Hello Ann</h1><img src="cid:logo"><img src="cid:lost"></body></html>')
    answer = await view(stage)
    assert answer.status_code == 200
    assert f'<body class="x"><div id="{NOTE}"' in answer.text
    assert "<h1>Hello Ann</h1>" in answer.text
    assert '<img src="data:image/gif;base64,R0lGODlh">' in answer.text
    assert stage.shelf.asked == [(f"/v/{stage.web_view()}", NOTE)]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"


async def test_nothing_of_a_mail_runs_posts_or_tells_the_address() -> None:
    html = '<meta name="referrer" content="unsafe-url"><META HTTP-EQUIV=refresh content="0;url=https://x.example">'
    html += '<img referrerpolicy="unsafe-url" src="https://x.example/a.png"><script>steal()</script><form></form>'
    answer = await view(stage_with(html))
    policy = answer.headers["content-security-policy"]
    for closed in ("default-src 'none'", "form-action 'none'", "base-uri 'none'", "sandbox allow-popups "):
        assert closed in policy
    assert "script" not in policy
    assert "allow-same-origin" not in policy
    assert "<meta" not in answer.text.lower()
    assert "referrerpolicy" not in answer.text


async def test_a_mail_of_text_alone_is_shown_as_text() -> None:
    stage = stage_with(None)
    stage.shelf.printed = mail(None, "5 < 6\nand https://x.example")
    answer = await view(stage)
    assert "<pre>5 &lt; 6\nand https://x.example" in answer.text
    assert "<title>Spring &lt;sale&gt;</title>" in answer.text
    assert "unsafe-inline" not in answer.headers["content-security-policy"]


async def test_what_is_not_kept_or_was_never_sent_is_gone() -> None:
    stage = stage_with("<p>x</p>")
    other = seal_web_view(stage.codec, PersonKey(b"x" * 16), 7)
    for token in (stage.web_view(8), other):
        assert (await view(stage, token)).status_code == 410
    for fields in ({"body_hash": None}, {"campaign": None}):
        stage.shelf.sends[7] = stage.sent(**fields)
        answer = await view(stage)
        assert answer.status_code == 410
        assert "no longer kept" in answer.text
    assert not stage.shelf.asked


@pytest.mark.parametrize(
    "fault",
    [RenderFailed("x"), WorkerKilled("x"), EditionUnusable("x"), NotFound("x")],
    ids=lambda one: type(one).__name__,
)
async def test_what_cannot_be_made_any_more_is_gone_too(fault: Exception) -> None:
    stage = stage_with("<p>x</p>")
    stage.shelf.printed = fault
    assert (await view(stage)).status_code == 410


async def test_a_press_without_workers_is_a_passing_failure() -> None:
    stage = stage_with("<p>x</p>")
    stage.shelf.printed = Unavailable("no worker")
    assert (await view(stage)).status_code == 503


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_web_view_can_be_looked_at_and_no_more(method: str) -> None:
    stage = stage_with("<p>x</p>")
    assert (await view(stage, method=method)).status_code == 405
    assert (await view(stage, method="HEAD")).status_code == 200
    assert (await view(stage, method="OPTIONS")).headers["allow"] == "GET, HEAD, OPTIONS"
    assert not stage.shelf.suppressions


async def test_other_tokens_do_not_open_it() -> None:
    stage = stage_with("<p>x</p>")
    for token in (stage.token(), stage.preferences(), stage.web_view()[:-2]):
        assert (await view(stage, token)).status_code == 404
