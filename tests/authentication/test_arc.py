"""Chains of ARC sets: the 171 cases of the public suite, and what the suite does not ask."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.authentication.sealing import seal
from tests.authentication.test_verify import ED25519, RSA, pem
from tests.authentication.zones import Names, WrittenDown
from tests.support.corpora import corpus
from tierii_mta.authentication.arc import Chain, ChainResult, read_chain, validate
from tierii_mta.authentication.body_hash import Body, hash_body
from tierii_mta.authentication.dkim import DkimKey, Result, dns_record
from tierii_mta.mail.header import parse_header_block
from tierii_mta.resolver.answer import Resolver


async def chain_of(message: bytes, resolver: Resolver) -> Chain:
    fields, body_offset = parse_header_block(message)
    read = read_chain(fields)
    bodies = await hash_body(Body.of(message[body_offset:]), read.wanted)
    return await validate(read, fields, bodies, resolver)


async def complaints(scenario: Mapping[str, Any]) -> list[str]:
    names = Names(txt={name: [text.encode()] for name, text in scenario["txt-records"].items()})
    wrong = []
    for name, test in scenario["tests"].items():
        message = test["message"].encode().replace(b"\n", b"\r\n")
        chain = await chain_of(message, WrittenDown(names))
        expected = test["cv"].lower() or "fail"  # a chain that its last hand found broken: §5.2 step 2
        if chain.result != expected:
            wrong.append(f"{name}: {chain.result}, not {expected}: {chain.reason}")
    return wrong


@pytest.mark.corpus
async def test_the_public_suite_is_right_in_all_validation_cases() -> None:
    text = (corpus("arc") / "arc-draft-validation-tests.yml").read_text()
    scenarios = list(yaml.safe_load_all(text))
    assert [wrong for scenario in scenarios for wrong in await complaints(scenario)] == []
    assert sum(len(scenario["tests"]) for scenario in scenarios) == 171


MAIL = b"From: Ana <ana@example.com>\r\nTo: list@example.net\r\nSubject: Spring\r\n\r\nHello\r\n"
ONE = DkimKey("one.example", "r1", RSA.private_key)
TWO = DkimKey("two.example", "e1", ED25519.private_key)
NAMES = Names(txt={key.dns_name: [dns_record(pem(key)).encode()] for key in (ONE, TWO)})
DNS = WrittenDown(NAMES)


def chain_of_two() -> bytes:
    """Return mail that a list changed after it had got it with one seal."""
    first = seal(MAIL, ONE, 1, results="mx.one.example; dmarc=pass header.from=example.com; spf=pass")
    return seal(first + b"-- \r\nThe list\r\n", TWO, 2, results="mx.two.example; arc=pass; dmarc=fail")


async def test_a_whole_chain_passes_and_shows_every_hand() -> None:
    chain = await chain_of(chain_of_two(), DNS)
    assert (chain.result, chain.sealers, chain.oldest_pass) == (ChainResult.PASS, ["one.example", "two.example"], 2)
    first, second = chain.hands
    assert (first.seal, first.signature, first.claim) == (Result.PASS, Result.FAIL, "none")
    assert first.reason == "message signature: the body is not what was signed"
    assert (second.seal, second.signature, second.claim) == (Result.PASS, Result.PASS, "pass")
    assert second.results is not None
    assert second.results.authserv_id == "mx.two.example"


async def test_an_unchanged_message_has_no_oldest_pass() -> None:
    chain = await chain_of(seal(seal(MAIL, ONE, 1), TWO, 2), DNS)
    assert (chain.result, chain.oldest_pass) == (ChainResult.PASS, 0)


@pytest.mark.parametrize(
    ("trusted", "heard"),
    [
        ({"one.example", "two.example"}, ["two.example", "one.example"]),
        ({"two.example"}, ["two.example"]),
        ({"one.example"}, []),
        (set(), []),
    ],
)
async def test_only_trusted_hands_are_heard_up_to_the_first_stranger(trusted: set[str], heard: list[str]) -> None:
    chain = await chain_of(chain_of_two(), DNS)
    assert [hand.sealer for hand in chain.heard(trusted)] == heard


@pytest.mark.parametrize(
    ("author", "trusted", "sealer"),
    [
        ("example.com", {"one.example", "two.example"}, "one.example"),
        ("example.com", {"two.example"}, None),
        ("bank.example", {"one.example", "two.example"}, None),
        ("", {"one.example", "two.example"}, None),
    ],
)
async def test_a_witness_is_trusted_and_saw_this_author_pass(
    author: str, trusted: set[str], sealer: str | None
) -> None:
    chain = await chain_of(chain_of_two(), DNS)
    witness = chain.witness(author, trusted)
    assert (witness and witness.sealer) == sealer


async def test_a_chain_that_leaves_the_author_open_vouches_for_nothing() -> None:
    message = seal(MAIL, ONE, 1, covered=["to", "subject"])
    forged = message.replace(b"ana@example.com", b"ceo@bank.example")
    chain = await chain_of(forged, DNS)
    assert chain.result is ChainResult.PASS
    assert list(chain.heard({"one.example"})) == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"Ana <ana@", b"Ceo <ceo@", "instance 2: message signature: the header is not what was signed"),
        (b"The list", b"Buy this", "instance 2: message signature: the body is not what was signed"),
        (
            b"mx.two.example; arc=pass",
            b"mx.two.example; arc=fail",
            "instance 2: seal: the header is not what was signed",
        ),
        (
            b"mx.one.example; dmarc=pass",
            b"mx.one.example; dmarc=fail",
            "instance 2: seal: the header is not what was signed",
        ),
        (b"cv=none", b"cv=pass", "instance 1 cannot have found cv=pass"),
        (b"cv=pass", b"cv=none", "instance 2 cannot have found cv=none"),
        (b"cv=pass", b"cv=fail", "instance 2 found the chain broken"),
        (b"cv=pass", b"cv=good", "instance 2 has a seal with an unknown cv="),
        (b"i=2; cv=pass", b"i=2; h=from; cv=pass", "instance 2 has a seal with h="),
        (b"ARC-Seal: i=1", b"ARC-Seal: i=3", "instance 1 is not whole"),
        (b"ARC-Seal: i=1", b"ARC-Seal: i=2", "there are two ARC-Seal fields of instance 2"),
        (b"ARC-Seal: i=1", b"ARC-Seal: i=51", "ARC-Seal has no instance from 1 to 50"),
        (b"Results: i=1", b"Results: j=1", "ARC-Authentication-Results has no instance from 1 to 50"),
        (b"d=two.example; s=e1", b"d=two.example; s=no", "instance 2: message signature: the key is not published"),
        (b"a=ed25519-sha256", b"a=rsa-sha1", "instance 2: rsa-sha1 no longer counts (RFC 8301)"),
    ],
)
async def test_each_way_to_break_a_chain_is_named(old: bytes, new: bytes, reason: str) -> None:
    message = chain_of_two()
    assert old in message
    chain = await chain_of(message.replace(old, new), DNS)
    assert chain.result is ChainResult.FAIL
    assert chain.reason.startswith(reason)
    assert list(chain.heard({"one.example", "two.example"})) == []


async def test_a_forged_older_set_is_noticed_though_the_newest_seal_is_good() -> None:
    forged = seal(MAIL, DkimKey("one.example", "r1", ED25519.private_key), 1)
    forged = forged.replace(b"a=ed25519-sha256; d=one", b"a=rsa-sha256; d=one")
    chain = await chain_of(seal(forged, TWO, 2, claim="PASS"), DNS)
    assert (chain.result, chain.hands[1].seal) == (ChainResult.FAIL, Result.PASS)
    assert chain.reason.startswith("instance 1: ")


async def test_a_key_that_cannot_be_fetched_now_fails_for_now() -> None:
    names = Names(txt=NAMES.txt, failing={TWO.dns_name: ("TXT",)})
    chain = await chain_of(chain_of_two(), WrittenDown(names))
    assert (chain.result, chain.is_temporary) == (ChainResult.FAIL, True)
    assert not (await chain_of(chain_of_two().replace(b"Ana <", b"Bob <"), DNS)).is_temporary


async def test_a_signature_over_part_of_the_body_does_not_hold() -> None:
    chain = await chain_of(seal(MAIL, ONE, 1, extra=" l=3;"), DNS)
    assert chain.result is ChainResult.FAIL


async def test_fifty_hands_are_the_most() -> None:
    message = MAIL
    for instance in range(1, 51):
        message = seal(message, TWO, instance)
    chain = await chain_of(message, DNS)
    assert (chain.result, len(chain.hands)) == (ChainResult.PASS, 50)
    assert (await chain_of(seal(message, TWO, 51), DNS)).result is ChainResult.FAIL


async def test_results_that_cannot_be_read_do_not_break_a_chain() -> None:
    chain = await chain_of(seal(MAIL, ONE, 1, results="(what"), DNS)
    assert (chain.result, chain.hands[0].results) == (ChainResult.PASS, None)
    assert chain.witness("example.com", {"one.example"}) is None


_FIELDS = st.sampled_from([b"ARC-Seal:", b"ARC-Message-Signature:", b"ARC-Authentication-Results:"])
_VALUES = st.lists(
    st.sampled_from(
        [b"i=1", b"i=2", b";", b"a=rsa-sha256", b"b=AAAA", b"bh=AAAA", b"cv=none", b"d=one.example", b"s=r1", b"h=from"]
    ),
    max_size=12,
).map(b";".join) | st.binary(max_size=40).map(lambda octets: octets.replace(b"\n", b"").replace(b"\r", b""))


@given(st.lists(st.tuples(_FIELDS, _VALUES), max_size=6))
async def test_any_octets_may_stand_in_a_chain(fields: list[tuple[bytes, bytes]]) -> None:
    head = b"".join(name + value + b"\r\n" for name, value in fields)
    chain = await chain_of(head + MAIL, DNS)
    assert chain.result is (ChainResult.FAIL if fields else ChainResult.NONE)
