"""Attempts through real DNS and real sockets: every stage that can fail, and what each costs."""

import asyncio
from datetime import timedelta

import pytest

from tests.outbound.rig import MAIN, Rig, two_hosts
from tests.support import hostile_mx
from tests.support.hostile_mx import HostileMx, Peer, Script, after_the_dot, answers_with, says
from tierii_mta.clock import later
from tierii_mta.errors import Unavailable
from tierii_mta.outbound.connection import Timeouts
from tierii_mta.outbound.content import RenderFailed
from tierii_mta.outbound.pools import Pools
from tierii_mta.outbound.sources import Source
from tierii_mta.quantities import Rate
from tierii_mta.queue.delivery import (
    Deferred,
    Delivered,
    Failed,
    FailureReason,
    InDoubt,
    Outcome,
    Priority,
    Returned,
    Stage,
    StreamId,
)
from tierii_mta.queue.pacing import Plans, StreamPlan
from tierii_mta.rehearsal.personality import Personality
from tierii_mta.rehearsal.sink import Sink

QUICK = Timeouts(connect=timedelta(seconds=2), greeting=timedelta(seconds=2), dot=timedelta(seconds=0.2))


async def honest(peer: Peer) -> None:
    await peer.greet()
    await peer.serve()


def plain_extensions(*extensions: str) -> Script:
    async def script(peer: Peer) -> None:
        await peer.greet(extensions)
        await peer.serve()

    return script


async def outcome_of(
    script: Script, *, recipient: str = "ann@example.com", **options: object
) -> tuple[Outcome, HostileMx]:
    """Return what one delivery to one scripted host ended in."""
    async with HostileMx(script) as mx, Rig(port=mx.port, **options) as rig:  # type: ignore[arg-type]
        rig.host(10)
        outcome = await rig.deliver(recipient)
    return outcome, mx


# -- the ordinary way ------------------------------------------------------------------------------------


async def test_a_delivery_leaves_all_its_facts() -> None:
    outcome, mx = await outcome_of(honest)
    assert isinstance(outcome, Delivered)
    attempt = outcome.attempt
    assert (attempt.stage, attempt.reply.code, attempt.reply_class) == (Stage.DOT, 250, "")
    assert (attempt.mx, attempt.address, attempt.source) == ("mx10.example.com", "127.0.0.1", "main")
    assert (attempt.tls, attempt.provider, attempt.is_local) == (None, "other", False)
    assert (attempt.message_id, attempt.body_hash) == ("<1@example.org>", "00" * 32)
    assert b"EHLO mta.example.org" in mx.peers[0].heard


async def test_active_is_durable_before_mail_from() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port) as rig:
        rig.host(10)
        heard: list[bytes] = []
        rig.on_activate.append(lambda: heard.append(mx.peers[0].heard))
        assert isinstance(await rig.deliver(), Delivered)
        assert rig.activations == 1
        assert b"EHLO" in heard[0]
        assert b"MAIL" not in heard[0]


async def test_a_delivery_that_is_no_longer_ours_is_not_sent_and_leaves_its_session_to_the_next() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port) as rig:
        rig.host(10)
        rig.is_ours = False
        assert isinstance(await rig.deliver(), Returned)
        assert b"MAIL" not in mx.peers[0].heard
        rig.is_ours = True
        assert isinstance(await rig.deliver(), Delivered)
        assert len(mx.peers) == 1


async def test_a_sick_store_is_let_through_and_nothing_is_sent() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port) as rig:
        rig.host(10)
        rig.is_ours = Unavailable("the store is sick")
        with pytest.raises(Unavailable):
            await rig.deliver()
        assert b"MAIL" not in mx.peers[0].heard
        assert rig.mx.idle_sessions == 1


async def test_what_does_not_render_fails_without_being_activated() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port) as rig:
        rig.host(10)
        rig.letters.failure = RenderFailed("'town' is missing")
        outcome = await rig.deliver()
        assert isinstance(outcome, Failed)
        assert (outcome.reason, outcome.attempt.stage) == (FailureReason.RENDER, Stage.RENDER)
        assert "'town' is missing" in outcome.attempt.reply.text
        assert rig.activations == 0


async def test_content_that_cannot_be_read_now_is_no_attempt() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port) as rig:
        rig.host(10)
        rig.letters.failure = Unavailable("the database is locked")
        outcome = await rig.deliver()
        assert isinstance(outcome, Returned)
        assert outcome.why == "the database is locked"


async def test_no_connection_waits_for_content() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port, shaping="default: {connections: 1}") as rig:
        rig.host(10)
        rig.letters.gate = asyncio.Event()
        slow = asyncio.ensure_future(rig.deliver())
        while not rig.letters.prepared:
            await asyncio.sleep(0)
        rig.letters.gate = None
        assert isinstance(await rig.deliver(), Delivered)
        assert rig.activations == 1
        slow.cancel()
        await asyncio.wait((slow,))


async def test_sessions_are_reused_up_to_the_knob() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port, shaping="default: {messages_per_connection: 2}") as rig:
        rig.host(10)
        for _ in range(4):
            assert isinstance(await rig.deliver(), Delivered)
        assert len(mx.peers) == 2


async def test_hosted_domains_share_sessions() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port) as rig:
        for domain in ("a.example", "b.example"):
            rig.dns.add(domain, "MX", 10, "mx.host.example")
        rig.dns.add("mx.host.example", "A", "127.0.0.1")
        for domain in ("a.example", "b.example"):
            assert isinstance(await rig.deliver(f"ann@{domain}"), Delivered)
        assert len(mx.peers) == 1


async def test_ipv6_hosts_are_reached() -> None:
    async with HostileMx(honest, address="::1") as mx, Rig(port=mx.port) as rig:
        rig.host(10, "::1")
        outcome = await rig.deliver()
        assert isinstance(outcome, Delivered)
        assert outcome.attempt.address == "::1"


async def test_a_source_leaves_from_its_own_address() -> None:
    own = Source(name="second", ehlo="mta2.example.org", address="127.0.0.9")
    async with HostileMx(honest) as mx, Rig(port=mx.port, sources=(own,)) as rig:
        rig.host(10)
        outcome = await rig.deliver()
        assert isinstance(outcome, Delivered)
        assert outcome.attempt.source == "second"
        assert mx.peers[0].address == "127.0.0.9"


async def test_a_host_the_source_has_no_family_for_is_not_dialled() -> None:
    own = Source(name="four", ehlo="mta.example.org", address="127.0.0.9")
    async with HostileMx(honest, address="::1") as mx, Rig(port=mx.port, sources=(own,)) as rig:
        rig.host(10, "::1")
        outcome = await rig.deliver()
        assert isinstance(outcome, Deferred)
        assert "four has no address that reaches a host of example.com" in outcome.attempt.reply.text
        assert not mx.peers


# -- no way there ----------------------------------------------------------------------------------------


async def test_a_null_mx_fails_at_once_and_suppresses() -> None:
    async with Rig(port=25) as rig:
        rig.dns.add("example.com", "MX", 0, ".")
        outcome = await rig.deliver()
        assert isinstance(outcome, Failed)
        assert (outcome.reason, outcome.suppress, str(outcome.attempt.reply.enhanced)) == (
            FailureReason.BOUNCED,
            True,
            "5.1.10",
        )
        assert outcome.attempt.stage is Stage.ROUTE


async def test_a_missing_domain_defers_first_and_fails_on_the_second_look() -> None:
    async with Rig(port=25) as rig:
        assert isinstance(await rig.deliver("ann@nowhere.example"), Deferred)
        outcome = await rig.deliver("ann@nowhere.example", attempts=1)
        assert isinstance(outcome, Failed)
        assert outcome.suppress


async def test_a_dns_failure_defers() -> None:
    async with Rig(port=25) as rig:
        rig.dns.fail("example.com", "SERVFAIL")
        outcome = await rig.deliver()
        assert isinstance(outcome, Deferred)
        assert outcome.attempt.reply_class == "DNSFailure"
        assert not outcome.is_blocked


async def test_a_failed_look_up_takes_none_of_the_mail_behind_it() -> None:
    async with Rig(port=25) as rig:
        rig.dns.fail("example.com", "SERVFAIL")
        assert rig.room() == 2
        await rig.deliver()
        assert rig.room() == rig.room(priority=Priority.HIGH) == 0
        rig.clock.advance(timedelta(seconds=5))
        assert rig.room() == 2


# -- hosts that fail -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        says(b"554 5.7.1 no\r\n"),
        says(b"421 4.3.2 busy\r\n"),
        says(b"450 4.3.2 not now\r\n"),
        hostile_mx.garbage_for_a_handshake,
        answers_with(b"421 4.3.2 shutting down\r\n"),
        hostile_mx.resets_in_the_body,
    ],
    ids=["greeting 554", "greeting 421", "greeting 450", "broken TLS", "421 at MAIL", "reset in the body"],
)
async def test_when_a_host_fails_the_next_one_is_asked(script: Script) -> None:
    shaping = "default: {tls: required}" if script is hostile_mx.garbage_for_a_handshake else ""
    personality = Personality.parse("tls: {starttls: offered}", file="p.yaml") if shaping else Personality()
    async with two_hosts(script, personality) as (first, second), Rig(port=first.port, shaping=shaping) as rig:
        rig.letters.data = b"Subject: hi\r\n\r\n" + (b"x" * 76 + b"\r\n") * 20_000
        rig.host(10, "127.0.0.1")
        rig.host(20, "127.0.0.2")
        outcome = await rig.deliver()
        assert isinstance(outcome, Delivered), outcome
        assert outcome.attempt.mx == "mx20.example.com"
        assert len(first.peers) == 1
        assert second.stats["messages"] == 1
        assert rig.activations == 1


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (answers_with(b"250 ok\r\n450 4.2.0 greylisted\r\n554 no valid recipients\r\n"), Deferred),
        (answers_with(b"250 ok\r\n550 5.1.1 no such user\r\n554 no valid recipients\r\n"), Failed),
        (answers_with(b"554 5.7.1 blocked using bl.example\r\n503 what\r\n503 what\r\n"), Deferred),
        (after_the_dot(b"554 5.7.1 Spam message rejected\r\n"), Failed),
        (after_the_dot(b"451 4.7.1 try later\r\n"), Deferred),
        (after_the_dot(b"", then_close=True), InDoubt),
        (after_the_dot(b"", then_reset=True), InDoubt),
        (after_the_dot(b""), InDoubt),
    ],
    ids=["greylist", "no person", "block list", "spam", "451 at the dot", "closed", "reset", "silent"],
)
async def test_what_the_site_decided_is_not_asked_of_its_other_hosts(script: Script, expected: type) -> None:
    async with two_hosts(script) as (first, second), Rig(port=first.port, timeouts=QUICK) as rig:
        rig.host(10, "127.0.0.1")
        rig.host(20, "127.0.0.2")
        outcome = await rig.deliver()
        assert isinstance(outcome, expected), outcome
        assert second.stats.get("connections", 0) == 0


async def test_greylisting_tells_when_to_come_back() -> None:
    outcome, _ = await outcome_of(hostile_mx.greylists)
    assert isinstance(outcome, Deferred)
    assert outcome.retry_after == timedelta(seconds=300)
    assert (outcome.attempt.stage, outcome.is_blocked) == (Stage.RCPT, False)


async def test_a_missing_person_is_suppressed() -> None:
    outcome, _ = await outcome_of(answers_with(b"250 ok\r\n550 5.1.1 no such user\r\n554 no valid recipients\r\n"))
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.suppress) == (FailureReason.BOUNCED, True)
    assert outcome.attempt.reply_class == "InvalidRecipient"


async def test_a_block_list_blames_us() -> None:
    outcome, _ = await outcome_of(says(b"554 5.7.1 192.0.2.1 blocked using zen.spamhaus.org\r\n"))
    assert isinstance(outcome, Deferred)
    assert outcome.is_blocked
    assert outcome.attempt.stage is Stage.GREETING


async def test_an_unsupported_address_is_refused_where_no_host_takes_it() -> None:
    outcome, mx = await outcome_of(plain_extensions("PIPELINING"), recipient="j\u00f6rg@example.com")
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.suppress, str(outcome.attempt.reply.enhanced)) == (
        FailureReason.REJECTED,
        False,
        "5.6.7",
    )
    assert b"MAIL" not in mx.peers[0].heard


async def test_at_most_two_sessions_are_spent_on_one_attempt() -> None:
    async with two_hosts(hostile_mx.resets_in_the_body) as (first, second), Rig(port=first.port) as rig:
        rig.letters.data = b"Subject: hi\r\n\r\n" + (b"x" * 76 + b"\r\n") * 20_000
        for number, address in enumerate(("127.0.0.1", "127.0.0.1", "127.0.0.2")):
            rig.host(10 + number, address)
        outcome = await rig.deliver()
        assert isinstance(outcome, Deferred)
        assert outcome.attempt.reply_class == "BadConnection"
        assert (len(first.peers), second.stats.get("connections", 0)) == (2, 0)


async def test_at_most_five_addresses_are_tried() -> None:
    async with HostileMx(says(b"421 4.3.2 no\r\n")) as mx, Rig(port=mx.port) as rig:
        for number in range(9):
            rig.host(number)
        assert isinstance(await rig.deliver(), Deferred)
        assert len(mx.peers) == 5


async def test_what_a_host_said_tells_more_than_a_host_that_is_silent() -> None:
    async with two_hosts(says(b"554 5.7.1 poor reputation\r\n")) as (first, second), Rig(port=first.port) as rig:
        await second.__aexit__(None, None, None)  # nobody listens there now
        rig.host(10, "127.0.0.1")
        rig.host(20, "127.0.0.2")
        outcome = await rig.deliver()
        assert isinstance(outcome, Deferred)
        assert outcome.attempt.mx == "mx10.example.com"
        assert outcome.is_blocked


# -- TLS -------------------------------------------------------------------------------------------------


async def test_opportunistic_tls_is_used_where_offered_and_does_not_ask_for_a_trusted_certificate() -> None:
    async with Sink(Personality.parse("tls: {starttls: offered}")) as sink, Rig(port=sink.port) as rig:
        rig.host(10)
        outcome = await rig.deliver()
        assert isinstance(outcome, Delivered)
        assert outcome.attempt.tls == "TLSv1.3 unverified"


async def test_verified_tls_refuses_a_certificate_nobody_vouches_for() -> None:
    async with (
        Sink(Personality.parse("tls: {starttls: offered}")) as sink,
        Rig(port=sink.port, shaping="default: {tls: verified}") as rig,
    ):
        rig.host(10)
        outcome = await rig.deliver()
        assert isinstance(outcome, Deferred)
        assert (outcome.attempt.stage, outcome.attempt.reply_class) == (Stage.STARTTLS, "BadConnection")
        assert not sink.received


def breaks_tls_once(peer_number: int) -> Script:
    async def script(peer: Peer) -> None:
        if peer.number == peer_number:
            await hostile_mx.garbage_for_a_handshake(peer)
        else:
            await peer.greet(("STARTTLS", "PIPELINING"))
            await peer.serve()

    return script


async def test_a_broken_handshake_is_followed_by_plaintext_to_the_same_host() -> None:
    outcome, mx = await outcome_of(breaks_tls_once(1))
    assert isinstance(outcome, Delivered)
    assert outcome.attempt.tls is None
    assert len(mx.peers) == 2
    assert b"STARTTLS" not in mx.peers[1].heard


async def test_broken_tls_is_remembered_for_an_hour() -> None:
    async def script(peer: Peer) -> None:
        is_tls_broken = peer.number in (1, 5)
        await (hostile_mx.garbage_for_a_handshake(peer) if is_tls_broken else polite(peer))

    async def polite(peer: Peer) -> None:
        await peer.greet(("STARTTLS", "PIPELINING"))
        await peer.serve(messages=1)
        peer.close()

    async with HostileMx(script) as mx, Rig(port=mx.port) as rig:
        rig.host(10)
        for _ in range(3):
            assert isinstance(await rig.deliver(), Delivered)
        assert [b"STARTTLS" in peer.heard for peer in mx.peers] == [True, False, False, False]
        rig.clock.advance(timedelta(hours=1))
        assert isinstance(await rig.deliver(), Delivered)
        assert [b"STARTTLS" in peer.heard for peer in mx.peers[4:]] == [True, False]


async def test_a_host_that_takes_neither_tls_nor_plaintext_is_asked_for_tls_again() -> None:
    async def script(peer: Peer) -> None:
        await (hostile_mx.garbage_for_a_handshake if peer.number % 2 else says(b"421 4.3.2 busy\r\n"))(peer)

    async with HostileMx(script) as mx, Rig(port=mx.port) as rig:
        rig.host(10)
        for _ in range(2):
            assert isinstance(await rig.deliver(), Deferred)
        assert [b"STARTTLS" in peer.heard for peer in mx.peers] == [True, False, True, False]


@pytest.mark.parametrize("policy", ["required", "verified"])
async def test_where_a_policy_wants_tls_plaintext_is_never_tried(policy: str) -> None:
    outcome, mx = await outcome_of(breaks_tls_once(1), shaping=f"default: {{tls: {policy}}}")
    assert isinstance(outcome, Deferred)
    assert outcome.attempt.stage is Stage.STARTTLS
    assert len(mx.peers) == 1


async def test_a_host_without_starttls_is_of_no_use_where_tls_is_required() -> None:
    outcome, mx = await outcome_of(honest, shaping="default: {tls: required}")
    assert isinstance(outcome, Deferred)
    assert b"MAIL" not in mx.peers[0].heard


# -- reuse -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [hostile_mx.hangs_up_after(1), hostile_mx.hangs_up_after(1, b"421 4.4.2 idle\r\n"), hostile_mx.refuses_after(1)],
    ids=["closed", "421 waiting", "421 at MAIL"],
)
async def test_a_session_that_ended_meanwhile_is_charged_to_no_message(script: Script) -> None:
    async with HostileMx(script) as mx, Rig(port=mx.port) as rig:
        rig.host(10)
        for _ in range(3):
            assert isinstance(await rig.deliver(), Delivered)
        assert len(mx.peers) == 3
        assert rig.activations == 3


async def test_a_session_is_not_reused_after_a_protocol_error() -> None:
    async with HostileMx(answers_with(b"503 5.5.1 bad sequence\r\n503 x\r\n503 x\r\n")) as mx, Rig(port=mx.port) as rig:
        rig.host(10)
        outcome = await rig.deliver()
        assert isinstance(outcome, Failed)
        assert outcome.reason is FailureReason.ERROR
        assert rig.mx.idle_sessions == 0


# -- the throttle ----------------------------------------------------------------------------------------


def answers_late(answer: asyncio.Event, *, after: int = 0) -> Script:
    """A host that answers MAIL, after so many messages, only once it may."""

    async def script(peer: Peer) -> None:
        await peer.greet()
        if after:
            await peer.serve(messages=after)
        await peer.line()
        await answer.wait()
        await peer.send(b"250 2.1.0 ok\r\n")
        await peer.serve()

    return script


async def test_a_long_wait_is_no_attempt_and_says_when_to_come_back() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port, shaping="default: {rate: 1/m}") as rig:
        rig.host(10)
        assert isinstance(await rig.deliver(), Delivered)
        assert rig.room() == 0
        outcome = await rig.deliver()
        assert isinstance(outcome, Returned)
        assert outcome.due == later(rig.clock.now(), timedelta(minutes=1))
        assert "rate 1/m is used up" in outcome.why
        assert rig.activations == 1
        rig.clock.advance(timedelta(minutes=1))
        assert rig.room() == 1
        assert isinstance(await rig.deliver(), Delivered)


async def test_a_message_that_was_never_sent_is_returned_to_its_rate() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port, shaping="default: {rate: 1/m}") as rig:
        rig.host(10)
        rig.is_ours = False
        await rig.deliver()
        rig.is_ours = True
        assert isinstance(await rig.deliver(), Delivered)


async def test_no_more_connections_are_busy_than_the_ceiling_and_high_priority_goes_first() -> None:
    answer = asyncio.Event()
    async with (
        HostileMx(answers_late(answer)) as mx,
        Rig(port=mx.port, shaping="default: {connections: 1}") as rig,
    ):
        rig.host(10)
        order: list[str] = []

        async def one(name: str, priority: Priority) -> None:
            assert isinstance(await rig.deliver(priority=priority), Delivered)
            order.append(name)

        async with asyncio.TaskGroup() as group:
            group.create_task(one("first", Priority.NORMAL))
            while not mx.peers or b"MAIL" not in mx.peers[0].heard:
                await asyncio.sleep(0.001)
            group.create_task(one("bulk", Priority.NORMAL))
            await rig.clock.settle()
            group.create_task(one("high", Priority.HIGH))
            await rig.clock.settle()
            assert mx.peers[0].heard.count(b"MAIL") == 1
            answer.set()
        assert order == ["first", "high", "bulk"]
        assert len(mx.peers) == 1


async def test_as_many_as_have_connections_are_active_before_their_turn() -> None:
    answer = asyncio.Event()
    async with (
        HostileMx(answers_late(answer, after=1)) as mx,
        Rig(port=mx.port, shaping="default: {connections: 1}") as rig,
    ):
        rig.host(10)
        assert isinstance(await rig.deliver(), Delivered)
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.deliver())
            while mx.peers[0].heard.count(b"MAIL") < 2:
                await asyncio.sleep(0.001)
            for _ in range(3):
                group.create_task(rig.deliver())
            await rig.clock.settle()
            assert (rig.letters.prepared, rig.activations) == (5, 3)
            answer.set()
        assert rig.activations == 5


async def test_nobody_is_active_before_his_turn_at_a_site_that_was_not_reached() -> None:
    async with HostileMx(hostile_mx.silent) as mx, Rig(port=mx.port, shaping="default: {connections: 1}") as rig:
        rig.host(10)
        tasks = [asyncio.ensure_future(rig.deliver()) for _ in range(3)]
        while not mx.peers:
            await asyncio.sleep(0.001)
        await rig.clock.settle()
        assert (rig.letters.prepared, rig.activations) == (3, 0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_an_unreachable_site_is_shut_and_then_probed() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port) as rig:
        rig.host(10, "127.0.0.3")
        for _ in range(5):
            outcome = await rig.deliver()
            assert isinstance(outcome, Deferred)
            assert outcome.attempt.reply_class == "NoAnswerFromHost"
        assert rig.room() == 0
        shut = await rig.deliver()
        assert isinstance(shut, Returned)
        assert shut.due == later(rig.clock.now(), timedelta(minutes=5))
        rig.clock.advance(timedelta(minutes=5))
        assert rig.room() == 1
        assert isinstance(await rig.deliver(), Deferred)
        assert rig.room() == 0


async def knows_nobody(peer: Peer) -> None:
    """Refuse every recipient, one message after another."""
    await peer.greet(())
    while line := await peer.line():
        await peer.send(b"550 5.1.1 no such user\r\n" if line.startswith(b"RCPT") else b"250 ok\r\n")


async def test_refused_messages_do_not_shut_a_site() -> None:
    async with HostileMx(knows_nobody) as mx, Rig(port=mx.port) as rig:
        rig.host(10)
        for _ in range(10):
            assert isinstance(await rig.deliver(), Failed)
        assert rig.room() >= 10
        assert len(mx.peers) == 1


async def test_room_is_small_until_the_site_is_known_and_counts_what_is_in_hand() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port) as rig:
        rig.host(10)
        assert rig.room() == 2
        rig.letters.gate = asyncio.Event()
        first = asyncio.ensure_future(rig.deliver())
        await asyncio.sleep(0)
        assert rig.room() == 1
        while not rig.letters.prepared:
            await asyncio.sleep(0)
        assert rig.room() == 9
        rig.letters.gate.set()
        await first
        rig.clock.advance(timedelta(seconds=1))
        assert rig.room() == 10


# -- ourselves -------------------------------------------------------------------------------------------


async def test_a_source_without_a_usable_address_is_paused_and_blames_nobody() -> None:
    broken = Source(name="broken", ehlo="mta.example.org", address="192.0.2.77")
    async with HostileMx(honest) as mx, Rig(port=mx.port, sources=(broken,)) as rig:
        rig.host(10)
        outcome = await rig.deliver()
        assert isinstance(outcome, Returned)
        assert "source broken" in outcome.why
        assert rig.room() == 0
        assert isinstance(await rig.deliver(), Returned)
        rig.clock.advance(timedelta(minutes=1))
        assert rig.room() > 0


async def test_a_campaign_leaves_from_the_sources_of_its_pool() -> None:
    plans = Plans()
    plans.learn(StreamId(1), StreamPlan(pool="spare"))
    spare = Source(name="spare", ehlo="spare.example.org", pool="spare")
    async with HostileMx(honest) as mx, Rig(port=mx.port, sources=(MAIN, spare), pools=Pools(plans=plans)) as rig:
        rig.host(10)
        assert rig.room() > 0
        outcome = await rig.deliver()
        assert isinstance(outcome, Delivered)
        assert outcome.attempt.source == "spare"


async def test_submitted_mail_leaves_from_the_pool_of_its_senders_domain() -> None:
    spare = Source(name="spare", ehlo="spare.example.org", pool="spare")
    pools = Pools(of_domain={"example.net": "spare"})
    async with HostileMx(honest) as mx, Rig(port=mx.port, sources=(MAIN, spare), pools=pools) as rig:
        rig.host(10)
        sources = [
            outcome.attempt.source
            for sender in ("shop@example.net", "other@example.org")
            if isinstance(outcome := await rig.deliver(reverse_path=sender), Delivered)
        ]
        assert sources == ["spare", "main"]


async def test_a_pool_without_sources_sends_nothing() -> None:
    plans = Plans()
    plans.learn(StreamId(1), StreamPlan(pool="empty"))
    async with Rig(port=25, pools=Pools(plans=plans)) as rig:
        assert rig.room() == 0
        outcome = await rig.deliver()
        assert isinstance(outcome, Returned)
        assert "pool empty" in outcome.why


async def test_a_campaigns_rate_to_a_provider_turns_away_without_an_attempt() -> None:
    plans = Plans()
    plans.learn(StreamId(1), StreamPlan(per_provider={"other": Rate.parse("6/m")}))
    async with HostileMx(honest) as mx, Rig(port=mx.port, pools=Pools(plans=plans)) as rig:
        rig.host(10)
        assert isinstance(await rig.deliver(), Delivered)
        assert rig.room() == 0
        turned_away = [await rig.deliver() for _ in range(3)]
        waits = [one.due - rig.clock.now() for one in turned_away if isinstance(one, Returned) and one.due is not None]
        assert waits == [10_000, 20_000, 30_000]  # each has a turn of its own
        assert rig.activations == 1
        rig.clock.advance(timedelta(seconds=10))
        assert isinstance(await rig.deliver(), Delivered)


# -- the deadline ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [hostile_mx.silent, hostile_mx.handshake_stall, hostile_mx.endless_banner])
async def test_an_attempt_ends_at_its_deadline_whatever_the_peer_does(script: Script) -> None:
    outcome, _ = await outcome_of(script, deadline=timedelta(seconds=0.3))
    assert isinstance(outcome, Deferred)
    assert outcome.attempt.is_local


async def test_a_deadline_after_the_dot_is_in_doubt() -> None:
    outcome, _ = await outcome_of(after_the_dot(b""), deadline=timedelta(seconds=0.5))
    assert isinstance(outcome, InDoubt)
    assert outcome.attempt.stage is Stage.DOT


async def falls_silent(peer: Peer) -> None:
    await peer.greet()
    await peer.serve(messages=1)
    await peer.gone()


async def test_a_deadline_before_the_dot_is_not() -> None:
    async with HostileMx(falls_silent) as mx, Rig(port=mx.port, deadline=timedelta(seconds=0.5)) as rig:
        rig.host(10)
        assert isinstance(await rig.deliver(), Delivered)  # leaves a session whose last dot was written
        assert isinstance(await rig.deliver(), Deferred)
        assert len(mx.peers) == 1


async def test_content_that_is_not_there_by_the_deadline_is_no_attempt() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port, deadline=timedelta(seconds=0.1)) as rig:
        rig.host(10)
        rig.letters.gate = asyncio.Event()
        assert isinstance(await rig.deliver(), Returned)
        assert not mx.peers


async def test_a_cancelled_attempt_leaves_no_connection_and_no_permit() -> None:
    async with HostileMx(hostile_mx.silent) as mx, Rig(port=mx.port, shaping="default: {connections: 1}") as rig:
        rig.host(10)
        task = asyncio.ensure_future(rig.deliver())
        while not mx.peers:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert rig.room() == 2


# -- explain ---------------------------------------------------------------------------------------------


async def test_explain_tells_values_origins_and_why_mail_waits() -> None:
    shaping = "default: {connections: 10}\ndomains:\n  example.com:\n    rate: 1/m\n"
    async with HostileMx(honest) as mx, Rig(port=mx.port, shaping=shaping) as rig:
        rig.host(10)
        await rig.deliver()
        lines = await rig.mx.explain("example.com")
        by_kind = {line["kind"]: line for line in lines}
        assert by_kind["route"]["site"] == "mx10.example.com"
        assert {line["name"]: line["origin"] for line in lines if line["kind"] == "ceiling"} == {
            "connections": "shaping.yaml:1",
            "rate": "shaping.yaml:4",
        }
        assert by_kind["wait"]["seconds"] == pytest.approx(60)
        assert by_kind["wait"]["text"] == "main: waits: rate 1/m is used up (domain, shaping.yaml:4), for 60 s"
        assert {line["name"] for line in lines if line["kind"] == "knob"} == {
            "tls",
            "messages_per_connection",
            "connection_lifetime",
        }


async def test_explain_tells_that_there_is_no_route() -> None:
    async with Rig(port=25) as rig:
        rig.dns.add("example.com", "MX", 0, ".")
        (line,) = await rig.mx.explain("example.com")
        assert line["text"] == "no route: 556 5.1.10 example.com does not accept mail (null MX)"


async def test_a_reload_changes_the_limits_of_the_next_attempt() -> None:
    async with HostileMx(honest) as mx, Rig(port=mx.port) as rig:
        rig.host(10)
        await rig.deliver()
        rig.reload("default: {connections: 1}")
        assert rig.room() == 2
        assert isinstance(await rig.deliver(), Delivered)
