"""How long a campaign takes at the rates it may use.

Owns the arithmetic over the campaign's rates and shaping's; windows and the rhythm of batches are not in it, nor what
receivers defer.  Pure.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.campaigns.preflight.case import Setup
from tierii_mta.outbound.shaping import Resource
from tierii_mta.quantities import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One provider's part."""

    provider: str
    mails: int
    takes: timedelta | None  # None: no rate holds it up
    because: str  # the rate that does, and who said so


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When the last mail goes out, if nothing is deferred."""

    takes: timedelta
    because: str
    legs: tuple[Leg, ...]


def forecast(
    providers: Counter[str],
    setup: Setup,
    *,
    maximum: Rate | None = None,
    per_provider: Mapping[str, Rate] | None = None,
) -> Forecast:
    """Return how long the mails of each provider take, and all of them."""
    legs = tuple(_leg(name, count, setup, (per_provider or {}).get(name)) for name, count in providers.most_common())
    slowest = max(
        (leg for leg in legs if leg.takes is not None), key=lambda leg: leg.takes or timedelta(0), default=None
    )
    takes, because = timedelta(0), "nothing holds it up"
    if slowest is not None and slowest.takes is not None:
        takes, because = slowest.takes, f"{slowest.provider} at {slowest.because}"
    if maximum is not None and (own := _time(providers.total(), maximum.per_second)) > takes:
        takes, because = own, f"{maximum} (rate.max of the campaign)"
    return Forecast(takes=takes, because=because, legs=legs)


def _leg(provider: str, count: int, setup: Setup, own: Rate | None) -> Leg:
    """A provider's ceiling counts for each source; the campaign's for all of them together."""
    rates: list[tuple[float, str]] = [(own.per_second, f"{own} (rate.per_provider of the campaign)")] if own else []
    shaped = [each for source in setup.sources for each in _shaped(provider, source.name, setup)]
    if shaped and len(shaped) == len(setup.sources):
        total = sum(rate.per_second for rate, _ in shaped)
        rates.append((total, f"{shaped[0][0]} for each of {len(shaped)} sources ({shaped[0][1]})"))
    if not rates:
        return Leg(provider=provider, mails=count, takes=None, because="no rate")
    slowest, because = min(rates)
    return Leg(provider=provider, mails=count, takes=_time(count, slowest), because=because)


def _shaped(provider: str, source: str, setup: Setup) -> list[tuple[Rate, str]]:
    """Return the lowest rate of a source towards a provider, as its one site."""
    ceilings = setup.shaping.ceilings(source=source, domain="", provider=provider, site=provider)
    found = [
        (each.limit, each.origin)
        for each in ceilings
        if each.resource is Resource.RATE and isinstance(each.limit, Rate)
    ]
    return [min(found, key=lambda each: each[0].per_second)] if found else []


def _time(count: int, per_second: float) -> timedelta:
    return timedelta(seconds=round(count / per_second))
