"""Stored messages at the attempt: signed, with the envelope their sender wanted."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.queue.values import delivery
from tests.support.clock import ManualClock
from tierii_mta.authentication.dkim import DkimKey, KeyKind, generate_key
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import TokenCodec, open_return_path
from tierii_mta.outbound.content import Prepared, RenderFailed
from tierii_mta.outbound.stored import StoredContent
from tierii_mta.queue.delivery import Delivery, DeliveryId, MessageRow
from tierii_mta.queue.views import StoredMessage

CODEC = TokenCodec(b"a secret of the tests")
MESSAGE = b"From: Shop <shop@example.com>\r\nMessage-ID: <m1@example.com>\r\n\r\nHello.\r\n"
ANN = Address.parse("ann@d1.example")


class Shelf:
    """One message, whoever asks."""

    def __init__(self) -> None:
        self.message = StoredMessage(parts=[MESSAGE])

    async def stored_message(self, delivery: DeliveryId) -> StoredMessage:
        return self.message


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def content(shelf: Shelf, tmp_path: Path) -> AsyncIterator[StoredContent]:
    with ThreadPoolExecutor(1) as threads:
        (tmp_path / "s1.pem").write_bytes(generate_key(KeyKind.ED25519))
        keys = {"example.com": (DkimKey.load("example.com", "s1", tmp_path / "s1.pem"),)}
        yield StoredContent(shelf, keys, codec=CODEC, clock=ManualClock(), threads=threads)


def one(**changes: object) -> Delivery:
    return delivery(7, campaign=None, message=MessageRow(1), reverse_path="shop@example.com", **changes)


async def test_a_message_is_signed_for_its_author_and_keeps_its_octets(content: StoredContent) -> None:
    prepared = await content.prepare(one())
    assert prepared.data.endswith(MESSAGE)
    assert prepared.data.startswith(b"DKIM-Signature:")
    assert (prepared.message_id, prepared.recipient) == ("<m1@example.com>", ANN)


async def test_the_reverse_path_travels_as_it_was_given(content: StoredContent) -> None:
    assert (await content.prepare(one())).reverse_path == Address.parse("shop@example.com")
    assert (await content.prepare(replace(one(), reverse_path=""))).reverse_path is None


async def test_a_signed_return_path_names_the_delivery_and_the_person(content: StoredContent, shelf: Shelf) -> None:
    shelf.message = replace(shelf.message, return_path="bounce.example.com")
    path = (await content.prepare(one())).reverse_path
    assert path is not None
    assert path.domain == "bounce.example.com"
    assert open_return_path(CODEC, path, ANN) == 7
    assert (await content.prepare(replace(one(), reverse_path=""))).reverse_path is None, "the null sender stays"


@pytest.mark.parametrize(
    ("head", "is_asked", "needs"),
    [
        (b"", True, False),
        ("Subject: Grüße\r\n".encode(), True, True),
        ("Subject: Grüße\r\n".encode(), False, False),
    ],
)
async def test_utf8_in_a_header_needs_smtputf8_where_the_sender_asked_for_it(
    content: StoredContent, shelf: Shelf, head: bytes, is_asked: bool, needs: bool
) -> None:
    shelf.message = StoredMessage(parts=[head, MESSAGE], is_smtputf8=is_asked)
    prepared: Prepared = await content.prepare(one())
    assert prepared.needs_smtputf8 is needs
    assert prepared.is_8bit is bool(head)
    shelf.message = replace(shelf.message, is_smtputf8=False)
    assert (await content.prepare(one(recipient="änn@d1.example"))).needs_smtputf8


async def test_a_malformed_header_is_the_messages_fault(content: StoredContent, shelf: Shelf) -> None:
    shelf.message = StoredMessage(parts=[b"no field\r\n\r\n"])
    with pytest.raises(RenderFailed, match="malformed header"):
        await content.prepare(one())
