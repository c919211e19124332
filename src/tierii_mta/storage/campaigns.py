"""The campaigns' port on SQLite or PostgreSQL: `CampaignStore`.

Owns records, states and counts of campaigns; loading and clearing of their rows is `recipients`, the snapshot
`snapshots`, the end of a campaign `upkeep`.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, select, update

from tierii_mta.campaigns.store import (
    Added,
    CampaignRecord,
    CampaignState,
    Draft,
    NewRecipient,
    Retried,
    Snapshot,
)
from tierii_mta.clock import Clock, Instant
from tierii_mta.events import EventType
from tierii_mta.queue.delivery import FailureReason, Json, State
from tierii_mta.queue.pacing import StreamPlan
from tierii_mta.queue.store import ChangeKind
from tierii_mta.storage import agenda, recipients, records, snapshots
from tierii_mta.storage.codes import (
    CAMPAIGN_STATE,
    CAMPAIGN_STATE_OF,
    MARK_KIND_BASE,
    STATE,
    Mark,
)
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.ledger import Ledger, compact_json
from tierii_mta.storage.tables import AnyRow, campaign

_CLEARED = frozenset({CampaignState.FAILED, CampaignState.CANCELLED})
_FINAL = (CampaignState.COMPLETED, CampaignState.CANCELLED)
_MOVED: Mapping[CampaignState, EventType] = {
    CampaignState.SCHEDULED: EventType.CAMPAIGN_SCHEDULED,
    CampaignState.PAUSED: EventType.CAMPAIGN_PAUSED,
    CampaignState.RUNNING: EventType.CAMPAIGN_RESUMED,
    CampaignState.CANCELLED: EventType.CAMPAIGN_CANCELLED,
}
_VERBS: Mapping[CampaignState, frozenset[CampaignState]] = {
    CampaignState.SCHEDULED: frozenset({CampaignState.DRAFT, CampaignState.PAUSED}),
    CampaignState.PAUSED: frozenset({CampaignState.SCHEDULED, CampaignState.RUNNING}),
    CampaignState.RUNNING: frozenset({CampaignState.SCHEDULED, CampaignState.PAUSED}),
    CampaignState.DRAINING: frozenset({CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED}),
    CampaignState.CANCELLED: frozenset({CampaignState.DRAFT}),
}
"""Where an operator may move a campaign, and from where: less than `CAMPAIGN_TRANSITIONS` allows us."""


class StoredCampaigns:
    """`CampaignStore` on one database."""

    def __init__(self, connections: Connections, clock: Clock, node: str) -> None:
        self._connections, self._clock, self._node = connections, clock, node

    def _ledger(self) -> Ledger:
        return Ledger(self._clock, self._node)

    # -- reading

    async def find(self, campaign: str) -> CampaignRecord | None:
        row = await self._connections.read(records.find, campaign)
        return records.as_record(row) if row is not None else None

    async def campaigns(self, *, limit: int = 100) -> Sequence[CampaignRecord]:
        newest = select(campaign).order_by(campaign.c.number.desc()).limit(limit)
        rows = await self._connections.read(lambda connection: connection.execute(newest).all())
        return [records.as_record(row) for row in rows]

    async def counts(self, campaign: str) -> Mapping[State, int]:
        counted = await self._connections.read(_tally_of, campaign)
        return {state: counted.get(STATE[state], 0) for state in State}

    async def marks(self, campaign: str) -> Mapping[str, int]:
        counted = await self._connections.read(_tally_of, campaign)
        return {mark.name.lower(): counted.get(MARK_KIND_BASE + mark, 0) for mark in Mark}

    async def failures(self, campaign: str) -> Mapping[FailureReason, int]:
        def work(connection: Connection) -> Mapping[FailureReason, int]:
            return recipients.failures(connection, records.existing(connection, campaign).number)

        return await self._connections.read(work)

    async def snapshot(self, campaign: str) -> Snapshot:
        return await self._connections.read(
            lambda connection: snapshots.load(connection, records.existing(connection, campaign))
        )

    # -- loading

    async def open_draft(self, draft: Draft, *, reopen: bool = False) -> CampaignRecord:
        while True:
            row = await self._connections.write(lambda connection: self._open_draft(connection, draft, reopen=reopen))
            if row is not None:
                return records.as_record(row)
            await self._clear(draft.id)

    def _open_draft(self, connection: Connection, draft: Draft, *, reopen: bool) -> AnyRow | None:
        """Return the record to load into; None if rows of another loading have to be cleared first.

        From then on it is `failed`, so that nobody adds to what is being cleared.
        """
        row = records.find(connection, draft.id, lock=True)
        if row is None:
            return self._take_content(connection, draft, number=None)
        state = CAMPAIGN_STATE_OF[row.state]
        is_same = row.fingerprint == draft.fingerprint
        if state in {CampaignState.DRAFT, CampaignState.FAILED}:
            if is_same and state is CampaignState.DRAFT:
                return row
            if not recipients.is_empty(connection, row.number):
                values = {"state": CAMPAIGN_STATE[CampaignState.FAILED], "reason": "replaced by other content"}
                connection.execute(update(campaign).where(campaign.c.number == row.number).values(values))
                return None
            return self._take_content(connection, draft, number=row.number)
        _check_reopen(row, state, is_same=is_same, reopen=reopen)
        return row

    def _take_content(self, connection: Connection, draft: Draft, *, number: int | None) -> AnyRow:
        ledger = self._ledger()
        row = snapshots.write_draft(connection, draft, number=number)
        ledger.happened(
            EventType.CAMPAIGN_CREATED, draft.created_at, campaign_id=draft.id, data={"fingerprint": draft.fingerprint}
        )
        ledger.write(connection)
        return row

    async def add_recipients(
        self,
        campaign: str,
        rows: Sequence[NewRecipient],
        *,
        now: Instant,
        expires_at: Instant,
        exclude_suppressed: bool = True,
        opened: CampaignRecord | None = None,
    ) -> Added:
        contacts = [compact_json(row.contact) if row.contact else "" for row in rows]  # before the lock is taken

        def work(connection: Connection) -> Added:
            batch = recipients.Batch(rows=rows, contacts=contacts, now=now, expires_at=expires_at)
            owner = records.existing(connection, campaign, share=True)
            if CAMPAIGN_STATE_OF[owner.state] in {CampaignState.FAILED, CampaignState.DRAINING}:
                raise records.conflict(owner, "takes no recipients")
            _check_unchanged(owner, opened)
            return recipients.add(
                connection, owner, batch, exclude_suppressed=exclude_suppressed, ledger=self._ledger()
            )

        return await self._connections.write(work)

    async def start(
        self,
        campaign: str,
        *,
        report: Mapping[str, Json],
        now: Instant,
        plan: StreamPlan | None = None,
        opened: CampaignRecord | None = None,
    ) -> CampaignRecord:
        def work(connection: Connection) -> AnyRow:
            row = records.existing(connection, campaign, lock=True)
            state = CAMPAIGN_STATE_OF[row.state]
            if state in {CampaignState.FAILED, CampaignState.DRAINING}:
                raise records.conflict(row, "cannot start")
            _check_unchanged(row, opened)
            ledger = self._ledger()
            values: dict[str, object] = {"report": compact_json(report)}
            if state is CampaignState.DRAFT:
                size, _ = recipients.canary(connection, row.number)
                values |= {"canary": size or None, "reason": None} | agenda.begin(
                    row, plan, now=now, ledger=ledger, canary=size
                )
            elif plan is not None and row.started_at is None:
                values |= agenda.reschedule(row, plan, now=now, ledger=ledger)
            elif state in _FINAL and recipients.has_open(connection, row.number):
                values |= _running_again(ledger, row, now)
            return records.write(connection, row, values, ChangeKind.MAIL, ledger)

        return await self._changed(work)

    async def fail(self, campaign: str, *, reason: str, now: Instant) -> None:
        def work(connection: Connection) -> AnyRow:
            row = records.existing(connection, campaign, lock=True)
            if CAMPAIGN_STATE_OF[row.state] is not CampaignState.DRAFT:
                raise records.conflict(row, "is not loading")
            ledger = self._ledger()
            ledger.happened(EventType.CAMPAIGN_FAILED, now, campaign_id=campaign, data={"reason": reason})
            values = {"state": CAMPAIGN_STATE[CampaignState.FAILED], "reason": reason, "finished_at": now}
            return records.write(connection, row, values, ChangeKind.STREAM, ledger)

        await self._changed(work)
        await self._clear(campaign)

    async def _clear(self, campaign: str) -> None:
        """Delete the rows of a campaign that failed or was cancelled as a draft, a page a commit.

        Ends early where somebody else cleared them and loads the id anew: those rows are not ours to delete.
        """

        def work(connection: Connection) -> bool:
            row = records.existing(connection, campaign, lock=True)
            if CAMPAIGN_STATE_OF[row.state] not in _CLEARED:
                return False
            return recipients.clear_page(connection, row.number, self._ledger())

        while await self._connections.write(work):
            pass

    # -- verbs

    async def move(self, campaign: str, to_state: CampaignState, *, reason: str | None, now: Instant) -> CampaignRecord:
        def work(connection: Connection) -> AnyRow:
            row = records.existing(connection, campaign, lock=True)
            state = CAMPAIGN_STATE_OF[row.state]
            if state not in _VERBS.get(to_state, ()):
                raise records.conflict(row, f"cannot become {to_state}")
            values: dict[str, object] = {"state": CAMPAIGN_STATE[to_state], "reason": reason}
            if to_state is CampaignState.DRAINING:
                values["ends_as"] = CAMPAIGN_STATE[CampaignState.CANCELLED]
            if to_state is CampaignState.RUNNING:
                values |= {"finished_at": None} | agenda.resume(row, now)
            if to_state is CampaignState.CANCELLED:
                values["finished_at"] = now
            ledger = self._ledger()
            if to_state in _MOVED:
                data = {"reason": reason} if reason else {}
                ledger.happened(_MOVED[to_state], now, campaign_id=campaign, data=data)
            return records.write(connection, row, values, ChangeKind.STREAM, ledger)

        record = await self._changed(work)
        if to_state is CampaignState.CANCELLED:  # a draft: its rows were never anybody's
            await self._clear(campaign)
        return record

    async def retry_failed(self, campaign: str, *, now: Instant, expires_at: Instant) -> Retried:
        def look(connection: Connection, after: int) -> recipients.RetriedPage:
            row = _retryable(connection, campaign)
            return recipients.retry_page(connection, row, after, now=now, expires_at=expires_at, ledger=self._ledger())

        retried, suppressed, after = 0, 0, 0
        while True:
            page = await self._connections.write(look, after)
            retried, suppressed = retried + page.retried, suppressed + page.suppressed
            if page.last is None:
                break
            after = page.last

        def work(connection: Connection) -> AnyRow:
            row = _retryable(connection, campaign)
            ledger = self._ledger()
            is_over = CAMPAIGN_STATE_OF[row.state] is CampaignState.COMPLETED and recipients.has_open(
                connection, row.number
            )
            return records.write(
                connection, row, _running_again(ledger, row, now) if is_over else {}, ChangeKind.MAIL, ledger
            )

        await self._changed(work)
        return Retried(count=retried, suppressed=suppressed)

    async def _changed(self, work: Callable[[Connection], AnyRow]) -> CampaignRecord:
        row = await self._connections.write(work)
        self._connections.touch()
        return records.as_record(row)


def _retryable(connection: Connection, campaign_id: str) -> AnyRow:
    row = records.existing(connection, campaign_id, lock=True)
    if CAMPAIGN_STATE_OF[row.state] not in {CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.COMPLETED}:
        raise records.conflict(row, "has nothing to retry")
    return row


def _check_reopen(row: AnyRow, state: CampaignState, *, is_same: bool, reopen: bool) -> None:
    if not is_same:
        raise records.conflict(row, "has other content", "give the new content an id of its own")
    if state is CampaignState.DRAINING:
        raise records.conflict(row, "takes no recipients", "wait until it has ended")
    if state in _FINAL and not reopen:
        raise records.conflict(row, "ended", "add `--reopen` to send to recipients who are missing")


def _check_unchanged(row: AnyRow, opened: CampaignRecord | None) -> None:
    """Raise `Conflict` if the campaign is no longer what its loader has opened."""
    if opened is None:
        return
    if row.fingerprint != opened.fingerprint:
        raise records.conflict(row, "has other content by now", "give each content an id of its own")
    if CAMPAIGN_STATE_OF[row.state] is CampaignState.CANCELLED and opened.state is not CampaignState.CANCELLED:
        raise records.conflict(row, "was cancelled while its recipients were loaded")


def _running_again(ledger: Ledger, row: AnyRow, now: Instant) -> dict[str, object]:
    ledger.happened(EventType.CAMPAIGN_STARTED, now, campaign_id=row.id, data={"reopened": True})
    return {"state": CAMPAIGN_STATE[CampaignState.RUNNING], "finished_at": None, "ends_as": None, "reason": None}


def _tally_of(connection: Connection, campaign_id: str) -> Mapping[int, int]:
    return recipients.counts(connection, records.existing(connection, campaign_id).number)
