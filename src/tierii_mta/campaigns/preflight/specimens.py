"""Specimens: mails of some contacts, made and signed the way the daemon makes them, and read back.

Owns who gets one (a contact of each kind, then the sample) and the press that works in this process.  The ids of
deliveries are nobody's: no link of a specimen is ever sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from tierii_mta.authentication.coverage import cover
from tierii_mta.authentication.dkim import DkimKey, sign_coverage
from tierii_mta.campaigns.audience import Contact
from tierii_mta.campaigns.examination import Subject
from tierii_mta.campaigns.merge import CampaignContent
from tierii_mta.campaigns.plate import Job, Plate
from tierii_mta.campaigns.preflight.case import Specimen
from tierii_mta.campaigns.preflight.header import INTRUDER, MARKUP
from tierii_mta.campaigns.preflight.page import read_page
from tierii_mta.campaigns.press import Edition, Press, Print
from tierii_mta.campaigns.problems import Problem
from tierii_mta.campaigns.sender import Sender
from tierii_mta.campaigns.snapshot import read_snapshot
from tierii_mta.campaigns.spool import Waiting
from tierii_mta.campaigns.store import CampaignRecord, CampaignState, Snapshot
from tierii_mta.clock import Clock, Instant, later
from tierii_mta.errors import NotFound
from tierii_mta.mail.address import Address
from tierii_mta.mail.mime import parse
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.outbound.content import RenderFailed, WorkerKilled
from tierii_mta.queue.delivery import Delivery, DeliveryId, Json, Lane, LaneId, Priority, StreamId

_DAY = timedelta(days=1)
_KINDS = 50
_HOSTILE = f"x\r\n{INTRUDER}: 1\r\n\r\n{MARKUP}"


class OwnPress:
    """A `Press` in this process: no worker to start, and none to kill. For a handful of mails."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._plates: dict[int, Plate] = {}

    async def mount(self, campaign: str, snapshot: Snapshot) -> Edition:
        """Compile a campaign."""
        number = len(self._plates) + 1
        self._plates[number] = Plate(snapshot)
        content = read_snapshot(snapshot)
        return Edition(number, campaign, snapshot, content.specification, content.public_url)

    async def produce(self, edition: Edition, job: Job, keys: Sequence[DkimKey], *, priority: Priority) -> Print:
        """Print and sign one mail."""
        sheet = self._plates[edition.number].print(job)
        return Print(
            data=sign_coverage(cover(sheet.data), keys, now=self._clock.now()) + sheet.data,
            body_hash=sheet.body_hash,
            is_8bit=sheet.is_8bit,
            needs_smtputf8=sheet.needs_smtputf8,
        )


class Samples:
    """Makes specimens of one campaign."""

    def __init__(self, subject: Subject, codec: TokenCodec, sender: Sender, press: Press, clock: Clock) -> None:
        self._subject, self._clock = subject, clock
        self._content = CampaignContent(_Unkept(subject), codec, sender, press, clock)
        self.failures: list[Problem] = []

    async def take(self, chosen: Sequence[Waiting]) -> list[Specimen]:
        """Return a specimen of each kind of contact and of each chosen one; who gets none is in `failures`."""
        specimens = []
        for contact in self._contacts(chosen):
            place = f"{contact.file}:{contact.line}"
            try:
                specimens.append(await self._specimen(contact, place))
            except (RenderFailed, WorkerKilled) as failure:
                self.failures.append(Problem(place, f"does not render for this contact: {failure}"))
        return specimens

    def hostile(self) -> bytes | None:
        """Return what a contact full of line breaks and markup would get; None if no mail at all."""
        samples = (each.samples[0] for each in self._subject.survey.field_sets.values() if each.samples)
        contact = next(samples, None)
        if contact is None:
            return None
        types = self._subject.campaign.specification.schema_.types
        fields: Mapping[str, Json] = {
            name: _HOSTILE if isinstance(value, str) and types.get(name, "str") == "str" else value
            for name, value in contact.fields.items()
        }
        job = Job(
            recipient=contact.address,
            contact=fields,
            accepted_at=self._clock.now(),
            message_id="<specimen@specimen.invalid>",
            unsubscribe_url="https://specimen.invalid/u/0",
        )
        try:
            return Plate(self._subject.snapshot).print(job).data
        except RenderFailed:
            return None

    def _contacts(self, chosen: Sequence[Waiting]) -> Iterator[Contact]:
        seen = set()
        kinds = [each.samples[0] for each in list(self._subject.survey.field_sets.values())[:_KINDS] if each.samples]
        drawn = [
            Contact(each.line, self._subject.feeds[each.feed], Address.parse(each.recipient), each.person, each.fields)
            for each in chosen
        ]
        for contact in (*kinds, *drawn):
            if contact.person not in seen:
                seen.add(contact.person)
                yield contact

    async def _specimen(self, contact: Contact, place: str) -> Specimen:
        now = self._clock.now()
        prepared = await self._content.prepare(_delivery(self._subject, contact, now))
        mail = parse(prepared.data)
        html = mail.body_html()
        return Specimen(
            place=place,
            recipient=contact.address,
            person=contact.person,
            data=prepared.data,
            mail=mail,
            page=read_page(html) if html else None,
            html=html,
            text=mail.body_text(),
        )


class _Unkept:
    """What `CampaignContent` asks of the store, of a campaign that is not in it."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    async def snapshot(self, campaign: str) -> Snapshot:
        return self._subject.snapshot

    async def move(self, campaign: str, to_state: CampaignState, *, reason: str | None, now: Instant) -> CampaignRecord:
        raise NotFound(reason or "the campaign is not accepted yet", where=campaign)


def _delivery(subject: Subject, contact: Contact, now: Instant) -> Delivery:
    return Delivery(
        id=DeliveryId(0),
        lane=Lane(id=LaneId(0), stream=StreamId(0), domain=contact.address.domain),
        recipient=str(contact.address),
        recipient_key=contact.person,
        priority=Priority.HIGH,
        attempts=0,
        accepted_at=now,
        expires_at=later(now, _DAY),
        campaign=subject.campaign.id,
        contact=contact.fields,
    )
