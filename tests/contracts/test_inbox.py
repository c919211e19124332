"""The inbox: received mail is kept whole in one commit with its event, read back in parts, and purged by age."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from tests.contracts.installation import Installation
from tierii_mta.clock import Instant, later
from tierii_mta.events import EventType
from tierii_mta.mail.tokens import Purpose
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Json
from tierii_mta.queue.intake import PART_BYTES, Spooled
from tierii_mta.queue.received import InboxEntry, InboxId, InboxRecipient, InboxState
from tierii_mta.queue.store import Receive, Received, StatementFailed

SALES = InboxRecipient(address="Sales+x@example.com", mailbox="example.com/sales")
BOUNCE = InboxRecipient(address="b+abc@bounce.example.com", token=Purpose.BOUNCE)


def entry(store: Installation, **fields: Any) -> InboxEntry:
    values: dict[str, Any] = {
        "received_at": store.now(),
        "state": InboxState.NEW,
        "remote": "192.0.2.7",
        "client_name": "mx.elsewhere.example",
        "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
        "reverse_path": "ada@elsewhere.example",
        "recipients": (SALES,),
        "message_id": "<1@elsewhere.example>",
        "size_bytes": 14,
        "verdict": {"decision": "accept", "findings": []},
        "session": {"id": "s1", "is_8bit": False},
    }
    return InboxEntry(**values | fields)


async def receive(store: Installation, *received: Receive) -> list[InboxId]:
    results = await store.queue.apply(received)
    return [result.id for result in results if isinstance(result, Received)]


async def keep(store: Installation, **fields: Any) -> InboxId:
    (number,) = await receive(store, Receive(entry=entry(store, **fields), parts=[b"Subject: x\r\n\r\n", b"y\r\n"]))
    return number


async def content(store: Installation, number: InboxId) -> list[bytes]:
    return [part async for part in store.db.inbox.parts(number)]


async def listed(store: Installation, **wanted: Any) -> list[InboxId]:
    return [message.id async for message in store.db.inbox.messages(**wanted)]


async def test_what_was_received_is_read_back_as_it_was(store: Installation) -> None:
    both = entry(store, recipients=(SALES, BOUNCE), reverse_path="", message_id=None, tls=None)
    (number,) = await receive(store, Receive(entry=both, parts=[b"Subject: x\r\n\r\n", b"\x00\xff\r\n"]))
    kept = await store.db.inbox.get(number)
    assert kept is not None
    assert (kept.id, kept.entry) == (number, both)
    assert await content(store, number) == [b"Subject: x\r\n\r\n", b"\x00\xff\r\n"]


async def test_an_unknown_message_has_neither_facts_nor_octets(store: Installation) -> None:
    assert await store.db.inbox.get(InboxId(7)) is None
    assert await content(store, InboxId(7)) == []


async def test_each_message_of_a_group_keeps_its_own_octets_and_recipients(store: Installation) -> None:
    operations = [
        Receive(entry=entry(store, message_id=f"<{n}@a.example>"), parts=[b"%d\r\n" % n, b"second\r\n"])
        for n in range(40)
    ]
    sent = store.message("ann@one.example")
    results = await store.queue.apply([*operations[:20], sent, *operations[20:]])
    ids = [result.id for result in results if isinstance(result, Received)]
    assert len(set(ids)) == 40
    for n, number in enumerate(ids):
        kept = await store.db.inbox.get(number)
        assert kept is not None
        assert kept.entry.message_id == f"<{n}@a.example>"
        assert await content(store, number) == [b"%d\r\n" % n, b"second\r\n"]


async def test_the_event_is_in_the_commit_and_names_the_message(store: Installation) -> None:
    number = await keep(store, recipients=(BOUNCE, SALES))
    findings: list[Json] = [
        {"check": "spf_pass", "detail": "", "score": 0.0},
        {"check": "helo_unknown", "detail": "", "score": 1.0},
        {"check": "spf_fail", "detail": "", "score": 4.0},
        {"check": "dmarc_quarantine", "detail": "", "score": 0.0, "decides": "quarantine"},
    ]
    verdict: dict[str, Json] = {"decision": "quarantine", "total": 5.0, "findings": findings}
    apart = await keep(store, state=InboxState.QUARANTINED, reverse_path="", verdict=verdict)
    received, quarantined = await store.events("inbound.received", "inbound.quarantined")
    assert received.type is EventType.INBOUND_RECEIVED
    assert (received.recipient, received.message_id) == (BOUNCE.address, "<1@elsewhere.example>")
    assert received.data == {
        "inbox": str(number),
        "reverse_path": "ada@elsewhere.example",
        "remote": "192.0.2.7",
        "size": 14,
        "recipients": 2,
        "tokens": ["bounce"],
    }
    assert quarantined.type is EventType.INBOUND_QUARANTINED
    assert quarantined.data["inbox"] == str(apart)
    assert "tokens" not in quarantined.data
    assert quarantined.data["score"] == 5.0
    assert quarantined.data["reasons"] == ["dmarc_quarantine", "spf_fail", "helo_unknown"]
    assert "score" not in received.data


async def test_a_large_message_goes_in_and_out_in_parts(store: Installation) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (bytes([number]) * 100_000 for number in range(80))

    parts = Spooled(read=pieces, size_bytes=8_000_000)
    (number,) = await receive(store, Receive(entry=entry(store, size_bytes=8_000_000), parts=parts))
    whole, lengths = sha256(), []
    async for part in store.db.inbox.parts(number):
        whole.update(part)
        lengths.append(len(part))
    assert whole.digest() == sha256(b"".join(pieces())).digest()
    assert max(lengths) == PART_BYTES
    assert len(lengths) == len(parts)


async def test_a_message_whose_octets_cannot_be_read_leaves_nothing_and_harms_nobody(store: Installation) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * PART_BYTES * 5
        raise OSError("the spool is gone")

    bad = Receive(entry=entry(store), parts=Spooled(read=broken, size_bytes=PART_BYTES * 6))
    good = Receive(entry=entry(store), parts=[b"\r\n"])
    committer = Committer(store.queue, store.clock, gather_s=0)  # a clock that stands still gathers for ever
    running = asyncio.create_task(committer.run())
    answers = [committer.enqueue(one) for one in (bad, good)]
    committer.close()
    await running
    with pytest.raises((OSError, StatementFailed)):
        await answers[0]
    result = await answers[1]
    assert isinstance(result, Received)
    assert await listed(store) == [result.id]
    assert len(await store.events("inbound.received")) == 1


async def test_the_newest_come_first_page_by_page_in_one_state_or_all(store: Installation) -> None:
    ids = await receive(
        store,
        *(
            Receive(
                entry=entry(store, state=InboxState.QUARANTINED if n % 100 == 0 else InboxState.NEW), parts=[b"\r\n"]
            )
            for n in range(450)
        ),
    )
    assert await listed(store, limit=1000) == sorted(ids, reverse=True)
    assert await listed(store, limit=3) == ids[:-4:-1]
    assert await listed(store, before=ids[3], limit=2) == [ids[2], ids[1]]
    assert await listed(store, state=InboxState.QUARANTINED) == sorted(ids[::100], reverse=True)


async def test_retention_takes_what_is_older_with_all_that_belongs_to_it(store: Installation) -> None:
    old = await keep(store, state=InboxState.QUARANTINED)
    store.clock.advance(timedelta(days=10))
    young = await keep(store, state=InboxState.QUARANTINED)
    limit = later(store.now(), -timedelta(days=5))
    never = Instant(0)
    assert await store.queue.purge(deliveries_before=never, events_before=never, inbox_before=limit) == 1
    assert await listed(store) == [young]
    assert await content(store, old) == []
    assert await content(store, young) != []
    assert await store.queue.purge(deliveries_before=never, events_before=never, inbox_before=limit) == 0


async def test_one_commit_of_retention_takes_a_bounded_amount(store: Installation) -> None:
    for _ in range(3):
        await keep(store, state=InboxState.QUARANTINED, size_bytes=50_000_000)
    store.clock.advance(timedelta(days=10))
    never, now = Instant(0), store.now()
    gone = [await store.queue.purge(deliveries_before=never, events_before=never, inbox_before=now) for _ in range(4)]
    assert gone == [1, 1, 1, 0]
