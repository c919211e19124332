"""Every rule: what it says of a campaign that breaks it, and that it is silent about a sound one."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tests.campaigns.preflight.bench import (
    ADDRESS,
    HTML,
    NAME,
    PEOPLE,
    Bench,
    Outside,
    key_record,
    of_rule,
    open_outside,
    signing_key,
    with_domain,
    with_setup,
)
from tierii_mta import yaml12
from tierii_mta.campaigns.preflight.findings import Severity
from tierii_mta.campaigns.preflight.history import DayCount
from tierii_mta.campaigns.preflight.rules import RULES
from tierii_mta.outbound.shaping import Shaping
from tierii_mta.outbound.sources import Source

E, W = Severity.ERROR, Severity.WARNING
Change = Callable[[Bench], object]
Break = Callable[[Bench, Outside], object]


def file(old: str, new: str) -> Change:
    """Return a change of the campaign file."""

    def change(bench: Bench) -> None:
        assert old in bench.file
        bench.file = bench.file.replace(old, new)

    return change


def more(line: str) -> Change:
    return lambda bench: setattr(bench, "file", bench.file + line + "\n")


def html(body: str) -> Change:
    return lambda bench: setattr(bench, "html", f"<html><body>{body}</body></html>")


def subject(text: str) -> Change:
    return file('"Hello {{ first_name }}"', f'"{text}"')


def people(*rows: dict[str, object]) -> Change:
    return lambda bench: setattr(bench, "people", [{**PEOPLE[0], **row} for row in rows])


def history(provider: str, delivered: int, complained: int = 0) -> Change:
    count = DayCount(day=date(2026, 9, 20), provider=provider, delivered=delivered, complained=complained)
    return lambda bench: setattr(bench, "history", [count])


def profile(*names: str) -> Change:
    return more(f"compliance: {{profiles: [{', '.join(names)}]}}")


def compliance(text: str) -> Change:
    return more(f"compliance: {{{text}}}")


def every(*changes: Change) -> Change:
    def change(bench: Bench) -> None:
        for each in changes:
            each(bench)

    return change


def no_tls(bench: Bench) -> None:
    with_setup(
        bench, shaping=Shaping.load([yaml12.parse("default: {tls: none}\nproviders: {}\n", file="shaping.yaml")])
    )


LONG = "word " * 22_000
ADULT: dict[str, object] = {"age_affirmed_at": "2026-01-02", "region": "CA"}
LICENSED = compliance('profiles: [cannabis-us-ca], postal_address: "1 Main St"')
OFFLINE: list[tuple[str, Change, Severity, str]] = [
    ("A2", lambda b: with_domain(b, keys=()), E, "example.com has no DKIM key"),
    ("A2", lambda b: with_domain(b, keys=(signing_key(1024),)), W, "the RSA key has 1024 bits"),
    ("A6", no_tls, E, "TLS to other is switched off"),
    ("A7", more("reply_to: {email: acme@gmail.com}"), W, "acme@gmail.com is of a freemail provider"),
    ("A7", more("reply_to: {email: no-reply@example.com}"), W, "answers go to no-reply"),
    ("A8", lambda b: setattr(b, "public_url", "https://mail.other.example"), W, "not of the organisation"),
    ("A8", lambda b: setattr(b, "public_url", "https://192.0.2.1"), W, "is an address instead of a name"),
    ("A8", lambda b: setattr(b, "public_url", "https://mail.example.com:8443"), W, "names a port"),
    ("H1", html("{{ first_name | safe }}"), W, "markup in a contact's field"),
    ("H2", more("unsubscribe: {one_click: false}"), E, "one-click unsubscribing is switched off"),
    ("H2", lambda b: setattr(b, "public_url", "http://mail.example.com"), E, "is not https"),
    ("H5", more("unsubscribe: {footer: none}"), E, "the HTML part shows no unsubscribe link"),
    ("H5", html('<a style="display:none" href="{{ unsubscribe_url }}">out</a>'), E, "the HTML part shows no"),
    ("H6", file("list: {id: news.example.com, name: News, opt_in: double}\n", ""), W, "names no list"),
    ("C1", subject("Re: your order"), W, "poses as an answer"),
    ("C1", every(subject("Fwd: your order"), profile("can-spam")), E, "poses as an answer"),
    ("C1", subject("EVERYTHING MUST GO TODAY"), W, "shouts"),
    ("C1", subject("Buy now!!"), W, "looks like spam"),
    ("C1", subject("x" * 79), W, "has 79 characters"),
    ("C2", subject("Hello {{ frist_name }}"), E, "frist_name is missing"),
    ("C2", html("{% if first_name == 'Zoe' %}{{ cuopon }}{% endif %}"), W, "cuopon is used, but no contact"),
    ("C2", people({"first_name": ""}, {"email": "b@example.org"}), W, "first_name is blank for 1 of 2"),
    ("C3", html(LONG), W, "larger than 102 KiB"),
    ("C4", html('<a href="/shop">shop</a>'), W, "is not absolute"),
    ("C4", html('<a href="http://example.com/">shop</a>'), W, "is not https"),
    ("C4", html('<a href="https://192.0.2.1/">shop</a>'), W, "leads to an address"),
    ("C4", html('<a href="https://bit.ly/x">shop</a>'), W, "hides where it leads"),
    ("C4", html('<a href="https://evil.example/">www.bank.example</a>'), W, "shows www.bank.example and leads to evil"),
    ("C4", html("<form action='https://example.com/'></form>"), W, "1 forms"),
    ("C4", html("<p onclick='x()'>a</p><script>x()</script>"), W, "2 scripts"),
    ("C5", lambda b: setattr(b, "postal_address", None), W, "no postal address is set"),
    ("C5", every(lambda b: setattr(b, "postal_address", None), profile("can-spam")), E, "which can-spam asks for"),
    ("C5", more("unsubscribe: {footer: none}"), W, "the postal address is missing in the HTML part"),
    ("C5", profile("casl"), E, "no telephone number, address or page"),
    ("C6", more("attachments: [{path: menu.pdf}]"), W, "1 attached file"),
    ("C6", more("attachments: [{path: setup.exe}]"), E, "setup.exe can be run"),
    ("C6", profile("can-spam"), W, "nothing says that it is advertising"),
    ("L1", every(profile("casl"), people({"consent_at": ""})), W, "1 contacts are left out: casl: consent_at is blank"),
    ("L1", every(LICENSED, people(ADULT | {"consent_at": ""})), W, "missing: consent_at for 1 of 1 contacts"),
    ("L1", every(profile("gdpr"), people({"consent_basis": "hearsay"})), W, "gdpr: consent_basis is none of consent"),
    ("L1", compliance("profiles: [casl], assume_consent: because"), E, "knows no basis 'because'"),
    ("L2", more("exclude: {suppression: false}"), W, "suppressed persons are counted"),
    ("L3", people({"email": "abuse@example.org"}), W, "1 of 1 addresses are of roles: abuse@ 1"),
    ("L3", people({"email": "a@mailinator.com"}), W, "1 of 1 addresses are disposable"),
    ("L3", people({"email": "a@gmial.com"}), W, "probably means gmail.com"),
    ("L4", every(profile("gdpr"), file(", opt_in: double", ", opt_in: single")), W, "the list says single"),
    ("L5", LICENSED, W, "2 contacts are left out: cannabis-us-ca: age_affirmed_at is blank"),
    ("L5", every(LICENSED, people(ADULT | {"region": "NV"})), W, "region is none of CA, California"),
    ("L5", every(LICENSED, people(ADULT)), E, "the text part shows no licence number"),
    ("L5", every(LICENSED, people(ADULT), html("a free gram for you")), W, "'free gram' reads like giveaways"),
    ("L6", profile("gdpr"), E, "privacy_url is not set"),
    (
        "L6",
        compliance('profiles: [gdpr], controller: Acme GmbH, privacy_url: "https://example.com/p"'),
        E,
        "no part shows",
    ),
    ("V2", history("google", 10_000, 15), W, "0.15% of 10000 mails to google"),
    ("V2", history("google", 10_000, 31), E, "0.31% of 10000 mails to google"),
]
"""A rule, what breaks it, how much that weighs, and what it says."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for name in ("menu.pdf", "setup.exe"):
        (tmp_path / name).write_bytes(b"%PDF")
    return Bench(tmp_path)


async def test_a_sound_campaign_breaks_no_rule_offline(bench: Bench) -> None:
    preflight = await bench.examine()

    assert [(each.rule, each.what) for each in preflight.findings if each.severity != "info"] == []
    assert preflight.left_out == [rule.id for rule in RULES if rule.live is not None]


async def test_names_of_macros_and_fields_of_a_type_break_no_rule(bench: Bench) -> None:
    (bench.folder / "lib.j2").write_text("{% macro bold(x) %}<b>{{ x }}</b>{% endmacro %}")
    bench.file += "schema: {types: {since: date}}\n"
    bench.html = (
        "{% from 'lib.j2' import bold %}{% set shop = 'Acme' %}"
        + bench.html
        + "{% if not since %}{{ bold(shop) }}{% endif %}"
    )
    bench.people = [{**each, "since": "2026-01-02"} for each in bench.people]

    assert of_rule(await bench.examine(), "C2") == []


@pytest.mark.parametrize(("rule", "change", "severity", "what"), OFFLINE, ids=[f"{r}-{w}" for r, _, _, w in OFFLINE])
async def test_a_rule_that_is_broken_says_so(
    bench: Bench, rule: str, change: Change, severity: Severity, what: str
) -> None:
    change(bench)

    found = of_rule(await bench.examine(), rule)

    assert [each.severity for each in found if what in each.what][:1] == [severity], [str(each) for each in found]
    assert all(each.where and each.remedy for each in found)


async def test_a_campaign_that_does_all_the_profiles_ask_for_passes_them(bench: Bench) -> None:
    every(
        file("headers:", "unsubscribe: {footer: none}\nheaders:"),
        compliance(
            'profiles: [can-spam, casl, gdpr, cannabis-us-ca], postal_address: "1 Main St, Oakland CA", '
            'contact: "+1 510 555 0100", controller: Acme Inc, privacy_url: "https://example.com/privacy"'
        ),
        people(ADULT),
    )(bench)
    bench.html = HTML.replace(
        "</body>",
        "<p>You are receiving this because you signed up. Acme Inc, 1 Main St, Oakland CA, +1 510 555 0100, "
        'licence C10-0000123-LIC. <a href="https://example.com/privacy">Privacy</a> '
        '<a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body>',
    )

    preflight = await bench.examine()

    assert [(each.rule, each.what) for each in preflight.findings if each.severity != "info"] == []


async def test_transactional_mail_needs_no_way_out_and_no_list(bench: Bench) -> None:
    every(
        file("campaign: {id: spring, name: Spring}", "campaign: {id: spring, kind: transactional}"),
        file("list: {id: news.example.com, name: News, opt_in: double}\n", ""),
    )(bench)

    preflight = await bench.examine()

    assert [(each.rule, each.what) for each in preflight.findings if each.severity != "info"] == []


async def test_transactional_mail_that_names_a_list_is_told(bench: Bench) -> None:
    file("campaign: {id: spring, name: Spring}", "campaign: {id: spring, kind: transactional}")(bench)

    assert [each.what for each in of_rule(await bench.examine(), "H6")] == ["transactional mail names a list"]


async def test_consent_is_counted_by_basis_and_an_assumed_one_is_told(bench: Bench) -> None:
    people({}, {"email": "b@example.org", "consent_basis": "implied"}, {"email": "c@example.org"})(bench)

    counted = [each.what for each in (await bench.examine()).findings if each.rule == "L1"]
    assert counted == ["consent by basis: express 2, implied 1"]

    compliance("assume_consent: express")(bench)
    bench.people = [{"email": "a@example.org", "first_name": "A"}]
    assumed = [each.what for each in (await bench.examine()).findings if each.rule == "L1"]
    assert assumed == ["consent of all 1 contacts is assumed: express"]


def txt(name: str, text: str | None) -> Break:
    def change(_: Bench, outside: Outside) -> None:
        outside.dns.remove(name, "TXT")
        if text is not None:
            outside.dns.add(name, "TXT", text)

    return change


def gone(name: str, kind: str | None = None) -> Break:
    return lambda _, outside: outside.dns.remove(name, kind)


def listed(bench: Bench, outside: Outside) -> None:
    with_setup(bench, blocklists=("list.example",))
    outside.dns.add("9.0.0.127.list.example", "A", "127.0.0.2")


def null_mx(_: Bench, outside: Outside) -> None:
    outside.dns.remove("example.com", "MX")
    outside.dns.add("example.com", "MX", 0, ".")


def foreign_return_path(bench: Bench, outside: Outside) -> None:
    with_domain(bench, return_path="bounce.other.example")
    outside.dns.add("bounce.other.example", "TXT", f"v=spf1 ip4:{ADDRESS} -all")


def foreign_signer(bench: Bench, outside: Outside) -> None:
    foreign_return_path(bench, outside)
    key = signing_key(domain="other.example")
    with_domain(bench, keys=(key,))
    outside.dns.add(key.dns_name, "TXT", key_record(key))


def another_ehlo(bench: Bench, _: Outside) -> None:
    with_setup(bench, sources=(Source(name="main", ehlo="smtp.example.com", address=ADDRESS),))


def endpoint(**changes: object) -> Break:
    def change(_: Bench, outside: Outside) -> None:
        for name, value in changes.items():
            setattr(outside.endpoint, name, value)

    return change


def link(bench: Bench, outside: Outside) -> None:
    bench.html = f'<a href="{outside.endpoint.url}/gone">gone</a>'
    outside.endpoint.statuses["/gone"] = 410


def unknown_host(bench: Bench, outside: Outside) -> None:
    bench.html = '<a href="https://broken.example/">x</a>'
    outside.dns.fail("broken.example", "SERVFAIL")


def many(provider_mx: str) -> Break:
    def change(bench: Bench, outside: Outside) -> None:
        bench.people = [{**PEOPLE[0], "email": f"p{n}@example.org"} for n in range(1001)]
        outside.dns.remove("example.org", "MX")
        outside.dns.add("example.org", "MX", 10, provider_mx)

    return change


def dead_share(bench: Bench, outside: Outside) -> None:
    outside.dns.add("null.example", "MX", 0, ".")
    bench.people = [{**PEOPLE[0], "email": f"p{n}@{'null.example' if n < 3 else 'example.org'}"} for n in range(100)]


SELECTOR = "s2048._domainkey.example.com"
LIVE: list[tuple[str, Break, Severity, str]] = [
    ("A1", txt("bounce.example.com", None), E, "publishes no SPF record"),
    ("A1", txt("bounce.example.com", "v=spf1 ip4:192.0.2.1 -all"), E, "fail"),
    ("A2", gone(SELECTOR), E, "0 key records are published"),
    ("A2", txt(SELECTOR, "v=DKIM1; p="), E, "the published key is revoked"),
    ("A2", txt(SELECTOR, key_record(signing_key(1024))), E, "another key is published"),
    ("A2", lambda _, outside: outside.dns.fail(SELECTOR, "SERVFAIL"), W, "the DNS does not say"),
    ("A3", gone("_dmarc.example.com"), E, "has no DMARC record"),
    ("A3", txt("_dmarc.example.com", "v=DMARC1; p=none"), W, "nobody to report to"),
    ("A4", foreign_return_path, W, "the return path bounce.other.example is not aligned"),
    ("A4", foreign_signer, E, "the signing domain other.example is not aligned"),
    ("A5", gone("9.0.0.127.in-addr.arpa"), E, "has no PTR record"),
    ("A5", gone(NAME, "A"), E, "does not lead back"),
    ("A5", another_ehlo, W, "says EHLO smtp.example.com"),
    ("A7", gone("example.com", "MX"), W, "has no MX record"),
    ("A7", gone("example.com"), E, "has no MX record"),
    ("A7", null_mx, E, "says that it takes no mail"),
    ("A8", endpoint(statuses={"/healthz": 502}), W, "/healthz answers 502"),
    ("A9", listed, W, f"{ADDRESS} is listed by list.example"),
    ("H3", endpoint(unsubscribing={"GET", "POST"}), E, "GET of an unsubscribe link unsubscribes"),
    ("H3", endpoint(unsubscribing={"HEAD", "POST"}), E, "HEAD of an unsubscribe link unsubscribes"),
    ("H3", endpoint(unsubscribing=set()), E, "unsubscribes nobody here"),
    ("H3", endpoint(statuses={"POST": 302}), E, "answers 302"),
    ("H3", endpoint(cookie="Set-Cookie: a=b\r\n"), E, "sets a cookie"),
    ("H3", lambda b, _: setattr(b, "public_url", "http://127.0.0.1:1"), W, "cannot be tried"),
    ("C4", link, W, "answers 410"),
    ("C4", lambda b, _: setattr(b, "html", '<a href="https://nowhere.invalid/">x</a>'), W, "does not exist"),
    ("C4", unknown_host, W, "could not be looked up"),
    ("L3", dead_share, W, "3.0% of 100 addresses are at domains that take no mail: null.example 3"),
    ("L3", gone("example.net"), E, "50.0% of 2 addresses"),
    ("V1", many("aspmx.l.google.com"), W, "1001 mails to google; the best of the last 7 days was 0"),
]


async def test_a_sound_sender_breaks_no_rule(bench: Bench) -> None:
    async with open_outside(bench.clock) as outside:
        bench.public_url = outside.endpoint.url
        with_setup(bench, allows_loopback=True)
        bench.html = HTML.replace("https://example.com/", f"{outside.endpoint.url}/shop")

        preflight = await bench.examine(outside.world)

    told = [(each.rule, each.what) for each in preflight.findings if each.severity != "info"]
    assert [(rule, re.sub(r"127\S+", "", what)) for rule, what in told] == [
        ("H2", "http:// is not https"),  # loopback: the one thing that a test cannot have
        ("C4", "the link 'http:// is not https"),
        ("C4", "the link 'http:// leads to an address instead of a name"),
    ]
    assert preflight.left_out == []


@pytest.mark.parametrize(("rule", "change", "severity", "what"), LIVE, ids=[f"{r}-{w}" for r, _, _, w in LIVE])
async def test_a_rule_that_is_broken_in_the_network_says_so(
    bench: Bench, rule: str, change: Break, severity: Severity, what: str
) -> None:
    async with open_outside(bench.clock) as outside:
        bench.public_url = outside.endpoint.url
        with_setup(bench, allows_loopback=True)
        change(bench, outside)

        found = of_rule(await bench.examine(outside.world), rule)

    assert [each.severity for each in found if what in each.what][:1] == [severity], [str(each) for each in found]
    assert all(each.where and each.remedy for each in found)


async def test_nobody_is_asked_whose_address_is_private(bench: Bench) -> None:
    async with open_outside(bench.clock) as outside:
        outside.dns.add("inside.example", "A", "10.0.0.1")
        bench.html = '<a href="https://inside.example/">x</a>'

        found = of_rule(await bench.examine(outside.world), "C4")

    assert [each.what for each in found] == ["the link 'https://inside.example/' leads to a private address"]


def test_every_rule_is_broken_by_some_example() -> None:
    broken = {rule for rule, *_ in OFFLINE} | {rule for rule, *_ in LIVE}

    assert {rule.id for rule in RULES} - broken == {"A10", "H4", "H7"}  # see test_links_of_persons and below
    assert [rule.id for rule in RULES] == sorted((rule.id for rule in RULES), key=_order)


def _order(rule: str) -> tuple[int, int]:
    return "AHCLV".index(rule[0]), int(rule[1:])


async def test_programmes_nobody_says_to_take_part_in_are_told(bench: Bench) -> None:
    with_setup(bench, enrolled=frozenset({"yahoo-cfl"}))
    bench.file = bench.file.replace('headers: {Feedback-ID: "spring:marketing:acme"}\n', "")

    told = [each.what for each in (await bench.examine()).findings if each.rule == "A10"]

    assert len(told) == 2
    assert "Yahoo" not in told[0]
    assert "Feedback-ID" in told[1]
