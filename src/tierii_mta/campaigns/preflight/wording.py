"""Rules about what a reader sees: subject, blanks, parts and sizes, address, way out, attachments.

Owns C1, C2, C3, C5, C6 and H5.  Pure.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from html import unescape

from tierii_mta.campaigns.preflight.case import Case, Specimen
from tierii_mta.campaigns.preflight.findings import Fault, Severity
from tierii_mta.campaigns.preflight.header import one_click_urls
from tierii_mta.campaigns.preflight.payload import why_refused
from tierii_mta.campaigns.specification.vocabulary import RESERVED_NAMES
from tierii_mta.campaigns.template import names_settled, names_used

_ANSWERS = re.compile(r"\s*(?:re|fwd?|aw|wg|antw|sv|vs|tr|rv|r|enc)\s*:", re.IGNORECASE)
_MAX_SUBJECT = 78
_CLIPPED_OCTETS = 102 * 1024  # what Gmail shows of an HTML part
_MAX_OCTETS = 10_000_000
_BLANK_SHARE = 0.01
_WORD = re.compile(r"\w{3,}")
_FEW_WORDS = 10
_RELATED = 0.5


def _once(faults: Iterable[Fault]) -> Iterator[Fault]:
    """Yield each fault once, at the first contact that shows it."""
    seen = set()
    for fault in faults:
        if fault.what not in seen:
            seen.add(fault.what)
            yield fault


def check_subject(case: Case) -> Iterator[Fault]:
    """C1: the subject is there, is true, and does not shout."""
    yield from _once(fault for specimen in case.specimens for fault in _faults_of_subject(specimen))


def _faults_of_subject(specimen: Specimen) -> Iterator[Fault]:
    subject, where = specimen.field("Subject"), specimen.place
    if not subject.strip():
        yield Fault(what="the subject is empty", where=where, severity=Severity.ERROR)
    if _ANSWERS.match(subject) and not specimen.field("In-Reply-To"):
        yield Fault(what=f"the subject poses as an answer: {subject[:40]!r}", where=where)
    letters = [letter for letter in subject if letter.isalpha() and letter.lower() != letter.upper()]
    if len(letters) >= 10 and sum(map(str.isupper, letters)) > 0.7 * len(letters):
        yield Fault(what=f"the subject shouts: {subject[:40]!r}", where=where, severity=Severity.WARNING)
    if "!!" in subject or subject.count("$") > 2:
        yield Fault(what=f"the subject looks like spam: {subject[:40]!r}", where=where, severity=Severity.WARNING)
    if len(subject) > _MAX_SUBJECT:
        what = f"the subject has {len(subject)} characters, more than {_MAX_SUBJECT}"
        yield Fault(what=what, where=where, severity=Severity.WARNING)


def check_rendering(case: Case) -> Iterator[Fault]:
    """C2: every contact gives a mail, and values that the templates show are hardly ever blank."""
    for problem in (*case.problems, *case.failures):
        yield Fault(what=problem.what, where=problem.where, remedy=problem.remedy)
    shown: dict[str, str] = {}
    sources = case.sources
    for name, text in sources.texts.items():
        for use in names_used(text, file=sources.files[name]):
            shown.setdefault(use.name, sources.files[name])
    columns = {name for names in case.survey.field_sets for name in names}
    if not case.problems:
        yield from _names_of_nobody(case, shown, columns)
    for name, place in sorted(shown.items()):
        blank = case.census.blank(name)
        if name in columns and blank > _BLANK_SHARE * case.census.contacts:
            what = f"{name} is blank for {blank} of {case.census.contacts} contacts"
            remedy = f"write {{{{ {name} or '…' }}}} for them, or fill the column"
            yield Fault(what=what, where=place, severity=Severity.WARNING, remedy=remedy)


def _names_of_nobody(case: Case, shown: Mapping[str, str], columns: Set[str]) -> Iterator[Fault]:
    """Yield names that no contact tried so far came to, and that none could fill."""
    known = {*columns, *case.census.filled, *case.specification.variables, *RESERVED_NAMES}
    for source, text in case.sources.texts.items():
        known |= names_settled(text, file=case.sources.files[source])
    for name, place in sorted(shown.items()):
        if name not in known and case.census.contacts:
            what = f"{name} is used, but no contact and no variable has it"
            remedy = f"mend the name, or write {{{{ {name} | default('') }}}}"
            yield Fault(what=what, where=place, severity=Severity.WARNING, remedy=remedy)


def check_parts(case: Case) -> Iterator[Fault]:
    """C3: there is a text part that says what the HTML says, and neither is too large."""
    yield from _once(fault for specimen in case.specimens for fault in _faults_of_parts(specimen))


def _faults_of_parts(specimen: Specimen) -> Iterator[Fault]:
    where = specimen.place
    if not specimen.text.strip():
        yield Fault(what="there is no text part", where=where, remedy="set template.text to auto")
    if len(specimen.html.encode()) > _CLIPPED_OCTETS:
        what = f"the HTML part is larger than {_CLIPPED_OCTETS // 1024} KiB; Gmail cuts it there"
        yield Fault(what=what, where=where, remedy="shorten it: the unsubscribe link stands at its end")
    if len(specimen.data) > _MAX_OCTETS:
        yield Fault(what=f"the mail is larger than {_MAX_OCTETS:,} octets", where=where, remedy="link to what is large")
    if specimen.page is not None:
        seen, said = _words(specimen.page.text), _words(specimen.text)
        smaller = min(len(seen), len(said))
        if smaller >= _FEW_WORDS and len(seen & said) < _RELATED * smaller:
            yield Fault(what="the text part says something else than the HTML part", where=where)
        if len(seen) >= _FEW_WORDS and 0 < len(said) < len(seen) // 5:
            yield Fault(what="the text part says much less than the HTML part", where=where)


def check_postal_address(case: Case) -> Iterator[Fault]:
    """C5: the sender's postal address stands in both parts, and the contact where a profile asks for one."""
    laws = ", ".join(profile.name for profile in case.profiles if profile.postal_address)
    asked = f", which {laws} asks for" if laws else ""
    if not case.postal_address:
        yield Fault(what=f"no postal address is set{asked}", where=case.where("compliance", "postal_address"))
    else:
        yield from _missing_in_parts(case, case.postal_address, f"the postal address{asked}")
    for profile in case.profiles:
        if not profile.contact:
            continue
        contact = case.specification.compliance.contact
        if not contact:
            what = f"no telephone number, address or page to reach you is set, which {profile.name} asks for"
            yield Fault(
                what=what,
                where=case.where("compliance"),
                remedy="set compliance.contact, and show it in the templates",
            )
        else:
            yield from _missing_in_parts(case, contact, f"compliance.contact, which {profile.name} asks for,")


def _missing_in_parts(case: Case, wanted: str, what: str) -> Iterator[Fault]:
    for specimen in case.specimens[:1]:
        for part, text in visible_parts(specimen):
            if _plain(wanted) not in _plain(text):
                yield Fault(what=f"{what} is missing in the {part} part", where=specimen.place)


def visible_parts(specimen: Specimen) -> list[tuple[str, str]]:
    """Return what a reader sees of each part."""
    parts = [("text", specimen.text)]
    return [("HTML", specimen.page.text), *parts] if specimen.page is not None else parts


def check_attachments(case: Case) -> Iterator[Fault]:
    """C6: nothing that runs is attached, and advertising says what it is where a profile asks for it."""
    attached = [each for each in case.attachments if each.content_id is None]
    for number, each in enumerate(case.attachments):
        if why := why_refused(each, case.knowledge.executables):
            what, where = f"{each.filename} {why}", case.where("attachments", number, "path")
            yield Fault(what=what, where=where, severity=Severity.ERROR, remedy="link to it instead")
    if attached and case.specification.is_marketing:
        what = f"{len(attached)} attached {'file' if len(attached) == 1 else 'files'} in mass mail"
        yield Fault(what=what, where=case.where("attachments"), remedy="link to them instead")
    for profile in case.profiles:
        if not profile.advertising or not case.specification.is_marketing:
            continue
        for specimen in case.specimens[:1]:
            said = _plain(" ".join(text for _, text in visible_parts(specimen)))
            if not any(_plain(phrase) in said for phrase in profile.advertising):
                what = f"nothing says that it is advertising or why it comes, which {profile.name} asks for"
                remedy = f"say it, with one of: {', '.join(profile.advertising[:3])}"
                yield Fault(what=what, where=specimen.place, remedy=remedy)


def check_visible_way_out(case: Case) -> Iterator[Fault]:
    """H5: a reader sees a way out in every part."""
    yield from _once(fault for specimen in case.specimens for fault in _faults_of_way_out(specimen))


def _faults_of_way_out(specimen: Specimen) -> Iterator[Fault]:
    urls = one_click_urls(specimen)
    if specimen.page is not None:
        shown = [each for each in specimen.page.links if each.href in urls and not each.is_hidden]
        if not any(each.text.strip() for each in shown):
            yield Fault(what="the HTML part shows no unsubscribe link", where=specimen.place)
    if not any(url in specimen.text for url in urls):
        yield Fault(what="the text part shows no unsubscribe link", where=specimen.place)


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text) if not word.isdigit()}


def _plain(text: str) -> str:
    return " ".join(unescape(text).split()).lower()
