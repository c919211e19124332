"""The unsubscribe page as a person meets it, in a real Chromium."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.web.stage import Stage

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        await chromium.close()


async def test_a_person_unsubscribes_with_one_press_of_a_button_and_no_script(browser: Browser) -> None:
    stage = Stage()
    said: list[str] = []
    requested: list[str] = []
    async with stage.listening() as url:
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: requested.append(request.method))
        await page.goto(f"{url}/u/{stage.token()}")
        assert await page.title() == "Unsubscribe"
        assert await page.locator("html").get_attribute("lang") == "en"
        assert not stage.shelf.suppressions  # looking changes nothing
        await page.keyboard.press("Tab")  # the button is the first thing the keyboard reaches
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="You are unsubscribed").wait_for()
        assert await page.get_by_role("status").count() == 1
        assert await context.cookies() == []
        await context.close()
    assert [entry.scope for entry in stage.shelf.suppressions.values()] == ["list:news.example.com"]
    assert said == []  # the content security policy was never broken
    assert [method for method in requested if method != "GET"] == ["POST"]


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
