"""A proof: the mail that one contact would get, printed before anybody is written to.

Owns how it is made for the commands `preview` and `test`: whose data it shows, where its links lead, and the mark of a
test.  Reads the campaign's files and feeds; writes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tierii_mta.campaigns.audience import Audience, Contact
from tierii_mta.campaigns.expansion import expand
from tierii_mta.campaigns.feeds import Sources, open_feeds
from tierii_mta.campaigns.plate import Job, Plate
from tierii_mta.campaigns.sender import Sender
from tierii_mta.campaigns.snapshot import make_snapshot
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.stages import Meter
from tierii_mta.clock import Clock
from tierii_mta.errors import CheckFailed, NotFound
from tierii_mta.mail.address import Address
from tierii_mta.mail.message_id import random_message_id
from tierii_mta.mail.person import PersonKey
from tierii_mta.outbound.content import RenderFailed

TEST_FIELD = "X-Tierii-Test"
_TEST_MARK = "[Test]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where the links of a proof lead."""

    unsubscribe: str
    preferences: str
    web_view: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One mail, unsigned."""

    contact: Address  # whose data it shows
    recipient: Address
    data: bytes
    message_id: str
    needs_smtputf8: bool


def marked(campaign: Campaign) -> Campaign:
    """Return the campaign as its tests go out: they say that they are tests, to people and to programs."""
    specification = campaign.specification
    changed = specification.model_copy(
        update={
            "subject": f"{_TEST_MARK} {specification.subject}",
            "headers": {**specification.headers, TEST_FIELD: campaign.id},
        }
    )
    return replace(campaign, specification=changed)


class ProofPress:
    """Prints proofs of one campaign."""

    def __init__(
        self,
        campaign: Campaign,
        *,
        sender: Sender,
        sources: Sources,
        key_of: Callable[[Address], PersonKey],
        clock: Clock,
    ) -> None:
        """Gather and compile what the campaign sends; raises `CheckFailed`."""
        self._campaign, self._sources, self._key_of, self._clock = campaign, sources, key_of, clock
        self.expansion = expand(campaign)
        snapshot, _ = make_snapshot(campaign.specification, self.expansion, sender=sender, now=clock.now())
        self._plate = Plate(snapshot)

    async def contact(self, wanted: Address | None) -> Contact:
        """Return a valid contact of the campaign, by address or the first one; raises `NotFound`."""
        meter = Meter(self._clock)
        async with open_feeds(self._campaign, self._sources, clock=self._clock, meter=meter) as feeds:
            audience = Audience(
                self._campaign.specification,
                feeds,
                header_fields=self.expansion.header_fields,
                key_of=self._key_of,
                clock=self._clock,
                meter=meter,
            )
            async for each in audience.contacts():
                if wanted is None or wanted.key == each.address.key:
                    return each
        where = str(wanted) if wanted is not None else None
        raise NotFound("is not among the valid contacts" if wanted else "there is no valid contact", where=where)

    def print(self, contact: Contact, links: Links, *, recipient: Address | None = None) -> Proof:
        """Return the mail with a contact's data, to that contact or to `recipient`.

        Raises `CheckFailed` where it does not render.
        """
        to = recipient or contact.address
        job = Job(
            recipient=to,
            contact=contact.fields,
            accepted_at=self._clock.now(),
            message_id=random_message_id(self._clock, self._campaign.specification.from_address.domain),
            unsubscribe_url=links.unsubscribe,
            preferences_url=links.preferences,
            web_view_url=links.web_view,
        )
        try:
            sheet = self._plate.print(job)
        except RenderFailed as cause:
            raise CheckFailed(
                f"the mail of {contact.address} does not render: {cause}",
                where=str(self._campaign.path),
                remedy=f"mend the template, or the contact in {contact.file}:{contact.line}",
            ) from cause
        return Proof(
            contact=contact.address,
            recipient=to,
            data=sheet.data,
            message_id=job.message_id,
            needs_smtputf8=sheet.needs_smtputf8,
        )
