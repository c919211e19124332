"""Counts, bans, and how little is remembered of them."""

from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest

from tests.support.clock import ManualClock
from tierii_mta.inbound.gate import Bounds, Gate, Reason, Refusal, _Tally

ONE, TWO = ip_address("192.0.2.1"), ip_address("192.0.2.2")
ELSEWHERE = ip_address("198.51.100.1")


def reason(refusal: Refusal | None) -> Reason | None:
    return refusal.reason if refusal is not None else None


def test_an_address_has_so_many_sessions_and_gives_them_back() -> None:
    gate = Gate(Bounds(connections_per_ip=2), ManualClock())
    assert [reason(gate.enter(ONE)) for _ in range(3)] == [None, None, Reason.ADDRESS]
    assert gate.enter(TWO) is None
    gate.leave(ONE)
    assert gate.enter(ONE) is None
    assert gate.open == 3


def test_a_network_has_so_many_sessions() -> None:
    gate = Gate(Bounds(connections_per_network=2), ManualClock())
    assert [reason(gate.enter(one)) for one in (ONE, TWO, ONE, ELSEWHERE)] == [None, None, Reason.NETWORK, None]


def test_an_ipv6_customer_is_a_64_and_a_network_a_48() -> None:
    gate = Gate(Bounds(connections_per_ip=1, connections_per_network=2), ManualClock())
    same, neighbour = ip_address("2001:db8:1:1::1"), ip_address("2001:db8:1:2::1")
    assert gate.enter(same) is None
    assert reason(gate.enter(ip_address("2001:db8:1:1:ffff::2"))) is Reason.ADDRESS
    assert gate.enter(neighbour) is None
    assert reason(gate.enter(ip_address("2001:db8:1:3::1"))) is Reason.NETWORK
    assert gate.enter(ip_address("2001:db8:2:1::1")) is None


def test_the_number_of_all_sessions_binds_the_exempt_too_and_makes_places_scarce() -> None:
    gate = Gate(Bounds(connections=4, connections_per_ip=1, exempt=(ip_network("192.0.2.0/24"),)), ManualClock())
    assert [gate.enter(ONE) for _ in range(2)] == [None, None]
    crowded = [gate.is_crowded]
    assert gate.enter(TWO) is None
    assert [*crowded, gate.is_crowded] == [False, True]
    assert [reason(gate.enter(ONE)) for _ in range(2)] == [None, Reason.FULL]


def test_new_sessions_of_an_address_come_at_a_rate_and_its_network_at_three_times_that() -> None:
    clock = ManualClock()
    gate = Gate(Bounds(connection_rate=2, connections_per_ip=100), clock)
    assert [reason(gate.enter(ONE)) for _ in range(3)] == [None, None, Reason.RATE]
    others = [ip_address(f"192.0.2.{number}") for number in range(10, 20)]
    assert [gate.enter(one) for one in others].count(None) == 3
    clock.advance(timedelta(seconds=61))
    assert gate.enter(ONE) is None


def test_messages_come_at_a_rate() -> None:
    clock = ManualClock()
    gate = Gate(Bounds(messages_rate=2), clock)
    assert [reason(gate.begin_message(ONE)) for _ in range(3)] == [None, None, Reason.MESSAGES]
    assert gate.begin_message(TWO) is None
    clock.advance(timedelta(minutes=1))
    assert gate.begin_message(ONE) is None


def test_failed_logins_of_a_minute_ban_an_address_for_a_while() -> None:
    clock, bans = ManualClock(), list[str]()
    gate = Gate(Bounds(auth_failures=3, ban=timedelta(hours=1)), clock, on_ban=bans.append)
    assert [gate.fail_login(ONE) for _ in range(3)] == [False, False, True]
    refusal = gate.enter(ONE)
    assert refusal is not None
    assert (refusal.reason, refusal.reply.code) == (Reason.BANNED, 421)
    assert gate.enter(TWO) is None
    clock.advance(timedelta(hours=1))
    assert gate.enter(ONE) is None
    assert bans == ["login"]


def test_failed_logins_that_come_slowly_ban_an_address_by_the_day() -> None:
    clock = ManualClock()
    gate = Gate(Bounds(auth_failures=3), clock)
    outcomes = []
    for _ in range(15):
        outcomes.append(gate.fail_login(ONE))
        clock.advance(timedelta(minutes=2))
    assert outcomes == [False] * 14 + [True]


def test_whoever_asks_for_many_unknown_recipients_is_banned() -> None:
    bans = list[str]()
    gate = Gate(Bounds(unknown_recipients=2), ManualClock(), on_ban=bans.append)
    assert [gate.miss_recipient(ONE) for _ in range(2)] == [False, True]
    assert gate.is_banned(ONE)
    assert bans == ["harvest"]


def test_the_exempt_are_never_banned() -> None:
    gate = Gate(Bounds(auth_failures=1, exempt=(ip_network("192.0.2.0/24"),)), ManualClock())
    assert not gate.fail_login(ONE)
    assert not gate.is_banned(ONE)
    assert gate.fail_login(ELSEWHERE)


@pytest.mark.parametrize("keys", [10, 1000])
def test_a_memory_keeps_so_many_keys_and_no_key_beyond_its_window(keys: int) -> None:
    tally = _Tally(60.0, most=100)
    for key in range(keys):
        assert tally.add(key, now=0.0) == 1
    assert len(tally) == min(keys, 100)
    assert tally.add(keys - 1, now=1.0) == 2
    assert tally.add(-1, now=60.0) == 1
    assert len(tally) == 1
