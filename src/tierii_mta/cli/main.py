"""The command line's front door: which commands there are, and how each of them ends.

Owns the exit codes and the promise that nobody sees a traceback who did not ask for one.  Commands live in a module
per noun and are imported when they are called.
"""

import asyncio
import importlib
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence

import click

from tierii_mta import __version__
from tierii_mta.cli.invocation import Group, Invocation
from tierii_mta.errors import ExitCode, TieriiError

COMMANDS: Mapping[str, str] = {  # in the order of a newcomer's day
    "init": "tierii_mta.cli.setup:init",
    "demo": "tierii_mta.cli.demo:demo",
    "serve": "tierii_mta.cli.serve:serve",
    "check": "tierii_mta.cli.check:check",
    "plan": "tierii_mta.cli.check:plan",
    "preview": "tierii_mta.cli.preview:preview",
    "test": "tierii_mta.cli.preview:test",
    "enqueue": "tierii_mta.cli.enqueue:enqueue",
    "send": "tierii_mta.cli.send:send",
    "status": "tierii_mta.cli.status:status",
    "watch": "tierii_mta.cli.status:watch",
    "pause": "tierii_mta.cli.campaign:pause",
    "resume": "tierii_mta.cli.campaign:resume",
    "cancel": "tierii_mta.cli.campaign:cancel",
    "retry": "tierii_mta.cli.campaign:retry",
    "why": "tierii_mta.cli.why:why",
    "events": "tierii_mta.cli.events:events",
    "queue": "tierii_mta.cli.queue:queue",
    "list": "tierii_mta.cli.lists:lists",
    "suppress": "tierii_mta.cli.suppress:suppress",
    "inbox": "tierii_mta.cli.inbox:inbox",
    "user": "tierii_mta.cli.user:user",
    "dkim": "tierii_mta.cli.dkim:dkim",
    "config": "tierii_mta.cli.settings:config",
    "doctor": "tierii_mta.cli.doctor:doctor",
    "sink": "tierii_mta.cli.sink:sink",
    "db": "tierii_mta.cli.database:db",
}


class Root(Group):
    """`tierii-mta` itself."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and return it."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name]} is no command")
        return command


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tierii-mta")
def root() -> None:
    """A mail server that sends campaigns straight to MX hosts and keeps every accepted message.

    Global options may stand before or after the command. Data goes to stdout, progress and problems to stderr.

    Exit codes: 0 ok, 1 unexpected, 2 usage, 3 a check found errors, 4 too many rejected rows, 5 refused,
    6 not found, 7 conflict, 75 temporary, 78 configuration, 130 interrupted.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    call = Invocation()
    try:
        result = root.main(list(arguments), prog_name="tierii-mta", standalone_mode=False, obj=call)
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.ClickException as problem:
        return _misused(call, problem)
    except TieriiError as problem:
        call.output.problem(problem, exit_code=problem.exit_code)
        return problem.exit_code
    except (KeyboardInterrupt, click.Abort):
        return ExitCode.INTERRUPTED
    except asyncio.CancelledError:  # SIGTERM; what the command had started is ended by now
        return 128 + signal.SIGTERM
    except SystemExit:  # click ends so when the reader of stdout, `head` for instance, has seen enough
        return 128 + signal.SIGPIPE
    except BaseExceptionGroup as problems:
        return _failed(call, problems)
    except Exception as problem:  # the last wall: an operator sees a sentence, not a traceback
        return _unexpected(call, problem)
    return result if isinstance(result, int) else ExitCode.OK


def main() -> None:
    """Run as the program `tierii-mta`."""
    sys.exit(run(sys.argv[1:]))


def _misused(call: Invocation, problem: click.ClickException) -> int:
    if isinstance(problem, click.exceptions.NoArgsIsHelpError):
        click.echo(f"{problem.format_message()}\n", err=True)
        problem = click.UsageError("name a command")
    elif isinstance(problem, click.UsageError) and problem.ctx is not None:
        click.echo(f"{problem.ctx.get_usage()}\nTry '{problem.ctx.command_path} --help'.", err=True)
    call.output.problem(Exception(problem.format_message()), exit_code=ExitCode.USAGE)
    return ExitCode.USAGE


def _failed(call: Invocation, problems: BaseExceptionGroup[BaseException]) -> int:
    """End for the first expected error of a task group; anything unexpected in it goes first."""
    known, unknown = problems.split((TieriiError, KeyboardInterrupt))
    if unknown is not None:
        return _unexpected(call, unknown)
    first: BaseException = problems
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if not isinstance(first, TieriiError) or known is None:
        return ExitCode.INTERRUPTED
    call.output.problem(first, exit_code=first.exit_code)
    return first.exit_code


def _unexpected(call: Invocation, problem: BaseException) -> int:
    if call.verbosity >= 2:
        traceback.print_exception(problem, file=sys.stderr)
    hint = "" if call.verbosity >= 2 else "; run it again with -v -v for the traceback"
    call.output.problem(Exception(f"unexpected {type(problem).__name__}: {problem}{hint}"))
    return ExitCode.UNEXPECTED


if __name__ == "__main__":
    main()
