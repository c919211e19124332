"""DMARC by the rules of RFC 9989 and the examples of its Appendix B, as a table; and what the DNS may do to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from tests.authentication.zones import Names, WrittenDown
from tierii_mta.authentication.dmarc import (
    DmarcResult,
    Identifier,
    Method,
    check_dmarc,
)
from tierii_mta.authentication.dmarc_record import Policy

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
    policy: Policy | None = None
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
    assert (verdict.result, verdict.policy) == (
        case.result,
        case.policy or (verdict.policy if case.result is PASS else None),
    ), verdict.reason
    if case.organisation:
        assert verdict.organisation == case.organisation
    if case.record_domain:
        assert verdict.record_domain == case.record_domain
