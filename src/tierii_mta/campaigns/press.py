"""The press: where campaign mails are rendered and signed, away from the event loop.

Owns the port `Press` and its values; `campaigns.pressroom` implements it on worker processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tierii_mta.authentication.dkim import DkimKey
from tierii_mta.campaigns.plate import Job
from tierii_mta.campaigns.specification import Specification
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.outbound.content import WorkerKilled
from tierii_mta.queue.delivery import Priority


@dataclass(frozen=True, slots=True, eq=False)
class Edition:
    """One campaign, ready to be printed."""

    number: int  # the press's own; no two editions share one
    campaign: str
    snapshot: Snapshot
    specification: Specification
    public_url: str | None

    @property
    def size_bytes(self) -> int:
        """Roughly what it holds in memory."""
        return 65_536 + 2 * sum(map(len, self.snapshot.contents.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """A mail as it goes out."""

    data: bytes  # signatures in front
    body_hash: str  # SHA-256 in hex over the octets before signing
    is_8bit: bool
    needs_smtputf8: bool


class EditionUnusable(Exception):
    """No mail of a campaign can be made: what it sends was damaged in the store, or there is a fault of ours."""


class Menace(WorkerKilled):
    """And it is one of many: the campaign keeps the press from working for others."""


class Press(Protocol):
    """Prints and signs mails."""

    async def mount(self, campaign: str, snapshot: Snapshot) -> Edition:
        """Return the edition of a campaign."""

    async def produce(self, edition: Edition, job: Job, keys: Sequence[DkimKey], *, priority: Priority) -> Print:
        """Return one mail, signed with every key.

        Raises `RenderFailed` where this recipient's mail cannot be made, `WorkerKilled` where trying it kills workers
        (`Menace`: its campaign should be stopped), `EditionUnusable` where none of the campaign can be made,
        `Unavailable` where none can be made now. Cancelling changes nothing.
        """
