"""The reading room with real processes: what it reads, and that only the guilty stay unread."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from tests.support.clock import START
from tierii_mta.correspondence.quote.cutting import cut
from tierii_mta.correspondence.read import read
from tierii_mta.correspondence.reading import EnvelopeFacts, Kind
from tierii_mta.correspondence.room.pool import ReadingRoom
from tierii_mta.errors import Unavailable
from tierii_mta.mail.tokens import Purpose
from tierii_mta.workers.process import Limits

ENVELOPE = EnvelopeFacts(reverse_path="a@example.org", purposes=(Purpose.REPLY,), received_at=START)
# Of computing time; a message of ours takes a thousandth.  Silence is the clock's time: it must outlast a busy machine.
LIMITS = Limits(memory_bytes=256 << 20, computing=timedelta(seconds=0.5), silence=timedelta(seconds=30))
OBLIVIOUS = Limits(
    computing=timedelta(seconds=60), silence=timedelta(seconds=2)
)  # only the daemon's kill ends a message
REPLY = "Yes, please.\n\nOn Monday Ann wrote:\n> Shall we?\n"


class PoisonedRoom(ReadingRoom):
    """Its readers have faults that some subjects bring out."""

    module = "tests.correspondence.room.poisoned"


def message(subject: str) -> bytes:
    return f"From: =?utf-8?q?J=C3=B6rg?= <j@example.org>\nSubject: {subject}\n\n{REPLY}".encode()


@asynccontextmanager
async def open_room(room: ReadingRoom) -> AsyncIterator[ReadingRoom]:
    try:
        async with asyncio.timeout(60):
            yield room
    finally:
        await room.close()


async def test_a_reader_reads_what_read_reads() -> None:
    async with open_room(ReadingRoom()) as room:
        readings = await asyncio.gather(*(room.read(message(f"no. {n}"), ENVELOPE) for n in range(60)))
        assert readings == [read(message(f"no. {n}"), ENVELOPE) for n in range(60)]
        assert await room.read([message("in ")[:50], message("in ")[50:]], ENVELOPE) == read(message("in "), ENVELOPE)


async def test_replies_are_cut_in_the_room_too() -> None:
    async with open_room(ReadingRoom()) as room:
        assert await room.cut(REPLY, "", "Shall we?") == cut(REPLY, "", "Shall we?")
        assert (await room.cut("", "<p>Grüße \ud800</p>")).words == cut("", "<p>Grüße \ud800</p>").words


@pytest.mark.parametrize(
    ("poison", "limits", "why"),
    [
        ("slow", LIMITS, "takes more computing time than a mail may"),
        ("hungry", LIMITS, "takes more memory than a mail may"),
        ("faulty", LIMITS, "KeyError: 'a fault of ours'"),
        ("deadly", LIMITS, "no process that reads it survives"),
        ("deaf", OBLIVIOUS, "no process that reads it survives"),
    ],
    ids=["slow", "hungry", "faulty", "deadly", "deaf"],
)
async def test_a_message_that_breaks_its_reader_is_unparsed_and_the_others_are_read(
    poison: str, limits: Limits, why: str
) -> None:
    async with open_room(PoisonedRoom(workers=1, limits=limits)) as room:
        subjects = [poison if n == 7 else f"no. {n}" for n in range(30)]
        readings = await asyncio.gather(*(room.read(message(subject), ENVELOPE) for subject in subjects))
    guilty = readings.pop(7)
    assert guilty.kind is Kind.UNPARSED
    assert why in guilty.faults[0]
    assert all(reading.kind is not Kind.UNPARSED for reading in readings)


async def test_a_message_that_no_reader_has_room_for_is_unparsed() -> None:
    async with open_room(ReadingRoom(limits=Limits(memory_bytes=32 << 20))) as room:
        large, small = await asyncio.gather(
            room.read([message("large"), bytes(64 << 20)], ENVELOPE), room.read(message("small"), ENVELOPE)
        )
    assert (large.kind, small.subject) == (Kind.UNPARSED, "small")


async def test_a_killed_reader_costs_no_message() -> None:
    async with open_room(ReadingRoom(workers=1)) as room:
        await room.read(message("first"), ENVELOPE)
        (pid,) = room.pids
        later = [asyncio.ensure_future(room.read(message(f"no. {n}"), ENVELOPE)) for n in range(100)]
        await later[0]
        os.kill(pid, signal.SIGKILL)
        assert [reading.subject for reading in await asyncio.gather(*later)] == [f"no. {n}" for n in range(100)]


async def test_a_reader_knows_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIERII_SECRET", "hidden")
    async with open_room(ReadingRoom()) as room:
        assert room.pids == []
        await room.read(message("first"), ENVELOPE)
        (pid,) = room.pids
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert {each.partition(b"=")[0] for each in variables if each} <= {b"PYTHONPATH", b"LC_CTYPE"}
    assert not psutil.pid_exists(pid)
    with pytest.raises(Unavailable, match="the reading room is closed"):
        await room.read(message("late"), ENVELOPE)
