"""The stages between a feed and the queue: their order, and what each cost and took out.

Owns names, order and the meter; the work of each is elsewhere (feeds, audience, screening, loading).  Touches the
clock alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from tierii_mta.clock import Clock
from tierii_mta.queue.delivery import Json


class Stage(StrEnum):
    """What a row goes through, in this order."""

    INGEST = "ingest"  # waiting for a server or a database
    DETECT = "detect"  # encoding and delimiter
    PARSE = "parse"
    SCHEMA = "schema"  # required fields, types
    CLEAN = "clean"  # white space, Unicode, the address
    ENRICH = "enrich"
    DEDUPE = "dedupe"
    SEGMENT = "segment"
    EXCLUDE = "exclude"
    CONSENT = "consent"
    ENQUEUE = "enqueue"


@dataclass(slots=True)
class Passage:
    """What one stage did. `entered` rows came, `left_out` did not go on."""

    entered: int = 0
    left_out: int = 0
    seconds: float = 0.0


class Meter:
    """Rows and seconds of each stage. Times are exclusive: what runs inside another stage's time is not counted there.

    For one task: stages do not overlap.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._passages = {stage: Passage() for stage in Stage}
        self._running: list[Stage] = []
        self._since = 0.0

    def __getitem__(self, stage: Stage) -> Passage:
        return self._passages[stage]

    def count(self, stage: Stage, entered: int, left_out: int = 0) -> None:
        """Note that rows came to a stage, and how many of them ended there."""
        passage = self._passages[stage]
        passage.entered += entered
        passage.left_out += left_out

    @contextmanager
    def timing(self, stage: Stage) -> Iterator[None]:
        """Count the time of the block for the stage, and not for the one it runs inside of."""
        self._charge()
        self._running.append(stage)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def _charge(self) -> None:
        now = self._clock.monotonic()
        if self._running:
            self._passages[self._running[-1]].seconds += now - self._since
        self._since = now

    def as_json(self) -> list[Json]:
        """Return the stages in order, for the load report."""
        return [
            {
                "stage": str(stage),
                "rows": passage.entered,
                "left_out": passage.left_out,
                "seconds": round(passage.seconds, 3),
            }
            for stage, passage in self._passages.items()
        ]
