"""Small readers under every input: endpoints, key names, `.env`, control requests."""

import asyncio
import json
import string
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.clock import ManualClock
from tierii_mta.daemon.control import ControlServer
from tierii_mta.daemon.settings import Endpoint, Settings, shape, sources
from tierii_mta.errors import ConfigurationError
from tierii_mta.yaml12 import dotted

ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str), st.sampled_from(["localhost", "mx.example.com"])
)


@given(ADDRESSES, st.integers(0, 65535))
def test_an_endpoint_is_read_as_it_is_written(host: str, port: int) -> None:
    endpoint = Endpoint(host, port)
    assert Endpoint.parse(str(endpoint)) == endpoint


@given(st.text(max_size=30))
def test_any_text_is_an_endpoint_or_a_value_error(text: str) -> None:
    try:
        endpoint = Endpoint.parse(text)
    except ValueError:
        return
    assert 0 <= endpoint.port <= 65535


def test_every_key_has_one_name_in_each_source() -> None:
    every = list(shape.keys(Settings))
    assert ("web", "listen") in every
    for path in every:
        assert shape.path_of(dotted(path), Settings) == path
        assert shape.path_of_variable(shape.variable_of(path), Settings) == path


LABEL = st.text(string.ascii_lowercase, min_size=1, max_size=6).filter(lambda name: name not in shape.names(Settings))


@given(
    st.lists(LABEL, min_size=1, max_size=4).map(".".join),
    st.sampled_from(["pool", "return_path", "mailboxes.x.forward"]),
)
def test_a_free_key_may_hold_dots(domain: str, below: str) -> None:
    expected = ("domains", domain, *below.split("."))
    assert shape.path_of(f"domains.{domain}.{below}", Settings) == expected
    assert shape.path_of(f'domains."{domain}".{below}', Settings) == expected


NAMES = st.text(string.ascii_letters + "_", min_size=1, max_size=10)
VALUES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20).map(str.strip)


@settings(max_examples=100)
@given(st.dictionaries(NAMES, VALUES.filter(lambda value: "'" not in value), max_size=5))
def test_an_env_file_gives_back_what_was_quoted(variables: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / ".env"
        file.write_text("".join(f"{name}='{value}'  # why\n" for name, value in variables.items()), encoding="utf-8")
        found = sources.read_env_file(file)
    assert {name: value for name, (value, _) in found.items()} == variables


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_any_env_file_is_read_or_refused(octets: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / ".env"
        file.write_bytes(octets)
        try:
            sources.read_env_file(file)
        except ConfigurationError as error:
            assert str(file) in str(error)  # noqa: PT017


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300).map(lambda octets: octets.replace(b"\n", b"")))
def test_any_line_gets_exactly_one_answer(line: bytes) -> None:
    async def ask(path: Path) -> bytes:
        async with ControlServer(path, {}, ManualClock()):
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(line + b"\n")
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

    with tempfile.TemporaryDirectory() as folder:
        answer = asyncio.run(ask(Path(folder) / "control.sock"))
    assert answer.count(b"\n") == 1
    assert json.loads(answer)["error"]["exit_code"] == 2
