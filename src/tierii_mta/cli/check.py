"""`check` and `plan`: what is wrong with a campaign, and what `enqueue` would do, before anything is accepted."""

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tierii_mta.campaigns import specification
from tierii_mta.campaigns.agenda import first_state
from tierii_mta.campaigns.calendar import compile_plan
from tierii_mta.campaigns.outlook import Outlook, outlook
from tierii_mta.campaigns.preflight.findings import Finding, Severity
from tierii_mta.campaigns.preflight.forecast import Forecast, forecast
from tierii_mta.campaigns.preflight.run import Preflight, Scope, counted, grouped
from tierii_mta.campaigns.pressroom.pool import PressPool
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.summary import Options, Summary
from tierii_mta.cli.enqueue import accept, tell_notices
from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.clock import Instant, elapsed
from tierii_mta.daemon.installation import Installation
from tierii_mta.daemon.preflight import open_preflight, open_providers, setup_for
from tierii_mta.errors import ExitCode
from tierii_mta.quantities import format_duration

_LOOKED_AT = 3  # contacts drawn by lot whose mails are signed and read back
_WORDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "info"}


@dataclass(frozen=True)
class _Done:
    """A run that has ended."""

    preflight: Preflight
    summary: Summary
    forecast: Forecast
    outlook: Outlook
    now: Instant


_strict = click.option("--strict", is_flag=True, help="Warnings count as errors.")
_offline = click.option("--offline", is_flag=True, help="Leave out what asks the DNS or the web.")
_sample = click.option(
    "--sample",
    type=click.IntRange(0, 100_000),
    metavar="N",
    help="Render and look at N contacts drawn by lot and one of each kind, instead of rendering every contact.",
)


@click.command(cls=Command, short_help="Check a campaign before it is sent.")
@click.argument("file", type=click.Path(path_type=Path))
@_strict
@_offline
@_sample
@async_body
async def check(call: Invocation, file: Path, *, strict: bool, offline: bool, sample: int | None) -> ExitCode:
    """Check a campaign: file, templates, every contact, a signed sample, the DNS. Accepts nothing.

    Exit 3 if something would keep it from being sent; docs/operate/check.md lists the rules. Rejected rows go to
    ID.rejects.csv beside the file.
    """
    campaign = specification.load(file, environ=os.environ)
    async with opened(call) as installation:
        scope = Scope(is_strict=strict, sample=_LOOKED_AT if sample is None else sample, renders_all=sample is None)
        done = await _run(call, installation, campaign, scope, is_live=not offline)
    _tell_findings(call, done.preflight)
    tell_notices(call, done.summary)
    return _end(call, campaign, done, {})


@click.command(cls=Command, short_help="Show what `enqueue` would do.")
@click.argument("file", type=click.Path(path_type=Path))
@_strict
@_offline
@async_body
async def plan(call: Invocation, file: Path, *, strict: bool, offline: bool) -> ExitCode:
    """Show what `enqueue` would do: findings, who is left out and why, where the mail goes, how long it takes."""
    campaign = specification.load(file, environ=os.environ)
    async with opened(call) as installation:
        done = await _run(call, installation, campaign, Scope(is_strict=strict, sample=_LOOKED_AT), is_live=not offline)
    for finding in done.preflight.findings:
        if finding.severity is not Severity.INFO:
            _tell(call, finding)
    if not call.is_json:
        _tell_plan(call, done)
    tell_notices(call, done.summary)
    ahead = done.outlook
    takes = elapsed(done.now, ahead.finishes_at).total_seconds() if ahead.finishes_at is not None else None
    return _end(
        call,
        campaign,
        done,
        {
            "waterfall": {name.replace(" ", "_"): count for name, count in _waterfall(done.summary)},
            "providers": dict(done.preflight.providers.most_common()),
            "forecast": {"seconds": takes, **ahead.as_json()},
        },
    )


async def _run(
    call: Invocation, installation: Installation, campaign: Campaign, scope: Scope, *, is_live: bool
) -> _Done:
    """Go through all that `enqueue` does short of accepting, and ask every rule."""
    async with AsyncExitStack() as stack:
        press = PressPool(installation.clock)
        stack.push_async_callback(press.close)
        providers = await stack.enter_async_context(open_providers(installation, campaign, is_live=is_live))
        preflight = await stack.enter_async_context(
            open_preflight(installation, campaign, scope, is_live=is_live, press=press, providers=providers)
        )
        options = Options(dry_run=True, reopen=True)
        summary = await accept(call, installation, campaign, options, examiner=preflight, providers=providers)
    rate = campaign.specification.rate
    expected = forecast(
        preflight.providers,
        setup_for(installation, campaign),
        maximum=rate.max if rate else None,
        per_provider=rate.per_provider if rate else None,
    )
    now = installation.clock.now()
    hours = compile_plan(campaign, pool="default", now=now)
    shaped = expected.takes, expected.because
    ahead = outlook(hours, first_state(hours, now), left=summary.accepted, now=now, shaped=shaped)
    return _Done(preflight, summary, expected, ahead, now)


def _tell_findings(call: Invocation, preflight: Preflight) -> None:
    for group, findings in grouped(preflight.findings).items():
        if not call.is_json:
            call.output.record({}, f"{group}:")
        for finding in findings:
            _tell(call, finding, indent="  ")


def _tell(call: Invocation, finding: Finding, indent: str = "") -> None:
    word = _WORDS[finding.severity]
    painted = call.output.paint(word) + " " * (7 - len(word))
    head = f"{indent}{painted} {finding.rule:<3}"
    text = f"{head} {finding.where}: {finding.what}\n{indent}{'':12}{finding.remedy}"
    call.output.record(finding.as_json(), text)


def _waterfall(summary: Summary) -> list[tuple[str, int]]:
    """Return the steps with what each takes, without signs."""
    return [(name, abs(count)) for name, count in summary.waterfall()]


def _tell_plan(call: Invocation, done: _Done) -> None:
    call.output.columns(["audience", ""], [(name, f"{count:,}") for name, count in _waterfall(done.summary)])
    call.output.record({}, "")
    call.output.columns(
        ["provider", "mails", "takes", "at"],
        [
            (leg.provider, f"{leg.mails:,}", format_duration(leg.takes) if leg.takes is not None else "-", leg.because)
            for leg in done.forecast.legs
        ],
    )
    call.output.record({}, "")
    for name, words in done.outlook.lines():
        call.output.record({}, f"{name}: {words}")
    if done.outlook.finishes_at is None:
        call.output.record({}, f"last mail: {done.outlook.because}")


def _end(call: Invocation, campaign: Campaign, done: _Done, more: Mapping[str, Any]) -> ExitCode:
    preflight, summary = done.preflight, done.summary
    counts = counted(preflight.findings)
    if preflight.left_out:
        call.output.note(f"left out without the network: {', '.join(preflight.left_out)}")
    words = f"{counts['errors']} errors, {counts['warnings']} warnings, {counts['infos']} infos"
    record = {
        **summary.as_json(),
        **counts,
        "left_out": list(preflight.left_out),
        "profiles": {profile.name: profile.version for profile in preflight.profiles},
        "notices": list(summary.notices),
        "rendered": preflight.rendered,
        **more,
    }
    if not counts["errors"]:
        sound = f"{campaign.id}: sound; of {summary.rows} rows {summary.accepted} would be accepted; {words}"
        call.output.summary(record, sound)
        return ExitCode.OK
    what = f"not fit to be sent: {words}"
    click.echo(f"tierii-mta: {campaign.id}: {what}", err=True)
    failed = {"error": f"{campaign.id}: {what}", "what": what, "where": campaign.id, "remedy": None}
    call.output.summary(record | failed | {"exit_code": int(ExitCode.CHECK_FAILED)})
    return ExitCode.CHECK_FAILED
