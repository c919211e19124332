"""The rule that the one-click endpoint works, tried on ourselves.

Owns H3.  A decoy is a person key that no address has.  GET and HEAD go to a fresh one, which must not be unsubscribed
by them; POST to one that is the same in every run, so that only the first check of an installation leaves an entry and
an event behind.  RFC 8058 §3.1 and §3.2.  Touches: our own web endpoint and the suppression list, by way of the ports.
"""

import hashlib

from tierii_mta.campaigns.merge import unsubscribe_url
from tierii_mta.campaigns.preflight.case import Case, Network
from tierii_mta.campaigns.preflight.findings import Fault, Severity
from tierii_mta.mail.person import PersonKey

LIST_ID = "decoy.preflight.invalid"
_WHERE = "web.public_url"
_FORM = {"List-Unsubscribe": "One-Click"}


async def try_one_click(case: Case, network: Network) -> list[Fault]:
    """H3: POST unsubscribes without redirect, cookie or login; looking changes nothing."""
    base = case.sender.public_url
    if base is None:
        return []
    fresh = _decoy(f"{case.campaign.id} {case.now}")
    url = unsubscribe_url(case.codec, base, fresh, LIST_ID, None)
    faults: list[Fault] = []
    for method in ("GET", "HEAD"):
        answer = await network.web.ask(method, url)
        if isinstance(answer, str):
            what = f"the endpoint cannot be tried: {answer}"
            remedy = "start the daemon, and lead web.public_url to its web process"
            return [Fault(what=what, where=_WHERE, severity=Severity.WARNING, remedy=remedy)]
        if answer.status != 200:
            faults.append(Fault(what=f"{method} of an unsubscribe link answers {answer.status}", where=_WHERE))
        if await network.opinions.has_left(fresh):
            faults.append(Fault(what=f"{method} of an unsubscribe link unsubscribes", where=_WHERE))
            break
    return [*faults, *await _post(case, network, base)]


async def _post(case: Case, network: Network, base: str) -> list[Fault]:
    person = _decoy("post")
    answer = await network.web.ask("POST", unsubscribe_url(case.codec, base, person, LIST_ID, None), form=_FORM)
    if isinstance(answer, str):
        return [Fault(what=f"POST to an unsubscribe link fails: {answer}", where=_WHERE)]
    faults = []
    if not 200 <= answer.status < 300:
        faults.append(Fault(what=f"POST to an unsubscribe link answers {answer.status}", where=_WHERE))
    if answer.sets_cookie:
        faults.append(Fault(what="the unsubscribe endpoint sets a cookie", where=_WHERE))
    if not faults and not await network.opinions.has_left(person):
        remedy = "web.public_url must lead to this installation, with this secret"
        faults.append(Fault(what="POST to an unsubscribe link unsubscribes nobody here", where=_WHERE, remedy=remedy))
    return faults


def _decoy(name: str) -> PersonKey:
    return PersonKey(hashlib.sha256(f"preflight decoy {name}".encode()).digest()[:16])
