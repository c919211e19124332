"""All checks together: none of them can lose mail, and a stranger's second visit is what the greylist waits for."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from tests.inbound.screening.cases import BOUNCE, incoming
from tests.support.clock import ManualClock
from tierii_mta.authentication.results import MethodResult
from tierii_mta.clock import Instant
from tierii_mta.errors import Unavailable
from tierii_mta.inbound.checks import Decision, Incoming, Verdict
from tierii_mta.inbound.screening.acquaintance import Acquaintance
from tierii_mta.inbound.screening.case import Case, Report, observed
from tierii_mta.inbound.screening.greylist import Standing, Terms, Visit, Visitor, standing
from tierii_mta.inbound.screening.screening import Screening, Waiting
from tierii_mta.inbound.screening.verdict import Policy
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.reply import Reply


class Finds:
    """A check that finds one thing, fails, or never ends."""

    def __init__(
        self,
        *rules: str,
        proven: Sequence[Address] = (),
        failure: Exception | None = None,
        is_endless: bool = False,
    ) -> None:
        self.name = "+".join(rules) or "broken"
        self._rules, self._proven, self._failure, self._is_endless = rules, proven, failure, is_endless
        self.was_cancelled = False

    async def look(self, case: Case) -> Report:
        if self._failure is not None:
            raise self._failure
        if self._is_endless:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.was_cancelled = True
                raise
        seen = [one for rule in self._rules for one in observed(rule, "x").observations]
        return Report(observations=seen, proven=self._proven)


class Remembered:
    """The greylist without a database."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.met: list[Visitor] = []
        self._known: dict[str, Visit] = {}
        self._failure = failure

    async def meet(self, visitor: Visitor, terms: Terms, now: Instant) -> Standing:
        self.met.append(visitor)
        if self._failure is not None:
            raise self._failure
        result = standing(visitor, list(self._known.values()), terms, now)
        self._known |= {one.recipient: one for one in result.visits}
        return result


class People:
    """Those we wrote to."""

    def __init__(self, *known: str, failure: Exception | None = None) -> None:
        self._known = {key_of(Address.parse(one)) for one in known}
        self._failure = failure
        self.asked = 0

    async def has_had_mail(self, people: Collection[PersonKey]) -> bool:
        self.asked += 1
        if self._failure is not None:
            raise self._failure
        return any(one in self._known for one in people)


def key_of(address: Address) -> PersonKey:
    return PersonKey(address.key.encode())


class Heard:
    """What the witness was told."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.troubles: list[tuple[str, str]] = []

    def judged(self, incoming: Incoming, verdict: Verdict) -> None:
        self.decisions.append(verdict.decision)

    def troubled(self, check: str, how: str) -> None:
        self.troubles.append((check, how))


def screening(*checks: Finds, clock: ManualClock | None = None, **parts: Any) -> Screening:
    values: dict[str, Any] = {"clock": clock or ManualClock(), "within": timedelta(seconds=30)}
    return Screening(checks, Policy(), **values | parts)


def found(verdict: Verdict) -> list[str]:
    return [one.check for one in verdict.findings]


async def test_findings_come_in_the_order_of_the_checks() -> None:
    judged = await screening(Finds("iprev_missing"), Finds(), Finds("spf_none", "dkim_none")).check(incoming())
    assert found(judged) == ["iprev_missing", "spf_none", "dkim_none"]
    assert judged.decision is Decision.ACCEPT


async def test_a_check_that_fails_is_noted_and_the_others_count() -> None:
    heard = Heard()
    broken = Finds(failure=RuntimeError("a fault of ours"))
    judged = await screening(broken, Finds("null_mx"), witness=heard).check(incoming())
    assert found(judged) == ["failed", "null_mx"]
    assert judged.findings[0].detail == "broken: RuntimeError"
    assert judged.decision is Decision.REJECT
    assert (heard.decisions, heard.troubles) == ([Decision.REJECT], [("broken", "failed")])


async def test_a_check_that_is_late_is_given_up_and_the_others_count() -> None:
    endless, heard = Finds(is_endless=True), Heard()
    judged = await screening(endless, Finds("spf_none"), within=timedelta(seconds=0.01), witness=heard).check(
        incoming()
    )
    assert found(judged) == ["late", "spf_none"]
    assert heard.troubles == [("broken", "late")]
    await asyncio.sleep(0)
    assert endless.was_cancelled


async def test_all_checks_dead_is_accepted_with_notes() -> None:
    dead = [Finds(failure=OSError("no")), Finds(is_endless=True), Finds("iprev_temperror", "spf_temperror")]
    judged = await screening(
        *dead, within=timedelta(seconds=0.01), waiting=Waiting(list=Remembered(), terms=Terms())
    ).check(incoming())
    assert judged.decision is Decision.ACCEPT
    assert found(judged) == ["failed", "late", "iprev_temperror", "spf_temperror"]


async def test_a_suspicious_stranger_is_greylisted_then_accepted() -> None:
    clock, kept = ManualClock(), Remembered()
    desk = screening(Finds("spf_fail"), clock=clock, waiting=Waiting(list=kept, terms=Terms()))
    first = await desk.check(incoming())
    assert (first.decision, first.reply and first.reply.code) == (Decision.GREYLIST, 451)
    assert first.findings[-1].detail == "300 s to go"
    clock.advance(timedelta(minutes=6))
    second = await desk.check(incoming())
    assert (second.decision, found(second)) == (Decision.ACCEPT, ["spf_fail", "waited"])
    assert second.findings[-1].detail == "came again after 360 s"


@pytest.mark.parametrize(
    "rules", [("iprev_missing",), ("spf_fail", "correspondent"), ("spf_fail", "iprev_fail", "answer")]
)
async def test_only_suspicious_strangers_are_looked_up(rules: tuple[str, ...]) -> None:
    kept = Remembered()
    judged = await screening(Finds(*rules), waiting=Waiting(list=kept, terms=Terms())).check(incoming())
    assert judged.decision is Decision.ACCEPT
    assert not kept.met


async def test_nobody_waits_without_a_greylist_or_when_it_fails() -> None:
    assert (await screening(Finds("spf_fail")).check(incoming())).decision is Decision.ACCEPT
    heard = Heard()
    broken = Waiting(list=Remembered(Unavailable("the database does not answer")), terms=Terms())
    judged = await screening(Finds("spf_fail"), waiting=broken, witness=heard).check(incoming())
    assert (judged.decision, found(judged)) == (Decision.ACCEPT, ["spf_fail", "failed"])
    assert heard.troubles == [("greylist", "failed")]


async def test_whoever_we_wrote_to_does_not_wait_once_it_is_proven() -> None:
    known = Acquaintance(People("ada@elsewhere.example"), key_of)
    for proven, decision in (("Ada@elsewhere.example", Decision.ACCEPT), ("eve@elsewhere.example", Decision.GREYLIST)):
        check = Finds("spf_fail", "iprev_fail", proven=[Address.parse(proven)])
        waiting = Waiting(list=Remembered(), terms=Terms())
        judged = await screening(check, waiting=waiting, acquaintance=known).check(incoming())
        assert judged.decision is decision
    assert judged.reply is not None


async def test_nobody_is_looked_up_whose_message_is_accepted_anyway() -> None:
    people = People("ada@elsewhere.example")
    check = Finds("spf_none", proven=[Address.parse("ada@elsewhere.example")])
    assert found(await screening(check, acquaintance=Acquaintance(people, key_of)).check(incoming())) == ["spf_none"]
    assert not people.asked


async def test_people_that_cannot_be_looked_up_are_nobody_and_the_rest_counts() -> None:
    silent = Acquaintance(People(failure=Unavailable("the database does not answer")), key_of)
    check = Finds("null_mx", proven=[Address.parse("ada@elsewhere.example")])
    judged = await screening(check, acquaintance=silent).check(incoming())
    assert (judged.decision, found(judged)) == (Decision.REJECT, ["null_mx", "failed"])


async def test_a_client_that_spf_proves_waits_under_its_domain() -> None:
    kept = Remembered()
    desk = screening(Finds("spf_pass", "backscatter"), waiting=Waiting(list=kept, terms=Terms()))
    await desk.check(incoming())
    await desk.check(incoming(sender="", recipients=[BOUNCE]))
    assert [one.client for one in kept.met] == ["elsewhere.example", "192.0.2.0/24"]


async def test_the_operators_own_servers_are_named() -> None:
    judged = await screening(Finds("dkim_none"), trusted=[ip_network("192.0.2.0/24")]).check(incoming())
    assert found(judged) == ["trusted_client", "dkim_none"]


async def test_the_results_of_all_checks_become_one_field() -> None:
    class Tells(Finds):
        async def look(self, case: Case) -> Report:
            return Report(methods=[MethodResult(method=self.name, result="pass")])

    written = screening(Tells("a"), Tells("b"), results=lambda all_: "; ".join(one.method for one in all_).encode())
    assert (await written.check(incoming())).fields == b"a; b"


async def test_a_refusal_says_so_to_the_client() -> None:
    judged = await screening(Finds("null_mx")).check(incoming())
    assert judged.reply == Reply.of(550, "the domain of the sender takes no mail", "5.7.27")
