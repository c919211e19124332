"""Dovecot, as the real server behind an LMTP mailbox."""

import asyncio

import pytest

from tests.correspondence.mailboxes.letters import BODY, letter
from tests.correspondence.mailboxes.test_lmtp import deliverer
from tests.scenarios.stage import free_port
from tests.support.dovecot import REASON, Dovecot
from tierii_mta.correspondence.mailboxes.delivery import Done, Later, Never

pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


async def test_dovecot_takes_what_we_bring_refuses_strangers_and_may_be_away() -> None:
    ports = free_port("127.0.0.1"), free_port("127.0.0.1")
    with Dovecot("sales", lmtp_port=ports[0], imap_port=ports[1]) as dovecot:
        await dovecot.answers()
        box = deliverer(dovecot.lmtp_port)
        taken = await box.deliver(letter(recipient="sales+spring@example.com"))
        assert isinstance(taken, Done), (taken, dovecot.log)
        unknown = await box.deliver(letter(recipient="nobody@example.com"))
        assert isinstance(unknown, Never)
        assert "550 5.1.1" in unknown.reason
        dovecot.stop()
        assert isinstance(await box.deliver(letter(recipient="sales@example.com")), Later)
        dovecot.start()
        await dovecot.answers()
        assert isinstance(await box.deliver(letter(recipient="sales@example.com", reverse_path="")), Done)
        first, second = await asyncio.to_thread(dovecot.messages, "sales")
    assert first.endswith(BODY)
    assert first.startswith(b"Return-Path: <ada@elsewhere.example>\r\nDelivered-To: sales+spring@example.com\r\n")
    assert second.startswith(b"Return-Path: <>")
