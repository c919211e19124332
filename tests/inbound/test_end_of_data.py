"""The smuggling table of tests.smtp.payloads at a listener: what is kept is what the engine's owner keeps."""

from pathlib import Path

import pytest

from tests.dialogues.engine import Owner
from tests.inbound.porch import Client, open_porch
from tests.smtp.payloads import BEHIND, END, EXPECTED_STORED, PAYLOADS, Payload
from tierii_mta.inbound.arrival import MessageBounds
from tierii_mta.smtp.dialogue import Rules

OPENING = b"MAIL FROM:<first@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n"


def _kept_by_the_engines_owner(payload: Payload, eol: str) -> list[bytes]:
    owner = Owner(Rules(name="mx.example.test"), eol=eol)
    owner.server.greet()
    for packet in (b"EHLO client.example\r\n", OPENING, b"body" + payload.octets + BEHIND, END):
        owner.server.receive(packet)
        owner.attend()
    return owner.stored


async def _send(client: Client, payload: Payload) -> None:
    client.send(OPENING)
    while not (await client.reply()).startswith("354 "):
        pass
    client.send(b"body" + payload.octets + BEHIND)
    if payload.is_end:  # a second transaction is open, and its message is to wait for the 354
        while not (await client.reply()).startswith("354 "):
            pass
    client.send(END)
    reply = await client.reply()
    assert reply.startswith(("250 ", "550 5.6.11")), reply
    assert (await client.say(b"QUIT\r\n")).startswith("221 ")


@pytest.mark.parametrize("eol", ["reject", "normalize"])
async def test_every_payload_leaves_the_messages_it_should(eol: str, tmp_path: Path) -> None:
    bounds = MessageBounds(mends_line_ends=eol == "normalize")
    async with open_porch(tmp_path, message=bounds) as porch:
        for payload in PAYLOADS:
            porch.desk.messages.clear()
            await _send(await porch.ready(), payload)
            kept = _kept_by_the_engines_owner(payload, eol)
            assert porch.desk.messages == kept, payload.name
            assert len(kept) == EXPECTED_STORED[payload.rejecting if eol == "reject" else payload.normalizing]
