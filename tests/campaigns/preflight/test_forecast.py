"""The forecast: the slowest of all rates decides, and says so."""

from collections import Counter
from datetime import timedelta

from tierii_mta import yaml12
from tierii_mta.campaigns.preflight.case import Setup
from tierii_mta.campaigns.preflight.forecast import forecast
from tierii_mta.outbound.shaping import Shaping
from tierii_mta.outbound.sources import Source
from tierii_mta.quantities import Rate

SHAPING = Shaping.load(
    [
        yaml12.parse(
            "default: {rate: 100/s}\n"
            "providers: {google: {mx: [google.com], rate: 10/s}, yahoo: {mx: [yahoodns.net]}}\n",
            file="shaping.yaml",
        )
    ]
)


def setup(sources: int = 1) -> Setup:
    named = tuple(Source(name=f"s{number}", ehlo="mta.example.com") for number in range(sources))
    return Setup(hostname="mta.example.com", sources=named, shaping=SHAPING)


MAILS = Counter(google=1000, yahoo=1000)


def test_the_slowest_provider_decides() -> None:
    found = forecast(MAILS, setup())

    assert found.takes == timedelta(seconds=100)
    assert "google at 10/s" in found.because
    assert {leg.provider: leg.takes for leg in found.legs} == {
        "google": timedelta(seconds=100),
        "yahoo": timedelta(seconds=10),
    }


def test_a_second_source_halves_the_time() -> None:
    assert forecast(MAILS, setup(sources=2)).takes == timedelta(seconds=50)


def test_the_rates_of_the_campaign_count_for_all_sources_together() -> None:
    slow = {"yahoo": Rate.parse("360/h")}

    assert forecast(MAILS, setup(sources=2), per_provider=slow).takes == timedelta(hours=1000 / 360)
    whole = forecast(MAILS, setup(), maximum=Rate.parse("1/s"))
    assert (whole.takes, whole.because) == (timedelta(seconds=2000), "1/s (rate.max of the campaign)")


def test_nobody_takes_no_time() -> None:
    assert forecast(Counter(), setup()).takes == timedelta(0)
