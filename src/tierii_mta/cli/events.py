"""`events`: the event log, read by cursor."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.cli.output import one_line
from tierii_mta.cli.persons import parse_age
from tierii_mta.clock import Instant, rfc3339
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import UsageError
from tierii_mta.events import Event, EventType
from tierii_mta.yaml12 import nearest

_PAGE = 1000
_POLL_SECONDS = 0.5


@click.command(cls=Command)
@click.option("--follow", is_flag=True, help="Go on with what happens; Ctrl-C ends it.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this type, e.g. email.bounced; repeatable.")
@click.option("--since", metavar="AGE", help="Only the last 2h, 3d …; default: all that is kept, with --follow none.")
@click.option("--after", type=int, metavar="SEQ", help="Only behind this sequence number.")
@async_body
async def events(call: Invocation, follow: bool, types: tuple[str, ...], since: str | None, after: int | None) -> None:
    """Print events in the order they were committed."""
    for name in types:
        _check_type(name)
    async with opened(call) as installation:
        start = parse_age(since, now=installation.clock.now()) if since else None
        is_shown = not follow or start is not None or after is not None  # else the end of the log is looked for first
        log = _Log(call, installation, types, start, cursor=after or 0)
        try:
            await log.read(is_shown=is_shown)
            while follow:
                await installation.clock.sleep(_POLL_SECONDS)
                await log.read()
        finally:
            call.output.summary({"events": log.count, "last_seq": log.cursor})


@dataclass(slots=True)
class _Log:
    """How far the log was read."""

    call: Invocation
    installation: Installation
    types: Sequence[str]
    start: Instant | None
    cursor: int
    count: int = 0

    async def read(self, *, is_shown: bool = True) -> None:
        """Read to the end, page by page, printing what is not too old."""
        last = -1
        while last != self.cursor:
            last = self.cursor
            async for event in self.installation.queue.events(after=self.cursor, limit=_PAGE, types=self.types):
                self.cursor = event.seq or self.cursor
                if is_shown and (self.start is None or event.at >= self.start):
                    self.call.output.record(event.as_json(), _line(event))
                    self.count += 1


def _line(event: Event) -> str:
    about = [event.campaign_id, event.recipient]
    data = [f"{name}={one_line(str(value))}" for name, value in event.data.items() if value not in (None, "")]
    return "  ".join([rfc3339(event.at), f"{event.type:<20}", *(word for word in about if word), *data])


def _check_type(name: str) -> None:
    known = [str(kind) for kind in EventType]
    if name not in known:
        guess = nearest(name, known)
        raise UsageError(
            f"{name} is no event type", remedy=f"did you mean {guess}?" if guess else "see docs/reference/events.md"
        )
