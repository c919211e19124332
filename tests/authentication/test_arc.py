"""Chains of ARC sets: the 171 cases of the public suite, and what the suite does not ask."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.authentication.zones import Names, WrittenDown
from tests.support.corpora import corpus
from tierii_mta.authentication.arc import Chain, read_chain, validate
from tierii_mta.authentication.body_hash import Body, hash_body
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
