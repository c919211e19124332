"""Results in the words of the IANA registry of Email Authentication Parameters."""

from ipaddress import ip_address

from tierii_mta.authentication.arc import Chain, ChainResult
from tierii_mta.authentication.dmarc import DmarcResult, DmarcVerdict
from tierii_mta.authentication.dmarc_record import Policy
from tierii_mta.authentication.report import (
    IprevResult,
    arc_result,
    dkim_results,
    dmarc_result,
    iprev_result,
    spf_result,
)
from tierii_mta.authentication.results import MethodResult, write_results
from tierii_mta.authentication.signature import Result
from tierii_mta.authentication.spf import Identity, SpfResult, SpfVerdict
from tierii_mta.authentication.verify import Verdict

REMOTE = ip_address("2001:db8::7")


def line(*results: MethodResult) -> str:
    """Return what a field says after our name, unfolded."""
    text = write_results("mx.example.net", results).decode()
    return " ".join(text.partition("mx.example.net;")[2].split())


def spf(result: SpfResult, identity: Identity) -> MethodResult:
    verdict = SpfVerdict(
        result=result, reason="-all of example.com", identity=identity, sender="a@example.com", domain="example.com"
    )
    return spf_result(verdict)


def test_spf_tells_whose_domain_it_judged_and_why_it_did_not_pass() -> None:
    assert line(spf(SpfResult.PASS, Identity.MAILFROM)) == "spf=pass smtp.mailfrom=a@example.com"
    expected = 'spf=fail reason="-all of example.com" smtp.helo=a@example.com'
    assert line(spf(SpfResult.FAIL, Identity.HELO)) == expected


def test_dkim_tells_signatures_apart_and_leaves_out_what_it_could_not_read() -> None:
    good = Verdict(result=Result.PASS, domain="example.com", selector="s", algorithm="rsa-sha256", start="AbC+dEf1")
    bad = Verdict(result=Result.PERMERROR, reason="the signature lacks the tag v=")
    assert line(*dkim_results([good, bad])) == (
        "dkim=pass header.d=example.com header.s=s header.a=rsa-sha256 header.b=AbC+dEf1;"
        ' dkim=permerror reason="the signature lacks the tag v="'
    )
    assert line(*dkim_results([])) == "dkim=none"


def test_dmarc_tells_the_author_and_the_policy() -> None:
    verdict = DmarcVerdict(
        result=DmarcResult.FAIL,
        reason="nothing vouches for example.com",
        domain="example.com",
        policy=Policy.REJECT,
    )
    expected = 'dmarc=fail reason="nothing vouches for example.com" policy.dmarc=reject header.from=example.com'
    assert line(dmarc_result(verdict)) == expected


def test_arc_tells_the_last_hop_and_how_far_back_signatures_hold() -> None:
    assert line(arc_result(Chain(result=ChainResult.NONE), REMOTE)) == "arc=none"
    passed = Chain(result=ChainResult.PASS, oldest_pass=2)
    assert line(arc_result(passed, REMOTE)) == 'arc=pass smtp.remote-ip="2001:db8::7" header.oldest-pass=2'
    failed = Chain(result=ChainResult.FAIL, reason="instance 1 is not whole")
    expected = 'arc=fail reason="instance 1 is not whole" smtp.remote-ip="2001:db8::7"'
    assert line(arc_result(failed, REMOTE)) == expected


def test_iprev_tells_the_address() -> None:
    assert line(iprev_result(IprevResult.PASS, ip_address("192.0.2.7"))) == "iprev=pass policy.iprev=192.0.2.7"
    expected = 'iprev=permerror reason="it has no name" policy.iprev="2001:db8::7"'
    assert line(iprev_result(IprevResult.PERMERROR, REMOTE, "it has no name")) == expected
