"""The verbs that move a whole campaign: `pause`, `resume`, `cancel`, `retry`."""

import click

from tierii_mta.campaigns.store import CampaignState
from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.cli.status import complete_counts, find_campaign
from tierii_mta.clock import later
from tierii_mta.errors import Conflict


@click.command(cls=Command, short_help="Stop a campaign's mail where it is.")
@click.argument("campaign", metavar="ID")
@click.option("--reason", help="Your note, shown by `status`.")
@async_body
async def pause(call: Invocation, campaign: str, reason: str | None) -> None:
    """Stop a campaign's mail where it is; what is on the wire is finished."""
    await _move(call, campaign, CampaignState.PAUSED, reason or "paused by the operator")


@click.command(cls=Command)
@click.argument("campaign", metavar="ID")
@async_body
async def resume(call: Invocation, campaign: str) -> None:
    """Go on with a paused campaign."""
    await _move(call, campaign, CampaignState.RUNNING, None)


@click.command(cls=Command)
@click.argument("campaign", metavar="ID")
@async_body
async def cancel(call: Invocation, campaign: str) -> None:
    """End a campaign: what still waits is cancelled, for good."""
    call.confirm(f"Cancel what waits of {campaign}?")
    await _move(call, campaign, CampaignState.DRAINING, "cancelled by the operator")


@click.command(cls=Command, short_help="Try a campaign's failed deliveries again.")
@click.argument("campaign", metavar="ID")
@async_body
async def retry(call: Invocation, campaign: str) -> None:
    """Try a campaign's failed deliveries again, but for persons who may not be written to any more."""
    async with opened(call) as installation:
        await find_campaign(installation, campaign)
        now = installation.clock.now()
        expires_at = later(now, installation.settings.outbound.retry.lifetime)
        done = await installation.campaigns.retry_failed(campaign, now=now, expires_at=expires_at)
    words = f"{campaign}: failed deliveries that wait again: {done.count}"
    if done.suppressed:
        words += f"; left alone, because the person is suppressed by now: {done.suppressed}"
    call.output.summary({"campaign": campaign, "retried": done.count, "suppressed": done.suppressed}, words)


async def _move(call: Invocation, campaign: str, to_state: CampaignState, reason: str | None) -> None:
    async with opened(call) as installation:
        record = await find_campaign(installation, campaign)
        if record.state is to_state:
            raise Conflict(f"is {to_state} already", where=campaign)
        if record.state is CampaignState.DRAFT and to_state is CampaignState.DRAINING:
            to_state = CampaignState.CANCELLED  # nothing of it was ever claimable: there is nothing to drain
        moved = await installation.campaigns.move(campaign, to_state, reason=reason, now=installation.clock.now())
        counts = complete_counts(await installation.campaigns.counts(campaign))
    call.output.summary(
        {"campaign": campaign, "state": str(moved.state), "counts": counts},
        f"{campaign}: {call.output.paint(moved.state)}",
    )
