"""The second pass of `enqueue`: contacts become recipients.

Owns batching and counting.  Who is a duplicate is decided by the store's unique index on (person, campaign), across
feeds and runs and in no memory of ours; only a dry run, which writes nothing, keeps the person keys it has seen (some
80 octets each).
"""

from collections.abc import Callable, Iterable
from datetime import timedelta

from tierii_mta.campaigns.specification import Specification
from tierii_mta.campaigns.spool import Waiting
from tierii_mta.campaigns.store import CampaignRecord, CampaignStore, NewRecipient
from tierii_mta.campaigns.summary import Progress, ShowProgress, Step, Summary
from tierii_mta.clock import Clock, later
from tierii_mta.consent.suppression import SuppressionList
from tierii_mta.mail.person import PersonKey
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
        limit: int | None = None,
        reserve: Reserve | None = None,
    ) -> None:
        """`limit`: accept at most so many."""
        self._specification, self._store, self._clock = specification, store, clock
        self._summary, self._limit, self._reserve = summary, limit, reserve

    async def load(
        self,
        opened: CampaignRecord,
        contacts: Iterable[Waiting],
        *,
        lifetime: timedelta,
        show: ShowProgress,
        total: int,
    ) -> None:
        """Accept contacts, at most 1,000 a commit, until the limit or the end; `NoRoom` before the disk is full."""
        batch: list[Waiting] = []
        room = self._room()
        for contact in contacts:
            batch.append(contact)
            if len(batch) >= room:
                await self._commit(opened, batch, lifetime)
                batch, room = [], self._room()
                self._show(show, total)
                if room == 0:
                    return
        if batch:
            await self._commit(opened, batch, lifetime)
        self._show(show, total)

    async def count(
        self,
        contacts: Iterable[Waiting],
        *,
        suppression: SuppressionList | None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Do what `load` would do to an empty campaign, without writing. `tell`: the domain of each who is accepted."""
        seen: set[PersonKey] = set()
        batch: list[Waiting] = []
        for contact in contacts:
            if contact.person in seen:
                self._summary.duplicates += 1
                continue
            seen.add(contact.person)
            batch.append(contact)
            if len(batch) >= self._room():
                await self._count_batch(batch, suppression, tell)
                batch = []
                if self._room() == 0:
                    return
        await self._count_batch(batch, suppression, tell)

    def _room(self) -> int:
        return BATCH if self._limit is None else min(BATCH, self._limit - self._summary.accepted)

    async def _commit(self, opened: CampaignRecord, batch: list[Waiting], lifetime: timedelta) -> None:
        if self._reserve is not None:
            self._reserve.check()
        rows: dict[PersonKey, NewRecipient] = {}
        for contact in batch:
            if contact.person not in rows:  # the first row of a person stays
                rows[contact.person] = NewRecipient(
                    recipient=contact.recipient,
                    recipient_key=contact.person,
                    domain=contact.domain,
                    contact=contact.fields,
                )
        now = self._clock.now()
        added = await self._store.add_recipients(
            opened.id,
            list(rows.values()),
            now=now,
            expires_at=later(now, lifetime),
            exclude_suppressed=self._specification.exclude.suppression,
            opened=opened,
        )
        self._summary.accepted += added.accepted
        self._summary.suppressed += added.suppressed
        self._summary.duplicates += added.present + len(batch) - len(rows)

    async def _count_batch(
        self, batch: list[Waiting], suppression: SuppressionList | None, tell: Callable[[str], None] | None
    ) -> None:
        keys = [contact.person for contact in batch]
        stopped: set[PersonKey] = set()
        if suppression is not None and keys and self._specification.exclude.suppression:
            now, specification = self._clock.now(), self._specification
            stopped = {
                entry.key
                for entry in await suppression.find(keys)
                if entry.stops(is_marketing=specification.is_marketing, list_id=specification.list_id, now=now)
            }
        self._summary.suppressed += len(stopped)
        self._summary.accepted += len(keys) - len(stopped)
        if tell is not None:
            for contact in batch:
                if contact.person not in stopped:
                    tell(contact.domain)

    def _show(self, show: ShowProgress, total: int) -> None:
        summary = self._summary
        show(
            Progress(
                step=Step.LOADING, rows=summary.rows, accepted=summary.accepted, rejected=summary.rejected, total=total
            )
        )
