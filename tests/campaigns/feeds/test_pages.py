"""Contacts over HTTP: pages, failures, and servers that nobody may be led to."""

import json
from collections import Counter
from datetime import timedelta

import pytest

from tests.campaigns.feeds.reading import BASE, Read, read
from tests.campaigns.feeds.server import Answer, serve
from tests.campaigns.workshop import Workshop
from tests.support.clock import ManualClock
from tierii_mta.campaigns.feeds import Reach, Sources
from tierii_mta.clock import rfc3339, to_datetime
from tierii_mta.errors import CheckFailed, Refused, Unavailable

LOCAL = Sources(reach=Reach(("127.0.0.1",)))


class ImpatientClock(ManualClock):
    """Sleeps no longer than a turn of the loop, and notes how long it was asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.slept.append(seconds)
            self.advance(timedelta(seconds=seconds))
        await super().sleep(0)


async def read_pages(
    workshop: Workshop, url: str, options: str = "", *, sources: Sources = LOCAL, clock: ManualClock | None = None
) -> Read:
    text = BASE + f'  - {{type: http, url: "{url}"{options}}}\n'
    return await read(workshop.campaign(text), sources, clock or ImpatientClock())


def page(items: list[object], **more: object) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps({"data": items, **more}).encode()


async def test_pages_are_followed_to_the_last_and_items_counted_through(workshop: Workshop) -> None:
    def answer(path: str) -> Answer:
        if path == "/people?key=s3cret":
            return page([{"email": "a@example.com"}, {"email": "b@example.com"}], links={"next": "/more?page=2"})
        return page([{"email": "c@example.com"}], links={"next": None})

    workshop.environ["TOKEN"] = "t0ken"
    async with serve(answer) as site:
        found = await read_pages(
            workshop, f"{site.url}/people?key=s3cret", ', auth: "${env:TOKEN}", items: data, next: links.next'
        )
    assert [(row.line, row.fields["email"]) for row in found.rows] == [
        (1, "a@example.com"),
        (2, "b@example.com"),
        (3, "c@example.com"),
    ]
    assert [path for path, _ in site.requests] == ["/people?key=s3cret", "/more?page=2"]
    assert all(fields["authorization"] == "bearer t0ken" for _, fields in site.requests)
    assert "s3cret" not in found.name


async def test_without_next_the_link_field_leads_on(workshop: Workshop) -> None:
    def answer(path: str) -> Answer:
        if path == "/":
            return 200, {"Link": '</two>; rel="next"'}, b'[{"email": "a@example.com"}]'
        return 200, {}, b'[{"email": "b@example.com"}]'

    async with serve(answer) as site:
        assert len((await read_pages(workshop, f"{site.url}/")).rows) == 2


async def test_passing_failures_are_tried_again_and_retry_after_is_honoured(workshop: Workshop) -> None:
    clock, tries = ImpatientClock(), Counter[str]()

    def answer(path: str) -> Answer:
        tries[path] += 1
        match tries[path]:
            case 1:
                return 503, {}, b""
            case 2:
                return 429, {"Retry-After": "17"}, b""
            case 3:
                moment = to_datetime(clock.now()) + timedelta(seconds=40)
                return 429, {"Retry-After": moment.strftime("%a, %d %b %Y %H:%M:%S GMT")}, b""
        return page([{"email": "a@example.com"}])

    async with serve(answer) as site:
        assert len((await read_pages(workshop, site.url, ", items: data", clock=clock)).rows) == 1
    assert 1 <= clock.slept[0] <= 1.5
    assert clock.slept[1] == 17
    assert clock.slept[2] == pytest.approx(40, abs=1), rfc3339(clock.now())


async def test_a_server_that_goes_on_failing_is_a_temporary_failure(workshop: Workshop) -> None:
    async with serve(lambda _: (500, {}, b"")) as site:
        with pytest.raises(Unavailable, match="answers 500 at try 5"):
            await read_pages(workshop, site.url)
    assert len(site.requests) == 5


async def test_a_server_that_wants_to_be_left_alone_for_long_is_not_waited_for(workshop: Workshop) -> None:
    async with serve(lambda _: (429, {"Retry-After": "86400"}, b"")) as site:
        with pytest.raises(Unavailable, match="asks to be left alone for 86400 s"):
            await read_pages(workshop, site.url)
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((401, {}, b""), "answers 401 X; check auth"),
        ((404, {}, b""), "answers 404 X; check the address"),
        ((200, {}, b"<html>"), "the page is no JSON"),
        ((200, {}, b'{"data": 5}'), "data is not an array"),
        ((200, {"Content-Encoding": "gzip"}, b"x"), "is sent compressed"),
        ((200, {}, b" " * (9 << 20)), "a page has more than 8 MiB"),
        ((200, {}, b'{"data": [], "next": "/"}'), "the pages lead round in a circle"),
        ((200, {}, b'{"data": [], "next": 5}'), "next is not a text"),
        ((302, {"Location": "/again"}, b""), "redirects more than 5 times"),
        ((302, {"Location": "ftp://127.0.0.1/"}, b""), "is not an http or https address"),
    ],
)
async def test_what_is_no_page_is_refused_at_once(workshop: Workshop, answer: Answer, expected: str) -> None:
    async with serve(lambda _: answer) as site:
        with pytest.raises(CheckFailed, match=expected):
            await read_pages(workshop, f"{site.url}/", ", items: data, next: next")


async def test_the_authorization_goes_to_no_other_origin(workshop: Workshop) -> None:
    async with (
        serve(lambda _: page([{"email": "a@example.com"}])) as other,
        serve(lambda _: (302, {"Location": other.url}, b"")) as site,
    ):
        await read_pages(workshop, site.url, ", auth: t0ken, items: data")
    assert site.requests[0][1]["authorization"] == "bearer t0ken"
    assert "authorization" not in other.requests[0][1]


async def test_no_redirect_leads_to_a_host_that_is_not_allowed(workshop: Workshop) -> None:
    async with serve(lambda _: (302, {"Location": "http://127.0.0.2:9/"}, b"")) as site:
        with pytest.raises(Refused, match=r"127\.0\.0\.2, which is not an address of the public Internet"):
            await read_pages(workshop, site.url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.1.1",
        "0.0.0.0",
        "100.64.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "[fd00::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "2130706433",
        "localhost",
    ],
)
async def test_servers_off_the_public_internet_are_refused(workshop: Workshop, host: str) -> None:
    with pytest.raises(Refused, match=r"feeds\.allow"):
        await read_pages(workshop, f"http://{host}:9/", sources=Sources())


async def test_a_network_of_the_settings_is_allowed_and_no_other(workshop: Workshop) -> None:
    reach = Reach(("10.0.0.0/8", "127.0.0.0/31"))
    assert await reach.addresses("127.0.0.1", 80) == ["127.0.0.1"]
    assert await reach.addresses("10.200.1.1", 80) == ["10.200.1.1"]
    assert await reach.addresses("192.0.1.1", 80) == ["192.0.1.1"], "public"
    with pytest.raises(Refused):
        await reach.addresses("127.0.0.2", 80)


async def test_the_authorization_does_not_travel_in_the_clear_unless_the_host_is_named(workshop: Workshop) -> None:
    async with serve(lambda _: page([])) as site:
        with pytest.raises(Refused, match="would travel in the clear"):
            await read_pages(workshop, site.url, ", auth: x", sources=Sources(reach=Reach(("127.0.0.0/8",))))
    assert site.requests == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://example.com/", "is not an http or https address"),
        ("https://user:word@example.com/", "holds a user name or password"),
    ],
)
async def test_an_address_that_cannot_be_is_refused(workshop: Workshop, url: str, expected: str) -> None:
    with pytest.raises(CheckFailed, match=expected) as caught:
        await read_pages(workshop, url)
    assert "word@" not in str(caught.value)
