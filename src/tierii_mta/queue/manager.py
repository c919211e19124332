"""The queue manager: claims due mail by quota, hands it to the Deliver port, settles what comes back."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from tierii_mta.queue.delivery import Delivery, Lane, Outcome, Priority


class Deliver(Protocol):
    """The way out, as the queue sees it; `outbound` implements it."""

    def room(self, lane: Lane, priority: Priority) -> int:
        """Return how many more deliveries of the lane may be handed over now, counting those handed over already.

        Asked just before a claim, for every lane that has due mail, so it must be quick and never block. 0 means not
        now: the manager asks again after a short while, or when a delivery of the lane ends. It should count a short
        queue ahead of the connections it has (else every finished delivery costs a claim of its own), and none for a
        destination that is shut. When many lanes share a site the answers add up: what came too much is `Returned`
        with its `due`. Ask with `Priority.HIGH` may find room where bulk finds none.
        """

    async def deliver(self, delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
        """Make one attempt and return what it ended in, within a bounded time.

        Awaits `activate()` after everything is ready and before MAIL FROM: it returns True once `active` is durable;
        on False the delivery is no longer ours, nothing may be sent, and any outcome is ignored. It raises
        `errors.Unavailable` when the store is sick: let it through, the delivery stays queued. `Delivered` and
        `InDoubt` are only legal after it. Without `activate` the outcome is `Deferred`, `Failed` or `Returned`.

        Cancelled only before `activate()` was called (drain: the delivery goes back to pending), or at a hard stop,
        which counts as a crash. Any other exception is a fault of ours: logged, counted, and retried later.
        """
