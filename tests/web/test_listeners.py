"""Which listener serves what, health and metrics, and the bounds every request meets."""

import asyncio
import json
import socket

import httpx
import pytest
import structlog.testing
from starlette.responses import PlainTextResponse

from tests.web.stage import Stage
from tierii_mta.errors import ConfigurationError
from tierii_mta.web import process
from tierii_mta.web.app import Audience
from tierii_mta.web.guard import MAX_BODY_BYTES
from tierii_mta.web.process import Listener, serving


@pytest.mark.parametrize(
    ("audience", "health", "operations", "links"),
    [(Audience.BOTH, 200, 200, 200), (Audience.PRIVATE, 200, 200, 404), (Audience.PUBLIC, 200, 404, 200)],
)
async def test_each_listener_serves_its_own_routes(
    audience: Audience, health: int, operations: int, links: int
) -> None:
    stage = Stage()
    async with stage.listening(audience) as url, httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/healthz")).status_code == health
        for path in ("/readyz", "/metrics"):
            assert (await client.get(f"{url}{path}")).status_code == operations
        assert (await client.get(f"{url}/u/{stage.token()}")).status_code == links
        assert (await client.get(f"{url}/p/{stage.preferences()}")).status_code == links
        assert (await client.get(f"{url}/v/{stage.web_view()}")).status_code == (410 if links == 200 else 404)
        for path in ("/", "/docs", "/openapi.json", "/u/", "/u", "/p/", "/v/", "/healthz/"):
            answer = await client.get(f"{url}{path}")
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == 404


async def test_no_token_reaches_a_log_or_a_metric() -> None:
    stage = Stage()
    tokens = {"u": stage.token(), "p": stage.preferences(), "v": stage.web_view()}
    with structlog.testing.capture_logs() as lines:
        async with stage.listening() as url, httpx.AsyncClient() as client:
            for is_broken in (True, False):
                stage.shelf.is_broken = is_broken
                for page, token in tokens.items():
                    await client.get(f"{url}/{page}/{token}")
                    await client.post(f"{url}/{page}/{token}", data={"confirm": "unsubscribe", "action": "leave"})
    assert {line["route"] for line in lines if "route" in line} >= {"/u/{token}", "/p/{token}", "/v/{token}"}
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["web.failed"] * 2
    for token in tokens.values():
        assert token not in repr(lines) + stage.metrics.text()


async def test_ready_means_that_the_daemon_says_so() -> None:
    stage = Stage()
    async with stage.listening() as url, httpx.AsyncClient() as client:
        stage.daemon.said = {"pid": 7}
        answer = await client.get(f"{url}/readyz")
        assert (answer.status_code, answer.json()) == (200, {"ready": True, "pid": 7})
        stage.daemon.said = {"ready": False, "reason": "the store is sick"}
        answer = await client.get(f"{url}/readyz")
        assert (answer.status_code, answer.json()["reason"]) == (503, "the store is sick")
        stage.daemon.is_gone = True
        answer = await client.get(f"{url}/readyz")
        assert (answer.status_code, answer.json()["reason"]) == (503, "no daemon answers")
        assert (await client.get(f"{url}/healthz")).status_code == 200  # this process lives all the same


async def test_metrics_are_the_daemons_and_the_web_processs_own() -> None:
    stage = Stage()
    async with stage.listening() as url, httpx.AsyncClient() as client:
        await client.get(f"{url}/u/{stage.token()}")
        answer = await client.get(f"{url}/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.text.startswith("tierii_deliveries_total 3.0\n# HELP")
        assert 'tierii_web_requests_total{route="/u/{token}",status="200"} 1.0' in answer.text
        assert stage.token() not in answer.text
        assert "tierii_web_daemon_up 1.0" in answer.text
        names = [line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")]
        assert len(names) == len(set(names))
        stage.daemon.is_gone = True
        assert "tierii_web_daemon_up 0.0" in (await client.get(f"{url}/metrics")).text


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8025", "[::1]:8025", "localhost", "MTA.example.com.", "mta.example.com:80"]
)
async def test_private_routes_answer_to_our_names(host: str) -> None:
    async with Stage().listening() as url, httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/metrics", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("host", ["attacker.example", "mta.example.com.attacker.example", "", "127.0.0.1.nip.example"])
async def test_private_routes_do_not_answer_to_a_name_rebound_to_us(host: str) -> None:
    async with Stage().listening() as url, httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/metrics", headers={"host": host})).status_code == 421


async def exchange(url: str, octets: bytes) -> bytes:
    """Send octets as they are and return all that comes back until the peer closes."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(octets)
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def test_a_body_has_a_bound_declared_or_not() -> None:
    stage = Stage()
    target = f"/u/{stage.token()}"
    head = f"POST {target} HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n".encode()
    async with stage.listening() as url, httpx.AsyncClient() as client:
        at_bound = b"List-Unsubscribe=One-Click&x=".ljust(MAX_BODY_BYTES, b"y")
        assert (await client.post(url + target, content=at_bound)).status_code == 200
        assert (await client.post(url + target, content=at_bound + b"y")).status_code == 413
        declared = await exchange(url, head + b"Content-Length: 99999999999\r\nConnection: close\r\n\r\n")
        assert declared.startswith(b"HTTP/1.1 413")
        chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        chunked = await exchange(url, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17)
        assert chunked.startswith(b"HTTP/1.1 413")


async def test_address_and_header_have_bounds() -> None:
    async with Stage().listening() as url, httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/u/{'a' * 5000}")).status_code == 414
        header = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX: " + b"x" * 17_000
        assert (await exchange(url, header + b"\r\n\r\n")).startswith(b"HTTP/1.1 431")
        assert (await exchange(url, header)).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "octets",
    [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /heal"],
    ids=["silence", "half a header", "half a second header"],
)
async def test_a_peer_that_does_not_finish_its_header_is_dropped(
    octets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "HEADER_SECONDS", 0.05)
    monkeypatch.setattr(process, "KEEP_ALIVE_SECONDS", 0.05)
    async with Stage().listening() as url:
        try:
            answer = await exchange(url, octets)
        except ConnectionResetError:
            answer = b""
        assert answer.count(b"HTTP/1.1 200") == (1 if b"\r\n\r\n" in octets else 0)


async def test_what_is_not_http_is_refused_and_the_listener_goes_on() -> None:
    async with Stage().listening() as url, httpx.AsyncClient() as client:
        assert (await exchange(url, b"EHLO mx.example.com\r\n\r\n")).startswith(b"HTTP/1.1 400")
        assert (await client.get(f"{url}/healthz")).text == "ok\n"


async def test_an_address_in_use_is_named_with_its_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listener = Listener("web.listen", "127.0.0.1", taken.getsockname()[1], PlainTextResponse(""))
        with pytest.raises(ConfigurationError, match=r"web\.listen: cannot listen on 127\.0\.0\.1 port \d+"):
            async with serving([listener]):
                pytest.fail("it listens twice")


async def test_it_listens_on_ipv6() -> None:
    async with serving([Listener("web.listen", "::1", 0, PlainTextResponse("six"))]) as (address,):
        assert address.startswith("[::1]:")
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://{address}/")).text == "six"


async def test_problems_are_json_a_program_can_read() -> None:
    async with Stage().listening() as url, httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/healthz")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert json.loads(answer.text) == {"type": "about:blank", "title": "Method not allowed", "status": 405}
