"""What is asked about received mail is found by seeks, however much was said before."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine

from tests.support.clock import ManualClock
from tierii_mta.clock import Instant
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import DeliveryId, Epoch
from tierii_mta.queue.processed import Said
from tierii_mta.queue.received import InboxId
from tierii_mta.storage import Database
from tierii_mta.storage.conversations import say

SAID = Said(
    conversation=None,
    delivery=DeliveryId(7),
    person=PersonKey(b"a" * 16),
    address="ann@one.example",
    campaign="spring",
    subject="Hello",
    answered_id=None,
    answered_at=Instant(1),
    answered_from="",
    message_id="<t@one.example>",
    sender="ann@one.example",
    words="Yes.",
)


@contextmanager
def statements() -> Iterator[dict[str, Any]]:
    """Collect what is executed, with its values."""
    seen: dict[str, Any] = {}

    def note(connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        seen[statement] = values

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_no_question_of_the_way_back_reads_a_whole_table(tmp_path: Path) -> None:
    database = await Database.open("sqlite", data_dir=tmp_path, clock=ManualClock(), node="x")
    with statements() as seen:
        await database._connections.write(say, SAID, InboxId(1), Instant(2))
        await database.intray.claim(Epoch(1), limit=5)
        await database.intray.free_dead(Epoch(1), Instant(0))
        await database.correspondence.known([DeliveryId(7)], ["<t@one.example>"])
        await database.correspondence.sent_to(SAID.person, Instant(0), limit=5)
        await database.correspondence.conversation(InboxId(1))
        await database.correspondence.sent(DeliveryId(7))
    asked = {text: values for text, values in seen.items() if text.lstrip().startswith(("SELECT", "UPDATE"))}
    assert len(asked) > 8

    def plans(connection: Connection) -> list[str]:
        return [
            f"{row.detail}: {text}"
            for text, values in asked.items()
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
            if row.detail.startswith("SCAN") and "CONSTANT ROW" not in row.detail
        ]

    assert await database._connections.read(plans) == []
    await database.close()
