"""Personality files: what they say, and how a mistake in one is told."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.errors import ConfigurationError
from tierii_mta.rehearsal.personality import Behaviour, Personality, Rule, Stage, Tls
from tierii_mta.shipped import folder


def test_the_shipped_sample_is_a_personality_with_every_behaviour() -> None:
    personality = Personality.load(folder("config") / "sink.yaml")

    assert personality.tls is Tls.OFFERED
    assert {rule.behaviour for rule in personality.rules} == set(Behaviour)


def test_an_empty_file_accepts_everything() -> None:
    assert Personality.parse("") == Personality()


def test_a_rule_takes_the_stage_and_the_reply_its_behaviour_usually_has() -> None:
    [rule] = Personality.parse('rules: [{to: "gone@*", do: reject}]').rules

    assert rule.stage is Stage.RCPT
    assert (
        rule.reply(recipient="gone@b.example", client="127.0.0.1") == "550 5.1.1 <gone@b.example>: no such person here"
    )


def test_a_rule_may_say_its_own_words_at_its_own_stage() -> None:
    [rule] = Personality.parse('rules: [{do: reject, at: dot, reply: "554 5.7.1 {client} sends spam"}]').rules

    assert rule.stage is Stage.DOT
    assert rule.reply(recipient="a@b.example", client="192.0.2.1") == "554 5.7.1 192.0.2.1 sends spam"


def test_durations_are_read_as_everywhere_else() -> None:
    personality = Personality.parse("delay: {greeting: 1m, dot: 250ms}\nrules: [{do: greylist, wait: 2s, tries: 2}]")

    assert personality.delays.greeting == timedelta(minutes=1)
    assert personality.delays.dot == timedelta(milliseconds=250)
    assert personality.rules == (Rule(behaviour=Behaviour.GREYLIST, wait=timedelta(seconds=2), tries=2),)


def test_patterns_cover_whole_addresses_whatever_their_case() -> None:
    rule = Rule(behaviour=Behaviour.REJECT, to="gone@*", sender="<>")

    assert rule.matches("", "GONE@b.example")
    assert not rule.matches("a@b.example", "gone@b.example")
    assert not rule.matches("", "begone@b.example")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rules:\n  - {do: rejct}", "mx.yaml:2: rules[0].do: 'rejct' is none of accept, greylist, reject"),
        ("rules:\n  - do: reject\n    replay: x", "mx.yaml:3: rules[0].replay: is not a key here; did you mean reply?"),
        ("hostnam: x", "mx.yaml:1: hostnam: is not a key here; did you mean hostname?"),
        ("\nrules: {do: reject}", "mx.yaml:2: rules: must be a list"),
        ("rules: [reject]", "mx.yaml:1: rules[0]: must be a mapping"),
        ("tls: {starttls: maybe}", "'maybe' is none of none, offered, required"),
        ("tls: {certificate: cert.pem}", "needs both certificate and key"),
        ("delay: {dot: soon}", "mx.yaml:1: delay.dot: 'soon' is not a duration"),
        ("rules: [{delay: {greeting: 1s}}]", "rules[0].delay.greeting: is not a key here"),
        ('rules: [{do: reject, reply: "never"}]', "rules[0].reply: 'never' is not a reply"),
        ('rules: [{do: reject, reply: "550 5.1.1 a\\r\\n250 ok"}]', "is not a reply"),
        ('rules: [{do: reject, at: mail, to: "a@*"}]', "no recipient is known yet at mail"),
        ("rules: [{do: reject, wait: 1s}]", "wait and tries belong to greylist"),
        ('rules: [{do: accept, reply: "550 no"}]', "accept refuses nothing"),
        ("limits: {keep: 0}", "limits.keep: must be a whole number above 0"),
        ("extensions: {pipelining: on}", "extensions.pipelining: must be true or false"),
    ],
)
def test_a_mistake_names_file_line_key_and_what_was_expected(text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as problem:
        Personality.parse(text, file="mx.yaml")

    assert sentence in str(problem.value)


def test_certificate_paths_count_from_the_file_that_names_them(tmp_path: Path) -> None:
    file = tmp_path / "sink.yaml"
    file.write_text("tls: {starttls: offered, certificate: a.pem, key: b.pem}")

    assert Personality.load(file).certificate == (tmp_path / "a.pem", tmp_path / "b.pem")


KEYS = [
    "hostname",
    "greeting",
    "tls",
    "starttls",
    "extensions",
    "pipelining",
    "limits",
    "keep",
    "delay",
    "dot",
    "rules",
]
KEYS += ["to", "from", "do", "at", "reply", "wait", "tries", "times"]
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES |= st.sampled_from(["reject", "greylist", "rcpt", "2s", "550 no", "offered"])
TREES = st.recursive(
    VALUES, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS), below, max_size=5)
)


@given(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=5))
@settings(max_examples=200, deadline=None)
def test_whatever_stands_in_the_file_it_is_a_personality_or_a_sentence(tree: dict[str, object]) -> None:
    try:
        outcome: object = Personality.parse(json.dumps(tree), file="mx.yaml")
    except ConfigurationError as problem:
        outcome = str(problem)

    assert isinstance(outcome, Personality) or str(outcome).startswith("mx.yaml")
