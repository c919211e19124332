"""The 25 hostile behaviours of receiving hosts, at every step of a session, against the whole daemon.

One daemon meets one host for each row and step of tests/faults/hostile_rows.py at once, and good hosts among them.
Afterwards the records of `why` are compared with the table, and the daemon's memory and sockets with those before.
`pytest -s` prints the figures and the table as it came out.
"""

import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import trustme

from tests.faults.hostile_rows import LARGE_BODIES, ROWS, Case, cases, tls_rows
from tests.faults.hostile_world import World, open_world, outcome, smtp_events
from tests.scenarios.stage import SENDER_DOMAIN
from tests.support.hostile_mx import greylists, hangs_up_after, refuses_after
from tierii_mta.events import EventType
from tierii_mta.queue.views import History

MEMORY_BOUND = 24 * 1024 * 1024  # what the daemon's peak may grow by while the hosts send 160 MB of replies
SABOTAGED = (sys.executable, str(Path(__file__).with_name("hostile_sabotage.py")))
SMALL = f"From: shop@{SENDER_DOMAIN}\nTo: you@example.com\nSubject: Receipt\n\nThank you.\n"
GOOD = tuple(f"g{number}@good.example" for number in range(50))
SERIAL = tuple(f"s{number}@serial.example" for number in range(4))
TIRED = tuple(f"t{number}@tired.example" for number in range(4))
GREY = "g@grey.example"


@pytest.fixture
def certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    trustme.CA().issue_cert("mx.elsewhere.example").configure_cert(context)
    return context


async def test_every_behaviour_at_every_step_ends_in_the_right_class(
    tmp_path: Path, certificate: ssl.SSLContext
) -> None:
    table = cases(ROWS, tls_rows(certificate))
    further = {
        "serial.example": ("127.3.0.1", refuses_after(1)),
        "tired.example": ("127.3.0.2", hangs_up_after(1, b"421 4.4.2 idle too long\r\n")),
        "grey.example": ("127.3.0.3", greylists),
    }
    async with open_world(tmp_path, table, further=further) as world:
        await world.start()
        before = world.memory("VmRSS")
        submitted = {f"s@{case.domain}": case for case in table if case.row.outcome == "in doubt"}
        await submit(world, list(submitted), world.stage.write("small.eml", SMALL))
        faults = await meet(world, table, others=(*GOOD, *SERIAL, *TIRED, GREY))
        faults += await world.faults(submitted, is_submitted=True)
        growth = world.memory("VmHWM") - before
        print(f"{len(table)} cases; peak of the daemon's memory {growth / 2**20:.1f} MiB above {before / 2**20:.1f}")
        assert not faults, "\n".join(faults)
        assert growth <= MEMORY_BOUND
        others = await world.histories((*GOOD, *SERIAL, *TIRED, GREY), deferred={GREY})
        assert {outcome(others[person]) for person in (*GOOD, *SERIAL, *TIRED)} == {"delivered"}
        assert {others[person].attempts for person in (*SERIAL, *TIRED)} == {1}, "421 between messages charges nobody"
        assert _wait_of(others[GREY]) >= 300_000, "the host asked for 300 s"
        for history in (await world.histories(submitted, deferred=submitted)).values():
            assert _wait_of(history) == 30 * 60_000
        await were_served_meanwhile(world, GOOD, table)
        shown = await world.why(f"p@{_named(table, '21 changing codes at dot').domain}")
        assert "completed, in doubt" in shown
        assert "4.5.0 the peer broke the protocol with a reply whose code changes from 250 to 550" in shown
        assert not await world.socket_faults()
        assert await world.stage.stop_daemon() == 0
        assert "Traceback" not in world.stage.daemon_log()


async def test_a_large_body_cut_short_is_never_in_doubt(tmp_path: Path) -> None:
    table = cases(LARGE_BODIES)
    async with open_world(tmp_path, table, receive_buffer=4096) as world:
        await world.start()
        people = {f"p@{case.domain}": case for case in table}
        await submit(world, list(people), world.stage.write("large.eml", SMALL + "A line of text.\n" * 250_000))
        faults = await world.faults(people, is_submitted=True)
        assert not faults, "\n".join(faults)
        assert not await world.socket_faults()


async def test_the_looks_notice_a_daemon_that_is_wrong(tmp_path: Path) -> None:
    rows = [row for row in ROWS if row.what in ("FIN", "a line of 10 MB") and row.outcome != "delivered"]
    table = cases(rows)
    async with open_world(tmp_path, table) as world:
        await world.start((*SABOTAGED, "doubt-is-retry,endless-replies,sockets-stay"))
        before = world.memory("VmRSS")
        faults = await meet(world, table, is_patient=False)
        assert any("FIN at dot: ('retry'" in fault for fault in faults), "class"
        assert world.memory("VmHWM") - before > MEMORY_BOUND, "memory"
        assert await world.socket_faults(tries=40), "sockets"


@pytest.mark.soak
async def test_thirty_rounds_among_hostile_hosts_leave_no_trace(tmp_path: Path, certificate: ssl.SSLContext) -> None:
    reached = ("STARTTLS", "MAIL", "RCPT", "DATA", "dot", "QUIT")  # a host that fails earlier is left alone for minutes
    rows = [row for row in (*ROWS, *tls_rows(certificate)) if row.reply_class != "SpamBlock"]  # those suspend the lane
    table = [case for case in cases(rows) if case.step in reached]
    sizes = []
    async with open_world(tmp_path, table) as world:
        await world.start()
        for number in range(30):
            people = [f"r{number}@{case.domain}" for case in table if case.row.tls == "opportunistic"]
            contacts = [{"email": person} for person in people]
            await world.stage.run("enqueue", world.stage.campaign(f"round-{number}", contacts))
            await world.histories(people, deferred=people)
            sizes.append(world.memory("VmRSS"))
        print(f"{len(people)} hosts a round; memory after each: {[round(size / 2**20, 1) for size in sizes]} MiB")
        assert max(sizes[5:]) - sizes[4] <= MEMORY_BOUND / 3
        assert not await world.socket_faults()


async def meet(
    world: World, table: Sequence[Case], *, others: Sequence[str] = (), is_patient: bool = True
) -> list[str]:
    """Send a campaign to all hosts and return where the records differ from the table."""
    people = {f"p@{case.domain}": case for case in table}
    contacts = [{"email": person} for person in (*others, *people)]
    await world.stage.run("enqueue", world.stage.campaign("hostile", contacts, guards={"action": "warn"}))
    return await world.faults(people, is_patient=is_patient)


async def submit(world: World, people: Sequence[str], message: Path) -> None:
    """Submit one mail to each person, in one command."""
    to = [word for person in people for word in ("--to", person)]
    await world.stage.run("send", "--from", f"shop@{SENDER_DOMAIN}", *to, "--raw", message)


async def were_served_meanwhile(world: World, good: Sequence[str], table: Sequence[Case]) -> None:
    """Check that the last good delivery was recorded before the first host that is silent after the dot gave way."""
    silent = _named(table, "1, 17 silence at dot")
    histories = await world.histories((*good, f"p@{silent.domain}"), deferred=())
    doubt = smtp_events(histories.pop(f"p@{silent.domain}"))[-1]
    assert doubt.type is EventType.IN_DOUBT
    assert max(smtp_events(history)[-1].at for history in histories.values()) < doubt.at


def _named(table: Sequence[Case], name: str) -> Case:
    return next(case for case in table if case.name == name)


def _wait_of(history: History) -> int:
    """Return the milliseconds between the latest attempt's end and the next."""
    assert history.due is not None
    at: int = smtp_events(history)[-1].at
    return history.due - at
