"""Progress of a campaign: a bar on a terminal, a line every ten seconds without one.

Owns how waiting looks and when it ends; not what is waited for.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from tierii_mta.campaigns.store import CampaignState
from tierii_mta.cli.installation import ask_daemon
from tierii_mta.cli.output import Output
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import Refused, Unavailable
from tierii_mta.queue.delivery import FINAL, State

_POLL_SECONDS = 0.5
_LINE_SECONDS = 10.0
_DAEMON_PATIENCE_SECONDS = 10.0
_ENDED = (CampaignState.COMPLETED, CampaignState.CANCELLED, CampaignState.FAILED)


class Progress:
    """`with Progress(output, title) as progress: progress.show(done, total, text, now)`."""

    def __init__(self, output: Output, title: str) -> None:
        self._output, self._title = output, title
        self._last: float | None = None
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
        )
        self._bar = (
            Bar(*columns, TimeElapsedColumn(), console=output.console, transient=True) if output.is_live else None
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=None, text="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, done: int, total: int, text: str, *, now: float) -> None:
        """Show how far it is; `now` counts monotonic seconds."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None, text=text)
        elif self._last is None or now - self._last >= _LINE_SECONDS:
            self._last = now
            self._output.note(f"{self._title}: {done}{f' of {total}' if total else ''}  {text}".rstrip())


async def follow(
    installation: Installation, campaign: str, progress: Progress, *, needs_daemon: bool = False
) -> Mapping[State, int]:
    """Wait until every delivery of a campaign is final; return the counts.

    With `needs_daemon`, raises `Unavailable` once no daemon has answered for ten seconds, and `Refused` where the
    campaign is paused, for nothing will move then.
    """
    clock, last_seen = installation.clock, installation.clock.monotonic()
    while True:
        counts = await installation.campaigns.counts(campaign)
        record = await installation.campaigns.find(campaign)
        done, total = sum(counts.get(state, 0) for state in FINAL), sum(counts.values())
        text = "  ".join(f"{state} {count}" for state, count in counts.items() if count)
        progress.show(done, total, text, now=clock.monotonic())
        if record is None or record.state in _ENDED or (done == total and record.state is not CampaignState.DRAFT):
            return counts
        if needs_daemon:
            if record.state is CampaignState.PAUSED:
                why = f"is paused: {record.reason}" if record.reason else "is paused"
                raise Refused(why, where=campaign, remedy=f"tierii-mta resume {campaign}")
            if await _answers(installation):
                last_seen = clock.monotonic()
            elif clock.monotonic() - last_seen >= _DAEMON_PATIENCE_SECONDS:
                raise Unavailable(
                    "everything is accepted, but no daemon sends it",
                    where=campaign,
                    remedy="start it with `tierii-mta serve`; mail waits until then",
                )
        await clock.sleep(_POLL_SECONDS)


async def _answers(installation: Installation) -> bool:
    try:
        await ask_daemon(installation, "ping")
    except Unavailable:
        return False
    return True
