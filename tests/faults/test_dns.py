"""A daemon whose name servers are dead, slow or wrong: each fault in its class, and the other domains' mail flows.

Two name servers are configured, and the first never answers.  What single look-ups make of lies is in
tests/resolver/test_lies.py.
"""

import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.hostile_world import TIMEOUTS, World, outcome, smtp_events
from tests.scenarios.stage import Stage, open_stage
from tierii_mta.daemon.way_out import machine_addresses
from tierii_mta.queue.views import History

SINK = "127.0.0.2"
MEMORY_BOUND = 24 * 1024 * 1024


class DeadServer:
    """A name server that hears and never answers; it counts what it was asked."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._count = 0

    @property
    def address(self) -> str:
        return "{}:{}".format(*self._socket.getsockname())

    @property
    def queries(self) -> int:
        try:
            while self._socket.recv(512):
                self._count += 1
        except BlockingIOError:
            return self._count
        return self._count

    def close(self) -> None:
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Fault:
    """What the DNS says of a domain, and what must become of its mail."""

    name: str
    records: Sequence[tuple[str, ...]]  # owner, type, value; `@` is the domain
    outcome: str
    reply_class: str = ""
    enhanced: str = ""
    fails: str = ""  # how look-ups of the domain itself fail
    host_fails: str = ""  # how look-ups of `mx.@` fail
    queries: int = 10  # at most, over two attempts

    @property
    def domain(self) -> str:
        return f"{self.name}.example"


GOOD_MX = (("@", "MX", "10 mx.@"), ("mx.@", "A", SINK))
DNS = ("retry", "DNSFailure", "4.4.3")
NOWHERE = ("bounced", "RoutingErrors", "5.4.4")
NO_MAIL = ("bounced", "BadDomain")
FAULTS = (
    Fault("servfail", GOOD_MX, *DNS, fails="SERVFAIL"),
    Fault("refused", GOOD_MX, *DNS, fails="REFUSED"),
    Fault("silent", GOOD_MX, *DNS, fails="timeout"),
    Fault("garbage", GOOD_MX, *DNS, fails="malformed"),
    Fault("loop", (("@", "CNAME", "other.@"), ("other.@", "CNAME", "@")), *DNS),
    Fault("host-servfail", GOOD_MX, *DNS, host_fails="SERVFAIL"),
    Fault("one-of-two", (*GOOD_MX, ("@", "MX", "5 good.@"), ("good.@", "A", SINK)), "delivered", host_fails="SERVFAIL"),
    Fault("missing", (), *NO_MAIL, "5.1.2"),
    Fault("no-records", (("below.@", "A", SINK),), *NO_MAIL, "5.1.2"),
    Fault("implicit", (("@", "A", SINK),), "delivered"),
    Fault("alias", (("@", "CNAME", "implicit.example"),), "delivered"),
    Fault("null", (("@", "MX", "0 ."),), *NO_MAIL, "5.1.10"),
    Fault("null-among-others", (*GOOD_MX, ("@", "MX", "0 .")), "delivered"),
    Fault("literal", (("@", "MX", f"10 {SINK}"),), *NOWHERE),
    Fault("no-address", (("@", "MX", "10 mx.@"), ("mx.@", "TXT", "nothing")), *NOWHERE),
    Fault("dead-alias", (("@", "MX", "10 mx.@"), ("mx.@", "CNAME", "gone.invalid")), *NOWHERE),
    Fault(
        "many",
        (*(("@", "MX", f"{n} mx{n}.@") for n in range(300)), *((f"mx{n}.@", "A", SINK) for n in range(300))),
        "delivered",
        queries=50,
    ),
    Fault(
        "many-dead",
        tuple(("@", "MX", f"10 a-host-with-a-long-name-{n}.@") for n in range(300)),
        *NOWHERE,
        queries=2 * 2 + 2 * 20 * 2,
    ),
)
OWN = next(iter(sorted(address for address in machine_addresses() if ":" not in address)), None)
LOOPS = (
    Fault("loopback", (("@", "MX", "10 mx.@"), ("mx.@", "A", SINK)), "bounced", "RoutingErrors", "5.4.6"),
    Fault("loopback6", (("@", "MX", "10 mx.@"), ("mx.@", "AAAA", "::1")), "bounced", "RoutingErrors", "5.4.6"),
    Fault(
        "mapped", (("@", "MX", "10 mx.@"), ("mx.@", "AAAA", "::ffff:127.0.0.2")), "bounced", "RoutingErrors", "5.4.6"
    ),
    Fault("unspecified", (("@", "MX", "10 mx.@"), ("mx.@", "A", "0.0.0.0")), "bounced", "RoutingErrors", "5.4.6"),
    Fault("broadcast", (("@", "MX", "10 mx.@"), ("mx.@", "A", "255.255.255.255")), *NOWHERE),
    Fault("multicast", (("@", "MX", "10 mx.@"), ("mx.@", "A", "224.0.0.1")), *NOWHERE),
    Fault("own-name", (("@", "MX", "10 mta.news.example"),), "error", "BadConfiguration", "5.4.6"),
    *(
        (Fault("own-address", (("@", "MX", "10 mx.@"), ("mx.@", "A", OWN)), "error", "BadConfiguration", "5.4.6"),)
        if OWN
        else ()
    ),
)


@pytest.fixture
def dead() -> Iterator[DeadServer]:
    server = DeadServer()
    yield server
    server.close()


@pytest.fixture
async def world(tmp_path: Path, dead: DeadServer) -> AsyncIterator[World]:
    (tmp_path / "shaping.yaml").write_text("default: {connection_lifetime: 2s}\n")
    async with open_stage(tmp_path) as stage:
        stage.settings["dns"] |= {"nameservers": [dead.address, stage.dns.address], "timeout": "3s"}
        stage.settings["outbound"] |= {"timeouts": TIMEOUTS, "retry": {"intervals": ["1s"], "lifetime": "1d"}}
        stage.settings["web"]["public_url"] = "https://mail.news.example"
        stage.save_settings()
        await stage.sink("good.example", SINK)
        yield World(stage, {})


async def test_every_fault_of_the_dns_ends_in_its_class_and_spares_the_others(world: World, dead: DeadServer) -> None:
    await world.start()
    asked_at_first = dead.queries
    before = world.memory("VmRSS")
    for number in range(30):
        world.stage.publish(f"fine{number}.example", SINK)
    fine = [f"p@fine{number}.example" for number in range(30)]
    await send(world, "fine", fine)
    served = await world.histories(fine, deferred=())
    assert {outcome(history) for history in served.values()} == {"delivered"}
    assert asked_at_first <= 3, "one for each type of record asked for at once"
    assert dead.queries - asked_at_first < len(fine), "three look-ups a domain, and hardly one asks the dead server"

    for fault in FAULTS:
        publish(world.stage, fault)
    await send(world, "faults", [f"p@{fault.domain}" for fault in FAULTS])
    found = await rest(world, FAULTS)
    assert not (wrong := differences(FAULTS, found)), "\n".join(wrong)
    for fault in FAULTS:
        if fault.outcome != "retry":  # those are asked for again and again
            asked = sum(n for (name, _), n in world.stage.dns.queries.items() if name.endswith(fault.domain))
            assert asked <= fault.queries, fault.name
    listed = (await world.stage.run("suppress", "ls", "--json")).out
    for fault in FAULTS:
        assert (f"p@{fault.domain}" in listed) == (fault.reply_class == "BadDomain"), fault.name
    assert world.memory("VmHWM") - before <= MEMORY_BOUND

    await refuse_loopback(world.stage)
    for fault in LOOPS:
        publish(world.stage, fault)
    await send(world, "loops", [f"p@{fault.domain}" for fault in LOOPS])
    found = await rest(world, LOOPS)
    assert not (wrong := differences(LOOPS, found)), "\n".join(wrong)
    assert await world.stage.stop_daemon() == 0
    assert "Traceback" not in world.stage.daemon_log()


async def test_name_servers_that_die_during_a_campaign_delay_it_and_lose_nothing(world: World) -> None:
    await world.start()
    domains = [f"later{number}.example" for number in range(60)]
    for domain in domains:
        world.stage.publish(domain, SINK)
    people = [f"p@{domain}" for domain in domains]
    await world.stage.dns.stop()
    await send(world, "outage", [*people, "p@good.example"])
    tried = await world.histories(people, deferred=people)
    for history in tried.values():
        event = smtp_events(history)[-1].data
        assert (event["stage"], event["class"], event["enhanced"]) == ("route", "DNSFailure", "4.4.3")
    known = await world.histories(["p@good.example"], deferred=())
    assert outcome(known["p@good.example"]) == "delivered", "its answer is kept for its time to live"
    await world.stage.dns.start()
    served = await world.histories(people, deferred=())
    assert {outcome(history) for history in served.values()} == {"delivered"}
    received = [message.recipients[0] for message in world.stage.sinks["good.example"].received]
    assert sorted(person for person in received if "@later" in person) == sorted(people), "once each"
    assert world.stage.dns.count("later0.example", "MX") <= 2


async def send(world: World, name: str, people: Sequence[str]) -> None:
    """Enqueue a campaign that no guard stops."""
    contacts = [{"email": person} for person in people]
    await world.stage.run("enqueue", world.stage.campaign(name, contacts, guards={"action": "warn"}))


async def rest(world: World, faults: Sequence[Fault]) -> dict[str, History]:
    """Return what became of each domain's mail."""
    deferred = [f"p@{fault.domain}" for fault in faults if fault.outcome == "retry"]
    return await world.histories([f"p@{fault.domain}" for fault in faults], deferred=deferred)


def publish(stage: Stage, fault: Fault) -> None:
    """Put a domain into the DNS."""
    for owner, kind, value in fault.records:
        stage.dns.add(owner.replace("@", fault.domain), kind, value.replace("@", fault.domain))
    if fault.fails:
        stage.dns.fail(fault.domain, fault.fails)
    if fault.host_fails:
        stage.dns.fail(f"mx.{fault.domain}", fault.host_fails)


def differences(faults: Sequence[Fault], found: dict[str, History]) -> list[str]:
    """Return where the records are not what the table says."""
    wrong = []
    for fault in faults:
        history = found[f"p@{fault.domain}"]
        data = smtp_events(history)[-1].data
        seen = (outcome(history), data["class"], data["enhanced"] if fault.enhanced else "")
        if seen != (fault.outcome, fault.reply_class, fault.enhanced):
            wrong.append(f"{fault.name}: {seen}: {data}")
        if fault.outcome != "delivered" and data["stage"] != "route":
            wrong.append(f"{fault.name}: decided at {data['stage']}")
    return wrong


async def refuse_loopback(stage: Stage) -> None:
    """Let the running daemon know that loopback is no place for mail."""
    stage.settings["outbound"]["allow_loopback"] = False
    stage.save_settings()
    assert stage.daemon is not None
    stage.daemon.send_signal(signal.SIGHUP)
    for _ in range(100):
        if "5.4.6" in (await stage.run("queue", "explain", "good.example")).out:
            return
    raise AssertionError(stage.daemon_log())
