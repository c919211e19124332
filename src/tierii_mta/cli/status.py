"""`status` and `watch`: how far a campaign is, and what the whole queue looks like."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import click

from tierii_mta.campaigns.outlook import Outlook, Pastime, outlook
from tierii_mta.campaigns.store import CampaignRecord, CampaignState
from tierii_mta.cli.installation import ask_daemon, opened
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.cli.progress import Progress, follow
from tierii_mta.cli.suspensions import suspension_lines
from tierii_mta.clock import Instant, elapsed, rfc3339
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import NotFound, Unavailable
from tierii_mta.quantities import format_duration
from tierii_mta.queue.delivery import OPEN, FailureReason, State
from tierii_mta.queue.pacing import StreamPlan


@click.command(cls=Command, short_help="Show a campaign's counts, or the queue.")
@click.argument("campaign", metavar="[ID]", required=False)
@async_body
async def status(call: Invocation, campaign: str | None) -> None:
    """Show a campaign's counts, or without ID the whole queue and the newest campaigns."""
    async with opened(call) as installation:
        if campaign is None:
            await _show_queue(call, installation)
        else:
            await show_campaign(call, installation, campaign)


@click.command(cls=Command, short_help="Follow a campaign to its end.")
@click.argument("campaign", metavar="ID")
@async_body
async def watch(call: Invocation, campaign: str) -> None:
    """Follow a campaign until all its deliveries are final, then show its counts. Ctrl-C stops watching only."""
    async with opened(call) as installation:
        await find_campaign(installation, campaign)
        with Progress(call.output, campaign) as progress:
            await follow(installation, campaign, progress)
        await show_campaign(call, installation, campaign)


async def find_campaign(installation: Installation, campaign: str) -> CampaignRecord:
    """Return a campaign's record; raises `NotFound`."""
    record = await installation.campaigns.find(campaign)
    if record is None:
        raise NotFound("there is no such campaign", where=campaign, remedy="`tierii-mta status` lists them")
    return record


async def show_campaign(call: Invocation, installation: Installation, campaign: str) -> None:
    """Print the summary of one campaign."""
    record = await find_campaign(installation, campaign)
    counts = complete_counts(await installation.campaigns.counts(campaign))
    marks = dict(await installation.campaigns.marks(campaign))
    failures = await installation.campaigns.failures(campaign)
    now = installation.clock.now()
    summary: dict[str, Any] = {
        "campaign": campaign,
        "state": str(record.state),
        "counts": counts,
        "marks": marks,
        "metrics": _metrics(record, counts, marks, bounced=failures.get(FailureReason.BOUNCED, 0), now=now),
    }
    ahead = _outlook(record, counts, now)
    if ahead is not None:
        summary["calendar"] = ahead.as_json()
    lines = [f"{campaign}  {call.output.paint(record.state)}  created {rfc3339(record.created_at)}"]
    if record.reason:
        summary["reason"] = record.reason
        lines.append(f"  {'because':<14}{record.reason}")
    if record.state is CampaignState.PAUSED:
        summary["command"] = f"tierii-mta resume {campaign}"
        lines.append(f"  {'go on with':<14}{summary['command']}")
    if record.canary is not None:
        summary["canary"] = record.canary
        lines.append(f"  {'canary':<14}{record.canary} go first; the others wait until they have ended")
    lines += [f"  {name:<14}{words}" for name, words in ahead.lines()] if ahead is not None else []
    lines += [f"  {call.output.paint(name)}{' ' * (14 - len(name))}{count}" for name, count in counts.items() if count]
    lines += [f"  {reason:<14}{count}  (of those failed)" for reason, count in failures.items()]
    lines += [f"  {name:<14}{count}  (mark)" for name, count in marks.items() if count]
    call.output.summary(summary, "\n".join(lines))


def _outlook(record: CampaignRecord, counts: Mapping[str, int], now: Instant) -> Outlook | None:
    """Return what is to come of a campaign that is not over."""
    if record.finished_at is not None:
        return None
    left = sum(counts[state] for state in OPEN)
    takes = elapsed(record.started_at, now) if record.started_at is not None else timedelta(0)
    past = Pastime(done=counts["completed"] + counts["failed"], takes=takes)
    return outlook(record.plan or StreamPlan(), record.state, left=left, now=now, past=past)


def complete_counts(counts: Mapping[State, int]) -> dict[str, int]:
    """Return exactly the nine states, in the order of their table."""
    return {str(state): counts.get(state, 0) for state in State}


def _metrics(
    record: CampaignRecord, counts: Mapping[str, int], marks: Mapping[str, int], *, bounced: int, now: Instant
) -> dict[str, float | None]:
    """Return the specification's names. Rates are percentages: of delivered persons where they speak of readers, of
    all where they speak of delivery. Opens and clicks count persons, each once; bounces those refused at once and
    those that came back later; average_send_time is seconds of the campaign per finished mail."""
    total, sent, failed = sum(counts.values()), counts["completed"], counts["failed"]
    bounces = bounced + marks["late_bounce"]
    end = record.finished_at or now
    duration = elapsed(record.started_at, end).total_seconds() if record.started_at else None
    finished = sent + failed
    return {
        "total_emails": total,
        "successful_sends": sent,
        "failed_sends": failed,
        "opens": marks["opened"],
        "clicks": marks["clicked"],
        "bounces": bounces,
        "delivery_rate": _percent(sent, total),
        "open_rate": _percent(marks["opened"], sent),
        "click_rate": _percent(marks["clicked"], sent),
        "bounce_rate": _percent(bounces, total),
        "average_send_time": round(duration / finished, 4) if duration is not None and finished else None,
        "campaign_duration": duration,
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / max(whole, 1), 2)


async def _show_queue(call: Invocation, installation: Installation) -> None:
    summary: dict[str, Any] = {
        "nodes": [
            {
                "name": node.name,
                "role": node.role,
                "pid": node.pid,
                "started_at": rfc3339(node.started_at),
                "seen_at": rfc3339(node.seen_at),
            }
            for node in await installation.queue.nodes()
        ],
        "queue": {},
    }
    for (state, priority), count in (await installation.queue.totals()).items():
        summary["queue"].setdefault(str(state), {})[priority.name.lower()] = count
    try:
        summary |= {"daemon": "up"} | await ask_daemon(installation, "status")
    except Unavailable as cause:
        summary["daemon"] = "down"
        call.output.note(f"note: live figures are missing: {cause}")
    suspended = [one async for one in suspension_lines(installation, installation.clock.now())]
    summary["suspended"] = [record for record, _ in suspended]
    campaigns = await installation.campaigns.campaigns(limit=10)
    summary["campaigns"] = [{"campaign": record.id, "state": str(record.state)} for record in campaigns]
    call.output.summary(summary)
    if not call.is_json:
        _print_queue(call, installation, summary, campaigns, [words for _, words in suspended])


def _print_queue(
    call: Invocation, installation: Installation, summary: Mapping[str, Any], campaigns: Any, suspended: Sequence[str]
) -> None:
    call.output.record({}, f"daemon: {summary['daemon']}")
    for part, good in (("store", "well"), ("intake", "open")):
        if summary.get(part, good) != good:
            call.output.record({}, f"{part}: {summary[part]}: {summary.get(part + '_reason', 'unknown')}")
    rows = [(state, *(by.get(name, 0) for name in ("high", "normal", "low"))) for state, by in summary["queue"].items()]
    if rows:
        call.output.columns(("queue", "high", "normal", "low"), rows)
    for words in suspended:
        call.output.record({}, words)
    now = installation.clock.now()
    ages = [
        (
            record.id,
            record.state,
            format_duration(timedelta(seconds=int(elapsed(record.created_at, now).total_seconds()))),
        )
        for record in campaigns
    ]
    if ages:
        call.output.columns(("campaign", "state", "age"), ages)
