"""What kind of mail a received message is.

Owns the order in which the kinds are asked for: the first that fits decides, and what the others found stays as
evidence.  Not the signs themselves (complaint, bounces, notices, auto_reply, unsubscribe) nor what follows (processor).
No row looks at whether a token of ours is valid alone: vacation programs answer return paths too.  Pure.

    1. complaint         a feedback report, unless it says that nobody complains
    2. delivery report   failed, delayed or delivered: what `bounces` read
    3. receipt           a message disposition notification
    4. unsubscribe       sent to an address signed for it, or nothing but the word; never if a machine answers or a list
                         passed it on
    5. challenge, acknowledgement, automatic answer, and what else a machine wrote
    6. reaction, list
    7. a person: a reply if it answers something, else other
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tierii_mta.correspondence.absence import absence_in
from tierii_mta.correspondence.addresses import addresses_in, first_address
from tierii_mta.correspondence.auto_reply import Signs, Weight, is_answer_of_a_machine, signs_of
from tierii_mta.correspondence.complaint import Report, report_of
from tierii_mta.correspondence.folding import fold
from tierii_mta.correspondence.header import Header, first, moment, zone
from tierii_mta.correspondence.notices import acknowledgement_in, challenge_in, list_of, reaction_of, receipt_of
from tierii_mta.correspondence.own_words import OwnWords
from tierii_mta.correspondence.phrases import Ending, Saying, SubjectPhrase, away_in, subject_phrase
from tierii_mta.correspondence.reading import (
    Absence,
    Bounce,
    Complaint,
    EnvelopeFacts,
    Evidence,
    Kind,
    Receipt,
)
from tierii_mta.correspondence.unsubscribe import order_in, wish_in
from tierii_mta.mail.mime import Mail
from tierii_mta.mail.subject import Subject, read_subject
from tierii_mta.mail.tokens import Purpose

_ANSWERED = frozenset({Purpose.REPLY, Purpose.BOUNCE, Purpose.UNSUBSCRIBE})
_REPORTS = frozenset({Kind.COMPLAINT, Kind.BOUNCE, Kind.DELAY, Kind.DELIVERED, Kind.RECEIPT})
_BY_PERSONS = frozenset({Kind.REPLY, Kind.OTHER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The kind of a message, why, and what its kind brings."""

    kind: Kind
    evidence: tuple[Evidence, ...]
    complaint: Complaint | None = None
    receipt: Receipt | None = None
    absence: Absence | None = None
    intents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A message as the rows see it."""

    mail: Mail
    facts: EnvelopeFacts
    header: Header
    subject: str
    written: Subject
    own: OwnWords
    signs: Signs
    phrase: SubjectPhrase | None
    bounce: Bounce | None
    report: Report | None
    receipt: tuple[Receipt, Evidence] | None

    @property
    def answers(self) -> bool:
        """Whether it answers something that was sent: a field says so, or an address that only our mail carried."""
        return _answers(self.header, self.facts)

    @property
    def is_machine_answer(self) -> bool:
        """Whether a machine answered. What a list passes on was no answer to us, so its subject proves nothing."""
        is_exchange = any(name.startswith("x-ms-") or name == "thread-index" for name in self.header)
        phrase = self.phrase if self.list is None else None
        return is_answer_of_a_machine(self.signs, phrase, answers=self.answers, is_exchange=is_exchange, own=self.own)

    @property
    def list(self) -> Evidence | None:
        """The list that passed it on, unless it came to an address that only our mail carried."""
        is_ours = not _ANSWERED.isdisjoint(self.facts.purposes)
        return None if is_ours else list_of(self.header, answers=self.answers)


def classify(
    mail: Mail, facts: EnvelopeFacts, *, header: Header, own: OwnWords, bounce: Bounce | None
) -> Classification:
    """Return the kind. `header` and `own` are those of the mail; `bounce` is what was read of it as a report."""
    case = _case(mail, facts, header=header, own=own, bounce=bounce)
    rows = list(_rows(case))
    kind = rows[0][0] if rows else Kind.OTHER
    evidence = dict.fromkeys((*(each for _, each in rows), *_signs(case)))
    wish = wish_in(case.subject, own) if kind in _BY_PERSONS else None
    if wish is not None:
        evidence[Evidence(rule="unsubscribe-intent", where="subject or text", detail=wish)] = None
    return Classification(
        kind=kind,
        evidence=tuple(evidence),
        complaint=case.report.complaint if case.report else None,
        receipt=case.receipt[0] if case.receipt else None,
        absence=_absence(case) if kind is Kind.AUTO_REPLY else None,
        intents=("unsubscribe",) if wish is not None else (),
    )


def _case(mail: Mail, facts: EnvelopeFacts, *, header: Header, own: OwnWords, bounce: Bounce | None) -> _Case:
    subject = first(header, "subject") or ""
    return _Case(
        mail=mail,
        facts=facts,
        header=header,
        subject=subject,
        written=read_subject(subject),
        own=own,
        signs=signs_of(
            header,
            sender=first_address(first(header, "from") or ""),
            has_null_path=facts.reverse_path is None,
            answers=_answers(header, facts),
        ),
        phrase=subject_phrase(subject),
        bounce=bounce,
        report=report_of(mail),
        receipt=receipt_of(mail),
    )


def _answers(header: Header, facts: EnvelopeFacts) -> bool:
    is_told = any(first(header, name) for name in ("in-reply-to", "references"))
    return is_told or not _ANSWERED.isdisjoint(facts.purposes)


def _rows(case: _Case) -> Iterator[tuple[Kind, Evidence]]:
    """Yield the kinds that fit, the deciding one first."""
    yield from _report_rows(case)
    yield from _unsubscribe_row(case)
    yield from _machine_rows(case)
    if (reaction := reaction_of(case.mail)) is not None:
        yield Kind.REACTION, reaction
    if case.list is not None:
        yield Kind.LIST, case.list
    yield from _person_rows(case)


def _report_rows(case: _Case) -> Iterator[tuple[Kind, Evidence]]:
    if case.report is not None and case.report.is_against_us:
        yield from ((Kind.COMPLAINT, each) for each in case.report.evidence)
    if case.bounce is not None:
        kind = _bounce_kind(case.bounce)
        yield from ((kind, each) for each in case.bounce.evidence)
    if case.report is not None and not case.report.is_against_us:
        yield from ((Kind.MACHINE, each) for each in case.report.evidence)
    if case.receipt is not None:
        yield Kind.RECEIPT, case.receipt[1]


def _unsubscribe_row(case: _Case) -> Iterator[tuple[Kind, Evidence]]:
    if case.is_machine_answer:
        return
    if Purpose.UNSUBSCRIBE in case.facts.purposes:
        yield Kind.UNSUBSCRIBE, Evidence(rule="token:unsubscribe", where="envelope recipient")
    elif case.signs.has(Weight.MACHINE) or case.list is not None:
        return  # the word went to the list
    elif order := order_in(case.subject, case.own):
        yield Kind.UNSUBSCRIBE, Evidence(rule="unsubscribe-word", where="whole subject or text", detail=order)


def _machine_rows(case: _Case) -> Iterator[tuple[Kind, Evidence]]:
    is_answer = case.is_machine_answer
    by_machine = is_answer or case.signs.has(Weight.MACHINE) or case.signs.hints("null-sender")
    challenge = challenge_in(case.header, case.subject, case.own, is_machine=by_machine)
    if challenge is not None:
        yield Kind.CHALLENGE, challenge
    received = acknowledgement_in(case.header, case.subject, case.own) if by_machine else None
    if received is not None:
        yield Kind.ACKNOWLEDGEMENT, received
    if is_answer:
        yield from ((Kind.AUTO_REPLY, each) for each in case.signs.evidence.get(Weight.ANSWER, ()))
        if case.phrase is not None:
            yield Kind.AUTO_REPLY, _phrase_evidence(case.phrase)
        yield from ((Kind.AUTO_REPLY, each) for each in case.signs.evidence.get(Weight.HINT, ()))
    yield from ((Kind.MACHINE, each) for each in case.signs.evidence.get(Weight.MACHINE, ()))
    if case.mail.root.content_type == "multipart/report":
        yield Kind.MACHINE, Evidence(rule="report", where="header Content-Type")


def _person_rows(case: _Case) -> Iterator[tuple[Kind, Evidence]]:
    for name in ("in-reply-to", "references"):
        if value := first(case.header, name):
            yield Kind.REPLY, Evidence(rule=name, where=f"header {name.title()}", detail=value[:200])
    for purpose in sorted(_ANSWERED.intersection(case.facts.purposes)):
        yield Kind.REPLY, Evidence(rule=f"token:{purpose}", where="envelope recipient")
    if case.written.is_reply:
        yield Kind.REPLY, Evidence(rule="subject-reply", where="header Subject", detail=case.subject[:200])


def _signs(case: _Case) -> Iterator[Evidence]:
    """Yield what was found and did not count on its own."""
    for found in case.signs.evidence.values():
        yield from found
    if case.phrase is not None:
        yield _phrase_evidence(case.phrase)


def _phrase_evidence(phrase: SubjectPhrase) -> Evidence:
    return Evidence(rule=f"subject:{phrase.language}", where="header Subject", detail=phrase.phrase)


def _bounce_kind(bounce: Bounce) -> Kind:
    """A failure of anybody outweighs a delay, and that a success."""
    actions = {each.action for each in bounce.recipients}
    if "failed" in actions:
        return Kind.BOUNCE
    return Kind.DELAY if "delayed" in actions else Kind.DELIVERED


def _absence(case: _Case) -> Absence | None:
    """Return what the answer of somebody who is away tells; None if nothing says that anybody is."""
    is_subject_own = not case.written.is_reply and (case.phrase is None or case.phrase.ending is Ending.RUNNING)
    text = f"{case.subject}\n\n{case.own.words}" if is_subject_own else case.own.words
    written = first(case.header, "date") or ""
    ours = (
        address
        for name in ("from", "to", "cc", "reply-to")
        for value in case.header.get(name, ())
        for address in addresses_in(value)
    )
    found = absence_in(
        case.header,
        text,
        sent_at=moment(written) or case.facts.received_at,
        zone=zone(written),
        strangers={address.lower() for address in ours},
    )
    is_away = case.phrase is not None and case.phrase.saying is not Saying.AUTOMATIC
    is_noted = bool(case.header.get("x-apple-action"))
    return found if is_away or is_noted or found.returns_on or away_in(fold(text[:4_000])) else None
