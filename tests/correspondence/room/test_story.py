"""A poisoned message among others, from the inbox to its mailbox, read by real processes."""

import asyncio

from tests.correspondence.room.test_room import LIMITS, PoisonedRoom
from tests.correspondence.test_processor import House, house, jobs
from tierii_mta.inbound.inbox import InboxMessage
from tierii_mta.queue.received import InboxRecipient

__all__ = ["house"]  # the fixture
SALES = InboxRecipient(address="sales@news.example", mailbox="news.example/sales")
MESSAGE = "From: Bob <bob@two.example>\nSubject: {subject}\n\nGood morning.\n"


async def test_a_message_that_ends_its_reader_is_unparsed_whole_and_in_its_mailbox_and_the_others_are_read(
    house: House,
) -> None:
    subjects = ["one", "deadly", "slow", "two"]
    room = PoisonedRoom(workers=1, limits=LIMITS)
    try:
        async with house.running(reader=room):
            numbers = [await house.arrive(MESSAGE.format(subject=one), SALES) for one in subjects]
            found = await asyncio.gather(*map(house.processed, numbers))
    finally:
        await room.close()
    assert [_kind(one) for one in found] == ["other", "unparsed", "unparsed", "other"]
    for number, subject in zip(numbers, subjects, strict=True):
        octets = b"".join([part async for part in house.store.db.inbox.parts(number)])
        assert octets == MESSAGE.format(subject=subject).replace("\n", "\r\n").encode()
    assert await jobs(house) == ["news.example/sales"] * 4


def _kind(message: InboxMessage) -> str | None:
    return message.processed.kind if message.processed is not None else None
