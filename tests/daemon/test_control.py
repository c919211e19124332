"""The control socket: who is heard, what a request and its answer look like, and what bounds hold."""

import asyncio
import json
import os
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import ManualClock
from tierii_mta.daemon.control import MAX_REQUEST_BYTES, Answer, ControlClient, ControlServer, Handler
from tierii_mta.errors import ConfigurationError, Conflict, ExitCode, NotFound, TieriiError, Unavailable, UsageError


async def _ping(request: Mapping[str, Any]) -> Answer:
    return {"pong": request.get("say")}


async def _count(request: Mapping[str, Any]) -> Answer:
    async def lines() -> AsyncIterator[Mapping[str, Any]]:
        for number in range(request["to"]):
            yield {"number": number}

    return lines()


async def _silent(_: Mapping[str, Any]) -> Answer:
    return None


async def _absent(_: Mapping[str, Any]) -> Answer:
    raise NotFound("no such lane", where="example.com", remedy="see `queue ls`")


async def _broken(_: Mapping[str, Any]) -> Answer:
    raise RuntimeError("the password is hunter2")


async def _breaks_later(_: Mapping[str, Any]) -> Answer:
    async def lines() -> AsyncIterator[Mapping[str, Any]]:
        yield {"number": 1}
        raise Conflict("changed meanwhile")

    return lines()


VERBS: Mapping[str, Handler] = {
    "ping": _ping,
    "count": _count,
    "silent": _silent,
    "absent": _absent,
    "broken": _broken,
    "breaks_later": _breaks_later,
}


def serving(path: Path, patience: float = 5.0) -> ControlServer:
    return ControlServer(path, VERBS, ManualClock(), patience=patience)


async def raw(path: Path, request: bytes) -> list[Any]:
    """Send octets and return the lines that come back, decoded."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(request)
    lines = [json.loads(line) async for line in reader]
    writer.close()
    return lines


async def test_a_verb_answers_one_line_many_or_none(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path):
        client = ControlClient(path)
        assert await client.ask("ping", say="hé") == {"pong": "hé"}
        assert [line async for line in client.stream("count", to=3)] == [{"number": 0}, {"number": 1}, {"number": 2}]
        assert await client.ask("silent") == {}


async def test_the_answer_ends_with_done(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path):
        assert await raw(path, b'{"verb": "ping", "say": 1}\n') == [{"pong": 1}, {"done": True}]


async def test_an_error_of_a_verb_reaches_the_caller_as_the_same_error(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path):
        with pytest.raises(NotFound) as caught:
            await ControlClient(path).ask("absent")
        assert str(caught.value) == "example.com: no such lane; see `queue ls`"
        lines = ControlClient(path).stream("breaks_later")
        assert await anext(lines) == {"number": 1}
        with pytest.raises(Conflict, match="changed meanwhile"):
            await anext(lines)


async def test_an_unexpected_error_says_a_number_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path):
        with pytest.raises(TieriiError, match=r"unexpected error [0-9a-f]{8}") as caught:
            await ControlClient(path).ask("broken")
        assert "hunter2" not in str(caught.value)
        assert caught.value.exit_code is ExitCode.UNEXPECTED
        assert await ControlClient(path).ask("silent") == {}  # and the daemon goes on


@pytest.mark.parametrize(
    ("request_line", "what"),
    [
        (b'{"verb": "dance"}\n', "unknown verb 'dance'"),
        (b"{}\n", "unknown verb None"),
        (b"[]\n", "a request is a JSON object"),
        (b"{\n", "a request is one line of JSON"),
        (b"\xff\n", "a request is one line of JSON"),
        (b"[" * 30_000 + b"\n", "a request is one line of JSON"),
        (b'"' + b"x" * MAX_REQUEST_BYTES + b'"\n', f"a request has at most {MAX_REQUEST_BYTES} octets"),
    ],
)
async def test_what_is_no_request_is_refused(tmp_path: Path, request_line: bytes, what: str) -> None:
    path = tmp_path / "control.sock"
    async with serving(path):
        (answer,) = await raw(path, request_line)
    assert answer["error"]["what"].startswith(what)
    assert answer["error"]["exit_code"] == ExitCode.USAGE


async def test_an_unknown_verb_is_the_callers_fault(tmp_path: Path) -> None:
    async with serving(tmp_path / "control.sock"):
        with pytest.raises(UsageError, match="unknown verb"):
            await ControlClient(tmp_path / "control.sock").ask("dance")


async def test_a_caller_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path, patience=0.01):
        (answer,) = await raw(path, b"")
    assert answer["error"]["what"] == "no request came in time"


async def test_without_a_daemon_the_remedy_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no daemon answers; start it with `tierii-mta serve`") as caught:
        await ControlClient(tmp_path / "control.sock").ask("ping")
    assert caught.value.exit_code is ExitCode.TEMPORARY


async def test_a_daemon_that_stops_in_the_middle_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    hangs = asyncio.Event()

    async def hang(_: Mapping[str, Any]) -> Answer:
        hangs.set()
        await asyncio.Event().wait()
        return None

    server = ControlServer(path, {"hang": hang}, ManualClock())
    await server.open()
    call = asyncio.create_task(ControlClient(path).ask("hang"))
    await hangs.wait()
    await server.close()
    with pytest.raises(Unavailable, match="stopped answering"):
        await call
    assert not path.exists()


async def test_only_the_owner_may_open_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [entry.name for entry in tmp_path.iterdir()] == ["control.sock"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to try it")
async def test_another_user_is_not_heard_even_with_the_socket_open_to_all() -> None:
    stranger = (
        "import os, socket, sys; os.setuid(65534); line = socket.socket(socket.AF_UNIX); line.connect(sys.argv[1])\n"
        'line.sendall(b\'{"verb": "ping"}\\n\'); print(line.makefile().read())'
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "control.sock"
        async with serving(path):
            path.chmod(0o666)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", stranger, str(path), stdout=asyncio.subprocess.PIPE
            )
            said, _ = await process.communicate()
    assert json.loads(said)["error"]["what"] == "only the daemon's own user and root are heard"


async def test_a_stale_socket_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    stale = serving(path)
    await stale.open()
    stale._path = tmp_path / "elsewhere"  # a daemon that was killed leaves its socket behind
    await stale.close()
    assert path.is_socket()
    async with serving(path):
        assert await ControlClient(path).ask("ping", say=1) == {"pong": 1}
        with pytest.raises(Unavailable, match="another daemon answers here"):
            await serving(path).open()
        assert await ControlClient(path).ask("ping", say=2) == {"pong": 2}


async def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(ConfigurationError, match="is no socket"):
        await serving(path).open()
    assert path.read_text() == "precious"


async def test_a_deep_folder_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    async with serving(folder / "control.sock"):
        assert await ControlClient(folder / "control.sock").ask("ping", say=1) == {"pong": 1}
    assert not list(folder.iterdir())


async def test_a_socket_that_was_removed_is_made_anew_and_never_over_another_ones(tmp_path: Path) -> None:
    path, clock = tmp_path / "control.sock", ManualClock()
    async with ControlServer(path, VERBS, clock):
        path.unlink()
        with pytest.raises(Unavailable):
            await ControlClient(path).ask("ping")
        while not path.exists():
            clock.advance(timedelta(seconds=1))
            await asyncio.sleep(0)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await ControlClient(path).ask("ping", say=1) == {"pong": 1}
        path.unlink()
        path.write_text("another's")
        clock.advance(timedelta(minutes=1))
        await asyncio.sleep(0)
    assert path.read_text() == "another's"
