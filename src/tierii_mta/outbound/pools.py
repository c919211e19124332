"""Which pool of sources a mail leaves from: its campaign's, else that of the domain it is sent as.

Owns the choice; a campaign's plan names its pool, submitted mail goes by the domain of its reverse-path.  Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tierii_mta.queue.delivery import Delivery, Lane
from tierii_mta.queue.pacing import Plans

DEFAULT_POOL = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """The pools of this installation."""

    plans: Plans = field(default_factory=Plans)
    of_domain: Mapping[str, str] = field(default_factory=dict)  # that we send as

    def of_lane(self, lane: Lane) -> Sequence[str]:
        """Return the pools that mail of a lane may leave from; several where each message has its own."""
        plan = self.plans.get(lane.stream)
        if plan is not None:
            return (plan.pool,)
        return tuple(dict.fromkeys((DEFAULT_POOL, *self.of_domain.values())))

    def of(self, delivery: Delivery) -> str:
        """Return the pool of one mail."""
        plan = self.plans.get(delivery.lane.stream)
        if plan is not None:
            return plan.pool
        return self.of_domain.get((delivery.reverse_path or "").rpartition("@")[2].lower(), DEFAULT_POOL)
