"""The reading room as the daemon uses it: messages go in, readings come out, whatever the messages are.

Owns what a caller gets when a message cannot be read within its limits: a reading of kind UNPARSED that says why, and
a reply that is not cut.  Its octets are not touched here, so nothing is lost, and the other messages of its batch are
read.  Starts no process before there is work; `close` ends them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.correspondence.quote.cutting import Cut, Piece
from tierii_mta.correspondence.quote.lines import Role
from tierii_mta.correspondence.reading import EnvelopeFacts, Evidence, Kind, Reading
from tierii_mta.correspondence.room import wire
from tierii_mta.correspondence.room.wire import CutJob, Failure, Job, ReadJob, Result
from tierii_mta.workers.pool import WorkerPool
from tierii_mta.workers.process import Limits, Order
from tierii_mta.workers.wire import Frame

LIMITS = Limits(silence=timedelta(seconds=30))  # a busy machine is not a hostile message
_DEADLY = "takes too much time or memory: no process that reads it survives"


@dataclass(slots=True, eq=False, kw_only=True)
class RoomOrder(Order):
    """A job for a caller who waits."""

    job: Job
    done: asyncio.Future[Result]


class ReadingRoom:
    """Reads in worker processes. Use it within one event loop, and `close` it."""

    name, module = "reading room", "tierii_mta.correspondence.room.worker"

    def __init__(self, *, workers: int | None = None, limits: Limits = LIMITS) -> None:
        self._workers: WorkerPool[RoomOrder, Result] = WorkerPool(self, workers=workers, limits=limits)

    @property
    def pids(self) -> list[int]:
        """The worker processes."""
        return self._workers.pids

    async def read(self, octets: bytes | Sequence[bytes], envelope: EnvelopeFacts) -> Reading:
        """Return what a message is; of kind UNPARSED if that cannot be found out within the limits.

        Its octets may come in pieces. Raises `Unavailable` if nothing can be read now.
        """
        result = await self._do(ReadJob([octets] if isinstance(octets, bytes) else octets, envelope))
        return result if isinstance(result, Reading) else _unparsed(_why(result))

    async def cut(self, text: str, html: str = "", original: str | None = None) -> Cut:
        """Return what is new in a reply; all of it if that cannot be found within the limits. Raises `Unavailable`."""
        result = await self._do(CutJob(text, html, original))
        return result if isinstance(result, Cut) else _uncut(text or html, is_from_html=not text)

    async def close(self) -> None:
        """End the workers; who still waits gets `Unavailable`."""
        await self._workers.close()

    async def _do(self, job: Job) -> Result:
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._workers.submit(RoomOrder(job=job, done=done, size_bytes=job.size_bytes))
        return await done

    # -- workers.pool.Trade ---------------------------------------------------------------------------------------

    def dialect(self) -> "_Dialect":
        """Return how to speak to a new worker."""
        return _Dialect()

    def settle(self, results: Sequence[tuple[RoomOrder, Result]]) -> None:
        """Hand out what was found."""
        for order, result in results:
            if not order.done.done():
                order.done.set_result(result)

    def convict(self, order: RoomOrder) -> None:
        """Say of a message that it is deadly."""
        order.done.set_result(Failure(_DEADLY))


class _Dialect:
    """Speaks to one worker, and remembers nothing; see `workers.process.Dialect`."""

    def request(self, orders: Sequence[RoomOrder]) -> list[bytes]:
        return [wire.pack_jobs([order.job for order in orders])]

    def results(self, frame: Frame) -> tuple[list[Result], bool]:
        return wire.unpack_results(frame)


def _why(result: Result) -> str:
    return result.why if isinstance(result, Failure) else "another question was answered"


def _unparsed(why: str) -> Reading:
    evidence = Evidence(rule="unparsed", where="message", detail=why[:200])
    return Reading(kind=Kind.UNPARSED, evidence=(evidence,), faults=(why,))


def _uncut(source: str, *, is_from_html: bool) -> Cut:
    whole = Piece(start=0, end=len(source), role=Role.WORDS, is_kept=True, rule="uncut")
    return Cut(source=source, is_from_html=is_from_html, pieces=(whole,))
