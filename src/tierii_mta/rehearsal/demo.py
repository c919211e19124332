"""The demo: one small campaign, from `enqueue` to the mailbox and back, on loopback alone.

Owns the story and what must be seen in it; the Internet (rehearsal.internet), the processes (rehearsal.program) and
the checks by foreign code (rehearsal.proofs) stand beside it.  In order: `_prepare` writes settings and keys into a
temporary folder, `_send` enqueues and waits, then one method per claim of the README.  Fails with `StepFailed`.
"""

import asyncio
import json
import shutil
import smtplib
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tierii_mta.authentication.keys import KeyKind, dns_record, generate_key
from tierii_mta.clock import Clock
from tierii_mta.rehearsal.exchange import Received
from tierii_mta.rehearsal.internet import OPEN, PATIENCE, SEALED, STRICT, Internet
from tierii_mta.rehearsal.program import Answer, Program
from tierii_mta.rehearsal.proofs import StepFailed, click_once, is_healthy, look, one_click_link, verify_signatures
from tierii_mta.rehearsal.reader import WORDS, answer
from tierii_mta.shipped import folder as shipped

SENDING_DOMAIN = "lantern.example"
_HOSTNAME, _RETURN_PATH = f"mta.{SENDING_DOMAIN}", f"bounce.{SENDING_DOMAIN}"
_SELECTORS = {"rsa": KeyKind.RSA, "ed": KeyKind.ED25519}
_READER, _GREYLISTED, _GONE = f"ann@{OPEN}", f"eve@{PATIENCE}", f"gone@{STRICT}"
_MAILDIR = "mail/hello"
_TIME_LIMIT_SECONDS = 55.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was seen."""

    claim: str
    detail: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What the demo plays on."""

    internet: Internet
    program: Program
    campaign: Path
    web: str
    mx: tuple[str, int]  # our port 25
    maildir: Path  # of those who are written to


class Demo:
    """One run. `tell` hears each step that was seen; `show` hears how many mails arrived of how many."""

    def __init__(self, clock: Clock, *, tell: Callable[[Step], None], show: Callable[[int, int], None]) -> None:
        self._clock, self._tell, self._show = clock, tell, show
        self._doing = "starting"

    @asynccontextmanager
    async def play(self) -> AsyncIterator[Stage]:
        """Play the whole story, then yield the stage, still running; everything ends with the block.

        Raises `StepFailed` naming the step that was not seen, or not in time.
        """
        deadline = self._clock.monotonic() + _TIME_LIMIT_SECONDS
        with tempfile.TemporaryDirectory(prefix="tierii-mta-demo-") as name:
            async with Internet(self._clock) as internet:
                stage = _prepare(Path(name), internet, self._clock)
                async with stage.program.daemon() as pid:
                    self._tell(Step("the daemon runs", f"pid {pid}, on SQLite in {stage.program.data_dir}"))
                    try:
                        async with asyncio.timeout(deadline - self._clock.monotonic()):
                            await self._story(stage)
                    except TimeoutError as cause:
                        raise StepFailed(f"{self._doing}: not seen in time; {stage.program.last_words()}") from cause
                    yield stage

    async def _story(self, stage: Stage) -> None:
        acts = (
            ("the campaign is accepted and delivered", self._send),
            ("every signature verifies", self._check_signatures),
            ("greylisted mail is tried again", self._check_greylisting),
            ("TLS is used where it is offered", self._check_tls),
            ("a bounce suppresses the person", self._check_bounce),
            ("one click unsubscribes, a look does not", self._check_unsubscribe),
            ("a reply comes back into its thread", self._check_reply),
        )
        for claim, act in acts:
            self._doing = claim
            try:
                detail = await act(stage)
            except StepFailed as cause:
                raise StepFailed(f"{claim}: {cause}") from cause
            self._tell(Step(claim, detail))

    async def _send(self, stage: Stage) -> str:
        sending = asyncio.create_task(stage.program.ask("enqueue", str(stage.campaign), "--wait"))
        try:
            while not sending.done():
                self._show(len(list(stage.internet.messages)), 0)
                await asyncio.wait([sending], timeout=_POLL_SECONDS)
        finally:
            sending.cancel()
            await asyncio.wait([sending])
        answer = sending.result()
        summary = _summary(answer)
        accepted, counts = int(summary["accepted"]), summary["counts"]
        self._show(len(list(stage.internet.messages)), accepted)
        if (counts["completed"], counts["failed"]) != (accepted - 1, 1):
            raise StepFailed(f"of {accepted} mails one should fail and all others arrive, but: {counts}")
        arrived = sum(1 for _ in stage.internet.messages)
        if arrived != accepted - 1:
            raise StepFailed(f"{accepted - 1} mails should lie at the MX hosts, but {arrived} do")
        return f"{accepted} of {summary['rows']} rows accepted, {arrived} delivered"

    async def _check_signatures(self, stage: Stage) -> str:
        messages = list(stage.internet.messages)
        count = await verify_signatures(messages, stage.internet.dns.address, per_message=len(_SELECTORS))
        return f"dkimpy found {count} good ones, RSA and Ed25519, on {len(messages)} mails"

    async def _check_greylisting(self, stage: Stage) -> str:
        refusals = stage.internet.sinks[PATIENCE].stats.get("refused_greylist", 0)
        [delivery] = await _deliveries(stage, _GREYLISTED)
        types = [event["type"] for event in delivery["events"]]
        if not refusals or "email.deferred" not in types or delivery["state"] != "completed":
            raise StepFailed(f"{_GREYLISTED} saw {types}, and its MX refused {refusals} times")
        first = next(event for event in delivery["events"] if event["type"] == "email.deferred")
        return f"{_GREYLISTED}: {_reply(first)}; delivered at attempt {delivery['attempts']}"

    async def _check_tls(self, stage: Stage) -> str:
        versions = [message.tls for message in stage.internet.sinks[SEALED].received]
        if not versions or not all(versions):
            raise StepFailed(f"{SEALED} offers STARTTLS, but its mails came with {versions}")
        return f"{len(versions)} mails to {SEALED} came over {versions[0]}"

    async def _check_bounce(self, stage: Stage) -> str:
        answer = await stage.program.ask("why", _GONE)
        suppressions = _summary(answer)["suppressions"]
        delivery = answer.records[0]
        bounce = [event for event in delivery.get("events", []) if event["type"] == "email.bounced"]
        if delivery.get("reason") != "bounced" or not bounce:
            raise StepFailed(f"{_GONE} should have bounced, but `why` says: {json.dumps(delivery)}")
        if [entry["reason"] for entry in suppressions] != ["hard_bounce"]:
            raise StepFailed(f"{_GONE} should be suppressed for a hard bounce, but is: {suppressions}")
        return f"`why {_GONE}`: {_reply(bounce[0])}; suppressed"

    async def _check_unsubscribe(self, stage: Stage) -> str:
        while not await is_healthy(stage.web):  # it starts beside the daemon
            await self._clock.sleep(_POLL_SECONDS)
        link = one_click_link(_mail_to(stage, _READER))
        await look(link)
        if before := _summary(await stage.program.ask("why", _READER))["suppressions"]:
            raise StepFailed(f"looking at the link was enough to suppress {_READER}: {before}")
        await click_once(link)
        after = _summary(await stage.program.ask("why", _READER))["suppressions"]
        if [entry["reason"] for entry in after] != ["unsubscribe"]:
            raise StepFailed(f"{_READER} clicked, but the suppression list says {after}")
        return f"{_READER}: GET changed nothing, POST suppressed {after[0]['scope']}"

    async def _check_reply(self, stage: Stage) -> str:
        mail = next((one for one in stage.internet.messages if one.is_answered), None)
        if mail is None:
            raise StepFailed("nobody got a mail who would answer it")
        try:
            await answer(mail, stage.mx)
        except (OSError, smtplib.SMTPException) as cause:
            raise StepFailed(f"the answer was not taken: {cause}") from cause
        while not (files := list((stage.maildir / "new").glob("*"))):
            await self._clock.sleep(_POLL_SECONDS)
        while not (replies := (await stage.program.ask("inbox", "ls", "--kind", "reply")).records[:-1]):
            await self._clock.sleep(_POLL_SECONDS)
        shown = _summary(await stage.program.ask("inbox", "show", str(replies[0]["id"])))
        talk = shown["conversation"] or {"messages": []}
        if [one["words"] for one in talk["messages"]] != [None, WORDS] or shown["campaign_id"] != "welcome":
            raise StepFailed(f"the answer should follow our mail, without its quote, but there is: {json.dumps(talk)}")
        first = WORDS.partition("\n")[0]
        return (
            f"{mail.recipients[0]}: “{first} …”, {shown['trust']} by {shown['effects']['route']}; in {files[0].parent}"
        )


def sights(stage: Stage) -> Sequence[str]:
    """Return what somebody may look at while the stage is up: commands, and pages for the browser."""
    command = f"tierii-mta --config {stage.program.config}"
    return (
        f"{command} status welcome",
        f"{command} why {_GONE}",
        f"{command} queue explain {PATIENCE}",
        f"{command} events --type email.deferred",
        f"{command} inbox ls",
        f"{command} inbox show 1",
        f"{stage.web}metrics",
        f"{one_click_link(_mail_to(stage, _GREYLISTED))}  (the page of whoever unsubscribes)",
    )


def _prepare(folder: Path, internet: Internet, clock: Clock) -> Stage:
    """Write settings and keys, publish the sending domain, and copy the campaign to where rejects may be written."""
    (folder / "keys").mkdir(mode=0o700)
    records: dict[str, str] = {}
    for selector, kind in _SELECTORS.items():
        key = generate_key(kind)
        (folder / "keys" / f"{selector}.pem").write_bytes(key)
        records[selector] = dns_record(key)
    internet.publish(SENDING_DOMAIN, records, hostname=_HOSTNAME, return_path=_RETURN_PATH)
    web, port = f"127.0.0.1:{_free_port()}", _free_port()
    config = folder / "tierii-mta.yaml"
    config.write_text(json.dumps(_settings(folder, internet, web, port), indent=2))  # JSON is YAML
    campaign = folder / "welcome"
    shutil.copytree(shipped("templates") / "welcome", campaign)
    program = Program(config, folder / "data", folder / "daemon.log", clock)
    return Stage(
        internet=internet,
        program=program,
        campaign=campaign / "campaign.yaml",
        web=f"http://{web}/",
        mx=("127.0.0.1", port),
        maildir=folder / _MAILDIR,
    )


def _settings(folder: Path, internet: Internet, web: str, port: int) -> Mapping[str, Any]:
    return {
        "hostname": _HOSTNAME,
        "data_dir": str(folder / "data"),
        "dns": {"nameservers": [internet.dns.address], "timeout": "2s"},
        "domains": {
            SENDING_DOMAIN: {
                "dkim": [{"selector": selector, "key": f"keys/{selector}.pem"} for selector in _SELECTORS],
                "return_path": _RETURN_PATH,
                "mailboxes": {"hello": {"maildir": _MAILDIR}},
            }
        },
        "outbound": {
            "port": internet.port,
            "allow_loopback": True,
            "retry": {"intervals": ["1s", "2s", "3s"], "lifetime": "1m"},
        },
        "smtp": {"inbound": {"listen": [f"127.0.0.1:{port}"]}, "submission": {"listen": [], "tls_listen": []}},
        "web": {"listen": web, "public_url": f"http://{web}"},
        "log": {"level": "info", "format": "json"},
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _mail_to(stage: Stage, recipient: str) -> Received:
    for message in stage.internet.messages:
        if recipient in message.recipients:
            return message
    raise StepFailed(f"no mail to {recipient} arrived")


async def _deliveries(stage: Stage, recipient: str) -> Sequence[Mapping[str, Any]]:
    answer = await stage.program.ask("why", recipient)
    _summary(answer)
    return [record for record in answer.records if "delivery_id" in record]


def _summary(answer: Answer) -> Mapping[str, Any]:
    if answer.code != 0:
        raise StepFailed(f"the command ended with exit code {answer.code}: {answer.errors.strip()}")
    return answer.summary


def _reply(event: Mapping[str, Any]) -> str:
    data = event["data"]
    return " ".join(str(data[name]) for name in ("code", "enhanced", "reply") if data.get(name))
