"""The second pass of `enqueue`: contacts become recipients.

Owns batching and counting.  Who is a duplicate is decided by the store's unique index on (person, campaign), across
feeds and runs and in no memory of ours; only a dry run, which writes nothing, keeps the person keys it has seen (some
80 octets each).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.campaigns.audience import Contact, Excluded, Reject, Verdict
from tierii_mta.campaigns.specification import Specification
from tierii_mta.campaigns.store import CampaignRecord, CampaignStore, NewRecipient
from tierii_mta.campaigns.summary import Progress, ShowProgress, Step, Summary
from tierii_mta.clock import Clock, later
from tierii_mta.consent.suppression import SuppressionList
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.reserve import Reserve

BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which contacts a run takes."""

    limit: int | None = None
    only: Address | None = None

    def takes(self, verdict: Verdict) -> bool:
        """Return whether a row concerns this run."""
        return self.only is None or (isinstance(verdict, Contact) and verdict.address.key == self.only.key)


class Loader:
    """Adds contacts to one campaign and counts what becomes of them in `summary`."""

    def __init__(
        self,
        specification: Specification,
        store: CampaignStore,
        codec: TokenCodec,
        clock: Clock,
        summary: Summary,
        *,
        reserve: Reserve | None = None,
    ) -> None:
        self._specification, self._store, self._codec, self._clock = specification, store, codec, clock
        self._summary, self._reserve = summary, reserve

    async def load(
        self,
        opened: CampaignRecord,
        verdicts: Iterator[Verdict],
        selection: Selection,
        *,
        lifetime: timedelta,
        show: ShowProgress,
        total: int,
    ) -> None:
        """Accept contacts, at most 1,000 a commit, until the limit or the end; `NoRoom` before the disk is full."""
        batch: list[Contact] = []
        for verdict in verdicts:
            if self._set_aside(verdict, selection) or not isinstance(verdict, Contact):
                continue
            batch.append(verdict)
            if len(batch) >= self._room(selection):
                await self._commit(opened, batch, lifetime)
                batch = []
                self._show(show, total)
                if self._room(selection) == 0:
                    return
        if batch:
            await self._commit(opened, batch, lifetime)
        self._show(show, total)

    async def count(
        self, verdicts: Iterator[Verdict], selection: Selection, *, suppression: SuppressionList | None
    ) -> None:
        """Do what `load` would do to an empty campaign, without writing."""
        seen: set[PersonKey] = set()
        batch: list[PersonKey] = []
        for verdict in verdicts:
            if self._set_aside(verdict, selection) or not isinstance(verdict, Contact):
                continue
            key = self._codec.person_key(verdict.address)
            if key in seen:
                self._summary.duplicates += 1
                continue
            seen.add(key)
            batch.append(key)
            if len(batch) >= self._room(selection):
                await self._count_batch(batch, suppression)
                batch = []
                if self._room(selection) == 0:
                    return
        await self._count_batch(batch, suppression)

    def _set_aside(self, verdict: Verdict, selection: Selection) -> bool:
        """Count a row that is no contact of this run; return whether it was one."""
        if not selection.takes(verdict):
            return True
        match verdict:
            case Reject():
                self._summary.rejected += 1
            case Excluded():
                self._summary.excluded += 1
            case Contact():
                return False
        return True

    def _room(self, selection: Selection) -> int:
        return BATCH if selection.limit is None else min(BATCH, selection.limit - self._summary.accepted)

    async def _commit(self, opened: CampaignRecord, batch: list[Contact], lifetime: timedelta) -> None:
        if self._reserve is not None:
            self._reserve.check()
        rows: dict[PersonKey, NewRecipient] = {}
        for contact in batch:
            key = self._codec.person_key(contact.address)
            if key not in rows:  # the first row of a person stays
                rows[key] = NewRecipient(
                    recipient=str(contact.address),
                    recipient_key=key,
                    domain=contact.address.domain,
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

    async def _count_batch(self, keys: list[PersonKey], suppression: SuppressionList | None) -> None:
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

    def _show(self, show: ShowProgress, total: int) -> None:
        summary = self._summary
        show(
            Progress(
                step=Step.LOADING, rows=summary.rows, accepted=summary.accepted, rejected=summary.rejected, total=total
            )
        )
