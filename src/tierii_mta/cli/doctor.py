"""`doctor`: whether this machine, these settings and the DNS of our domains are fit to send mail."""

import platform
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from tierii_mta.cli.domain_records import Finding, Verdict, domain_findings
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.clock import Clock, SystemClock, rfc3339
from tierii_mta.daemon.control import SOCKET_NAME, ControlClient
from tierii_mta.daemon.settings import LoadedSettings
from tierii_mta.errors import CheckFailed, Unavailable

_LOW_BYTES = 1 << 30
_SKEW_MS = 300_000


@click.command(cls=Command)
@click.option("--offline", is_flag=True, help="Leave out what asks the DNS.")
@async_body
async def doctor(call: Invocation, offline: bool) -> None:
    """Check settings, machine and DNS. Exit 3 if something would keep mail from arriving."""
    found: dict[Verdict, int] = dict.fromkeys(Verdict, 0)
    async for finding in _findings(call, is_offline=offline):
        found[finding.verdict] += 1
        remedy = f"; {finding.remedy}" if finding.remedy else ""
        word = call.output.paint(finding.verdict) + " " * (8 - len(finding.verdict))
        call.output.record(asdict(finding), f"{word} {finding.check}: {finding.detail}{remedy}")
    if found[Verdict.ERROR]:
        raise CheckFailed(f"errors: {found[Verdict.ERROR]}, warnings: {found[Verdict.WARNING]}")
    call.output.summary({str(verdict): count for verdict, count in found.items()})


async def _findings(call: Invocation, *, is_offline: bool) -> AsyncIterator[Finding]:
    clock = SystemClock()
    loaded = call.loaded
    for finding in (*_settings(loaded), *_program(), *_folder(loaded.settings.data_dir), *_time(loaded, clock)):
        yield finding
    yield await _daemon(loaded)
    if not is_offline:
        async for finding in domain_findings(loaded.settings, clock):
            yield finding


def _settings(loaded: LoadedSettings) -> Iterator[Finding]:
    yield Finding("settings", Verdict.OK, str(loaded.file) if loaded.file else "defaults alone")
    for remark in loaded.remarks:
        yield Finding("settings", Verdict.WARNING, remark)
    if not loaded.settings.domains:
        yield Finding(
            "settings",
            Verdict.ERROR,
            "no domain to send as",
            "add one under `domains`, or run `tierii-mta init --domain`",
        )


def _program() -> Iterator[Finding]:
    yield Finding("python", Verdict.OK, platform.python_version())
    version = sqlite3.sqlite_version
    is_fit = sqlite3.sqlite_version_info >= (3, 35)
    yield Finding(
        "sqlite", Verdict.OK if is_fit else Verdict.ERROR, version, None if is_fit else "3.35 or newer knows RETURNING"
    )


def _folder(folder: Path) -> Iterator[Finding]:
    if not folder.is_dir():
        yield Finding("data_dir", Verdict.WARNING, f"{folder} does not exist yet", "`tierii-mta init` creates it")
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    is_private = not mode & 0o077
    yield Finding(
        "data_dir",
        Verdict.OK if is_private else Verdict.WARNING,
        f"{folder}, mode {mode:04o}",
        None if is_private else f"others can look into it: chmod 700 {folder}",
    )
    secret = folder / "secret"
    if secret.exists() and stat.S_IMODE(secret.stat().st_mode) & 0o077:
        yield Finding("secret", Verdict.ERROR, f"{secret} is readable by others", f"chmod 600 {secret}")
    usage = shutil.disk_usage(folder)
    is_low = usage.free < max(_LOW_BYTES, usage.total // 20)
    yield Finding(
        "disk",
        Verdict.WARNING if is_low else Verdict.OK,
        f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.1f} GB",
        "make room: a full disk stops intake" if is_low else None,
    )


def _time(loaded: LoadedSettings, clock: Clock) -> Iterator[Finding]:
    """Without a time server to ask, files from the future are what betrays a clock that runs late."""
    now = clock.now()
    folder = loaded.settings.data_dir
    newest = (
        max((file.stat().st_mtime_ns // 1_000_000 for file in folder.iterdir()), default=0) if folder.is_dir() else 0
    )
    if newest > now + _SKEW_MS:
        yield Finding(
            "clock", Verdict.ERROR, "files in data_dir are from the future", "set the clock; retry times depend on it"
        )
    else:
        yield Finding("clock", Verdict.OK, rfc3339(now))


async def _daemon(loaded: LoadedSettings) -> Finding:
    try:
        await ControlClient(loaded.settings.data_dir / SOCKET_NAME, patience=5.0).ask("ping")
    except Unavailable as cause:
        return Finding("daemon", Verdict.WARNING, cause.what, cause.remedy)
    return Finding("daemon", Verdict.OK, "it answers")
