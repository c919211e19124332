"""The last pass of `enqueue`: contacts become recipients.

Owns batching and counting.  Who is a recipient already, from an earlier run, is decided by the store's unique index on
(person, campaign); and it has the last word on who is suppressed, for that may have happened a moment ago.
"""

from datetime import timedelta

from tierii_mta.campaigns.calendar import Clocks, alive_until
from tierii_mta.campaigns.guards import canary_size
from tierii_mta.campaigns.specification import Specification
from tierii_mta.campaigns.spool import Spool, Waiting
from tierii_mta.campaigns.stages import Meter, Stage
from tierii_mta.campaigns.store import CampaignRecord, CampaignState, CampaignStore, NewRecipient
from tierii_mta.campaigns.summary import Progress, ShowProgress, Step, Summary
from tierii_mta.clock import Clock
from tierii_mta.queue.pacing import StreamPlan
from tierii_mta.queue.reserve import Reserve

BATCH = 1000


class Loader:
    """Adds contacts to one campaign and counts what becomes of them in `summary`."""

    def __init__(
        self,
        specification: Specification,
        store: CampaignStore,
        clock: Clock,
        summary: Summary,
        *,
        meter: Meter,
        plan: StreamPlan,
        limit: int | None = None,
        reserve: Reserve | None = None,
    ) -> None:
        """`limit`: accept at most so many."""
        self._plan, self._clocks = plan, Clocks(plan)
        self._specification, self._store, self._clock = specification, store, clock
        self._summary, self._meter, self._limit, self._reserve = summary, meter, limit, reserve
        self._count, self._ahead, self._canary = 0, 0, 0  # contacts; still to come; how many of these go first

    async def load(
        self,
        opened: CampaignRecord,
        contacts: Spool,
        *,
        lifetime: timedelta,
        show: ShowProgress,
        total: int,
    ) -> None:
        """Accept contacts, at most 1,000 a commit, until the limit or the end; `NoRoom` before the disk is full.

        Of a draft the canary is chosen here, by chance, so that it looks like the others.
        """
        batch: list[Waiting] = []
        self._count = self._ahead = len(contacts) if self._limit is None else min(len(contacts), self._limit)
        if opened.state is CampaignState.DRAFT:
            self._canary = canary_size(self._specification.guards.limits, self._ahead)
        room = self._room()
        for contact in contacts:
            batch.append(contact)
            if len(batch) >= room:
                await self._commit(opened, batch, lifetime)
                batch, room = [], self._room()
                if room == 0:
                    break
                self._show(show, total)
        if batch:
            await self._commit(opened, batch, lifetime)
        self._show(show, total)
        self._summary.notices += tuple(self._clocks.notices())

    def count(self, contacts: Spool) -> None:
        """Do what `load` would do to an empty campaign, without writing."""
        self._summary.accepted += len(contacts) if self._limit is None else min(len(contacts), self._limit)

    def _room(self) -> int:
        return BATCH if self._limit is None else min(BATCH, self._limit - self._summary.accepted)

    async def _commit(self, opened: CampaignRecord, batch: list[Waiting], lifetime: timedelta) -> None:
        if self._reserve is not None:
            self._reserve.check()
        now = self._clock.now()
        rows = [
            NewRecipient(
                recipient=contact.recipient,
                recipient_key=contact.person,
                domain=contact.domain,
                contact=contact.fields,
                due=self._clocks.due(contact.fields, now),
                is_canary=self._goes_first(contact),
            )
            for contact in batch
        ]
        with self._meter.timing(Stage.ENQUEUE):
            added = await self._store.add_recipients(
                opened.id,
                rows,
                now=now,
                expires_at=alive_until(self._plan, self._count, now=now, lifetime=lifetime),
                exclude_suppressed=self._specification.exclude.suppression,
                opened=opened,
            )
        self._meter.count(Stage.ENQUEUE, len(rows), len(rows) - added.accepted)
        self._summary.accepted += added.accepted
        self._summary.suppressed += added.suppressed
        self._summary.duplicates += added.present

    def _goes_first(self, contact: Waiting) -> bool:
        """Choose exactly so many of those to come, each as likely as the others; a rerun chooses the same.

        The chance is the person key's: a keyed hash, which no order of a file can be in step with.
        """
        chance = int.from_bytes(contact.person[:8], "big")
        is_chosen = self._canary > 0 and chance * self._ahead < self._canary << 64
        self._ahead, self._canary = self._ahead - 1, self._canary - is_chosen
        return is_chosen

    def _show(self, show: ShowProgress, total: int) -> None:
        summary = self._summary
        show(
            Progress(
                step=Step.LOADING, rows=summary.rows, accepted=summary.accepted, rejected=summary.rejected, total=total
            )
        )
