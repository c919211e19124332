"""`enqueue`: accept a campaign's mail, and wait for it if wanted."""

import os
from pathlib import Path
from typing import Any

import click

from tierii_mta.campaigns import specification
from tierii_mta.campaigns.enqueue import enqueue as enqueue_campaign
from tierii_mta.campaigns.examination import Examiner
from tierii_mta.campaigns.preflight.run import Scope
from tierii_mta.campaigns.segmenting import Providers
from tierii_mta.campaigns.summary import Options, Summary
from tierii_mta.campaigns.summary import Progress as Rows
from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.cli.progress import Progress, follow
from tierii_mta.cli.status import complete_counts
from tierii_mta.daemon.installation import Installation
from tierii_mta.daemon.preflight import open_preflight, open_providers


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Do everything but accept: checks, counts, the reject file.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Accept at most N more; the next run goes on.")
@click.option("--only", metavar="EMAIL", help="This contact alone.")
@click.option("--at", metavar="TIME", help="Start then, whatever the file says: now, or a time in the campaign's zone.")
@click.option("--wait", is_flag=True, help="Wait until every delivery is final; 75 if no daemon answers for 10 s.")
@click.option("--reopen", is_flag=True, help="Let a completed or cancelled campaign run again for new recipients.")
@async_body
async def enqueue(
    call: Invocation,
    file: Path,
    *,
    dry_run: bool,
    limit: int | None,
    only: str | None,
    at: str | None,
    wait: bool,
    reopen: bool,
) -> None:
    """Accept the mail of a campaign file. Idempotent: a rerun adds only recipients that are new."""
    campaign = specification.load(file, environ=os.environ)
    options = Options(dry_run=dry_run, limit=limit, only=only, at=at, reopen=reopen)
    async with opened(call) as installation:
        is_live = installation.settings.compliance.preflight == "enforce"
        scope = Scope(refuses=True, enforced_only=not is_live)
        async with (
            open_providers(installation, campaign, is_live=True) as providers,
            open_preflight(installation, campaign, scope, is_live=is_live, providers=providers) as preflight,
        ):
            summary = await accept(call, installation, campaign, options, examiner=preflight, providers=providers)
        shown: dict[str, Any] = summary.report()
        _tell(call, summary, is_dry_run=dry_run)
        if wait and not dry_run:
            with Progress(call.output, campaign.id) as progress:
                counts = await follow(installation, campaign.id, progress, needs_daemon=True)
            shown["counts"] = complete_counts(counts)
            words = "  ".join(f"{state} {count}" for state, count in shown["counts"].items() if count)
            call.output.record(shown, f"{campaign.id}: {words}")
        else:
            call.output.summary(shown)


async def accept(
    call: Invocation,
    installation: Installation,
    campaign: specification.Campaign,
    options: Options,
    *,
    examiner: Examiner,
    providers: Providers | None = None,
) -> Summary:
    """Run the acceptance with its progress shown."""
    with Progress(call.output, campaign.id) as progress:

        def show(rows: Rows) -> None:
            text = f"{rows.step}, {rows.accepted} accepted, {rows.rejected} rejected"
            progress.show(rows.rows, rows.total or 0, text, now=installation.clock.monotonic())

        return await enqueue_campaign(
            campaign,
            installation.campaigns,
            installation.codec,
            sender=installation.sender,
            clock=installation.clock,
            suppression=installation.suppression,
            recent=installation.recent_mail,
            providers=providers,
            sources=installation.feed_sources,
            reserve=installation.reserve,
            folder=Path(installation.settings.data_dir),
            options=options,
            progress=show,
            examiner=examiner,
        )


def tell_notices(call: Invocation, summary: Summary) -> None:
    """Say what the operator should know beside the counts, and where the rows are that were not taken."""
    for notice in summary.notices:
        call.output.note(f"note: {notice}")
    if summary.rejects_file:
        call.output.note(f"rejected rows, with their reasons: {summary.rejects_file}")
    if summary.left_out_file:
        call.output.note(f"rows left out, with their reasons: {summary.left_out_file}")


def _tell(call: Invocation, summary: Summary, *, is_dry_run: bool) -> None:
    tell_notices(call, summary)
    if call.is_json:
        return
    counts = {name: value for name, value in summary.as_json().items() if value and name not in ("campaign", "rows")}
    seconds = counts.pop("elapsed_s", 0)
    verb = "would be " if is_dry_run else ""
    words = ", ".join(
        f"{count} {verb if name == 'accepted' else ''}{name.removesuffix('s') if count == 1 else name}"
        for name, count in counts.items()
    )
    rows = f"{summary.rows} {'row' if summary.rows == 1 else 'rows'}"
    call.output.record({}, f"{summary.campaign}: {rows}: {words or 'nothing to do'}; {seconds} s")
    for line in waterfall_lines(summary):
        call.output.note(line)


def waterfall_lines(summary: Summary) -> list[str]:
    """Return the way from the rows to those written to, a line a step; steps that took nothing are left out."""
    steps = [(name, count) for name, count in summary.waterfall() if count or name in {"rows", "to send"}]
    width = max(len(f"{count:,}") for _, count in steps)
    return [f"  {name:<15} {count:>{width},}" for name, count in steps]
