"""Group commit on a real SQLite database, with statements and COMMITs that really fail."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.queue.plant import CODEC, committing, open_database
from tests.support.clock import START, ManualClock
from tierii_mta.clock import later
from tierii_mta.errors import Unavailable
from tierii_mta.events import Event, EventType
from tierii_mta.mail.address import Address
from tierii_mta.queue.committer import GROUP_ROWS, Committer
from tierii_mta.queue.delivery import Priority
from tierii_mta.queue.store import Accept, Accepted, CommitFailed, NewDelivery, Operation, Record, Result
from tierii_mta.storage.backend import SQLITE_FILE
from tierii_mta.storage.database import Database
from tierii_mta.storage.sqlite import SqliteConnections


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path, ManualClock())
    yield opened
    await opened.close()


def message(name: str = "ann", *, size: int = 100, recipients: int = 1) -> Accept:
    persons = [Address.parse(f"{name}{number}@one.example") for number in range(recipients)]
    return Accept(
        stream="send",
        priority=Priority.NORMAL,
        reverse_path="",
        message_id=f"<{name}@a.example>",
        parts=(b"x" * size,),
        deliveries=[
            NewDelivery(recipient=str(one), recipient_key=CODEC.person_key(one), domain=one.domain) for one in persons
        ],
        accepted_at=START,
        expires_at=later(START, timedelta(days=1)),
    )


def impossible(name: str = "bad") -> Accept:
    """Return an operation that no database can write: its reverse-path is a lone surrogate."""
    return replace(message(name), reverse_path="\udcff@a.example")


async def submit_all(committer: Committer, operations: Sequence[Operation]) -> list[Result | BaseException]:
    return await asyncio.gather(*(committer.submit(one) for one in operations), return_exceptions=True)


def accepted(results: Sequence[object]) -> list[bool]:
    return [isinstance(one, Accepted) for one in results]


class Groups:
    """A store that notes how large the groups were and otherwise is the real one."""

    def __init__(self, database: Database) -> None:
        self.store, self.sizes = database.queue, list[int]()
        self.hold: asyncio.Event | None = None

    async def apply(self, operations: Sequence[Operation]) -> Sequence[Result]:
        self.sizes.append(len(operations))
        results = await self.store.apply(operations)
        if self.hold is not None:
            await self.hold.wait()
        return results

    async def probe(self) -> None:
        await self.store.probe()


async def count_deliveries(database: Database) -> int:
    return sum((await database.queue.totals()).values())


async def test_an_operation_that_finds_the_committer_idle_is_committed_at_once(database: Database) -> None:
    async with committing(database, ManualClock()) as committer:  # the clock stands: a wait would never end
        assert isinstance(await committer.submit(message()), Accepted)
        assert isinstance(await committer.submit(message("bob")), Accepted)
    assert committer.commits == 2


async def test_operations_that_come_while_a_commit_runs_share_the_next_one(database: Database) -> None:
    groups = Groups(database)
    groups.hold = asyncio.Event()
    committer = Committer(groups, ManualClock())  # type: ignore[arg-type]
    running = asyncio.create_task(committer.run())
    first = committer.enqueue(message("first"))
    while not groups.sizes:
        await asyncio.sleep(0)
    rest = [committer.enqueue(message(f"n{number}")) for number in range(50)]
    groups.hold.set()
    assert accepted(await asyncio.gather(first, *rest)) == [True] * 51
    assert groups.sizes == [1, 50]
    was_taking_in = committer.is_taking_in
    await committer.submit(message("last"))
    assert (was_taking_in, committer.is_taking_in) == (True, False)
    committer.close()
    await running


async def test_a_group_that_follows_another_gathers_for_as_long_as_that_one_took(database: Database) -> None:
    clock, groups = ManualClock(), Groups(database)
    groups.hold = asyncio.Event()
    committer = Committer(groups, clock)  # type: ignore[arg-type]
    running = asyncio.create_task(committer.run())
    answers = [committer.enqueue(message("first"))]
    while not groups.sizes:
        await asyncio.sleep(0)
    answers.append(committer.enqueue(message("second")))
    clock.advance(timedelta(milliseconds=3))
    groups.hold.set()
    while not clock.sleepers:
        await asyncio.sleep(0)
    answers.append(committer.enqueue(message("third")))
    clock.advance(timedelta(milliseconds=3))
    assert accepted(await asyncio.gather(*answers)) == [True] * 3
    assert groups.sizes == [1, 2]
    committer.close()
    await running


async def test_a_group_is_bounded_in_rows_and_larger_operations_go_alone(database: Database) -> None:
    groups = Groups(database)
    committer = Committer(groups, ManualClock())  # type: ignore[arg-type]
    operations = [message(f"n{number}", recipients=98) for number in range(25)]  # 100 rows each
    operations.insert(3, message("large", recipients=GROUP_ROWS + 1))
    answers = [committer.enqueue(one) for one in operations]
    committer.close()
    await committer.run()
    assert accepted([await answer for answer in answers]) == [True] * 26
    assert groups.sizes == [3, 1, 10, 10, 2]


async def test_results_come_back_to_the_caller_they_belong_to(database: Database) -> None:
    async with committing(database, ManualClock()) as committer:
        results = await submit_all(committer, [message(f"n{number}") for number in range(200)])
    assert [one.message_id for one in results if isinstance(one, Accepted)] == [f"<n{n}@a.example>" for n in range(200)]


async def test_only_the_culprit_of_a_failing_group_fails(database: Database) -> None:
    async with committing(database, ManualClock()) as committer:
        results = await submit_all(
            committer, [message("ann"), message("bob"), impossible(), message("cid"), impossible("worse")]
        )
        assert accepted(results) == [True, True, False, True, False]
        assert all(isinstance(results[one], Exception) for one in (2, 4))
        assert not any(isinstance(results[one], Unavailable) for one in (2, 4))
        assert not committer.is_sick
        assert isinstance(await committer.submit(message("dan")), Accepted)
    assert await count_deliveries(database) == 4


async def test_a_cancelled_caller_changes_nothing(database: Database) -> None:
    async with committing(database, ManualClock()) as committer:
        callers = [asyncio.create_task(committer.submit(message(f"n{number}"))) for number in range(20)]
        await asyncio.sleep(0)
        for caller in callers[::2]:
            caller.cancel()
        results = await asyncio.gather(*callers, return_exceptions=True)
    assert accepted(results) == [False, True] * 10
    assert all(isinstance(one, asyncio.CancelledError) for one in results[::2])
    assert await count_deliveries(database) == 20


async def test_what_waits_when_the_committer_closes_is_still_committed(database: Database) -> None:
    committer = Committer(database.queue, ManualClock())
    answers = [committer.enqueue(message(f"n{number}")) for number in range(30)]
    committer.close()
    with pytest.raises(Unavailable):
        await committer.submit(message())
    await committer.run()
    assert accepted([await answer for answer in answers]) == [True] * 30


async def test_a_stopped_committer_leaves_nobody_waiting(database: Database) -> None:
    groups = Groups(database)
    groups.hold = asyncio.Event()
    committer = Committer(groups, ManualClock())  # type: ignore[arg-type]
    running = asyncio.create_task(committer.run())
    caller = asyncio.create_task(committer.submit(message()))
    while not groups.sizes:
        await asyncio.sleep(0)
    waiting = asyncio.create_task(committer.submit(message("bob")))
    await asyncio.sleep(0)
    running.cancel()
    results = await asyncio.gather(running, caller, waiting, return_exceptions=True)
    assert [type(one) for one in results] == [asyncio.CancelledError, CommitFailed, Unavailable]


async def test_a_gathering_time_above_five_milliseconds_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match=r"0\.005"):
        Committer(database.queue, ManualClock(), gather_s=0.006)


class Disk:
    """Fills the database up to its last page, and makes room again."""

    def __init__(self, database: Database) -> None:
        assert isinstance(database._connections, SqliteConnections)
        self.connections = database._connections

    async def fill(self) -> None:
        await self._pragma("max_page_count", 1)  # SQLite takes it as: no page more than there are

    async def clear(self) -> None:
        await self._pragma("max_page_count", 1_000_000)

    async def _pragma(self, name: str, value: int) -> None:
        def work() -> None:
            self.connections._driver().execute(f"PRAGMA {name}={value}").fetchall()

        await self.connections._in(self.connections._writer_thread, work)


async def test_a_full_disk_makes_the_store_sick_until_a_probe_succeeds(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock, disk = ManualClock(), Disk(database)
    told: list[str] = []
    groups: list[tuple[int, bool]] = []
    committer = Committer(
        database.queue,
        clock,
        on_sick=lambda failure: told.append("sick"),
        on_well=lambda: told.append("well"),
        on_commit=lambda operations, seconds, is_kept: groups.append((operations, is_kept)),
    )
    running = asyncio.create_task(committer.run())
    assert isinstance(await committer.submit(message()), Accepted)
    await disk.fill()
    results = await submit_all(committer, [message(f"n{number}", size=100_000) for number in range(5)])
    assert [type(one) for one in results] == [CommitFailed] * 5
    assert committer.is_sick
    assert told == ["sick"]
    with pytest.raises(Unavailable):
        await committer.submit(message())
    await _probe_in_vain(clock, committer, caplog, count=3)
    assert await count_deliveries(database) == 1
    await disk.clear()
    await _advance_until_well(clock, committer)
    assert told == ["sick", "well"]
    assert isinstance(await committer.submit(message("bob", size=100_000)), Accepted)
    committer.close()
    await running
    assert groups[0] == groups[-1] == (1, True)
    assert any(not is_kept for _, is_kept in groups)


async def _probe_in_vain(
    clock: ManualClock, committer: Committer, caplog: pytest.LogCaptureFixture, *, count: int
) -> None:
    while caplog.text.count("still sick") < count:
        clock.advance(timedelta(seconds=1))
        await asyncio.sleep(0)
    assert committer.is_sick


async def _advance_until_well(clock: ManualClock, committer: Committer) -> None:
    while committer.is_sick:
        clock.advance(timedelta(seconds=1))
        await asyncio.sleep(0)


async def test_a_commit_that_fails_by_itself_fails_the_whole_group(tmp_path: Path, database: Database) -> None:
    """A foreign key that is checked at COMMIT: every statement succeeds and the COMMIT fails."""
    with sqlite3.connect(tmp_path / SQLITE_FILE) as outside:
        outside.executescript(
            """
            CREATE TABLE nobody (id INTEGER PRIMARY KEY);
            CREATE TABLE trap (id INTEGER REFERENCES nobody(id) DEFERRABLE INITIALLY DEFERRED);
            CREATE TRIGGER spring AFTER INSERT ON event WHEN NEW.recipient = 'trap@a.example'
                BEGIN INSERT INTO trap VALUES (1); END;
            """
        )
    outside.close()
    clock = ManualClock()
    committer = Committer(database.queue, clock)
    running = asyncio.create_task(committer.run())
    trap = Event(id="evt_1", type=EventType.QUEUED, at=START, recipient="trap@a.example")
    results = await submit_all(committer, [message("ann"), Record(events=(trap,)), message("bob")])
    assert [type(one) for one in results] == [CommitFailed] * 3
    assert committer.is_sick
    assert await count_deliveries(database) == 0
    await _advance_until_well(clock, committer)
    assert isinstance(await committer.submit(message("ann")), Accepted)
    committer.close()
    await running


async def test_a_sick_committer_closes_without_waiting_for_its_next_probe(database: Database) -> None:
    committer = Committer(database.queue, ManualClock())
    running = asyncio.create_task(committer.run())
    await asyncio.sleep(0)
    committer.report_sick(CommitFailed("a claim could not be committed"))
    assert committer.is_sick
    await asyncio.sleep(0)
    committer.close()
    await running
