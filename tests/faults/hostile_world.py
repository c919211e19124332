"""The whole daemon among hostile hosts: one domain and one address for each case, and what is looked at afterwards.

Owns setting the scene and the three looks a rehearsal ends with: what the records say, what the daemon's memory came
to, which sockets are left.  Each look returns faults as sentences, so that a control can see them found.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from tests.faults.hostile_rows import Case
from tests.scenarios.stage import PROGRAM, Stage, open_stage
from tests.support.hostile_mx import HostileMx, Script
from tests.support.manners import misbehaves_at
from tierii_mta.daemon.installation import open_installation
from tierii_mta.daemon.settings import load_settings
from tierii_mta.mail.address import Address
from tierii_mta.queue.delivery import State
from tierii_mta.queue.views import History

STEP, DOT = "3s", "4s"
TIMEOUTS = dict.fromkeys(("connect", "greeting", "ehlo", "starttls", "mail", "rcpt", "data", "body"), STEP) | {
    "dot": DOT
}
RETRY = {"intervals": ["2s", "1h"], "lifetime": "1d"}  # everything deferred is met a second time, then rests
SMTP_EVENTS = ("email.delivered", "email.deferred", "email.bounced", "email.failed", "email.in_doubt")
_WITHOUT_PIPELINING = ("8BITMIME", "ENHANCEDSTATUSCODES")


class World:
    """A stage with hostile hosts on it, and the daemon under test."""

    def __init__(self, stage: Stage, hosts: dict[Case, HostileMx]) -> None:
        self.stage, self.hosts = stage, hosts
        self.sockets_before = 0

    @property
    def pid(self) -> int:
        assert self.stage.daemon is not None
        return self.stage.daemon.pid

    async def start(self, program: Sequence[str] = PROGRAM) -> None:
        """Start the daemon, let it send to a good host once, and note what it then holds."""
        await self.stage.start_daemon(program, web=False)
        people = [f"w{number}@good.example" for number in range(20)]
        await self.stage.run("enqueue", self.stage.campaign("warm-up", [{"email": person} for person in people]))
        await self.histories(people, deferred=())
        await until(lambda: not self.sockets_to(self.stage.port), "the good host's sessions close")
        self.sockets_before = len(self.sockets())
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # the peak counts from here

    async def histories(self, recipients: Collection[str], *, deferred: Collection[str]) -> dict[str, History]:
        """Return what `why` shows of each recipient, once every delivery has come to rest.

        One of `deferred` rests when it has been tried; of the others a deferral is not the end.
        """
        loaded = load_settings(self.stage.config, environ={})
        async with open_installation(loaded, role="cli") as installation:
            found: dict[str, History] = {}
            for _ in range(300):
                for recipient in set(recipients) - found.keys():
                    key = installation.codec.person_key(Address.parse(recipient))
                    for history in await installation.queue.history(key=key):
                        is_retry = history.state is State.RETRY and recipient in deferred
                        if is_retry or history.state in (State.COMPLETED, State.FAILED):
                            found[recipient] = history
                if len(found) == len(recipients):
                    return found
                await asyncio.sleep(0.3)
        raise AssertionError(f"no end: {set(recipients) - found.keys()}\n{self.stage.daemon_log()}")

    def sockets(self) -> list[str]:
        """Return the daemon's open sockets."""
        links = []
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed while we look
                links.append(str(entry.readlink()))
        return [link for link in links if link.startswith("socket:")]

    def sockets_to(self, port: int) -> list[str]:
        """Return the inodes of the daemon's connections to a port."""
        own = {link[8:-1] for link in self.sockets()}
        rows = [line.split() for line in Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]]
        return [row[9] for row in rows if row[9] in own and int(row[2].split(":")[1], 16) == port]

    async def why(self, recipient: str) -> str:
        """Return what the command `why` prints of a recipient."""
        return (await self.stage.run("why", recipient)).out

    def memory(self, field: str) -> int:
        """Return `VmRSS` or, since `start`, `VmHWM`, in octets."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field + ":"))

    async def faults(
        self, people: dict[str, Case], *, is_submitted: bool = False, is_patient: bool = True
    ) -> list[str]:
        """Return where the records of these recipients differ from the table; without patience after one attempt."""
        rests = {"retry", "in doubt"} if is_submitted else {"retry"}
        deferred = {person for person, case in people.items() if case.row.outcome in rests or not is_patient}
        found = await self.histories(people, deferred=deferred)
        each = (record_faults(case, found[person], is_submitted=is_submitted) for person, case in people.items())
        return [fault for faults in each for fault in faults]

    async def socket_faults(self, *, tries: int = 100) -> list[str]:
        """Return which sockets are left; idle sessions are given the time the shaping gives them."""
        try:
            await until(lambda: len(self.sockets()) <= self.sockets_before, "sockets", tries=tries)
        except AssertionError:
            return [f"{len(self.sockets())} sockets are open, {self.sockets_before} were before"]
        return []


@asynccontextmanager
async def open_world(
    folder: Path,
    cases: Sequence[Case],
    *,
    further: dict[str, tuple[str, Script]] | None = None,
    receive_buffer: int | None = None,
) -> AsyncIterator[World]:
    """Set the scene; `further`: domains with their address and script. The daemon is not started."""
    (folder / "shaping.yaml").write_text(yaml.safe_dump(_shaping(cases)))
    async with open_stage(folder) as stage:
        stage.settings["outbound"] |= {"timeouts": TIMEOUTS, "retry": RETRY}
        stage.save_settings()
        await stage.sink("good.example", "127.0.0.2")
        hosts = {}
        for case in cases:
            extensions = {} if case.number % 2 else {"extensions": _WITHOUT_PIPELINING}
            script = misbehaves_at(case.step, case.row.act, **extensions)
            host = HostileMx(script, address=case.address, port=stage.port, receive_buffer=receive_buffer)
            hosts[case] = await stage.stack.enter_async_context(host)
            stage.publish(case.domain, case.address)
        for domain, (address, script) in (further or {}).items():
            await stage.stack.enter_async_context(HostileMx(script, address=address, port=stage.port))
            stage.publish(domain, address)
        yield World(stage, hosts)


def _shaping(cases: Sequence[Case]) -> dict[str, Any]:
    domains: dict[str, dict[str, Any]] = {"serial.example": {"connections": 1}}
    for case in cases:
        if case.step == "QUIT":
            domains[case.domain] = {"messages_per_connection": 1}
        if case.row.tls != "opportunistic":
            domains[case.domain] = {"tls": case.row.tls}
    return {"default": {"connection_lifetime": "2s"}, "domains": domains}


async def until(condition: Any, what: str, *, tries: int = 300) -> None:
    """Wait until a condition holds."""
    for _ in range(tries):
        if condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"in vain: {what}")


def smtp_events(history: History) -> list[Any]:
    """Return what the attempts of a delivery left, oldest first."""
    return [event for event in history.events if event.type in SMTP_EVENTS]


def outcome(history: History) -> str:
    """Return the word of the table for what became of a delivery."""
    if history.state is State.COMPLETED:
        return "in doubt" if history.is_in_doubt else "delivered"
    if history.state is State.FAILED:
        return str(history.reason)
    return str(history.state) + (", in doubt" if history.is_in_doubt else "")


def record_faults(case: Case, history: History, *, is_submitted: bool = False) -> list[str]:
    """Return where a delivery's record is not what the table says; "" of a table's field means: none."""
    row, event = case.row, smtp_events(history)[-1]
    data = event.data
    wanted = row.outcome
    if wanted == "in doubt" and is_submitted:
        wanted = "retry, in doubt"
    seen = (outcome(history), data["class"], data.get("enhanced", "") if wanted != "delivered" else row.enhanced)
    faults = []
    if seen != (wanted, row.reply_class, row.enhanced):
        faults.append(f"{case.name}: {seen}, not {(wanted, row.reply_class, row.enhanced)}: {data}")
    if not data["reply"].isprintable() or len(data["reply"]) > 33_000:
        faults.append(f"{case.name}: the reply in the record is not fit to print: {data['reply'][:200]!r}")
    if "injected" in data["reply"]:
        faults.append(f"{case.name}: plaintext from before TLS was believed")
    if (data.get("mx"), data.get("address")) != (f"mx.{case.domain}", case.address):
        faults.append(f"{case.name}: the record names {data.get('mx')} [{data.get('address')}]")
    if row.outcome == "in doubt" and data.get("policy") != ("resend" if is_submitted else "complete"):
        faults.append(f"{case.name}: {data.get('policy')} after {event.type}")
    return faults
