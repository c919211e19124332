"""`config`: what the settings are, where each came from, and whether they hold together."""

from pathlib import Path

import click

from tierii_mta.cli.invocation import Group, Invocation, command_body
from tierii_mta.daemon.settings import LoadedSettings
from tierii_mta.errors import ConfigurationError


@click.group(cls=Group)
def config() -> None:
    """The settings."""


@config.command()
@click.option("--origin", is_flag=True, help="Where each value came from: file and line, environment, --set, default.")
@command_body
def show(call: Invocation, origin: bool) -> None:
    """Print every setting with its final value; secrets are masked."""
    loaded = call.load_settings()
    entries = loaded.entries()
    for entry, line in zip(entries, loaded.lines(show_origin=origin), strict=True):
        call.output.record({"key": entry.key, "value": entry.value, "origin": entry.origin}, line)
    call.output.summary({"settings": len(entries), "file": str(loaded.file) if loaded.file else None})


@config.command()
@command_body
def validate(call: Invocation) -> None:
    """Check the settings and the files they name; exit 78 names everything that is wrong."""
    loaded = call.load_settings()
    problems = [problem for problem in map(_file_problem, _named_files(loaded)) if problem]
    if problems:
        raise ConfigurationError("\n".join(problems))
    for remark in loaded.remarks:
        call.output.note(f"remark: {remark}")
    where = str(loaded.file) if loaded.file else "defaults (no file was found)"
    call.output.summary(
        {"file": str(loaded.file or ""), "remarks": list(loaded.remarks)}, f"{where}: the settings hold"
    )


def _named_files(loaded: LoadedSettings) -> list[tuple[str, Path]]:
    settings = loaded.settings
    named = [
        (f"domains.{domain}.dkim[{number}].key", key.key)
        for domain, section in settings.domains.items()
        for number, key in enumerate(section.dkim)
    ]
    if settings.tls:
        named += [("tls.certificate", settings.tls.certificate), ("tls.key", settings.tls.key)]
    if settings.outbound.shaping:
        named.append(("outbound.shaping", settings.outbound.shaping))
    return [(f"{loaded.origin(key)}: {key}", path) for key, path in named]


def _file_problem(named: tuple[str, Path]) -> str | None:
    key, path = named
    try:
        with path.open("rb"):
            return None
    except OSError as cause:
        return f"{key}: {path} cannot be read: {cause.strerror}"
