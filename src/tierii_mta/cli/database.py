"""`db`: the database itself."""

import click

from tierii_mta.cli.invocation import Group, Invocation, async_body
from tierii_mta.daemon.installation import open_installation


@click.group(cls=Group)
def db() -> None:
    """The database."""


@db.command()
@async_body
async def migrate(call: Invocation) -> None:
    """Bring the database to the version this program writes; `serve` does the same at its start."""
    async with open_installation(call.loaded, role="cli", upgrade=True):
        pass
    call.output.summary({"database": call.loaded.settings.database, "migrated": True}, "the database is up to date")
