"""DMARC by the rules of RFC 9989 and the examples of its Appendix B, as a table; and what the DNS may do to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.authentication.zones import Names, WrittenDown
from tierii_mta.authentication.dmarc import (
    DmarcResult,
    Identifier,
    Method,
    check_dmarc,
)
from tierii_mta.authentication.dmarc_record import Policy, choose_records

NONE, PASS, FAIL = DmarcResult.NONE, DmarcResult.PASS, DmarcResult.FAIL
TEMPERROR, PERMERROR = DmarcResult.TEMPERROR, DmarcResult.PERMERROR
REJECT, QUARANTINE = Policy.REJECT, Policy.QUARANTINE
_ALL = ("TXT", "A")


def spf(domain: str, *, is_known: bool = True) -> Identifier:
    return Identifier(Method.SPF, domain, is_known)


def dkim(domain: str, *, is_known: bool = True) -> Identifier:
    return Identifier(Method.DKIM, domain, is_known)


def zone(
    records: Mapping[str, str | Sequence[str]], hosts: Sequence[str] = (), failing: Mapping[str, Sequence[str]] = {}
) -> WrittenDown:
    """Return the DNS where these domains have these DMARC records, and where these hosts have an address."""
    txt = {
        f"_dmarc.{domain}": [each.encode() for each in ([texts] if isinstance(texts, str) else texts)]
        for domain, texts in records.items()
    }
    return WrittenDown(Names(txt=txt, a={host: ["192.0.2.1"] for host in hosts}, failing=failing))


def asked(resolver: WrittenDown) -> list[str]:
    return [name.removeprefix("_dmarc.") for name, kind in resolver.asked if kind == "TXT"]


@dataclass(frozen=True)
class Case:
    rule: str
    records: Mapping[str, str | Sequence[str]]
    author: str
    found: Sequence[Identifier]
    result: DmarcResult
    policy: Policy | None = None  # of a pass: whatever it is
    organisation: str | None = None
    record_domain: str | None = None
    hosts: Sequence[str] = field(default=())


APPENDIX_B_4 = {"example.com": "v=DMARC1; p=reject", "signing.example.com": "v=DMARC1; p=reject"}
BANKS = {
    "bank.example": "v=DMARC1; p=reject; psd=y; rua=mailto:psd@bank.example",
    "giant.bank.example": "v=DMARC1; p=quarantine",
}
DEEP = "a.b.c.d.e.f.g.h.i.j.k.example.com"
SP_AND_NP = {"example.com": "v=DMARC1; p=reject; sp=none; np=quarantine"}

CASES = [
    Case("no record", {}, "example.com", [dkim("example.com")], NONE, None, "example.com"),
    Case(
        "without a record the public suffix list names the organisation",
        {},
        "mail.shop.example.co.uk",
        [],
        NONE,
        None,
        "example.co.uk",
    ),
    Case("B.1, identical domains", {"example.com": "v=DMARC1; p=none"}, "example.com", [spf("example.com")], PASS),
    Case(
        "B.1.2, a parent vouches, relaxed",
        {"example.com": "v=DMARC1; p=reject"},
        "child.example.com",
        [spf("example.com")],
        PASS,
        REJECT,
        "example.com",
        "example.com",
    ),
    Case(
        "B.1.3, a stranger does not vouch",
        {"example.com": "v=DMARC1; p=reject"},
        "child.example.com",
        [spf("example.net"), dkim("sample.net")],
        FAIL,
        REJECT,
    ),
    Case(
        "a name that only ends alike is a stranger",
        {"example.com": "v=DMARC1; p=reject"},
        "example.com",
        [dkim("badexample.com")],
        FAIL,
        REJECT,
    ),
    Case(
        "B.2.5, test mode takes one step off: quarantine",
        {"test.example.com": "v=DMARC1; p=quarantine; rua=mailto:a@example.com,mailto:b@example.net; t=y"},
        "test.example.com",
        [],
        FAIL,
        Policy.NONE,
    ),
    Case("test mode: reject", {"example.com": "v=DMARC1; p=reject; t=Y"}, "example.com", [], FAIL, QUARANTINE),
    Case("test mode: none", {"example.com": "v=DMARC1; p=none; t=y"}, "example.com", [], FAIL, Policy.NONE),
    Case("t=n and nonsense", {"example.com": "v=DMARC1; p=reject; t=yes"}, "example.com", [], FAIL, REJECT),
    Case(
        "B.3.1, both align",
        {"example.com": "v=DMARC1; p=reject; aspf=r; rua=mailto:dmarc-feedback@example.com"},
        "example.com",
        [spf("mail.example.com"), dkim("example.com")],
        PASS,
        REJECT,
    ),
    Case(
        "B.4.1, simple",
        APPENDIX_B_4,
        "example.com",
        [spf("example.com"), dkim("signing.example.com")],
        PASS,
        REJECT,
        "example.com",
        "example.com",
    ),
    Case(
        "B.4.2, deep",
        APPENDIX_B_4,
        DEEP,
        [spf("example.com"), dkim("signing.example.com")],
        PASS,
        REJECT,
        "example.com",
        "example.com",
    ),
    Case(
        "B.4.3, a public suffix: only the own subdomain vouches",
        BANKS,
        "giant.bank.example",
        [spf("mail.giant.bank.example"), dkim("mail.mega.bank.example")],
        PASS,
        QUARANTINE,
        "giant.bank.example",
        "giant.bank.example",
    ),
    Case("B.4.3, the other bank", BANKS, "giant.bank.example", [dkim("mail.mega.bank.example")], FAIL, QUARANTINE),
    Case(
        "4.10.2, the fewest labels win, records between do not",
        {"mail.example.com": "v=DMARC1; p=none", "example.com": "v=DMARC1; p=reject"},
        "a.mail.example.com",
        [],
        FAIL,
        REJECT,
        "example.com",
        "example.com",
    ),
    Case(
        "4.10.2, psd=n ends the walk",
        {"mail.example.com": "v=DMARC1; p=quarantine; psd=n", "example.com": "v=DMARC1; p=reject"},
        "a.mail.example.com",
        [dkim("example.com")],
        FAIL,
        QUARANTINE,
        "mail.example.com",
        "mail.example.com",
    ),
    Case(
        "4.10.2, only the top has a record, with psd=y",
        {"com": "v=DMARC1; p=none; psd=y"},
        "a.mail.example.com",
        [dkim("example.com")],
        PASS,
        Policy.NONE,
        "example.com",
        "com",
    ),
    Case(
        "4.10.2, nothing above: the author is the organisation",
        {"mail.example.com": "v=DMARC1; p=reject"},
        "mail.example.com",
        [dkim("example.com"), spf("bounce.example.com")],
        FAIL,
        REJECT,
        "mail.example.com",
    ),
    Case(
        "psd=n at the author keeps the parent out",
        {"mail.example.com": "v=DMARC1; p=reject; psd=n", "example.com": "v=DMARC1; p=reject"},
        "mail.example.com",
        [dkim("example.com")],
        FAIL,
        REJECT,
        "mail.example.com",
    ),
    Case(
        "a public suffix that sends is its own organisation",
        {"bank.example": "v=DMARC1; p=reject; sp=none; psd=y"},
        "bank.example",
        [spf("mail.bank.example")],
        FAIL,
        REJECT,
        "bank.example",
    ),
    Case(
        "two registrants below one suffix are strangers",
        {"bank.example": "v=DMARC1; p=reject; psd=y"},
        "giant.bank.example",
        [spf("bank.example"), dkim("mega.bank.example")],
        FAIL,
        REJECT,
        "giant.bank.example",
        "bank.example",
    ),
    Case(
        "4.10.1, the suffix's policy where the organisation has none, with sp",
        {"bank.example": "v=DMARC1; p=reject; sp=quarantine; psd=y"},
        "mail.giant.bank.example",
        [dkim("giant.bank.example")],
        PASS,
        QUARANTINE,
        "giant.bank.example",
        "bank.example",
        hosts=["mail.giant.bank.example"],
    ),
    Case(
        "4.10.1 note, not the suffix's policy where the organisation has one",
        {"example": "v=DMARC1; p=reject; psd=y", "foo.example": "v=DMARC1; p=none"},
        "foo.example",
        [],
        FAIL,
        Policy.NONE,
        "foo.example",
        "foo.example",
    ),
    Case("np: the subdomain does not exist", SP_AND_NP, "sub.example.com", [], FAIL, QUARANTINE),
    Case("sp: it exists", SP_AND_NP, "sub.example.com", [], FAIL, Policy.NONE, hosts=["sub.example.com"]),
    Case(
        "sp: something exists below it",
        SP_AND_NP,
        "sub.example.com",
        [],
        FAIL,
        Policy.NONE,
        hosts=["a.sub.example.com"],
    ),
    Case("p: the domain itself", SP_AND_NP, "example.com", [], FAIL, REJECT),
    Case("np: a name that no zone can hold", SP_AND_NP, f"{'a' * 64}.example.com", [], FAIL, QUARANTINE),
    Case(
        "without np sp, existing or not",
        {"example.com": "v=DMARC1; p=none; sp=reject"},
        "x.example.com",
        [],
        FAIL,
        REJECT,
    ),
    Case("without sp p", {"example.com": "v=DMARC1; p=quarantine; np=reject"}, "x.example.com", [], FAIL, REJECT),
    Case("np of a suffix", {"gov.example": "v=DMARC1; p=none; np=reject; psd=y"}, "fake.gov.example", [], FAIL, REJECT),
    Case(
        "strict: only identical",
        {"example.com": "v=DMARC1; p=reject; adkim=s; aspf=S"},
        "example.com",
        [dkim("mail.example.com"), spf("mail.example.com")],
        FAIL,
        REJECT,
    ),
    Case(
        "strict for one method only",
        {"example.com": "v=DMARC1; p=reject; adkim = s"},
        "example.com",
        [dkim("mail.example.com"), spf("mail.example.com")],
        PASS,
        REJECT,
    ),
    Case(
        "several records are none", {"example.com": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]}, "example.com", [], NONE
    ),
    Case(
        "several records are none, and the walk goes on",
        {
            "mail.example.com": ["v=DMARC1; p=reject", "v=DMARC1; p=none; psd=n"],
            "example.com": "v=DMARC1; p=none; sp=quarantine",
        },
        "mail.example.com",
        [],
        FAIL,
        QUARANTINE,
        "example.com",
        "example.com",
    ),
    Case(
        "other TXT records do not count",
        {"example.com": ["v=spf1 -all", "v=DMARC1; p=reject", "note"]},
        "example.com",
        [],
        FAIL,
        REJECT,
    ),
    Case(
        "no p, somebody reads reports",
        {"example.com": "v=DMARC1; rua=mailto:d@example.com"},
        "example.com",
        [],
        FAIL,
        Policy.NONE,
    ),
    Case("no p, nobody does", {"example.com": "v=DMARC1; adkim=s"}, "example.com", [dkim("example.com")], NONE),
    Case(
        "a bad p",
        {"example.com": "v=DMARC1; p=block; rua=mailto:d@example.com!10m"},
        "example.com",
        [],
        FAIL,
        Policy.NONE,
    ),
    Case(
        "a bad sp",
        {"example.com": "v=DMARC1; p=reject; sp=bounce; rua=mailto:d@example.com"},
        "x.example.com",
        [],
        FAIL,
        Policy.NONE,
    ),
    Case(
        "an empty np",
        {"example.com": "v=DMARC1; p=reject; np=; rua=mailto:d@example.com"},
        "x.example.com",
        [],
        FAIL,
        Policy.NONE,
    ),
    Case(
        "a bad sp, and no URI",
        {"example.com": "v=DMARC1; p=reject; sp=nope; rua=d@example.com"},
        "example.com",
        [],
        NONE,
    ),
    Case(
        "a bad sp, and an empty URI",
        {"example.com": "v=DMARC1; p=reject; sp=nope; rua=mailto:"},
        "example.com",
        [],
        NONE,
    ),
    Case(
        "a record without policy is the author's last word",
        {"mail.example.com": "v=DMARC1; adkim=s", "example.com": "v=DMARC1; p=reject"},
        "mail.example.com",
        [],
        NONE,
    ),
    Case("v is case-sensitive", {"example.com": "v=dmarc1; p=reject"}, "example.com", [], NONE),
    Case("v is exact", {"example.com": "v=DMARC1x; p=reject"}, "example.com", [], NONE),
    Case("v comes first", {"example.com": "p=reject; v=DMARC1"}, "example.com", [], NONE),
    Case("white space around =", {"example.com": "v = DMARC1 ; p = reject"}, "example.com", [], FAIL, REJECT),
    Case("values in any case", {"example.com": "v=DMARC1; p=Reject"}, "example.com", [], FAIL, REJECT),
    Case(
        "unknown tags are ignored",
        {"example.com": "v=DMARC1; x=1; pct=0; p=reject; ;=;rf=afrf"},
        "example.com",
        [],
        FAIL,
        REJECT,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
async def test_the_rules_of_rfc_9989(case: Case) -> None:
    verdict = await check_dmarc([case.author], case.found, zone(case.records, case.hosts))
    assert verdict.result is case.result, verdict.reason
    if case.policy is not None or case.result is not PASS:
        assert verdict.policy is case.policy
    if case.organisation:
        assert verdict.organisation == case.organisation
    if case.record_domain:
        assert verdict.record_domain == case.record_domain


async def test_a_walk_of_many_labels_asks_eight_questions() -> None:
    resolver = zone({})
    verdict = await check_dmarc(["a.b.c.d.e.f.g.h.i.j.mail.example.com"], [], resolver)
    assert asked(resolver) == [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ]
    assert [step.name for step in verdict.trace] == [f"_dmarc.{name}" for name in asked(resolver)]
    assert {step.outcome for step in verdict.trace} == {"no record"}


@pytest.mark.parametrize(
    ("author", "second"),
    [("a.b.c.d.e.f.example.com", "b.c.d.e.f.example.com"), ("x.a.b.c.d.e.f.example.com", "b.c.d.e.f.example.com")],
)
async def test_names_of_eight_and_nine_labels_go_on_with_seven(author: str, second: str) -> None:
    resolver = zone({})
    await check_dmarc([author], [], resolver)
    assert asked(resolver)[:2] == [author, second]
    assert len(asked(resolver)) == 8


@pytest.mark.parametrize(
    ("records", "author", "found", "names"),
    [
        (
            APPENDIX_B_4,
            "example.com",
            [spf("example.com"), dkim("signing.example.com")],
            ["example.com", "com", "signing.example.com"],
        ),
        (
            BANKS,
            "giant.bank.example",
            [spf("mail.giant.bank.example"), dkim("mail.mega.bank.example")],
            ["giant.bank.example", "bank.example", "mail.giant.bank.example"],
        ),
        ({"mail.example.com": "v=DMARC1; p=none; psd=n"}, "mail.example.com", [], ["mail.example.com"]),
        (
            {"example.com": "v=DMARC1; p=reject"},
            "example.com",
            [spf("bounces.esp.example.net"), dkim("esp.example.net"), dkim("example.org")],
            ["example.com", "com"],
        ),
        (
            {"example.com": "v=DMARC1; p=reject; adkim=s"},
            "example.com",
            [dkim("mail.example.com")],
            ["example.com", "com"],
        ),
        ({"example.com": "v=DMARC1; p=reject"}, f"{'a' * 64}.example.com", [], ["example.com", "com"]),
        ({}, "[192.0.2.1]", [], []),
    ],
)
async def test_nothing_is_asked_twice_nor_in_vain(
    records: Mapping[str, str], author: str, found: Sequence[Identifier], names: Sequence[str]
) -> None:
    resolver = zone(records)
    await check_dmarc([author], found, resolver)
    assert asked(resolver) == names


async def test_the_existence_of_the_author_is_asked_only_where_it_matters() -> None:
    resolver = zone(SP_AND_NP)
    await check_dmarc(["example.com"], [], resolver)
    assert ("example.com", "A") not in resolver.asked
    resolver = zone({"example.com": "v=DMARC1; p=reject; sp=none"})
    await check_dmarc(["sub.example.com"], [], resolver)
    assert ("sub.example.com", "A") not in resolver.asked


RECORD = {"example.com": "v=DMARC1; p=reject"}


@pytest.mark.parametrize(
    ("rule", "records", "failing", "author", "found", "result", "policy"),
    [
        (
            "the policy is not known",
            RECORD,
            "_dmarc.example.com",
            "mail.example.com",
            [dkim("example.com")],
            TEMPERROR,
            None,
        ),
        ("the author's record is not known", RECORD, "_dmarc.example.com", "example.com", [], TEMPERROR, None),
        (
            "above the author, and it vouches itself",
            RECORD,
            "_dmarc.com",
            "example.com",
            [dkim("example.com")],
            PASS,
            REJECT,
        ),
        (
            "above the author, a subdomain vouches",
            RECORD,
            "_dmarc.com",
            "example.com",
            [dkim("a.example.com")],
            TEMPERROR,
            REJECT,
        ),
        (
            "above the author, a stranger vouches",
            RECORD,
            "_dmarc.com",
            "example.com",
            [dkim("example.net")],
            FAIL,
            REJECT,
        ),
        (
            "below, nothing else vouches",
            RECORD,
            "_dmarc.a.example.com",
            "example.com",
            [dkim("a.example.com")],
            TEMPERROR,
            REJECT,
        ),
        (
            "below, something else vouches",
            RECORD,
            "_dmarc.a.example.com",
            "example.com",
            [dkim("a.example.com"), spf("b.example.com")],
            PASS,
            REJECT,
        ),
        (
            "strict: a failure changes nothing",
            {"example.com": "v=DMARC1; p=reject; adkim=s"},
            "_dmarc.a.example.com",
            "example.com",
            [dkim("a.example.com")],
            FAIL,
            REJECT,
        ),
        ("whether the author exists", SP_AND_NP, "sub.example.com", "sub.example.com", [], TEMPERROR, Policy.NONE),
        (
            "whether it exists, but it passes",
            SP_AND_NP,
            "sub.example.com",
            "sub.example.com",
            [dkim("example.com")],
            PASS,
            Policy.NONE,
        ),
    ],
)
async def test_a_failure_of_the_dns_neither_passes_nor_fails_a_message(
    rule: str,
    records: Mapping[str, str],
    failing: str,
    author: str,
    found: Sequence[Identifier],
    result: DmarcResult,
    policy: Policy | None,
) -> None:
    verdict = await check_dmarc([author], found, zone(records, failing={failing: _ALL}))
    assert (verdict.result, verdict.policy) == (result, policy), rule


@pytest.mark.parametrize(
    ("found", "result"),
    [
        ([spf("example.com", is_known=False)], TEMPERROR),
        ([spf("example.net", is_known=False)], FAIL),
        ([spf("example.com", is_known=False), dkim("example.com")], PASS),
    ],
)
async def test_an_identifier_that_could_not_be_judged_may_have_vouched(
    found: Sequence[Identifier], result: DmarcResult
) -> None:
    assert (await check_dmarc(["example.com"], found, zone(RECORD))).result is result


async def test_several_authors_fail_with_the_strictest_policy() -> None:
    records = {"bank.example": "v=DMARC1; p=quarantine", "example.com": "v=DMARC1; p=none"}
    verdict = await check_dmarc(["example.com", "bank.example"], [dkim("example.com")], zone(records))
    assert (verdict.result, verdict.policy, verdict.domain) == (FAIL, QUARANTINE, "bank.example")
    assert verdict.reason == "the From field names 2 domains"


async def test_a_thousand_authors_cost_what_five_do() -> None:
    resolver = zone({})
    verdict = await check_dmarc([f"a{number}.example" for number in range(1000)], [], resolver)
    assert (verdict.result, verdict.policy) == (FAIL, None)
    assert len(resolver.asked) == 5 + 1


async def test_without_an_author_nothing_can_be_judged() -> None:
    assert (await check_dmarc([], [dkim("example.com")], zone({}))).result is PERMERROR


def test_reports_go_to_uris_that_are_well_formed() -> None:
    text = b"v=DMARC1; p=none; rua=mailto:A@example.com!10m , https://example.com/r?x=1,nonsense,mailto:b,mailto:@c"
    (record,) = choose_records([text])
    assert record.reports_to == ("mailto:A@example.com", "https://example.com/r?x=1")


_PIECES = st.sampled_from(
    ["v=DMARC1", ";", "p", "=", "reject", "sp=", "np=none", "psd=y", "psd=n", "rua=", "mailto:a@b", ",", " ", "é", "\0"]
)


@given(st.lists(st.lists(_PIECES, max_size=12).map("".join), max_size=3), st.text(max_size=30))
async def test_any_records_and_any_author_bring_a_verdict(records: list[str], author: str) -> None:
    resolver = zone({"example.com": [f"v=DMARC1;{each}" for each in records], "com": records})
    verdict = await check_dmarc([author, f"{author}.example.com"], [dkim("example.com")], resolver)
    assert verdict.result is FAIL
    await check_dmarc([author], [dkim(author)], resolver)
    await check_dmarc([f"{author}.example.com"], [dkim("example.com")], resolver)
