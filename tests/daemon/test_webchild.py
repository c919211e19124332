"""The web process as the daemon runs it: a real child over a real installation."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tierii_mta.clock import SystemClock
from tierii_mta.daemon.children import Child, web_child
from tierii_mta.daemon.control import Answer, ControlServer
from tierii_mta.daemon.installation import open_installation
from tierii_mta.daemon.settings import LoadedSettings, settings_from
from tierii_mta.errors import ConfigurationError
from tierii_mta.events import EventType
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import TokenCodec, seal_unsubscribe

SECRET = "a secret of the tests, long enough"
CODEC = TokenCodec(SECRET.encode())
ANN = CODEC.person_key(Address.parse("ann@example.com"))


def loaded_settings(folder: Path, **web: Any) -> LoadedSettings:
    keys = {"hostname": "mta.example.com", "data_dir": "data", "secret": SECRET, "log": {"level": "error"}}
    return settings_from(keys | {"web": {"listen": "127.0.0.1:0"} | web}, folder)


@contextlib.asynccontextmanager
async def running(loaded: LoadedSettings) -> AsyncIterator[tuple[Child, list[str]]]:
    """Run the web process; yield it and the URLs it listens on."""
    child = web_child(lambda: loaded, SystemClock())
    stop = asyncio.Event()
    service = asyncio.create_task(child.run(stop))
    try:
        yield child, [f"http://{address}" for address in (await child.announced())["listen"]]
    finally:
        stop.set()
        await service


async def test_a_click_in_the_web_process_is_kept_in_the_daemons_store(tmp_path: Path) -> None:
    loaded = loaded_settings(tmp_path)
    async with open_installation(loaded, role="daemon") as installation:
        async with running(loaded) as (_, (url,)), httpx.AsyncClient() as client:
            token = seal_unsubscribe(CODEC, ANN, "news.example.com", None)
            answer = await client.post(f"{url}/u/{token}", data={"List-Unsubscribe": "One-Click"})
            assert answer.status_code == 200
            (entry,) = await installation.suppression.find([ANN])
            assert (entry.scope, entry.evidence) == ("list:news.example.com", "one-click")
        types = [event.type async for event in installation.queue.events()]
        assert types == [EventType.UNSUBSCRIBED, EventType.SUPPRESSION_CREATED], "in one commit"


async def test_readiness_and_metrics_come_from_the_daemon_over_its_control_socket(tmp_path: Path) -> None:
    async def ping(_: Mapping[str, Any]) -> Answer:
        return {"pid": os.getpid()}

    async def metrics(_: Mapping[str, Any]) -> Answer:
        return {"text": "tierii_deliveries_total 7.0\n"}

    loaded = loaded_settings(tmp_path)
    async with running(loaded) as (_, (url,)), httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/readyz")).status_code == 503
        verbs = {"ping": ping, "metrics": metrics}
        async with ControlServer(loaded.settings.data_dir / "control.sock", verbs, SystemClock()):
            assert (await client.get(f"{url}/readyz")).json() == {"ready": True, "pid": os.getpid()}
            text = (await client.get(f"{url}/metrics")).text
    assert text.startswith("tierii_deliveries_total 7.0\n")
    assert "tierii_web_process_resident_memory_bytes" in text


async def test_a_public_listener_carries_what_recipients_open_and_nothing_else(tmp_path: Path) -> None:
    loaded = loaded_settings(tmp_path, public_listen="127.0.0.1:0")
    token = seal_unsubscribe(CODEC, ANN, "news.example.com", None)
    async with running(loaded) as (_, (private, public)), httpx.AsyncClient() as client:
        assert (await client.get(f"{public}/u/{token}")).status_code == 200
        assert (await client.get(f"{public}/metrics")).status_code == 404
        assert (await client.get(f"{private}/u/{token}")).status_code == 404
        assert (await client.get(f"{private}/metrics")).status_code == 200
        for url in (private, public):
            assert (await client.get(f"{url}/healthz")).status_code == 200


async def test_the_web_process_answers_to_its_own_names(tmp_path: Path) -> None:
    loaded = loaded_settings(tmp_path, public_url="https://mail.example.com", hosts=["Other.example.com"])
    async with running(loaded) as (_, (url,)), httpx.AsyncClient() as client:
        for host in ("mta.example.com", "mail.example.com", "other.example.com:8025"):
            assert (await client.get(f"{url}/metrics", headers={"host": host})).status_code == 200
        assert (await client.get(f"{url}/metrics", headers={"host": "attacker.example"})).status_code == 421


async def test_an_address_in_use_ends_the_start_with_a_configuration_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        loaded = loaded_settings(tmp_path, listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ConfigurationError, match="the web process could not start"):
            await web_child(lambda: loaded, SystemClock()).run(asyncio.Event())


async def test_a_web_process_that_is_killed_comes_back(tmp_path: Path) -> None:
    async with running(loaded_settings(tmp_path)) as (child, (url,)):
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        while (announced := await child.announced())["listen"] == [url.removeprefix("http://")]:
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://{announced['listen'][0]}/healthz")).status_code == 200
        assert child.pid != first
