"""Rules about the people: consent, suppression, addresses, and what profiles ask to know of them.

Owns L1 to L6.  Pure; what the DNS says of domains comes with `Network.destinations`.
"""

import re
from collections import Counter
from collections.abc import Iterator

from tierii_mta.campaigns.preflight.case import Case, Network, Reach
from tierii_mta.campaigns.preflight.findings import Fault, Severity
from tierii_mta.campaigns.preflight.profiles import Profile
from tierii_mta.campaigns.preflight.wording import visible_parts

CONSENT_COLUMNS = ("consent_basis", "consent_source", "consent_at")
_SUSPECT, _INVALID = 0.02, 0.05
_SHOWN = 5


def check_consent(case: Case) -> Iterator[Fault]:
    """L1: for every contact it is kept on what ground, from where and since when they may be written to."""
    specification, census = case.specification, case.census
    if not specification.is_marketing:
        return
    where = case.where("contacts")
    if assumed := specification.compliance.assume_consent:
        what = f"consent of all {census.contacts} contacts is assumed: {assumed}"
        yield Fault(what=what, where=case.where("compliance", "assume_consent"), severity=Severity.INFO)
    columns = list(dict.fromkeys(name for each in case.profiles for name in each.consent_columns)) or CONSENT_COLUMNS
    missing = [f"{column} for {blank}" for column in columns if (blank := census.blank(column))]
    if missing and not assumed:
        yield Fault(what=f"missing: {', '.join(missing)} of {census.contacts} contacts", where=where)
    yield from _left_out(case, "L1")
    for profile in case.profiles:
        yield from _foreign_bases(case, profile)
    basis = census.values.get(columns[0], Counter())
    counted = ", ".join(f"{name} {count}" for name, count in basis.most_common(_SHOWN) if name)
    if counted:
        yield Fault(what=f"consent by basis: {counted}", where=where, severity=Severity.INFO)


def _left_out(case: Case, rule: str) -> Iterator[Fault]:
    """Whom the stage `consent` has left out: not written to, and so no error."""
    for demand, count in case.left_out.items():
        if demand.rule == rule:
            what = f"{count} contacts are left out: {demand}"
            remedy = "fill the column, or be content: nobody without it is written to"
            yield Fault(what=what, where=case.where("contacts"), severity=Severity.WARNING, remedy=remedy)


def _foreign_bases(case: Case, profile: Profile) -> Iterator[Fault]:
    if not profile.consent_bases:
        return
    bases = ", ".join(profile.consent_bases)
    assumed = case.specification.compliance.assume_consent
    if assumed is not None and assumed not in profile.consent_bases:
        where = case.where("compliance", "assume_consent")
        yield Fault(what=f"{profile.name} knows no basis {assumed!r}", where=where, remedy=f"one of: {bases}")
    for name, count in case.census.values.get(profile.consent_columns[0], Counter()).items():
        if name and name.lower() not in profile.consent_bases:
            what = f"{count} contacts have the basis {name!r}, which {profile.name} does not know"
            yield Fault(what=what, where=case.where("contacts"), remedy=f"one of: {bases}")


def check_suppression(case: Case) -> Iterator[Fault]:
    """L2: who was suppressed is left out."""
    if not case.specification.exclude.suppression:
        yield Fault(
            what="suppressed persons are counted as recipients; none is written to",
            where=case.where("exclude", "suppression"),
            severity=Severity.WARNING,
        )


def check_addresses(case: Case) -> Iterator[Fault]:
    """L3: few addresses look as if nobody read them."""
    census, knowledge = case.census, case.knowledge
    where = case.where("contacts")
    if census.roles:
        shown = ", ".join(f"{name}@ {count}" for name, count in census.roles.most_common(_SHOWN))
        what = f"{sum(census.roles.values())} of {census.contacts} addresses are of roles: {shown}"
        yield Fault(what=what, where=where, remedy="write to persons who asked for it")
    throwaway = Counter({each: count for each, count in census.domains.items() if each in knowledge.disposable})
    if throwaway:
        shown = ", ".join(f"{name} {count}" for name, count in throwaway.most_common(_SHOWN))
        what = f"{sum(throwaway.values())} of {census.contacts} addresses are disposable: {shown}"
        yield Fault(what=what, where=where, remedy="add the domains to exclude.domains")
    slips = Counter({each: count for each, count in census.domains.items() if each in knowledge.typos})
    for name, count in slips.most_common(_SHOWN):
        what = f"{count} addresses at {name}, which probably means {knowledge.typos[name]}"
        yield Fault(what=what, where=where, remedy="ask them, or exclude the domain; do not correct it yourself")


async def check_destinations(case: Case, network: Network) -> list[Fault]:
    """L3, with the network: mail to the domains of the contacts can arrive."""
    known: Counter[Reach] = Counter()
    dead: Counter[str] = Counter()
    for domain, destination in network.destinations.items():
        count = case.census.domains[domain]
        known[destination.reach] += count
        if destination.reach in (Reach.NULL_MX, Reach.NOWHERE):
            dead[domain] += count
    total = known.total() - known[Reach.UNKNOWN]
    if not dead or not total:
        return []
    share = dead.total() / total
    severity = Severity.INFO if share < _SUSPECT else Severity.WARNING if share < _INVALID else Severity.ERROR
    shown = ", ".join(f"{name} {count}" for name, count in dead.most_common(_SHOWN))
    what = f"{share:.1%} of {total} addresses are at domains that take no mail: {shown}"
    remedy = "remove them; above 5 % the list is too old to be written to"
    return [Fault(what=what, where=case.where("contacts"), severity=severity, remedy=remedy)]


def check_double_opt_in(case: Case) -> Iterator[Fault]:
    """L4: whoever is on the list has confirmed it."""
    listing = case.specification.mailing_list
    if case.specification.is_marketing and (listing is None or listing.opt_in != "double"):
        said = f"says {listing.opt_in}" if listing and listing.opt_in else "does not say how people came to it"
        yield Fault(what=f"the list {said}", where=case.where("list"))


def check_licensee(case: Case) -> Iterator[Fault]:
    """L5: age, region and licence, and no wording that the law forbids."""
    yield from _left_out(case, "L5")
    for profile in case.profiles:
        yield from _missing_licence(case, profile)
        yield from _phrases(case, profile)


def _missing_licence(case: Case, profile: Profile) -> Iterator[Fault]:
    for specimen in case.specimens[:1] if profile.licence else ():
        for part, text in visible_parts(specimen):
            if profile.licence and not profile.licence.search(text):
                what = f"the {part} part shows no licence number ({profile.name})"
                yield Fault(what=what, where=specimen.place, remedy="write it into the template, e.g. C10-0000123-LIC")


def _phrases(case: Case, profile: Profile) -> Iterator[Fault]:
    for specimen in case.specimens[:1]:
        said = " ".join([specimen.field("Subject"), *(text for _, text in visible_parts(specimen))]).lower()
        for subject, phrases in profile.phrases.items():
            for phrase in phrases:
                if re.search(rf"\b{re.escape(phrase.lower())}\b", said):
                    what = f"{phrase!r} reads like {subject}, which {profile.name} restricts"
                    remedy = "say it otherwise, or make sure that it is allowed"
                    yield Fault(what=what, where=specimen.place, severity=Severity.WARNING, remedy=remedy)


def check_privacy(case: Case) -> Iterator[Fault]:
    """L6: who the controller is, where the notice stands, and that nobody is tracked who did not agree."""
    compliance, tracking = case.specification.compliance, case.specification.tracking
    for profile in case.profiles:
        if not profile.privacy:
            continue
        for key, value in (("controller", compliance.controller), ("privacy_url", compliance.privacy_url)):
            if not value:
                where = case.where("compliance", key)
                yield Fault(what=f"{key} is not set, which {profile.name} asks for", where=where)
            elif case.specimens and not _shows(case, value):
                yield Fault(what=f"no part shows {key}", where=case.specimens[0].place)
        column = profile.tracking_consent
        if column and (tracking.opens or tracking.clicks) and case.census.blank(column):
            what = f"{case.census.blank(column)} contacts would be tracked without {column}"
            yield Fault(what=what, where=case.where("tracking"), remedy=f"fill the column {column}, or do not track")


def _shows(case: Case, value: str) -> bool:
    specimen = case.specimens[0]
    page = specimen.page
    return value in specimen.text or (
        page is not None and (value in page.text or any(value == each.href for each in page.links))
    )
