"""The fuzz run, short in the gate and long in a soak; and that it would see what it looks for."""

from random import Random

import pytest

from tests.smtp import fuzz
from tierii_mta.smtp import conversation, dialogue
from tierii_mta.smtp.data_reader import DataReader
from tierii_mta.smtp.line_buffer import LineBuffer

INPUTS, SOAK_INPUTS = 2_500, 500_000


def _played(inputs: int) -> list[fuzz.Session]:
    seeds = fuzz.corpus()
    return [fuzz.play(20_261, number, seeds) for number in range(inputs)]


def test_no_session_breaks_a_promise_of_the_engine() -> None:
    sessions = _played(INPUTS)
    assert sum(session.messages for session in sessions) > INPUTS // 10  # it gets somewhere
    assert sum(session.events for session in sessions) > 3 * INPUTS


@pytest.mark.soak
def test_no_session_of_very_many_breaks_a_promise_of_the_engine() -> None:
    seeds = fuzz.corpus()
    for number in range(SOAK_INPUTS):
        fuzz.play(7, number, seeds)


def test_an_input_is_the_same_each_time() -> None:
    seeds = fuzz.corpus()
    once, again = ([fuzz.mutated(Random(n), seeds) for n in range(50)] for _ in range(2))
    assert once == again


def _unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LineBuffer, "take_line", _bind(LineBuffer.take_line, most=1 << 30))


def _bind(take_line: object, *, most: int) -> object:
    return lambda buffer, _most: take_line(buffer, most)  # type: ignore[operator]  # a method, seen as an object


def _injecting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        conversation, "written", lambda reply: f"{reply.code} {reply.enhanced} {reply.text}\r\n".encode()
    )


def _too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "_REPLY_OCTETS", 10_000)


def _miscounting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DataReader, "_measure_lines", lambda reader, _: setattr(reader, "size", reader.size + 1))


@pytest.mark.parametrize("sabotage", [_unbounded, _injecting, _too_long, _miscounting])
def test_a_broken_engine_is_found_out(sabotage: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(sabotage)
    sabotage(monkeypatch)
    with pytest.raises(fuzz.Violation) as error:
        _played(2_000)
    assert "--seed 20261 --start" in error.value.__notes__[0]
