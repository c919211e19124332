"""What only a server can do to us: break a deadlock, drop a connection, commit out of order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.util import await_only

from tests.contracts.conftest import empty
from tests.contracts.installation import Installation
from tests.support.clock import ManualClock
from tierii_mta.events import EventType
from tierii_mta.queue.store import CommitFailed, Record
from tierii_mta.storage.backend import take_commit_order
from tierii_mta.storage.failures import sqlstate


@pytest.fixture
async def store(postgres: str, tmp_path: Path) -> AsyncIterator[Installation]:
    installation = Installation(postgres, tmp_path, ManualClock())
    await installation.open()
    await installation.db._connections.write(empty)
    yield installation
    await installation.close()


async def test_a_connection_lost_in_a_transaction_keeps_nobody_and_the_next_one_works(store: Installation) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("INSERT INTO stream (name, step, state) VALUES ('lost', 0, 0)"))
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(CommitFailed, match="PostgreSQL server"):
        await store.db._connections.write(work)
    await store.accept("a@one.example")
    assert len(await store.loads()) == 1


async def test_a_deadlock_is_tried_again(store: Installation) -> None:
    await store.accept("a@one.example", "b@two.example")
    tries: list[str] = []
    both = [asyncio.Event(), asyncio.Event()]

    def work(connection: Connection, name: str, first: int, second: int) -> None:
        tries.append(name)
        lock = text("SELECT id FROM delivery WHERE id = :id FOR UPDATE")
        connection.execute(lock, {"id": first})
        both[first - 1].set()
        if len(tries) <= 2:  # not the second time round
            await_only(both[second - 1].wait())
        connection.execute(lock, {"id": second})

    connections = store.db._connections
    await asyncio.gather(connections.write(work, "one", 1, 2), connections.write(work, "two", 2, 1))
    assert len(tries) == 3


async def test_a_value_the_server_refuses_is_its_authors_fault(store: Installation) -> None:
    with pytest.raises(Exception, match="refuses a statement") as failure:
        await store.accept("a@one.example", message_id="a zero octet \0")
    assert failure.value.__cause__ is not None
    assert sqlstate(failure.value.__cause__) in {"22021", None}


async def test_a_later_number_is_never_seen_before_an_earlier_one(store: Installation) -> None:
    """While one group commits, the next waits for its numbers: a reader by cursor cannot skip it."""
    holding, release = asyncio.Event(), asyncio.Event()

    def hold(connection: Connection) -> None:
        take_commit_order(connection)
        holding.set()
        await_only(release.wait())

    other = await store.another()
    first = asyncio.create_task(store.db._connections.write(hold))
    await holding.wait()
    second = asyncio.create_task(other.queue.apply([Record(events=[store.event(EventType.CLICKED)])]))
    for _ in range(20):
        assert await store.events() == []
    assert not second.done()
    release.set()
    await asyncio.gather(first, second)
    assert len(await store.events()) == 1


async def test_liveness_is_judged_by_the_servers_clock(store: Installation) -> None:
    epoch = await store.register()  # the test's clock stands in another year
    (node,) = await store.queue.nodes()
    assert node.seen_at != store.now()
    assert await store.queue.free_dead(epoch, store.now()) == (0, 0, 0)
    assert len(await store.queue.nodes()) == 1
