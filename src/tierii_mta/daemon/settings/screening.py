"""The settings of port 25's checks: what findings weigh, from which score on what happens, and who else is asked.

Owns the section `smtp.inbound.checks`; what each rule means is told by inbound.screening.rules.
"""

from collections.abc import Mapping
from datetime import timedelta
from ipaddress import IPv4Network, ip_network
from typing import Annotated, Any, Self

from pydantic import PlainSerializer, PlainValidator, field_validator, model_validator

from tierii_mta.daemon.settings.section import Section, key, required
from tierii_mta.daemon.settings.values import Domain, Network, Switch, Wait
from tierii_mta.inbound.checks import Decision
from tierii_mta.inbound.screening.rules import BY_NAME

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_DECISIVE = (Decision.QUARANTINE, Decision.REJECT)
_MOST = 100.0


def _weight(value: Any) -> float | Decision:
    if value in [str(one) for one in _DECISIVE]:
        return Decision(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not -_MOST <= value <= _MOST:
        raise ValueError(f"must be a number from -{_MOST:g} to {_MOST:g}, or quarantine, or reject")
    return float(value)


def _plain(value: float | Decision) -> float | str:
    return str(value) if isinstance(value, Decision) else value


def _score(value: Any) -> float:
    weight = _weight(value)
    if isinstance(weight, Decision):
        raise ValueError("must be a number")  # noqa: TRY004  pydantic turns ValueError into a problem, TypeError not
    return weight


Weight = Annotated[float | Decision, PlainValidator(_weight), PlainSerializer(_plain)]
Score = Annotated[float, PlainValidator(_score)]


class ThresholdSettings(Section):
    greylist: Score | None = key(3.0, "from this score on strangers wait; null = nobody does")
    quarantine: Score = key(6.0, "from this score on a message is kept apart")
    reject: Score | None = key(12.0, "from this score on it is refused; null = a score alone refuses nothing")

    @model_validator(mode="after")
    def _are_in_order(self) -> Self:
        given = [one for one in (self.greylist, self.quarantine, self.reject) if one is not None]
        if given != sorted(given):
            raise ValueError("must rise: greylist, quarantine, reject")
        return self


class GreylistSettings(Section):
    wait: Wait = key(timedelta(minutes=5), "how long a stranger waits")
    window: Wait = key(timedelta(days=2), "whoever comes again later than that is a stranger again")
    memory: Wait = key(timedelta(days=35), "how long those that came again are remembered after their last visit")


class ListSettings(Section):
    zone: Domain = required("the zone that is asked for the client's address, as its operator names it")
    weight: Weight = required("what a listing adds: above 0 a block list, below 0 an allow-list; or quarantine, reject")
    answers: tuple[Network, ...] = key(
        (), "answers that count, as networks in 127.0.0.0/8; [] = all but errors", example="answers: [127.0.0.2/31]"
    )

    @field_validator("answers")
    @classmethod
    def _are_answers(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if any(not isinstance(one, IPv4Network) or not one.subnet_of(IPv4Network("127.0.0.0/8")) for one in value):
            raise ValueError("must lie in 127.0.0.0/8")
        return value


class RspamdSettings(Section):
    url: str = required("a normal worker of rspamd, e.g. http://127.0.0.1:11333")
    timeout: Wait = key(timedelta(seconds=8), "for its answer; without one there is a note")

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value


class ChecksSettings(Section):
    enabled: Switch = key(True, "false = nothing is looked up and everything is accepted")
    trusted: tuple[Network, ...] = key(
        _LOOPBACK, "networks of your own servers, which hand on what others wrote: what is about the client is left out"
    )
    thresholds: ThresholdSettings = key(ThresholdSettings(), "what the scores, added up, are held against")
    weights: Mapping[str, Weight] = key(
        {},
        "what rules add to the score, where not the default; or quarantine, reject. docs/operate/checks.md lists them",
        example="weights: {spf_fail: 6, dmarc_reject: quarantine}",
    )
    greylist: GreylistSettings = key(GreylistSettings(), "those who have to come again")
    lists: tuple[ListSettings, ...] = key(
        (),
        "block lists and allow-lists in the DNS; none is set, as each has terms of use",
        example="lists: [{zone: zen.example.org, weight: 5, answers: [127.0.0.2/31]}]",
    )
    rspamd: RspamdSettings | None = key(
        None, "ask rspamd; null = no", example="rspamd: {url: http://127.0.0.1:11333, timeout: 8s}"
    )
    arc_sealers: tuple[Domain, ...] = key(
        (),
        "domains of forwarders and lists whose ARC seal counts where DMARC fails",
        example="arc_sealers: [lists.example]",
    )

    @field_validator("weights")
    @classmethod
    def _are_rules(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in value:
            if name not in BY_NAME:
                raise ValueError(f"{name} is no rule; see docs/operate/checks.md")
            if BY_NAME[name].is_note:
                raise ValueError(f"{name} is a note, which weighs nothing")
        return value

    @field_validator("lists")
    @classmethod
    def _are_different(cls, value: tuple[ListSettings, ...]) -> tuple[ListSettings, ...]:
        if len({one.zone for one in value}) < len(value):
            raise ValueError("names a zone twice")
        return value
