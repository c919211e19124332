"""The draft of a campaign: what would be loaded under its id, and whether it may be.

Owns which campaign may take a loading, and what a campaign needs of the settings before its first row is read.  Pure.
"""

from tierii_mta.campaigns.expansion import Expansion
from tierii_mta.campaigns.sender import Sender
from tierii_mta.campaigns.snapshot import make_snapshot
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.specification.vocabulary import LINK_NAMES
from tierii_mta.campaigns.store import CampaignRecord, CampaignState, Draft
from tierii_mta.campaigns.template import names_used
from tierii_mta.clock import Instant
from tierii_mta.errors import ConfigurationError, Conflict

_LOADABLE = frozenset({CampaignState.DRAFT, CampaignState.FAILED})
_FINAL = frozenset({CampaignState.COMPLETED, CampaignState.CANCELLED})


def make_draft(campaign: Campaign, expansion: Expansion, *, sender: Sender, now: Instant) -> Draft:
    """Return what is to be loaded."""
    specification = campaign.specification
    snapshot, fingerprint = make_snapshot(specification, expansion, sender=sender, now=now)
    return Draft(
        id=campaign.id,
        name=specification.name,
        is_marketing=specification.is_marketing,
        priority=specification.priority,
        list_id=specification.list_id,
        sender=specification.from_address.domain,
        fingerprint=fingerprint,
        snapshot=snapshot,
        created_at=now,
    )


def check_links(campaign: Campaign, expansion: Expansion, sender: Sender) -> None:
    """Raise `ConfigurationError` where a mail needs links of ours that nobody could follow."""
    texts = expansion.sources.texts.items()
    is_needed = campaign.specification.is_marketing or any(
        use.name in LINK_NAMES for name, text in texts for use in names_used(text, file=name)
    )
    if is_needed and not sender.public_url:
        raise ConfigurationError(
            "is not set, so no unsubscribe link can be made",
            where="web.public_url",
            remedy="set it to the https address under which recipients reach this installation",
        )


def is_loadable(record: CampaignRecord | None) -> bool:
    """Whether the id is free for any content."""
    return record is None or record.state in _LOADABLE


def check_state(campaign: Campaign, record: CampaignRecord | None, draft: Draft, *, reopen: bool) -> None:
    """Raise `Conflict` where the id was accepted with other content, or is final."""
    if record is None or is_loadable(record):
        return
    if record.fingerprint != draft.fingerprint:
        raise Conflict(
            f"the campaign {draft.id} exists with other content ({record.state})",
            where=campaign.document.where(("campaign", "id")),
            remedy="give this one another id; a campaign that was accepted does not change",
        )
    if record.state in _FINAL and not reopen:
        raise Conflict(
            f"the campaign {draft.id} is {record.state}",
            where=campaign.document.where(("campaign", "id")),
            remedy="run it again for new recipients with --reopen",
        )


def check_start(record: CampaignRecord | None, at: str | None) -> None:
    """Raise `Conflict` where a start is asked for that lies behind."""
    if at is not None and record is not None and not is_loadable(record) and record.started_at is not None:
        what = f"the campaign {record.id} has started; its start cannot be moved"
        raise Conflict(what, where="--at", remedy="leave --at out to add recipients")
