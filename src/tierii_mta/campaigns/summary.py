"""What `enqueue` was asked to do, how far it is, and what became of the rows.

Owns the summary's names, which are a contract.  Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tierii_mta.queue.delivery import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the command was called."""

    dry_run: bool = False  # everything but the commits
    limit: int | None = None  # add at most so many; the next run adds the next ones
    only: str | None = None  # this address alone
    at: str | None = None  # when it starts, whatever the file says
    reopen: bool = False  # a completed or cancelled campaign runs again for new recipients


class Step(StrEnum):
    """What the command is doing."""

    CHECKING = "checking"  # every row is judged
    SCREENING = "screening"  # who of the contacts is written to
    RENDERING = "rendering"  # their mails are tried
    LOADING = "loading"  # contacts are accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it came. `total` rows are known while loading."""

    step: Step
    rows: int
    accepted: int = 0
    rejected: int = 0
    total: int | None = None


ShowProgress = Callable[[Progress], None]


@dataclass(slots=True, kw_only=True)
class Summary:
    """What became of the rows; `rows` is the sum of the six counts."""

    campaign: str
    accepted: int = 0  # added by this run
    rejected: int = 0
    duplicates: int = 0  # the person is a recipient already, from this run or an earlier one
    suppressed: int = 0  # or may not be written to under a compliance profile
    excluded: int = 0  # by `exclude`
    unsegmented: int = 0  # out of the segment
    elapsed_s: float = 0.0
    rejects_file: str | None = None  # rows to be mended
    left_out_file: str | None = None  # sound rows that are not written to
    notices: tuple[str, ...] = ()
    compliance: Mapping[str, Json] = field(default_factory=dict)  # by profile: its version, and whom it left out
    stages: Sequence[Json] = ()  # each with rows, left_out and seconds

    @property
    def rows(self) -> int:
        return self.accepted + self.rejected + self.duplicates + self.suppressed + self.excluded + self.unsegmented

    def as_json(self) -> dict[str, Json]:
        """Return the summary object of `enqueue --json`."""
        return {
            "campaign": self.campaign,
            "rows": self.rows,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
            "suppressed": self.suppressed,
            "excluded": self.excluded,
            "unsegmented": self.unsegmented,
            "elapsed_s": round(self.elapsed_s, 3),
        }

    def report(self) -> dict[str, Json]:
        """Return the load report that is kept with the campaign: the summary, profiles, stages with count and time."""
        compliance: dict[str, Json] = {"compliance": dict(self.compliance)} if self.compliance else {}
        return {**self.as_json(), **compliance, "stages": list(self.stages)}

    def waterfall(self) -> list[tuple[str, int]]:
        """Return what is taken from the rows, in order, and what is left: from `rows` down to `to send`."""
        return [
            ("rows", self.rows),
            ("invalid", -self.rejected),
            ("duplicate", -self.duplicates),
            ("suppressed", -self.suppressed),
            ("excluded", -self.excluded),
            ("out of segment", -self.unsegmented),
            ("to send", self.accepted),
        ]
