"""shaping.yaml: merging, levels, origins, errors."""

from datetime import timedelta

import pytest

from tierii_mta import yaml12
from tierii_mta.errors import ConfigurationError
from tierii_mta.outbound.security import TlsPolicy
from tierii_mta.outbound.shaping import OTHER, Shaping
from tierii_mta.quantities import Rate
from tierii_mta.shipped import folder

SHIPPED = yaml12.load(folder("config") / "shaping.yaml")


def shaping(*texts: str, shipped: bool = False) -> Shaping:
    own = [yaml12.parse(text, file=f"own{number or ''}.yaml") for number, text in enumerate(texts)]
    return Shaping.load([SHIPPED, *own] if shipped else own)


def limits(
    found: Shaping, *, source: str = "main", domain: str = "example.com", provider: str = OTHER, site: str = "mx"
) -> set[tuple[str, str, tuple[str, ...]]]:
    """The ceilings that apply, as (level, `resource limit`, whom they count)."""
    return {
        (each.level, f"{each.resource} {each.limit}", each.bucket[2:])
        for each in found.ceilings(source=source, domain=domain, provider=provider, site=site)
    }


def test_the_shipped_default_is_ten_connections_a_hundred_messages_each_and_a_hundred_a_second() -> None:
    found = shaping(shipped=True)
    assert limits(found) == {("default", "connections 10", ("main", "mx")), ("default", "rate 100/s", ("main", "mx"))}
    knobs = found.knobs(source="main", domain="example.com", provider=OTHER)
    assert (knobs.tls, knobs.messages_per_connection) == (TlsPolicy.OPPORTUNISTIC, 100)
    assert knobs.connection_lifetime == timedelta(minutes=5)
    assert not found.warnings


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("gmail-smtp-in.l.google.com", "google"),
        ("aspmx2.googlemail.com", "google"),
        ("outlook-com.olc.protection.outlook.com", "microsoft"),
        ("example-com.mail.protection.outlook.com", "microsoft"),
        ("example-com.k-v1.mx.microsoft", "microsoft"),
        ("mta5.am0.yahoodns.net", "yahoo"),
        ("mx1.mail.yahoo.co.jp", "yahoo_japan"),
        ("mx01.mail.icloud.com", "apple"),
        ("mx1h1.comcast.net", "comcast"),
        ("mx00.gmx.net", "gmx"),
        ("mx-ha02.web.de", "gmx"),
        ("smtp-in.orange.fr", "orange"),
        ("eu-smtp-inbound-1.mimecast.com", "mimecast"),
        ("mx3.qq.com", "qq"),
        ("163mx01.mxmail.netease.com", "netease"),
        ("mx.example.com", "other"),
        ("notgoogle.com", "other"),
        ("google.com.example.net", "other"),
    ],
)
def test_a_provider_is_told_by_the_suffix_of_its_mx_hosts(host: str, provider: str) -> None:
    assert shaping(shipped=True).provider_of([host]) == provider


def test_the_most_preferred_host_names_the_provider() -> None:
    found = shaping(shipped=True)
    assert found.provider_of(["eu-1.mimecast.com", "aspmx.l.google.com"]) == "mimecast"
    assert found.provider_of(["mx.example.com", "aspmx.l.google.com"]) == OTHER
    assert found.provider_of([]) == OTHER


def test_the_list_of_providers_is_closed() -> None:
    found = shaping(shipped=True).providers
    assert {"google", "microsoft", "yahoo", "apple", "comcast", "gmx", "orange", "mimecast", "qq", "netease"} <= set(
        found
    )
    assert found[-1] == OTHER


def test_a_provider_ceiling_counts_all_its_sites_and_replaces_the_default() -> None:
    found = limits(shaping(shipped=True), provider="google", site="aspmx")
    assert found == {("provider", "connections 5", ("google", "main")), ("default", "rate 100/s", ("main", "aspmx"))}


def test_every_level_has_its_bucket_and_all_apply() -> None:
    found = shaping(
        """
        default: {connections: 10, rate: 100/s}
        providers: {big: {mx: [big.example], connections: 6}}
        domains: {example.com: {connections: 3, rate: 5/s}}
        sources: {main: {connections: 50, rate: 10/s, connection_rate: 60/m}}
        """
    )
    assert limits(found, provider="big") == {
        ("provider", "connections 6", ("big", "main")),
        ("domain", "connections 3", ("example.com",)),
        ("source", "connections 50", ("main",)),
        ("domain", "rate 5/s", ("example.com",)),
        ("source", "rate 10/s", ("main",)),
        ("source", "connection_rate 60/m", ("main",)),
    }


def test_a_source_ceiling_does_not_replace_the_default() -> None:
    found = shaping("default: {connections: 10}\nsources: {main: {connections: 50}}")
    assert {level for level, _, _ in limits(found)} == {"default", "source"}


def test_ceilings_come_smallest_first() -> None:
    found = shaping("default: {connections: 10}\nsources: {main: {connections: 2}}")
    assert [each.limit for each in found.ceilings(source="main", domain="a.example", provider=OTHER, site="x")] == [
        2,
        10,
    ]


def test_knobs_come_from_the_most_specific_level() -> None:
    found = shaping(
        """
        default: {tls: opportunistic, messages_per_connection: 100, connection_lifetime: 5m}
        providers: {big: {mx: [big.example], tls: required, messages_per_connection: 50}}
        domains: {example.com: {tls: verified, messages_per_connection: null}}
        sources: {main: {connection_lifetime: 1m}}
        """
    )
    knobs = found.knobs(source="main", domain="example.com", provider="big")
    assert (knobs.tls, knobs.messages_per_connection) == (TlsPolicy.VERIFIED, 50)
    assert knobs.connection_lifetime == timedelta(minutes=1)
    assert knobs.origins == {
        "tls": "own.yaml:4",
        "messages_per_connection": "own.yaml:3",
        "connection_lifetime": "own.yaml:5",
    }


def test_an_operator_file_wins_key_by_key() -> None:
    found = shaping("providers: {google: {connections: 7}}", shipped=True)
    assert ("provider", "connections 7", ("google", "main")) in limits(found, provider="google")
    assert found.knobs(source="main", domain="a.example", provider="google").messages_per_connection == 50


def test_null_takes_a_bucket_away() -> None:
    found = shaping("providers: {google: {connections: null}}\ndefault: {rate: null}", shipped=True)
    assert limits(found, provider="google") == {("default", "connections 10", ("main", "mx"))}


def test_base_none_drops_the_shipped_file() -> None:
    found = shaping("base: none\ndefault: {connections: 3}", shipped=True)
    assert limits(found, provider="google") == {("default", "connections 3", ("main", "mx"))}
    assert found.provider_of(["gmail-smtp-in.l.google.com"]) == OTHER


def test_an_operator_may_add_a_provider() -> None:
    found = shaping("providers: {acme: {mx: [acme.example], rate: 1/s}}", shipped=True)
    assert found.provider_of(["mx1.acme.example"]) == "acme"
    assert "acme" in found.providers


def test_domains_are_written_as_people_write_them() -> None:
    found = shaping("domains: {BÜCHER.example: {connections: 1}}")
    assert limits(found, domain="xn--bcher-kva.example") == {("domain", "connections 1", ("xn--bcher-kva.example",))}


def test_rules_are_kept_narrow_first_and_announced_as_not_active() -> None:
    found = shaping("default: {rules: [{regex: slow}]}\ndomains: {example.com: {rules: [{regex: narrow}]}}")
    rules = found.rules(source="main", domain="example.com", provider=OTHER)
    assert [rule["regex"] for rule in rules] == ["narrow", "slow"]
    assert len(found.warnings) == 2
    assert "not acted on" in found.warnings[0]
    assert found.warnings[0].startswith("own.yaml:1:")


def test_a_rate_keeps_its_origin() -> None:
    (ceiling,) = shaping("default:\n  rate: 600/h").ceilings(source="m", domain="a.example", provider=OTHER, site="x")
    assert (ceiling.limit, ceiling.origin) == (Rate(600, timedelta(hours=1)), "own.yaml:2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "default: {conections: 3}",
            "own.yaml:1: default.conections: is no key of a shaping file; did you mean connections?",
        ),
        ("provider: {}", "did you mean providers?"),
        ("default: {connections: 0}", "own.yaml:1: default.connections: 0 is not a whole number of at least 1"),
        ("default: {connections: true}", "not a whole number"),
        ("default: {rate: fast}", "write for instance 600/h"),
        ("default: {tls: maybe}", "write one of none, opportunistic, required, verified"),
        ("default: {connection_lifetime: soon}", "is not a duration"),
        ("default: {mx: [a.example]}", "is no key"),
        ("providers: {a: {mx: a.example}}", "is not a list of host name suffixes"),
        ("providers: {other: {connections: 3}}", "use the level default"),
        ("providers: {a: {mx: [x.example]}, b: {mx: [x.example]}}", "belongs to a and to b"),
        ("domains: {'not a domain': {}}", "write a domain name"),
        ("default: [1]", "must be a mapping"),
        ("base: shipped", "write base: none"),
        ("default: {rules: fast}", "is not a list of rules"),
    ],
)
def test_a_mistake_is_named_with_file_line_key_and_remedy(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        shaping(text)
    assert message in str(caught.value)
    assert "own.yaml:1" in str(caught.value)


def test_a_source_that_does_not_exist_is_an_error() -> None:
    found = shaping("sources: {mian: {connections: 3}}")
    with pytest.raises(ConfigurationError, match="did you mean main"):
        found.check_sources(["main", "backup"])
    shaping("sources: {main: {connections: 3}}").check_sources(["main"])
