"""Who vouches for a message: SPF, DKIM, DMARC and ARC as findings, and the addresses that they prove.

Owns what each result is called here, when a failed DMARC is obeyed (RFC 9989 §7.4: not where a list or a forwarder may
have broken it) and whose ARC seal is listened to; not the checks themselves (authentication.examine) nor whether
somebody proven is known (acquaintance).  Touches: the DNS, by way of the Resolver port.
"""

from collections.abc import Collection, Iterator
from datetime import timedelta

from tierii_mta.authentication.body_hash import Body
from tierii_mta.authentication.dmarc import DmarcResult
from tierii_mta.authentication.dmarc_record import Policy
from tierii_mta.authentication.examine import WITHIN, Arrival, Authenticity, authenticate
from tierii_mta.authentication.signature import Result
from tierii_mta.authentication.spf import Identity, SpfResult
from tierii_mta.clock import Clock
from tierii_mta.inbound.screening.case import Case, Report
from tierii_mta.inbound.screening.verdict import Observation
from tierii_mta.mail.address import Address
from tierii_mta.resolver.answer import Resolver


class Credentials:
    """SPF, DKIM, DMARC and ARC."""

    name = "credentials"

    def __init__(
        self,
        resolver: Resolver,
        *,
        clock: Clock,
        hostname: str,
        sealers: Collection[str] = (),
        within: timedelta = WITHIN,
    ) -> None:
        """`sealers`: domains whose ARC seals are believed, in A-labels; `within`: how long the DNS is waited for."""
        self._resolver, self._clock, self._hostname = resolver, clock, hostname
        self._sealers, self._within = frozenset(sealers), within

    async def look(self, case: Case) -> Report:
        """Return what was found; of mail that the operator's own servers hand on, SPF could not know the sender."""
        if case.is_trusted:
            return Report()
        incoming, session = case.incoming, case.incoming.session
        message = incoming.message
        found = await authenticate(
            message.head,
            Body(pieces=message.body, size_bytes=message.size_bytes - len(message.head)),
            Arrival(
                remote=session.remote,
                client_name=session.client_name,
                reverse_path=incoming.reverse_path,
                receiver=self._hostname,
            ),
            self._resolver,
            now=self._clock.now(),
            within=self._within,
        )
        observations = [*_spf(found), *_dkim(found), *self._dmarc(found, case), *_arc(found)]
        return Report(observations=observations, methods=found.results, proven=tuple(_proven(found, case)))

    def _dmarc(self, found: Authenticity, case: Case) -> Iterator[Observation]:
        verdict = found.dmarc
        rule, detail = f"dmarc_{verdict.result}", verdict.reason
        if verdict.result is DmarcResult.FAIL and verdict.policy in (Policy.QUARANTINE, Policy.REJECT):
            detail += f"; {verdict.record_domain} asks to {verdict.policy}"
            witness = found.arc.witness(verdict.domain or "", self._sealers)
            if witness is not None:
                rule = "dmarc_vouched"
                detail += f", and {witness.sealer} saw DMARC pass"
            elif case.is_passed_on or found.arc.hands:
                rule = "dmarc_list"
            else:
                rule = f"dmarc_{verdict.policy}"
        yield Observation(rule=rule, detail=detail)


def _spf(found: Authenticity) -> Iterator[Observation]:
    """A client's name without a record is no sign of anything; a sender's domain should have one."""
    verdict = found.spf
    is_usual = verdict.identity is Identity.HELO and verdict.result is SpfResult.NONE
    yield Observation(
        rule=f"spf_{verdict.result}", detail=f"{verdict.domain}: {verdict.reason}", times=0 if is_usual else 1
    )


def _dkim(found: Authenticity) -> Iterator[Observation]:
    if not found.dkim:
        yield Observation(rule="dkim_none", detail="not signed")
    for one in found.dkim:
        who = one.domain or "a domain that cannot be read"
        match one.result:
            case Result.PASS:
                yield Observation(rule="dkim_pass", detail=f"{who} signed it")
            case Result.TEMPERROR:
                yield Observation(rule="dkim_temperror", detail=f"{who}: {one.reason}")
            case _:
                yield Observation(rule="dkim_fail", detail=f"{who}: {one.reason}")


def _arc(found: Authenticity) -> Iterator[Observation]:
    chain = found.arc
    if chain.hands:
        why = f" ({chain.reason})" if chain.reason else ""
        yield Observation(rule="arc", detail=f"{chain.result}{why}: sealed by {', '.join(chain.sealers)}")


def _proven(found: Authenticity, case: Case) -> Iterator[Address]:
    """Yield the addresses whose domains vouch for the message."""
    sender = case.incoming.reverse_path
    if sender is not None and found.spf.result is SpfResult.PASS:
        yield sender
    signers = {one.domain for one in found.dkim if one.result is Result.PASS}
    author = case.author
    if author is not None and (found.dmarc.result is DmarcResult.PASS or author.domain in signers):
        yield author
