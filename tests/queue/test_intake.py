"""The only door in for stored messages."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import repeat
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.queue.plant import CODEC, SCHEDULE, addresses, committing, open_database, plant, recipients
from tests.support.clock import ManualClock
from tierii_mta.clock import later
from tierii_mta.errors import Conflict, ExitCode, Unavailable
from tierii_mta.mail.address import Address
from tierii_mta.queue.delivery import State
from tierii_mta.queue.intake import PART_BYTES, Intake, Spooled, Submission, split_content
from tierii_mta.queue.reserve import NoRoom, Reserve
from tierii_mta.queue.store import CommitFailed


def submission(
    content: bytes = b"Subject: hello\r\n\r\nHello.\r\n", key: str | None = None, fingerprint: str | None = None
) -> Submission:
    return Submission(
        stream="send",
        reverse_path=Address.parse("a@example.com"),
        recipients=recipients("ann@one.example", "bob@two.example", "ANN@one.example"),
        content=content,
        message_id="<m1@example.com>",
        idempotency_key=key,
        fingerprint=fingerprint,
    )


async def test_a_large_message_is_kept_in_parts_and_comes_back_whole(tmp_path: Path) -> None:
    clock = ManualClock()
    database = await open_database(tmp_path, clock)
    content = bytes(range(256)) * 2_500
    async with committing(database, clock) as committer:
        intake = Intake(committer=committer, codec=CODEC, schedule=SCHEDULE, clock=clock)
        accepted = await intake.accept(submission(content))
    parts = await database.queue.message_parts(accepted.message)
    assert [len(part) for part in parts] == [PART_BYTES, PART_BYTES, 640_000 - 2 * PART_BYTES]
    assert b"".join(parts) == content
    await database.close()


async def test_a_message_too_large_to_be_held_is_read_as_it_is_written(tmp_path: Path) -> None:
    clock = ManualClock()
    database = await open_database(tmp_path, clock)
    reads: list[int] = []

    def read() -> Iterator[bytes]:
        reads.append(0)
        for piece in (b"Subject: large\r\n\r\n", *[b"x" * 998 + b"\r\n"] * 700):
            reads[-1] += len(piece)
            yield piece

    content = Spooled(read=read, size_bytes=18 + 700_000)
    async with committing(database, clock) as committer:
        intake = Intake(committer=committer, codec=CODEC, schedule=SCHEDULE, clock=clock)
        accepted = await intake.accept(replace(submission(key="once"), content=content))
        assert (await intake.accept(replace(submission(key="once"), content=content))).is_repeat
    assert reads == [content.size_bytes]
    parts = await database.queue.message_parts(accepted.message)
    assert len(parts) == len(content) == 3
    assert b"".join(parts) == b"".join(read())
    await database.close()


async def test_each_person_gets_one_delivery_with_the_lifetime_of_the_schedule(tmp_path: Path) -> None:
    async with plant(tmp_path) as queue:
        accepted = await queue.intake.accept(submission())
        await queue.ended(2)
        assert len(accepted.deliveries) == 2
        queued = await queue.events("email.queued")
        assert [(event.recipient, event.delivery_id) for event in queued] == [
            ("ann@one.example", accepted.deliveries[0]),
            ("bob@two.example", accepted.deliveries[1]),
        ]
        for one in queue.script.handed:
            assert one.expires_at == later(one.accepted_at, timedelta(days=1))
            assert one.recipient_key == CODEC.person_key(Address.parse(one.recipient))
            assert one.reverse_path == "a@example.com"


async def test_a_repeated_idempotency_key_answers_with_the_first_message_and_sends_nothing(tmp_path: Path) -> None:
    async with plant(tmp_path) as queue:
        first, *repeats = await asyncio.gather(*(queue.intake.accept(submission(key="k1")) for _ in range(5)))
        repeats.append(await queue.intake.accept(submission(key="k1")))
        await queue.ended(2)
        assert not first.is_repeat
        assert all(one.is_repeat and one.deliveries == first.deliveries and not one.loads for one in repeats)
        other = await queue.intake.accept(submission(key="k2"))
        assert not other.is_repeat
        await queue.ended(4)


async def test_a_key_that_is_used_for_another_mail_is_a_conflict_and_nothing_is_kept(tmp_path: Path) -> None:
    async with plant(tmp_path) as queue:
        await queue.intake.accept(submission(key="k1", fingerprint="spring"))
        with pytest.raises(Conflict, match="k1"):
            await queue.intake.accept(submission(key="k1", fingerprint="summer"))
        for told in ("spring", None):  # None: whoever does not say what it asks for gets the first answer
            assert (await queue.intake.accept(submission(key="k1", fingerprint=told))).is_repeat
        await queue.ended(2)


async def test_a_message_without_recipients_is_refused(tmp_path: Path) -> None:
    async with plant(tmp_path) as queue:
        with pytest.raises(ValueError, match="recipient"):
            await queue.accept()


async def test_a_sick_store_takes_no_mail_and_sends_none(tmp_path: Path) -> None:
    async with plant(tmp_path) as queue:
        await queue.accept(*addresses(2))
        await queue.ended(2)
        queue.committer.report_sick(CommitFailed("the disk is full"))
        with pytest.raises(Unavailable):
            await queue.accept("late@one.example")
        await queue.until(lambda: not queue.committer.is_sick)
        await queue.accept("again@one.example")
        await queue.ended(3)
        assert await queue.states("again@one.example") == [State.COMPLETED]


@given(st.lists(st.binary(max_size=3 * PART_BYTES // 2), max_size=4))
def test_parts_hold_the_message_whatever_pieces_it_came_in(pieces: list[bytes]) -> None:
    parts = list(split_content(iter(pieces)))
    assert b"".join(parts) == b"".join(pieces)
    assert all(len(part) == PART_BYTES for part in parts[:-1])
    assert all(0 < len(part) <= PART_BYTES for part in parts)
    assert parts == list(split_content([b"".join(pieces)]))


async def test_the_reserve_is_kept_free_of_new_mail_and_says_452(tmp_path: Path) -> None:
    clock = ManualClock()
    database = await open_database(tmp_path, clock)
    free = Reserve(folder=tmp_path, size_bytes=0).free_bytes()
    async with committing(database, clock) as committer:
        for size_bytes, is_open in ((0, True), (free // 2, True), (free * 2, False)):
            reserve = Reserve(folder=tmp_path, size_bytes=size_bytes)
            intake = Intake(committer=committer, codec=CODEC, schedule=SCHEDULE, clock=clock, reserve=reserve)
            if is_open:
                await intake.accept(submission())
                continue
            with pytest.raises(NoRoom, match=r"4\.3\.1 nothing is accepted") as refused:
                await intake.accept(submission())
            assert str(refused.value.reply).startswith("452 4.3.1 ")
            assert refused.value.exit_code == ExitCode.TEMPORARY
    totals = await database.queue.totals()
    assert sum(totals.values()) == 4
    await database.close()


def test_a_file_system_that_does_not_answer_is_a_temporary_error(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        Reserve(folder=tmp_path / "gone", size_bytes=1).check()


async def test_a_large_message_costs_next_to_no_memory(tmp_path: Path) -> None:
    clock = ManualClock()
    database = await open_database(tmp_path, clock)
    line = b"x" * 998 + b"\r\n"
    content = Spooled(read=lambda: repeat(line * 64, 500), size_bytes=500 * 64_000)
    async with committing(database, clock) as committer:
        intake = Intake(committer=committer, codec=CODEC, schedule=SCHEDULE, clock=clock)
        await intake.accept(submission())
        before = psutil.Process().memory_info().rss
        accepted = await intake.accept(replace(submission(), content=content))
        assert psutil.Process().memory_info().rss - before < 12_000_000
    assert sum(map(len, await database.queue.message_parts(accepted.message))) == content.size_bytes
    await database.close()
