"""What follows from findings: every row of the policy, and that the sum can be checked by whoever reads it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.inbound.checks import Decision, Finding, Verdict
from tierii_mta.inbound.screening.rules import BY_NAME, EVERYTHING, RULES
from tierii_mta.inbound.screening.verdict import LIST, Observation, Policy, verdict
from tierii_mta.mail.reply import Reply

BLOCK, ALLOW = f"{LIST}block.example", f"{LIST}allow.example"
POLICY = Policy(weights={**EVERYTHING, BLOCK: 8.0, ALLOW: -5.0, f"{LIST}worst.example": Decision.REJECT})


def of(*rules: str, policy: Policy = POLICY, times: float = 1.0) -> Verdict:
    return verdict([Observation(rule=rule, detail="x", times=times) for rule in rules], policy)


@pytest.mark.parametrize(
    ("rules", "decision", "reply"),
    [
        ((), Decision.ACCEPT, None),
        (("iprev_missing",), Decision.ACCEPT, None),
        (("iprev_missing", "spf_none", "helo_unknown"), Decision.GREYLIST, "451 4.7.1"),
        (("spf_fail",), Decision.GREYLIST, "451 4.7.1"),
        (("spf_fail", "dmarc_pass"), Decision.GREYLIST, "451 4.7.1"),
        (("spf_softfail", "dmarc_pass"), Decision.ACCEPT, None),
        (("spf_fail", "iprev_missing", "helo_unknown"), Decision.QUARANTINE, None),
        (("null_mx",), Decision.REJECT, "550 5.7.27"),
        (("dmarc_reject",), Decision.REJECT, "550 5.7.26"),
        (("dmarc_quarantine",), Decision.QUARANTINE, None),
        (("dmarc_list",), Decision.QUARANTINE, None),
        (("dmarc_vouched",), Decision.ACCEPT, None),
        ((BLOCK,), Decision.QUARANTINE, None),
        ((BLOCK, "spf_fail"), Decision.REJECT, "550 5.7.1"),
        ((BLOCK, "spf_fail", ALLOW), Decision.QUARANTINE, None),
        ((f"{LIST}worst.example",), Decision.REJECT, "550 5.7.1"),
        (("executable", "disguised", "helo_ours"), Decision.REJECT, "550 5.7.1"),
    ],
)
def test_what_follows_by_default(rules: tuple[str, ...], decision: Decision, reply: str | None) -> None:
    judged = of(*rules)
    assert judged.decision is decision
    assert str(judged.reply).startswith(reply) if reply else judged.reply is None, judged.reply


@pytest.mark.parametrize("ours", ["role", "trusted_client"])
def test_those_who_must_be_reachable_and_servers_of_ours_are_never_refused(ours: str) -> None:
    assert of("null_mx", ours).decision is Decision.QUARANTINE
    assert of(BLOCK, "executable", ours).decision is Decision.QUARANTINE
    assert of("spf_fail", ours).decision is Decision.ACCEPT


def test_a_bounce_to_an_address_that_we_signed_arrives_whatever_its_author_publishes() -> None:
    assert of("dmarc_reject", "iprev_missing", "helo_unknown", "signed").decision is Decision.ACCEPT
    assert of("dmarc_quarantine", "spf_fail", "signed").decision is Decision.ACCEPT
    assert of("dmarc_reject", "signed", BLOCK, "spf_fail").decision is Decision.QUARANTINE, "spammers find addresses"
    assert of("dmarc_reject", "answer").decision is Decision.QUARANTINE, "whoever saw a message can name it"


@pytest.mark.parametrize("trust", ["signed", "answer"])
def test_what_belongs_to_our_mail_is_never_refused_and_never_waits(trust: str) -> None:
    assert of(BLOCK, "spf_fail", "helo_ours", "executable", trust).decision is Decision.QUARANTINE
    assert of("spf_fail", "helo_ours", trust).decision is Decision.ACCEPT


@pytest.mark.parametrize("trust", ["correspondent", "waited"])
def test_whom_we_know_or_who_came_again_does_not_wait(trust: str) -> None:
    findings = ("spf_fail", "spf_softfail", trust)
    assert of(*findings).decision is Decision.ACCEPT
    assert of(*findings, BLOCK, "helo_ours").decision is not Decision.ACCEPT


@pytest.mark.parametrize("unknown", [rule.name for rule in RULES if rule.is_ignorance])
def test_while_something_is_not_known_a_score_refuses_nothing(unknown: str) -> None:
    assert of(BLOCK, "spf_fail", "helo_ours").decision is Decision.REJECT
    assert of(BLOCK, "spf_fail", "helo_ours", unknown).decision is Decision.QUARANTINE
    assert of("null_mx", unknown).decision is Decision.REJECT, "this is known"


def test_a_temporary_error_alone_changes_nothing() -> None:
    assert of(*(rule.name for rule in RULES if rule.is_ignorance)).decision is Decision.ACCEPT


def test_nobody_waits_and_no_score_refuses_where_the_settings_say_so() -> None:
    policy = Policy(weights=POLICY.weights, greylist=None, reject=None)
    assert of("spf_fail", policy=policy).decision is Decision.ACCEPT
    assert of(BLOCK, "spf_fail", "helo_ours", policy=policy).decision is Decision.QUARANTINE
    assert of("null_mx", policy=policy).decision is Decision.REJECT
    assert policy.thresholds() == {"quarantine": 6.0}


def test_weights_of_the_settings_count_and_can_decide() -> None:
    policy = Policy(weights={**EVERYTHING, "spf_fail": Decision.REJECT, "dmarc_reject": 2.0})
    assert str(of("spf_fail", policy=policy).reply).startswith("550 5.7.23")
    assert of("dmarc_reject", policy=policy).decision is Decision.ACCEPT
    assert of("never_heard_of", policy=policy).total == 0


def test_a_refusal_names_the_list_so_that_its_victim_can_leave_it() -> None:
    assert "block.example" in str(of(BLOCK, "spf_fail").reply)
    assert "worst.example" in str(of(f"{LIST}worst.example").reply)
    assert "listed" not in str(of("executable", "disguised", "helo_ours").reply)


def test_what_is_kept_shows_each_score_the_total_and_the_thresholds() -> None:
    judged = verdict(
        [
            Observation(rule="spf_fail", detail="192.0.2.7 is none of them"),
            Observation(rule="rspamd", detail="1.5 of 15", times=1.5),
            Observation(rule="null_mx", detail="elsewhere.example has a null MX"),
        ],
        POLICY,
    )
    assert judged.as_json() == {
        "decision": "reject",
        "total": 5.5,
        "findings": [
            {"check": "spf_fail", "detail": "192.0.2.7 is none of them", "score": 4.0},
            {"check": "rspamd", "detail": "1.5 of 15", "score": 1.5},
            {"check": "null_mx", "detail": "elsewhere.example has a null MX", "score": 0.0, "decides": "reject"},
        ],
        "thresholds": {"greylist": 3.0, "quarantine": 6.0, "reject": 12.0},
    }
    assert judged.reasons == ["null_mx", "spf_fail", "rspamd"]


@given(
    st.lists(st.tuples(st.sampled_from([*EVERYTHING, BLOCK, ALLOW]), st.floats(-10, 30, allow_nan=False)), max_size=30)
)
def test_the_scores_add_up_and_a_refusal_always_says_so(found: list[tuple[str, float]]) -> None:
    judged = verdict([Observation(rule=rule, detail="", times=times) for rule, times in found], POLICY)
    kept: Any = judged.as_json()
    assert kept["total"] == round(sum(one["score"] for one in kept["findings"]), 2)
    assert (judged.reply is not None) == (judged.decision in (Decision.GREYLIST, Decision.REJECT))
    assert [one.check for one in judged.findings] == [rule for rule, _ in found], "nothing is left out"


def test_a_verdict_whose_reply_does_not_say_it_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="does not say"):
        Verdict(
            decision=Decision.REJECT, reply=Reply.of(451, "later", "4.7.1"), findings=[Finding(check="x", detail="")]
        )


def test_every_rule_has_one_name_and_notes_weigh_nothing() -> None:
    assert len(BY_NAME) == len(RULES)
    assert all(rule.weight == 0.0 for rule in RULES if rule.is_note or rule.is_ignorance)


def test_the_page_for_operators_has_every_rule_with_its_weight() -> None:
    page = (Path(__file__).parents[3] / "docs/operate/checks.md").read_text()
    for rule in RULES:
        weight = f"{rule.weight:+g}" if isinstance(rule.weight, float) else str(rule.weight)
        assert f"| `{rule.name}` | {weight if rule.weight else '0'} | {rule.meaning} |" in page
