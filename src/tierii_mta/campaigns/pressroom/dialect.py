"""What is said to one press worker: orders in batches, and the editions it does not know yet.

Owns which editions a worker has, and which it is to forget when they become many or large.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tierii_mta.authentication.dkim import DkimKey
from tierii_mta.campaigns.plate import Job
from tierii_mta.campaigns.press import Edition, Print
from tierii_mta.campaigns.pressroom import wire
from tierii_mta.campaigns.pressroom.wire import Result
from tierii_mta.workers.process import Order
from tierii_mta.workers.wire import Frame

_MAX_EDITIONS = 64
_MAX_EDITION_BYTES = 128_000_000


@dataclass(slots=True, eq=False, kw_only=True)
class PressOrder(Order):
    """A mail to be printed for a caller who waits."""

    edition: Edition
    job: Job
    keys: Sequence[DkimKey]
    done: asyncio.Future[Print]


class PressDialect:
    """Speaks to one worker; see `workers.process.Dialect`."""

    def __init__(self) -> None:
        self._editions: OrderedDict[int, int] = OrderedDict()  # number → octets, least recently used first

    def request(self, orders: Sequence[PressOrder]) -> Iterator[bytes]:
        """Return a batch, after the editions that are new to the worker."""
        needed = {order.edition.number: order.edition for order in orders}
        drop = self._make_room(needed)
        for number, edition in needed.items():
            if number not in self._editions:
                yield wire.pack_edition(number, edition.snapshot)
                self._editions[number] = edition.size_bytes
            self._editions.move_to_end(number)
        yield wire.pack_batch([(order.edition.number, order.job) for order in orders], drop)

    def results(self, frame: Frame) -> tuple[list[Result], bool]:
        """Return what a frame of the worker says; raises `Garbled`."""
        return wire.unpack_results(frame)

    def _make_room(self, needed: dict[int, Edition]) -> list[int]:
        """Forget editions, least recently used first, until what is needed has room; return their numbers."""
        new = [edition.size_bytes for number, edition in needed.items() if number not in self._editions]
        count, size = len(self._editions) + len(new), sum(self._editions.values()) + sum(new)
        dropped = []
        for number in [number for number in self._editions if number not in needed]:
            if count <= _MAX_EDITIONS and size <= _MAX_EDITION_BYTES:
                break
            size -= self._editions.pop(number)
            count -= 1
            dropped.append(number)
        return dropped
