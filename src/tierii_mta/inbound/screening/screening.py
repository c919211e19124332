"""All checks of a message at once, under one deadline, and the verdict on what they found.

Owns the order of this package's steps, and that no check can lose mail: one that is late or fails is noted, and the
others count.  Not the checks themselves nor the weighing (verdict).  Implements `inbound.checks.Checks`.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Protocol, TypeVar

import structlog

from tierii_mta.authentication.results import MethodResult
from tierii_mta.clock import Clock
from tierii_mta.inbound.checks import Decision, Incoming, Verdict
from tierii_mta.inbound.screening.acquaintance import Acquaintance
from tierii_mta.inbound.screening.case import Case, Report
from tierii_mta.inbound.screening.greylist import Greylist, Standing, Terms, visitor
from tierii_mta.inbound.screening.verdict import Observation, Policy, verdict
from tierii_mta.mail.address import Address

T = TypeVar("T")


class Check(Protocol):
    """Looks at one side of a message. May raise and may be cancelled; it reads the message's body meanwhile only."""

    @property
    def name(self) -> str:
        """What notes and counters call it."""

    async def look(self, case: Case) -> Report:
        """Return what there is to say; nothing, where all is as it should be."""


class Witness(Protocol):
    """Hears what happened, for metrics and logs."""

    def judged(self, incoming: Incoming, verdict: Verdict) -> None:
        """A message was judged."""

    def troubled(self, check: str, how: str) -> None:
        """A check was `late`, or `failed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The greylist and its terms."""

    list: Greylist
    terms: Terms


class Screening:
    """The checks of one port 25."""

    def __init__(
        self,
        checks: Collection[Check],
        policy: Policy,
        *,
        clock: Clock,
        within: timedelta,
        waiting: Waiting | None = None,
        acquaintance: Acquaintance | None = None,
        trusted: Collection[IPv4Network | IPv6Network] = (),
        results: Callable[[Sequence[MethodResult]], bytes] = lambda _: b"",
        witness: Witness | None = None,
    ) -> None:
        """`trusted`: networks whose hosts are not judged; `results` writes the field that tells of the methods.

        Without `waiting` nobody is greylisted, without `acquaintance` nobody known.
        """
        self._checks, self._clock, self._within = tuple(checks), clock, within
        self._policy = policy if waiting is not None else replace(policy, greylist=None)
        self._waiting, self._acquaintance, self._trusted = waiting, acquaintance, tuple(trusted)
        self._results, self._witness = results, witness

    async def check(self, incoming: Incoming) -> Verdict:
        """Return the verdict."""
        case = Case(incoming, is_trusted=any(incoming.session.remote in network for network in self._trusted))
        deadline = asyncio.get_running_loop().time() + self._within.total_seconds()
        reports = await self._reports(case, deadline)
        found = [one for report in reports for one in report.observations]
        if case.is_trusted:
            found.insert(0, Observation(rule="trusted_client", detail=str(incoming.session.remote)))
        judged = verdict(found, self._policy)
        if judged.decision is not Decision.ACCEPT:  # otherwise nothing that speaks for it would change that
            found += await self._known([who for report in reports for who in report.proven], deadline)
            judged = verdict(found, self._policy)
        if judged.decision is Decision.GREYLIST:
            judged = await self._greylisted(case, found, deadline)
        judged = replace(judged, fields=self._results([one for report in reports for one in report.methods]))
        if self._witness is not None:
            self._witness.judged(incoming, judged)
        return judged

    async def _reports(self, case: Case, deadline: float) -> list[Report]:
        """Return what the checks say, in their order; those that are not done at the deadline are given up."""
        tasks = [asyncio.create_task(one.look(case), name=f"check {one.name}") for one in self._checks]
        try:
            await asyncio.wait(tasks, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        finally:
            for task in tasks:
                task.cancel()
        return [self._report(check.name, task) for check, task in zip(self._checks, tasks, strict=True)]

    def _report(self, name: str, task: asyncio.Task[Report]) -> Report:
        if not task.done() or task.cancelled():
            return self._trouble(name, "late", f"{name}: not done within {self._within.total_seconds():g} s")
        failure = task.exception()
        if failure is None:
            return task.result()
        structlog.get_logger().error("check.failed", check=name, error=repr(failure), exc_info=failure)
        return self._trouble(name, "failed", f"{name}: {type(failure).__name__}")

    def _trouble(self, check: str, how: str, detail: str) -> Report:
        if self._witness is not None:
            self._witness.troubled(check, how)
        return Report(observations=(Observation(rule=how, detail=detail),))

    async def _greylisted(self, case: Case, found: Sequence[Observation], deadline: float) -> Verdict:
        """Return the verdict on somebody who is to wait, once it is known whether it has."""
        standing = await self._standing(case, found, deadline)
        if isinstance(standing, Report):  # what the greylist does not know is no reason to wait
            return verdict([*found, *standing.observations], replace(self._policy, greylist=None))
        seconds = round(standing.time.total_seconds())
        if standing.has_waited:
            detail = f"came again after {seconds} s" if seconds else "this client came again before"
            return verdict([*found, Observation(rule="waited", detail=detail)], self._policy)
        return verdict([*found, Observation(rule="waits", detail=f"{seconds} s to go")], self._policy)

    async def _known(self, proven: Sequence[Address], deadline: float) -> Sequence[Observation]:
        if self._acquaintance is None:
            return ()
        found = await self._asked("acquaintance", self._acquaintance.look(proven), deadline)
        return found.observations if isinstance(found, Report) else found

    async def _standing(self, case: Case, found: Sequence[Observation], deadline: float) -> Standing | Report:
        if self._waiting is None:
            raise RuntimeError("nobody is greylisted without a greylist")
        sender = case.incoming.reverse_path
        is_proven = sender is not None and any(one.rule == "spf_pass" for one in found)
        who = visitor(case, sender.domain if sender is not None and is_proven else None)
        asking = self._waiting.list.meet(who, self._waiting.terms, self._clock.now())
        return await self._asked("greylist", asking, deadline)

    async def _asked(self, name: str, asking: Coroutine[Any, Any, T], deadline: float) -> T | Report:
        """Return what the database says, or a report that it said nothing, which harms nobody."""
        try:
            async with asyncio.timeout_at(deadline):
                return await asking
        except TimeoutError:
            return self._trouble(name, "late", f"{name}: the database does not answer in time")
        except Exception as failure:
            structlog.get_logger().error("check.failed", check=name, error=repr(failure), exc_info=failure)
            return self._trouble(name, "failed", f"{name}: {type(failure).__name__}")
