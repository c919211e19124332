"""The pages as a person meets them, in a real Chromium, started once for all of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.web.stage import Stage
from tests.web.test_webview import mail
from tierii_mta.consent.preferences import MailingList

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        await chromium.close()


class Visit:
    """A page of a fresh browser context, and all that went over the wire or to the console meanwhile."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context, self.page = context, page
        self.said: list[str] = []
        self.requested: list[tuple[str, str]] = []
        self.referers: list[str | None] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("request", lambda request: self.requested.append((request.method, request.url)))

    @property
    def posts(self) -> int:
        return sum(method == "POST" for method, _ in self.requested)


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """A narrow screen, as of a telephone, without scripts."""
    context = await browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 640})
    yield Visit(context, await context.new_page())
    assert await context.cookies() == []
    await context.close()


async def test_a_person_unsubscribes_with_one_press_of_a_button_and_undoes_it(visit: Visit) -> None:
    stage, page = Stage(), visit.page
    async with stage.listening() as url:
        await page.goto(f"{url}/u/{stage.token()}")
        assert await page.title() == "Unsubscribe"
        assert await page.locator("html").get_attribute("lang") == "en"
        assert not stage.shelf.suppressions  # looking changes nothing
        await page.keyboard.press("Tab")  # the button is the first thing the keyboard reaches
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="You are unsubscribed").wait_for()
        assert await page.get_by_role("status").count() == 1
        assert [entry.scope for entry in stage.shelf.suppressions.values()] == ["list:news.example.com"]
        await page.get_by_role("button", name="Undo").click()
        await page.get_by_role("heading", name="Undone").wait_for()
    assert not stage.shelf.suppressions
    assert visit.said == []  # the content security policy was never broken
    assert visit.posts == 2


async def test_the_page_is_styled_under_its_own_policy(browser: Browser) -> None:
    stage = Stage()
    async with stage.listening() as url:
        page = await browser.new_page(viewport={"width": 320, "height": 640})
        await page.goto(f"{url}/u/{stage.token('a-list-id-that-is-' + 'very-' * 12 + 'long.example.com')}")
        button = page.get_by_role("button", name="Unsubscribe")
        box = await button.bounding_box()
        assert box is not None
        assert box["height"] >= 44  # a thumb's width
        assert await button.evaluate("element => getComputedStyle(element).backgroundColor") == "rgb(11, 87, 208)"
        assert (
            await page.evaluate("document.documentElement.scrollWidth") <= 320
        )  # no sideways scrolling on a telephone
        await page.close()


async def test_a_person_chooses_their_lists_with_the_keyboard_and_undoes_it(visit: Visit) -> None:
    stage, page = Stage(), visit.page
    stage.shelf.lists = [
        MailingList(id="news.acme.example", name="Acme news & <offers>"),
        MailingList(id="tips.acme.example", name="Tips"),
    ]
    async with stage.listening() as url:
        await page.goto(f"{url}/p/{stage.preferences()}")
        news = page.get_by_role("checkbox", name="Acme news & <offers>")  # each box has its name
        assert await page.get_by_role("group", name="Mailings of acme.example that you get").count() == 1
        assert await news.is_checked()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Space")
        await page.get_by_role("button", name="Save").click()
        status = page.get_by_role("status")
        assert await status.inner_text() == "You will get no more mail from Acme news & <offers>."
        assert not await page.get_by_role("checkbox", name="Acme news").is_checked()
        assert [entry.scope for entry in stage.shelf.suppressions.values()] == ["list:news.acme.example"]
        await page.get_by_role("button", name="Undo").click()
        await page.get_by_text("You will get mail from Acme news & <offers> again.").wait_for()
        assert not stage.shelf.suppressions
        await page.get_by_role("button", name="Unsubscribe from all").click()
        await page.get_by_text("You have unsubscribed from all mailings").wait_for()
        await page.get_by_role("button", name="Get mailings again").click()
        await page.get_by_role("checkbox", name="Tips").wait_for()
    assert not stage.shelf.suppressions
    assert visit.said == []
    assert visit.posts == 4


async def test_a_web_view_runs_nothing_and_tells_nobody_its_address(browser: Browser) -> None:
    heard: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):  # a browser opens connections ahead
            heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    stage = Stage()
    stage.shelf.sends[7] = stage.sent()
    context = await browser.new_context()  # with scripts: it is the policy that keeps them from running
    page = await context.new_page()
    async with await asyncio.start_server(elsewhere, "127.0.0.1", 0) as server, stage.listening() as url:
        other = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        here = f"{url}/v/{stage.web_view()}"
        stage.shelf.printed = mail(
            f'<html><head><meta name="referrer" content="unsafe-url"><style>h1{{color:rgb(1,2,3)}}</style></head><body>'
            f'<h1>Hello</h1><img id="own" src="cid:logo"><img id="far" referrerpolicy="unsafe-url" src="{other}/a.png">'
            f"<script>document.title='broken'; fetch('{other}/stolen')</script>"
            f'<img src="x" onerror="document.title=\'broken\'"><iframe src="{other}/frame"></iframe>'
            f'<form method="post" action="{url}/u/{stage.token()}"><input name="confirm" value="unsubscribe">'
            f'<button>Press</button></form><a href="{here}#web-copy">Unsubscribe</a> <a href="{other}/shop">Shop</a>'
            "</body></html>"
        )
        await page.goto(here)
        await page.get_by_role("note").wait_for()
        assert await page.locator("h1").evaluate("one => getComputedStyle(one).color") == "rgb(1, 2, 3)"
        assert await page.locator("#own").evaluate("one => one.currentSrc.slice(0, 15)") == "data:image/gif;"
        await page.get_by_role("button", name="Press").click()
        await page.get_by_role("link", name="Unsubscribe").click()
        assert page.url == f"{here}#web-copy"
        assert await page.title() == ""
        await page.get_by_role("link", name="Shop").click()
        await page.wait_for_url(f"{other}/shop")
    await context.close()
    assert not stage.shelf.suppressions
    followed = [head for head in heard if b" /favicon.ico " not in head]  # of the shop's own page
    assert sorted(head.split(b" ", 2)[1] for head in followed) == [b"/a.png", b"/shop"]
    assert not [head for head in followed if b"referer" in head.lower()]
    assert not [head for head in heard if stage.web_view().encode() in head]
