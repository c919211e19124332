"""What a personality decides in one run: which rule acts on whom, and what it remembers from earlier tries.

Owns the greylist and the count of each rule's uses; not the rules (rehearsal.personality) nor the wire
(rehearsal.exchange).  No I/O: `now` comes in, verdicts go out.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass

from tierii_mta.clock import Instant, later
from tierii_mta.rehearsal.personality import Behaviour, Personality, Rule, Stage

_MAX_GREYLISTED = 10_000  # triplets remembered; the oldest goes first


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A refusal, and who spoke it. `reply` None: the connection is dropped without a word."""

    behaviour: Behaviour
    reply: str | None


@dataclass(slots=True)
class _Seen:
    first: Instant
    refusals: int = 0


class Judge:
    """One run of one personality, shared by all its connections."""

    def __init__(self, personality: Personality) -> None:
        self._rules = personality.rules
        self._uses = Counter[int]()
        self._greylist: OrderedDict[tuple[str, str, str], _Seen] = OrderedDict()

    def choose(self, sender: str, recipient: str | None) -> Rule | None:
        """Return the first rule that speaks of this pair and is not used up; `recipient` None at MAIL."""
        for number, rule in enumerate(self._rules):
            if (rule.stage is Stage.MAIL) is not (recipient is None):
                continue
            if rule.matches(sender, recipient or "*") and (rule.times is None or self._uses[number] < rule.times):
                self._uses[number] += 1
                return rule
        return None

    def act(
        self, rule: Rule, stage: Stage, *, client: str, sender: str, recipient: str, now: Instant
    ) -> Verdict | None:
        """Return what a chosen rule does at this stage; None: it lets the transaction go on."""
        if rule.stage is not stage or rule.behaviour in (Behaviour.ACCEPT, Behaviour.ANSWER):
            return None
        if rule.behaviour is Behaviour.GREYLIST and self._has_waited(rule, (client, sender, recipient), now):
            return None
        return Verdict(behaviour=rule.behaviour, reply=rule.reply(recipient=recipient, client=client))

    def _has_waited(self, rule: Rule, triplet: tuple[str, str, str], now: Instant) -> bool:
        seen = self._greylist.setdefault(triplet, _Seen(now))
        if seen.refusals >= rule.tries and now >= later(seen.first, rule.wait):
            return True
        seen.refusals += 1
        if len(self._greylist) > _MAX_GREYLISTED:
            self._greylist.popitem(last=False)
        return False
