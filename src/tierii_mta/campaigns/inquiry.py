"""Trying a campaign on its own contacts before anything is accepted.

Owns the report of missing names (one contact per distinct set of fields is rendered, every name it lacks is counted
with the rows that lack it) and the proof that each kind of contact gives a whole mail.  An error that only one
contact's values cause is not reported here: that delivery ends failed(render).  Pure.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, ClassVar

from jinja2 import ChainableUndefined, Undefined
from jinja2.utils import missing

from tierii_mta.campaigns.audience import Contact, FieldSet, Survey
from tierii_mta.campaigns.expansion import Expansion
from tierii_mta.campaigns.plate import Job, Plate
from tierii_mta.campaigns.problems import Problem, problem_at
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.specification.vocabulary import CONTEXT_NAMES
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.campaigns.template import names_used
from tierii_mta.clock import Instant
from tierii_mta.errors import CheckFailed
from tierii_mta.outbound.content import RenderFailed

_log = logging.getLogger(__name__)

_SPECIMEN_ID = "<specimen@specimen.invalid>"


class Inquiry:
    """One campaign tried on what a survey kept."""

    def __init__(
        self, campaign: Campaign, expansion: Expansion, snapshot: Snapshot, *, max_bytes: int, now: Instant
    ) -> None:
        self._campaign, self._expansion, self._max_bytes, self._now = campaign, expansion, max_bytes, now
        self._recorded: set[str] = set()
        self._recorder = Plate(snapshot, undefined=recording_undefined(self._recorded))
        self._plate = Plate(snapshot)

    def problems(self, survey: Survey) -> Iterator[Problem]:
        """Yield what would keep contacts of the survey from getting their mail."""
        yield from self._clashes(survey)
        lacking: Counter[str] = Counter()
        for kind in survey.field_sets.values():
            names = self._names_missing(kind.samples[0])
            lacking.update(dict.fromkeys(names, kind.count))
            if not names:
                yield from self._trial(kind)
        known = {name for names in survey.field_sets for name in names}
        for name, rows in lacking.items():
            yield self._missing(name, rows, survey.contacts, known)

    def _clashes(self, survey: Survey) -> Iterator[Problem]:
        fields = {name for names in survey.field_sets for name in names}
        for name in self._campaign.specification.variables:
            if name in fields:
                what = f"a column of the contacts is also called {name}"
                yield problem_at(self._campaign.document, ("variables", name), what, "rename the variable")

    def _names_missing(self, contact: Contact) -> set[str]:
        self._recorded.clear()
        try:
            self._recorder.print(self._job(contact))
        except RenderFailed:
            if not self._recorded:
                return set()  # not a matter of names; `_trial` says what
        except Exception as fault:
            raise _broken(contact, fault) from fault
        return set(self._recorded)

    def _trial(self, kind: FieldSet) -> Iterator[Problem]:
        """Yield a finding if none of the samples gives a mail: then it is the template, not the values."""
        fault = ""
        for contact in kind.samples:
            try:
                size = len(self._plate.print(self._job(contact)).data)
            except RenderFailed as cause:
                fault = fault or f"{cause} (tried with {contact.file}:{contact.line})"
                continue
            except Exception as cause:
                raise _broken(contact, cause) from cause
            if size > self._max_bytes:
                where = str(self._campaign.path)
                yield Problem(where, f"a mail has {size} octets, more than {self._max_bytes}", "send a link instead")
            return
        yield Problem(str(self._campaign.path), f"does not render: {fault}", "mend the template")

    def _missing(self, name: str, rows: int, contacts: int, known: set[str]) -> Problem:
        bare = name.removeprefix("contact.")
        meant = get_close_matches(bare, sorted({*known, *CONTEXT_NAMES, *self._campaign.specification.variables}), n=1)
        hint = f"did you mean {meant[0]}? Else " if meant else ""
        return Problem(
            self._place(bare),
            f"{name} is missing for {rows} of {contacts} contacts",
            f"{hint}add a column, a variable, or write {{{{ {name} | default('') }}}}",
        )

    def _place(self, name: str) -> str:
        """Return where the name is first used."""
        sources = self._expansion.sources
        for source, text in sources.texts.items():
            for use in names_used(text, file=source):
                if use.name == name:
                    file = sources.files[source]
                    return f"{file}:{use.line}" if source in {self._expansion.html, self._expansion.text} else file
        return str(self._campaign.path)

    def _job(self, contact: Contact) -> Job:
        return Job(
            recipient=contact.address,
            contact=contact.fields,
            accepted_at=self._now,
            message_id=_SPECIMEN_ID,
            unsubscribe_url=f"{self._plate.public_url or 'https://specimen.invalid'}/u/{'0' * 60}",
        )


def _broken(contact: Contact, fault: Exception) -> CheckFailed:
    """Return what the operator hears of a fault of ours; the log has the rest."""
    where = f"{contact.file}:{contact.line}"
    _log.error("trying the campaign with %s broke off", where, exc_info=fault)
    return CheckFailed(
        f"internal error while the mail of this contact was rendered: {type(fault).__name__}: {fault}",
        where=where,
        remedy="report it with the log; without this row the campaign may pass",
    )


def recording_undefined(into: set[str]) -> type[Undefined]:
    """Return a kind of Undefined that notes its name wherever a strict one would stop, and goes on as nothing."""
    return type("Recording", (_Recording,), {"__slots__": (), "noted": into})


class _Recording(ChainableUndefined):
    __slots__ = ()
    noted: ClassVar[set[str]] = set()

    def _note(self) -> None:
        self.noted.add(_name_of(self))

    def _itself(self, *_args: Any, **_kwargs: Any) -> Any:
        self._note()
        return self

    def _no(self, *_args: Any) -> bool:
        self._note()
        return False

    def __str__(self) -> str:
        self._note()
        return ""

    def __iter__(self) -> Iterator[Any]:
        self._note()
        return iter(())

    def __len__(self) -> int:
        self._note()
        return 0

    def __hash__(self) -> int:
        self._note()
        return 0

    def __ne__(self, other: object) -> bool:
        return not self._no()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._itself()

    __html__ = __str__
    __bool__ = __eq__ = __contains__ = _no
    __lt__ = __le__ = __gt__ = __ge__ = _no  # type: ignore[assignment]  # jinja2 declares that these never return
    __getitem__ = __call__ = _itself
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _itself
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __pos__ = _itself
    __int__ = __float__ = __len__  # type: ignore[assignment]


def _name_of(value: Any) -> str:
    name = str(value._undefined_name)
    if value._undefined_obj is missing:
        return name
    return f"contact.{name}" if isinstance(value._undefined_obj, dict) else f"{name} of {value._undefined_obj!r}"[:80]
