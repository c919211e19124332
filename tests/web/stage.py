"""The web application on a real listener, over an installation small enough to hold in the hand."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.clock import ManualClock
from tierii_mta.consent.preferences import MailingList
from tierii_mta.consent.suppression import Suppression, SuppressionReason
from tierii_mta.correspondence.sent import Sent
from tierii_mta.errors import Unavailable
from tierii_mta.events import Event
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import TokenCodec, seal_preferences, seal_unsubscribe, seal_web_view
from tierii_mta.queue.delivery import Delivery, DeliveryId, Lane, LaneId, Priority, State, StreamId
from tierii_mta.queue.store import Operation, Record, Result
from tierii_mta.queue.views import History
from tierii_mta.web.app import Audience, WebPorts, create_app
from tierii_mta.web.metrics import WebMetrics
from tierii_mta.web.preferences import PreferencesDesk
from tierii_mta.web.process import Listener, serving
from tierii_mta.web.recipients import RecipientPorts
from tierii_mta.web.unsubscribe import ListUnsubscriber
from tierii_mta.web.webview import PrintedViews

ANN = Address.parse("ann@example.com")


@dataclass
class Shelf:
    """A suppression list and an event log in memory. The ports' contracts are tested over the real store elsewhere."""

    suppressions: dict[tuple[PersonKey, str, SuppressionReason], Suppression] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    deliveries: dict[int, History] = field(default_factory=dict)
    lists: list[MailingList] = field(default_factory=list)
    sends: dict[int, Sent] = field(default_factory=dict)
    printed: bytes | Exception = b""  # what the press makes of any mail
    undone: list[tuple[str, str, str]] = field(default_factory=list)  # scope, who, why
    asked: list[tuple[str, str]] = field(default_factory=list)  # of the press
    is_broken: bool = False
    is_sick: bool = False

    def put(self, *entries: Suppression) -> None:
        self.suppressions |= {(entry.key, entry.scope, entry.reason): entry for entry in entries}

    async def add(self, entries: Sequence[Suppression], *, only_extend: bool = False) -> int:
        raise NotImplementedError

    async def remove(
        self,
        key: PersonKey,
        scope: str | None = None,
        *,
        reason: SuppressionReason | None = None,
        by: str,
        why: str = "",
    ) -> int:
        gone = [
            one for one in self.suppressions if one[0] == key and scope in (None, one[1]) and reason in (None, one[2])
        ]
        for one in gone:
            del self.suppressions[one]
            self.undone.append((one[1], by, why))
        return len(gone)

    async def of_person(self, person: PersonKey, sender: str, *, also: Collection[str]) -> Sequence[MailingList]:
        return self.lists

    async def sent(self, delivery: DeliveryId) -> Sent | None:
        return self.sends.get(delivery)

    async def print(self, delivery: Delivery, *, path: str, note: str) -> bytes:
        self.asked.append((path, note))
        if isinstance(self.printed, Exception):
            raise self.printed
        return self.printed

    async def find(self, keys: Iterable[PersonKey]) -> list[Suppression]:
        wanted = set(keys)
        return [entry for entry in self.suppressions.values() if entry.key in wanted]

    async def entries(self) -> AsyncIterator[Suppression]:
        for entry in self.suppressions.values():
            yield entry

    async def history(self, *, delivery: DeliveryId | None = None) -> Sequence[History]:
        return [self.deliveries[delivery]] if delivery in self.deliveries else []

    async def apply(self, operations: Sequence[Operation]) -> Sequence[Result]:
        if self.is_sick:
            raise Unavailable("the store is sick")
        if self.is_broken:
            raise RuntimeError("postgresql://user:hunter2@db")
        for operation in operations:
            assert isinstance(operation, Record)
            self.events.extend(operation.events)
            self.put(*operation.suppressions)
        return [None for _ in operations]


@dataclass
class Neighbour:
    """The daemon, as the web process knows it."""

    said: Mapping[str, Any] = field(default_factory=dict)
    text: str = "tierii_deliveries_total 3.0"
    is_gone: bool = False

    async def ping(self) -> Mapping[str, Any]:
        if self.is_gone:
            raise Unavailable("no daemon answers")
        return self.said

    async def metrics(self) -> str:
        await self.ping()
        return self.text


@dataclass
class Stage:
    """What a test holds."""

    shelf: Shelf = field(default_factory=Shelf)
    daemon: Neighbour = field(default_factory=Neighbour)
    codec: TokenCodec = field(default_factory=lambda: TokenCodec(b"0123456789abcdef"))
    clock: ManualClock = field(default_factory=ManualClock)
    metrics: WebMetrics = field(default_factory=WebMetrics)

    @property
    def ann(self) -> PersonKey:
        return self.codec.person_key(ANN)

    def token(self, list_id: str = "news.example.com", delivery: int | None = 7) -> str:
        return seal_unsubscribe(self.codec, self.ann, list_id, delivery)

    def preferences(self, sender: str = "acme.example") -> str:
        return seal_preferences(self.codec, self.ann, sender, 7)

    def web_view(self, delivery: int = 7) -> str:
        return seal_web_view(self.codec, self.ann, delivery)

    def sent(self, **fields: Any) -> Sent:
        """Return what is kept of a campaign mail to Ann that was sent."""
        now = self.clock.now()
        values: dict[str, Any] = {
            "id": DeliveryId(7),
            "lane": Lane(id=LaneId(1), stream=StreamId(1), domain="example.com"),
            "recipient": "ann@example.com",
            "recipient_key": self.ann,
            "priority": Priority.NORMAL,
            "attempts": 1,
            "accepted_at": now,
            "expires_at": now,
            "campaign": "spring",
            "body_hash": "0" * 64,
        }
        return Sent(delivery=Delivery(**values | fields), state=State.COMPLETED)

    @asynccontextmanager
    async def listening(self, audience: Audience = Audience.BOTH) -> AsyncIterator[str]:
        """Serve on loopback; yield the URL."""
        recipients = RecipientPorts(
            codec=self.codec,
            unsubscriber=ListUnsubscriber(self.shelf, self.shelf, self.clock),
            preferences=PreferencesDesk(self.shelf, self.shelf, self.shelf, self.clock),
            views=PrintedViews(self.shelf, self.shelf),
        )
        ports = WebPorts(
            recipients=recipients,
            daemon=self.daemon,
            clock=self.clock,
            hosts=frozenset({"mta.example.com"}),
            metrics=self.metrics,
        )
        async with serving([Listener("web.listen", "127.0.0.1", 0, create_app(ports, audience))]) as (address,):
            yield f"http://{address}"
