"""What follows from the findings: the scores added up, held against three thresholds.

Owns the order of what decides and the replies; not what a finding is worth (rules, the settings) nor whether somebody
who is to wait has waited already (greylist).  What cannot be looked up weighs nothing, and what is ours
(`Rule.is_ours`) is never refused.  Pure.  Replies: RFC 3463, RFC 7372, RFC 7505 §4.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from tierii_mta.inbound.checks import Decision, Finding, Verdict
from tierii_mta.inbound.screening.rules import BY_NAME, EVERYTHING, Weight
from tierii_mta.mail.reply import Reply

_GREYLIST = Reply.of(451, "this server does not know you yet, try again in some minutes", "4.7.1")
_REJECT = Reply.of(550, "the message looks like spam; write to postmaster if it is none", "5.7.1")
_REPLIES: Mapping[str, Reply] = MappingProxyType(
    {
        "null_mx": Reply.of(550, "the domain of the sender takes no mail", "5.7.27"),
        "dmarc_reject": Reply.of(550, "the domain of the author asks to refuse what it does not vouch for", "5.7.26"),
        "spf_fail": Reply.of(550, "the domain of the sender does not name you as a server of its", "5.7.23"),
    }
)
LIST = "list:"  # and the zone: the name of its rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a check saw, before it is weighed."""

    rule: str  # of `rules`, or `LIST` and a zone
    detail: str
    times: float = 1.0  # how often its weight counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What findings are worth, and from which score on what happens."""

    weights: Mapping[str, Weight] = field(default_factory=lambda: EVERYTHING)
    greylist: float | None = 3.0  # None: nobody waits
    quarantine: float = 6.0
    reject: float | None = 12.0  # None: a score alone refuses nothing

    def thresholds(self) -> Mapping[str, float]:
        """Return the thresholds in force, by decision."""
        named = {"greylist": self.greylist, "quarantine": self.quarantine, "reject": self.reject}
        return {name: value for name, value in named.items() if value is not None}

    def weigh(self, observation: Observation) -> Finding:
        """Return what an observation is worth; a rule without a weight is worth nothing."""
        weight = self.weights.get(observation.rule, 0.0)
        if isinstance(weight, Decision):
            return Finding(check=observation.rule, detail=observation.detail, decides=weight)
        score = round(weight * observation.times, 2) + 0.0  # no negative zero
        return Finding(check=observation.rule, detail=observation.detail, score=score)


def verdict(observations: Sequence[Observation], policy: Policy) -> Verdict:
    """Return the decision. A greylist says that the client has to wait, unless it has."""
    findings = tuple(policy.weigh(one) for one in observations)
    total = round(sum(one.score for one in findings), 2)
    decision = _decision(findings, total, policy)
    return Verdict(
        decision=decision, reply=_reply(decision, findings), findings=findings, thresholds=policy.thresholds()
    )


def _decision(findings: Sequence[Finding], total: float, policy: Policy) -> Decision:
    rules = [BY_NAME[one.check] for one in findings if one.check in BY_NAME]
    is_proven = any(rule.is_proof for rule in rules)
    decisive = {one.decides for one in findings if one.decides is not None and not is_proven}
    is_certain = not any(rule.is_ignorance for rule in rules)
    is_refused = Decision.REJECT in decisive or (policy.reject is not None and total >= policy.reject and is_certain)
    if is_refused and not any(rule.is_ours for rule in rules):
        return Decision.REJECT
    if decisive or is_refused or total >= policy.quarantine:
        return Decision.QUARANTINE
    if policy.greylist is not None and total >= policy.greylist and not any(rule.is_trust for rule in rules):
        return Decision.GREYLIST
    return Decision.ACCEPT


def _reply(decision: Decision, findings: Sequence[Finding]) -> Reply | None:
    match decision:
        case Decision.GREYLIST:
            return _GREYLIST
        case Decision.REJECT:
            return next((_reply_of(one) for one in findings if one.decides is Decision.REJECT), None) or _by_score(
                findings
            )
        case _:
            return None


def _by_score(findings: Sequence[Finding]) -> Reply:
    """Return the reply of a refusal by score: a list that weighed is named, so that its victim can leave it."""
    listed = max((one for one in findings if one.check.startswith(LIST)), key=lambda one: one.score, default=None)
    return _reply_of(listed) if listed is not None and listed.score > 0 else _REJECT


def _reply_of(finding: Finding) -> Reply:
    if finding.check.startswith(LIST):
        return Reply.of(550, f"your address is listed by {finding.check.removeprefix(LIST)}", "5.7.1")
    return _REPLIES.get(finding.check, _REJECT)
