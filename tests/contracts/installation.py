"""An installation as the contract tests see it: the ports of one database, and short ways to fill it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from tests.support.clock import ManualClock
from tierii_mta.campaigns.lists import ContactLists
from tierii_mta.campaigns.store import Added, CampaignRecord, CampaignStore, Draft, NewRecipient, Snapshot
from tierii_mta.clock import Instant, later, sortable_id
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionList, SuppressionReason
from tierii_mta.events import Event, EventType
from tierii_mta.inbound.accounts import AccountStore
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import Delivery, Epoch, Json, LaneId, Priority, State
from tierii_mta.queue.store import Accept, Accepted, Claim, LaneLoad, NewDelivery, QueueStore, Quota, Settle
from tierii_mta.storage import Database
from tierii_mta.storage.codes import MARK_KIND_BASE, STATE_OF
from tierii_mta.storage.tables import delivery, lane, tally

LIFETIME = timedelta(days=5)
CONTENT = b"<p>Hello</p>"
DIGEST = sha256(CONTENT).hexdigest()


def key_of(name: str) -> PersonKey:
    """Return the person key the tests know `name` by."""
    return PersonKey(sha256(name.encode()).digest()[:16])


class Installation:
    """One database, opened once; `another()` opens it again as another process would."""

    def __init__(self, database: str, folder: Path, clock: ManualClock) -> None:
        self.database, self.folder, self.clock = database, folder, clock
        self._others: list[Installation] = []

    @property
    def is_postgres(self) -> bool:
        return self.database != "sqlite"

    async def open(self) -> None:
        self.db = await Database.open(self.database, data_dir=self.folder, clock=self.clock, node="one")
        self.queue: QueueStore = self.db.queue
        self.campaigns: CampaignStore = self.db.campaigns
        self.suppression: SuppressionList = self.db.suppression
        self.accounts: AccountStore = self.db.accounts
        self.lists: ContactLists = self.db.contact_lists

    async def another(self) -> "Installation":
        other = Installation(self.database, self.folder, self.clock)
        await other.open()
        self._others.append(other)
        return other

    async def close(self) -> None:
        for other in self._others:
            await other.close()
        await self.db.close()

    # -- filling

    def now(self) -> Instant:
        return self.clock.now()

    async def register(self, name: str = "one") -> Epoch:
        return await self.queue.register(name=name, role="outbound", pid=1, now=self.now())

    def message(self, *names: str, **fields: Any) -> Accept:
        """Return a submitted message to persons written `name@domain`."""
        values: dict[str, Any] = {
            "stream": "send",
            "priority": Priority.HIGH,
            "reverse_path": "sender@example.com",
            "message_id": f"<{sortable_id('m', self.clock)}@example.com>",
            "parts": [b"Subject: hi\r\n\r\n", b"body\r\n"],
            "deliveries": [
                NewDelivery(recipient=name, recipient_key=key_of(name), domain=name.rpartition("@")[2])
                for name in names
            ],
            "accepted_at": self.now(),
            "expires_at": later(self.now(), LIFETIME),
        }
        return Accept(**values | fields)

    async def accept(self, *names: str, **fields: Any) -> Accepted:
        (result,) = await self.queue.apply([self.message(*names, **fields)])
        assert isinstance(result, Accepted)
        return result

    def draft(self, name: str = "spring", **fields: Any) -> Draft:
        values: dict[str, Any] = {
            "id": name,
            "name": name.title(),
            "is_marketing": True,
            "priority": Priority.NORMAL,
            "list_id": "news.example.com",
            "fingerprint": "f1",
            "snapshot": Snapshot(specification={"version": 1}, contents={DIGEST: CONTENT}),
            "created_at": self.now(),
        }
        return Draft(**values | fields)

    def row(self, name: str, **fields: Any) -> NewRecipient:
        domain = name.rpartition("@")[2]
        return NewRecipient(
            **{"recipient": name, "recipient_key": key_of(name), "domain": domain, "contact": {}} | fields
        )

    async def add(
        self,
        campaign: str,
        names: Sequence[str],
        contact: dict[str, Json] | None = None,
        opened: CampaignRecord | None = None,
    ) -> Added:
        rows = [self.row(name, contact=contact or {}) for name in names]
        return await self.campaigns.add_recipients(
            campaign, rows, now=self.now(), expires_at=later(self.now(), LIFETIME), opened=opened
        )

    async def run_campaign(self, name: str, names: Sequence[str], **fields: Any) -> CampaignRecord:
        """Open, load and start."""
        await self.campaigns.open_draft(self.draft(name, **fields))
        await self.add(name, names)
        return await self.campaigns.start(name, report={"rows": len(names)}, now=self.now())

    # -- the queue's moves

    async def loads(self) -> list[LaneLoad]:
        return [load async for load in self.queue.loads()]

    async def quotas(self, limit: int = 100) -> list[Quota]:
        return [Quota(lane=one.lane.id, priority=one.priority, limit=limit) for one in await self.loads()]

    async def claim(self, epoch: Epoch, limit: int = 100) -> Sequence[Delivery]:
        """Claim whatever waits anywhere."""
        return (await self.claim_lanes(epoch, await self.quotas(limit))).deliveries

    async def claim_lanes(self, epoch: Epoch, quotas: Sequence[Quota]) -> Claim:
        return await self.queue.claim(quotas, epoch=epoch, now=self.now())

    def settle(self, one: Delivery, epoch: Epoch, to_state: State, **fields: Any) -> Settle:
        values: dict[str, Any] = {
            "delivery": one,
            "epoch": epoch,
            "from_state": State.ACTIVE,
            "to_state": to_state,
            "at": self.now(),
            "attempts": one.attempts + 1,
        }
        return Settle(**values | fields)

    def event(self, kind: EventType, **fields: Any) -> Event:
        return Event(id=sortable_id("evt", self.clock), type=kind, at=self.now(), **fields)

    def suppressed(self, name: str, **fields: Any) -> Suppression:
        values: dict[str, Any] = {
            "key": key_of(name),
            "scope": EVERYWHERE,
            "reason": SuppressionReason.MANUAL,
            "address": name,
            "created_at": self.now(),
        }
        return Suppression(**values | fields)

    # -- looking

    async def events(self, *types: str) -> list[Event]:
        return [event async for event in self.queue.events(limit=100_000, types=types)]

    async def state_of(self, delivery_id: int) -> State:
        def work(connection: Any) -> int:
            return int(connection.execute(select(delivery.c.state).where(delivery.c.id == delivery_id)).scalar_one())

        return STATE_OF[await self.db._connections.read(work)]

    async def check_tally(self) -> None:
        """Assert that the tally says what counting says."""

        def work(connection: Any) -> tuple[dict[Any, int], dict[Any, int]]:
            counted = connection.execute(
                select(lane.c.stream, delivery.c.priority, delivery.c.state, func.count())
                .join(lane, lane.c.id == delivery.c.lane)
                .group_by(lane.c.stream, delivery.c.priority, delivery.c.state)
            )
            tallied = connection.execute(
                select(tally.c.stream, tally.c.priority, tally.c.kind, func.sum(tally.c.count))
                .where(tally.c.kind < MARK_KIND_BASE)
                .group_by(tally.c.stream, tally.c.priority, tally.c.kind)
            )
            return (
                {(a, b, c): int(count) for a, b, c, count in counted},
                {(a, b, c): int(count) for a, b, c, count in tallied if count},
            )

        counted, tallied = await self.db._connections.read(work)
        assert tallied == counted


def lane_of(loads: Sequence[LaneLoad], domain: str) -> LaneId:
    """Return the lane of a domain."""
    return next(load.lane.id for load in loads if load.lane.domain == domain)


def retry(settled: Settle, due: Instant) -> Settle:
    """Return the same settlement as a retry."""
    return replace(settled, to_state=State.RETRY, due=due)
