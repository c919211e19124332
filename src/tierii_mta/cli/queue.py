"""`queue`: where mail waits, and why."""

from collections.abc import Mapping
from typing import Any

import click

from tierii_mta.cli.installation import daemon_of, opened
from tierii_mta.cli.invocation import Group, Invocation, async_body
from tierii_mta.cli.persons import parse_span
from tierii_mta.errors import NotFound, UsageError
from tierii_mta.mail.address import InvalidAddress, parse_domain


@click.group(cls=Group)
def queue() -> None:
    """Where mail waits, and why. These verbs talk to the running daemon."""


@queue.command()
@async_body
async def ls(call: Invocation) -> None:
    """List the lanes that have mail: a campaign's or sender's mail to one domain."""
    await _lanes(call, None)


@queue.command()
@click.argument("domain")
@async_body
async def show(call: Invocation, domain: str) -> None:
    """Show the lanes of one domain."""
    await _lanes(call, _domain(domain))


@queue.command()
@click.argument("domain")
@async_body
async def explain(call: Invocation, domain: str) -> None:
    """Show how mail to a domain is shaped, where each value comes from, and what its lane waits for."""
    count = 0
    async with opened(call) as installation:
        async for line in daemon_of(installation).stream("explain", domain=_domain(domain)):
            count += 1
            call.output.record(line, str(line.get("text", _words(line))))
    call.output.summary({"domain": domain, "lines": count})


@queue.command()
@click.argument("domain")
@click.option("--for", "span", default="1h", show_default=True, metavar="DURATION", help="How long.")
@click.option("--reason", default="suspended by the operator", help="Your note, shown by `queue ls`.")
@async_body
async def suspend(call: Invocation, domain: str, span: str, reason: str) -> None:
    """Send nothing to a domain for a while."""
    seconds = parse_span(span).total_seconds()
    async with opened(call) as installation:
        answer = await daemon_of(installation).ask("suspend", domain=_domain(domain), seconds=seconds, reason=reason)
    _expect_lanes(domain, answer)
    call.output.summary({"domain": domain} | answer, f"{domain}: suspended for {span}")


@queue.command()
@click.argument("domain")
@async_body
async def unsuspend(call: Invocation, domain: str) -> None:
    """Send to a suspended domain again."""
    async with opened(call) as installation:
        answer = await daemon_of(installation).ask("unsuspend", domain=_domain(domain))
    _expect_lanes(domain, answer)
    call.output.summary({"domain": domain} | answer, f"{domain}: open")


def _expect_lanes(domain: str, answer: Mapping[str, Any]) -> None:
    if not answer.get("lanes"):
        raise NotFound("no mail waits for it, so there is no lane to close or open", where=domain)


async def _lanes(call: Invocation, domain: str | None) -> None:
    lanes: list[dict[str, Any]] = []
    async with opened(call) as installation:
        async for lane in daemon_of(installation).stream("lanes"):
            if domain in (None, lane.get("domain")):
                lanes.append(lane)
                call.output.record(lane, _words(lane))
    if domain and not lanes:
        raise NotFound("no mail waits for it", where=domain)
    call.output.summary({"lanes": len(lanes)})


def _words(line: dict[str, Any]) -> str:
    return "  ".join(f"{name}={value}" for name, value in line.items() if value is not None)


def _domain(text: str) -> str:
    try:
        return parse_domain(text)
    except InvalidAddress as cause:
        raise UsageError(str(cause), where=text) from cause
