"""The proof: every contact's mail is made once, as it would be sent, and thrown away.

Owns how many are in the making at a time and what is told of those that fail: one finding for each reason, with the
number of contacts and the first of them.  Nothing is signed, nothing kept; memory does not grow with the audience.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice

from tierii_mta.campaigns.examination import Subject
from tierii_mta.campaigns.plate import Job
from tierii_mta.campaigns.press import Edition, Menace, Press
from tierii_mta.campaigns.problems import Problem
from tierii_mta.campaigns.spool import Waiting
from tierii_mta.campaigns.summary import Progress, Step
from tierii_mta.clock import Clock
from tierii_mta.mail.address import Address
from tierii_mta.outbound.content import RenderFailed, WorkerKilled
from tierii_mta.queue.delivery import Priority

_AT_ONCE = 100  # some batches of the press, so that no worker waits for us
_REASONS = 20


@dataclass(slots=True)
class _Failure:
    first: str  # file and line
    contacts: int = 0


@dataclass(slots=True)
class Proof:
    """What came of it."""

    printed: int = 0
    failed: int = 0
    _reasons: dict[str, _Failure] = field(default_factory=dict)
    _untold: int = 0  # with reasons beyond the first twenty

    def note(self, place: str, reason: str) -> None:
        """Take a failure into account."""
        self.failed += 1
        if reason not in self._reasons and len(self._reasons) >= _REASONS:
            self._untold += 1
            return
        self._reasons.setdefault(reason, _Failure(place)).contacts += 1

    def problems(self, file: str) -> Iterator[Problem]:
        """Yield a finding for each reason."""
        for reason, failure in self._reasons.items():
            number = failure.contacts
            who = "this contact" if number == 1 else f"{number} contacts, this the first"
            yield Problem(failure.first, f"does not render for {who}: {reason}", "mend the template or the value")
        if self._untold:
            yield Problem(file, f"does not render for {self._untold} more contacts, for other reasons")


async def prove(subject: Subject, press: Press, clock: Clock, *, max_bytes: int) -> Proof:
    """Make the mail of every contact; raises `Unavailable` where the press cannot work.

    A campaign that keeps ending the press's workers is not tried to its end.
    """
    proof = Proof()
    edition = await press.mount(subject.campaign.id, subject.snapshot)
    async with aclosing(_outcomes(subject.contacts, edition, press, clock)) as outcomes:
        async for contact, outcome in outcomes:
            place = f"{subject.feeds[contact.feed]}:{contact.line}"
            if isinstance(outcome, int) and outcome <= max_bytes:
                proof.printed += 1
            elif isinstance(outcome, int):
                proof.note(place, f"the mail has {outcome} octets, more than {max_bytes}")
            else:
                proof.note(place, str(outcome))
            done = proof.printed + proof.failed
            if done % _AT_ONCE == 0:
                subject.show(Progress(step=Step.RENDERING, rows=done, total=subject.survey.contacts))
            if isinstance(outcome, Menace):
                break
    return proof


async def _outcomes(
    contacts: Iterable[Waiting], edition: Edition, press: Press, clock: Clock
) -> AsyncGenerator[tuple[Waiting, int | RenderFailed | WorkerKilled], None]:
    """Yield the size of each contact's mail, or why there is none; a `Menace` before those it turned away."""
    rest = iter(contacts)
    while some := list(islice(rest, _AT_ONCE)):
        made = await asyncio.gather(*(_size(each, edition, press, clock) for each in some), return_exceptions=True)
        for contact, outcome in sorted(zip(some, made, strict=True), key=lambda pair: not isinstance(pair[1], Menace)):
            if isinstance(outcome, BaseException) and not isinstance(outcome, RenderFailed | WorkerKilled):
                raise outcome
            yield contact, outcome


async def _size(contact: Waiting, edition: Edition, press: Press, clock: Clock) -> int:
    job = Job(
        recipient=Address.parse(contact.recipient),
        contact=contact.fields,
        accepted_at=clock.now(),
        message_id="<specimen@specimen.invalid>",
        unsubscribe_url=f"{edition.public_url or 'https://specimen.invalid'}/u/{'0' * 60}",
    )
    return len((await press.produce(edition, job, (), priority=Priority.LOW)).data)
