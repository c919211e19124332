"""`queue`: where mail waits, and why."""

import heapq
from typing import Any

import click

from tierii_mta.cli.installation import daemon_of, opened
from tierii_mta.cli.invocation import Group, Invocation, async_body
from tierii_mta.cli.orders import bounce, flush, hold, release
from tierii_mta.cli.persons import parse_domain_name
from tierii_mta.cli.selections import parse_selection, selecting
from tierii_mta.cli.show import show
from tierii_mta.cli.suspensions import suspend, suspension_lines, unsuspend
from tierii_mta.cli.why import history_json
from tierii_mta.clock import Instant, rfc3339
from tierii_mta.daemon.installation import Installation
from tierii_mta.queue.delivery import OPEN, State
from tierii_mta.queue.operator import LaneView
from tierii_mta.queue.selection import Selection

_STATES = click.Choice([str(state) for state in State if state in OPEN])


@click.group(cls=Group)
def queue() -> None:
    """Where mail waits, and why. All but `explain` work with the daemon down as well."""


@queue.command()
@selecting(with_ids=False)
@click.option("--state", type=_STATES, help="Only what has deliveries in this state.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="The oldest so many.")
@async_body
async def ls(call: Invocation, /, state: str | None, limit: int, **criteria: Any) -> None:
    """List the lanes that have mail, oldest first: a campaign's or user's mail to one domain."""
    is_all = not any(criteria.values())
    selection = parse_selection(**criteria, is_all=is_all)
    async with opened(call) as installation:
        if selection.names_messages:
            await _list_deliveries(call, installation, selection, state, limit)
        else:
            await _list_lanes(call, installation, selection, State(state) if state else None, limit)


async def _list_deliveries(
    call: Invocation, installation: Installation, selection: Selection, state: str | None, limit: int
) -> None:
    found = await installation.operator.dossiers(await installation.operator.find(selection, limit=limit))
    shown = [one.history for one in found if state in (None, one.history.state)]
    for one in shown:
        call.output.record(history_json(one))
    call.output.columns(
        ("delivery", "recipient", "state", "attempts", "due"),
        [(one.id, one.recipient, one.state, one.attempts, _time(one.due)) for one in shown],
    )
    call.output.summary({"deliveries": len(shown)})


async def _list_lanes(
    call: Invocation, installation: Installation, selection: Selection, state: State | None, limit: int
) -> None:
    now = installation.clock.now()
    found = [view async for view in installation.operator.lanes(selection, now, state=state)]
    shown = heapq.nsmallest(limit, found, key=lambda view: view.oldest or now)
    for view in shown:
        call.output.record(_lane_json(view))
    if shown:
        call.output.columns(
            ("whose", "domain", "deliveries", "oldest", "next due", "why it waits"),
            [
                (view.owner, view.domain, _counts(view), _time(view.oldest), _time(view.next_due), view.why)
                for view in shown
            ],
        )
    if len(found) > limit:
        call.output.note(f"note: {len(found) - limit} more lanes; see --limit")
    call.output.summary({"lanes": len(found), "deliveries": sum(sum(view.counts.values()) for view in found)})


def _counts(view: LaneView) -> str:
    return ", ".join(f"{count} {state}" for state, count in view.counts.items())


def _time(at: Instant | None) -> str:
    return rfc3339(at) if at is not None else "-"


def _lane_json(view: LaneView) -> dict[str, Any]:
    return {
        "lane": view.lane,
        "owner": view.owner,
        "campaign": view.campaign,
        "domain": view.domain,
        "counts": {str(state): count for state, count in view.counts.items()},
        "oldest": rfc3339(view.oldest) if view.oldest is not None else None,
        "next_due": rfc3339(view.next_due) if view.next_due is not None else None,
        "why": view.why,
    }


@queue.command()
@click.argument("domain")
@async_body
async def explain(call: Invocation, domain: str) -> None:
    """Show how mail to a domain is shaped, where each value comes from, and what it waits for. Asks the daemon."""
    domain, count = parse_domain_name(domain), 0
    async with opened(call) as installation:
        async for record, words in suspension_lines(installation, installation.clock.now(), domain):
            count += 1
            call.output.record({"kind": "suspended", **record, "text": words}, words)
        async for line in daemon_of(installation).stream("explain", domain=domain):
            count += 1
            call.output.record(line, str(line["text"]))
    call.output.summary({"domain": domain, "lines": count})


for command in (show, hold, release, flush, bounce, suspend, unsuspend):
    queue.add_command(command)
