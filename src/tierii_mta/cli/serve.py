"""`serve`: the daemon."""

import asyncio

import click
import uvloop

from tierii_mta.cli.invocation import Command, Invocation, command_body
from tierii_mta.daemon.assembly import serve as run_daemon
from tierii_mta.errors import UsageError

ROLES = ("outbound", "inbound", "submission", "web")


@click.command(cls=Command)
@click.option("--role", "roles", metavar="ROLE[,ROLE]", help=f"Only these parts; default: {','.join(ROLES)}.")
@command_body
def serve(call: Invocation, roles: str | None) -> None:
    """Run the daemon until SIGTERM or Ctrl-C. Logs go to stderr."""
    wanted = frozenset(role.strip() for role in roles.split(",")) if roles else frozenset(ROLES)
    unknown = ", ".join(sorted(wanted - set(ROLES)))
    if unknown or not wanted:
        raise UsageError(f"there is no role {unknown or '(none named)'}", remedy="choose from " + ", ".join(ROLES))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(run_daemon(call.loaded, roles=wanted, on_ready=lambda: call.output.note("ready")))
    click.get_current_context().exit(code)
