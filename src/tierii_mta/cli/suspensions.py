"""`queue suspend` and `queue unsuspend`, and how suspensions are told.

Owns the words; the rows are written to the database, so a running daemon hears of them and a later one obeys them.
"""

from collections.abc import AsyncIterator
from typing import Any

import click

from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.cli.persons import parse_domain_name, parse_span
from tierii_mta.clock import Instant, later, rfc3339
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import NotFound, UsageError
from tierii_mta.queue.operator import Scope, StandingSuspension


@click.command(cls=Command, short_help="Send nothing to a domain, of a campaign, of a user, or at all.")
@click.argument("domain", required=False)
@click.option("--campaign", metavar="ID", help="All mail of a campaign.")
@click.option("--user", metavar="NAME", help="All mail that a user has submitted or submits.")
@click.option("--all", "is_all", is_flag=True, help="All mail.")
@click.option("--for", "span", metavar="DURATION", help="How long; without it until `unsuspend`.")
@click.option("--reason", default="suspended by the operator", help="Your note, shown wherever mail waits for it.")
@async_body
async def suspend(
    call: Invocation,
    *,
    domain: str | None,
    campaign: str | None,
    user: str | None,
    is_all: bool,
    span: str | None,
    reason: str,
) -> None:
    """Send nothing to a domain, of a campaign, of a user, or at all, for a while or until `unsuspend`.

    Mail goes on to be accepted, and waits. Mail that is on the wire is finished. Suspending again changes the end.
    """
    scope, value = _scope(domain, campaign, user, is_all=is_all)
    async with opened(call) as installation:
        if scope is Scope.CAMPAIGN:
            await expect_campaign(installation, value)
        now = installation.clock.now()
        suspension = StandingSuspension(
            scope=scope,
            value=value,
            until=later(now, parse_span(span)) if span is not None else None,
            reason=reason,
            created_at=now,
        )
        await installation.operator.suspend(suspension)
    call.output.summary(suspension_json(suspension), f"{suspension}: suspended {_end(suspension.until)}")


@click.command(cls=Command, short_help="Lift a suspension.")
@click.argument("domain", required=False)
@click.option("--campaign", metavar="ID")
@click.option("--user", metavar="NAME")
@click.option("--all", "is_all", is_flag=True, help="The suspension of all mail; narrower ones stay.")
@async_body
async def unsuspend(call: Invocation, domain: str | None, campaign: str | None, user: str | None, is_all: bool) -> None:
    """Lift a suspension. Of a domain, also opens lanes that were closed because the domain refuses us."""
    scope, value = _scope(domain, campaign, user, is_all=is_all)
    async with opened(call) as installation:
        lifted = await installation.operator.unsuspend(scope, value, installation.clock.now())
    if not lifted:
        raise NotFound("is not suspended", where=value or "all mail", remedy="`tierii-mta status` lists suspensions")
    call.output.summary({"scope": str(scope), "value": value, "lifted": lifted}, f"{value or 'all mail'}: open")


async def expect_campaign(installation: Installation, campaign: str) -> None:
    """Raise `NotFound` for a campaign that was never enqueued."""
    if await installation.campaigns.find(campaign) is None:
        raise NotFound("there is no such campaign", where=campaign, remedy="`tierii-mta status` lists them")


async def suspension_lines(
    installation: Installation, now: Instant, domain: str | None = None
) -> AsyncIterator[tuple[dict[str, Any], str]]:
    """Yield what is suspended, of one domain or anywhere, as a record and as words.

    First what the operator suspended, then lanes that were closed because the other side refuses us.
    """
    for one in await installation.operator.suspensions(now):
        if domain is None or one.scope is not Scope.DOMAIN or one.value == domain:
            yield suspension_json(one), f"suspended: {one} {_end(one.until)}: {one.reason}"
    for lane in await installation.queue.suspensions(now):
        if domain in (None, lane.lane.domain):
            record = {"scope": "lane", "domain": lane.lane.domain, "until": rfc3339(lane.until), "reason": lane.reason}
            yield record, f"suspended: a lane to {lane.lane.domain} {_end(lane.until)}: {lane.reason}"


def suspension_json(one: StandingSuspension) -> dict[str, Any]:
    """Return a suspension by the operator as commands show it."""
    return {
        "scope": str(one.scope),
        **({} if one.scope is Scope.ALL else {str(one.scope): one.value}),
        "until": rfc3339(one.until) if one.until is not None else None,
        "reason": one.reason,
    }


def _end(until: Instant | None) -> str:
    return f"until {rfc3339(until)}" if until is not None else "until it is lifted"


def _scope(domain: str | None, campaign: str | None, user: str | None, *, is_all: bool) -> tuple[Scope, str]:
    named = [
        (scope, value)
        for scope, value in ((Scope.DOMAIN, domain), (Scope.CAMPAIGN, campaign), (Scope.USER, user))
        if value
    ]
    if len(named) + is_all != 1:
        raise UsageError("name one domain, --campaign, --user or --all")
    if is_all:
        return Scope.ALL, ""
    scope, value = named[0]
    return scope, parse_domain_name(value) if scope is Scope.DOMAIN else value
