"""Paths and permits: what the throttle, the gate and an attempt say to each other.

Owns their shape; not who gets a permit (outbound.throttle) nor when (outbound.gate).
"""

from dataclasses import dataclass
from enum import Enum

from tierii_mta.outbound.meters import Bucket, Gauge, Load, Window
from tierii_mta.outbound.shaping import Knobs

Meter = Window | Gauge | Bucket


class Feedback(Enum):
    """What an attempt showed about its site. Refused messages show nothing: only reaching the hosts counts."""

    REACHED = "reached"
    UNREACHED = "unreached"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now. `seconds` None: until a connection is released."""

    seconds: float | None
    why: str
    meter: Meter


@dataclass(eq=False, slots=True)
class Path:
    """From a source to a domain."""

    source: str
    domain: str
    site: str
    provider: str
    knobs: Knobs
    window: Window
    gauges: tuple[Gauge, ...]
    rates: tuple[Bucket, ...]
    connection_rates: tuple[Bucket, ...]
    most: int  # connections, by the smallest ceiling
    loads: tuple[Load, ...]  # the window and the gauges
    meters: tuple[Meter, ...]  # those a permit needs, the ones that run out first in front


@dataclass(eq=False, slots=True)
class Permit:
    """The right to use one connection for one message. Release it exactly once."""

    path: Path
    since: float
    is_held: bool = True
