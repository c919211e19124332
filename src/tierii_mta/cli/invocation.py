"""One run of one command: the global options, wherever on the line they stand, and what they lead to.

Owns the options every command takes and the loading of the settings; not the opening of the database
(cli.installation), which many commands do without, nor what a command does.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import cached_property, update_wrapper
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from click.core import ParameterSource

from tierii_mta.cli.output import Output
from tierii_mta.cli.privileges import assume_owner
from tierii_mta.daemon.settings import LoadedSettings, load_settings
from tierii_mta.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Invocation:
    """The global options of one command line."""

    config: Path | None = None
    overrides: list[str] = field(default_factory=list)
    is_json: bool = False
    is_quiet: bool = False
    has_colour: bool = True
    assumes_yes: bool = False
    verbosity: int = 0

    @cached_property
    def output(self) -> Output:
        """Where this command writes."""
        return Output(is_json=self.is_json, is_quiet=self.is_quiet, has_colour=self.has_colour)

    def load_settings(self) -> LoadedSettings:
        """Load the settings, without becoming anybody else."""
        overrides = list(self.overrides)
        if self.verbosity and not any(item.startswith("log.level=") for item in overrides):
            overrides.append("log.level=debug")
        return load_settings(self.config, overrides, os.environ)

    @cached_property
    def loaded(self) -> LoadedSettings:
        """The settings; reading them makes the process run as the owner of `data_dir`."""
        loaded = self.load_settings()
        assume_owner(loaded.settings.data_dir)
        return loaded

    def confirm(self, question: str) -> None:
        """Ask before something that cannot be undone; --yes answers. Without a terminal, --yes is needed."""
        if self.assumes_yes:
            return
        if self.is_json or not sys.stdin.isatty():
            raise UsageError(f"nobody is there to answer: {question}", remedy="repeat with --yes")
        click.confirm(question, abort=True, err=True)


def invocation() -> Invocation:
    """Return the invocation of the command that runs."""
    found = click.get_current_context().find_object(Invocation)
    if found is None:
        raise RuntimeError("no command runs")
    return found


def command_body(function: Callable[Concatenate[Invocation, P], R]) -> Callable[P, R]:
    """Hand the invocation to a command's function as its first argument."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(invocation(), *args, **kwargs)

    return update_wrapper(call, function)


def async_body(function: Callable[Concatenate[Invocation, P], Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """As `command_body`, for a coroutine function that runs in a loop of its own; SIGTERM cancels it."""

    async def cancellable(*args: P.args, **kwargs: P.kwargs) -> R:
        task = asyncio.current_task()
        if task is not None and threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await function(invocation(), *args, **kwargs)

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return asyncio.run(cancellable(*args, **kwargs))

    return update_wrapper(call, function)


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if ctx.get_parameter_source(param.name) is not ParameterSource.COMMANDLINE:
        return
    kept = ctx.find_object(Invocation)
    if kept is None:
        raise RuntimeError("the command line was parsed without an Invocation")
    match param.name:
        case "overrides":
            kept.overrides.extend(value)
        case "verbosity":
            kept.verbosity += value
        case "no_colour":
            kept.has_colour = False
        case name:
            setattr(kept, name, value)


def _global_options() -> list[click.Option]:
    def option(*names: str, **settings: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_keep, is_eager=True, **settings)

    return [
        option("--config", "config", type=click.Path(path_type=Path), metavar="FILE", help="Settings file."),
        option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one setting; repeatable."),
        option("--json", "is_json", is_flag=True, help="NDJSON on stdout, one summary object last."),
        option("--quiet", "is_quiet", is_flag=True, help="No progress, no notes."),
        option("--no-color", "no_colour", is_flag=True, help="No colours; NO_COLOR does the same."),
        option("--yes", "assumes_yes", is_flag=True, help="Do not ask."),
        option("-v", "--verbose", "verbosity", count=True, help="More logs; twice: tracebacks of unexpected errors."),
    ]


class Command(click.Command):
    """A command that takes the global options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_global_options())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a command's own options only: the global ones stand in the help of `tierii-mta` itself."""
        records = [
            record for param in self.get_params(ctx) if param.expose_value for record in [param.get_help_record(ctx)]
        ]
        shown = [record for record in records if record]
        if shown:
            with formatter.section("Options"):
                formatter.write_dl(shown)


class Group(click.Group):
    """A noun with verbs; takes the global options too."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_global_options())

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order they were written."""
        return list(self.commands)
