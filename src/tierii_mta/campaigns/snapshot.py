"""The snapshot: what a campaign sends, fixed when its first recipient is accepted.

Owns its layout inside `store.Snapshot` and the fingerprint.  `specification` holds the canonical campaign.yaml under
`campaign`, names of sources and attachments with the hash of their octets, and under `pinned` what belongs to this
loading and not to the file: the date, and the settings that show in a mail.  What is pinned is no part of the
fingerprint, so the same files enqueued tomorrow are still the same campaign.  Pure.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from tierii_mta.campaigns import specification
from tierii_mta.campaigns.specification import Specification
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.campaigns.template import Sources
from tierii_mta.clock import Instant, to_datetime
from tierii_mta.mail.compose import Attachment
from tierii_mta.queue.delivery import Json

if TYPE_CHECKING:  # a press worker reads snapshots, and should carry neither keys nor what gathers files
    from tierii_mta.campaigns.expansion import Expansion
    from tierii_mta.campaigns.sender import Sender

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A snapshot, read."""

    specification: Specification
    sources: Sources
    html: str | None
    text: str | None
    attachments: tuple[Attachment, ...]
    campaign_date: date
    public_url: str | None
    postal_address: str | None


def make_snapshot(
    campaign: Specification, expansion: "Expansion", *, sender: "Sender", now: Instant
) -> tuple[Snapshot, str]:
    """Return the snapshot and the campaign's fingerprint."""
    contents: dict[str, bytes] = {}

    def kept(octets: bytes) -> str:
        name = hashlib.sha256(octets).hexdigest()
        contents[name] = octets
        return name

    made: dict[str, Json] = {
        "format": _FORMAT,
        "campaign": campaign.canonical(),
        "html": expansion.html,
        "text": expansion.text,
        "sources": {name: kept(text.encode()) for name, text in sorted(expansion.sources.texts.items())},
        "attachments": [
            {
                "filename": each.filename,
                "sha256": kept(each.content),
                "media_type": each.media_type,
                "content_id": each.content_id,
            }
            for each in expansion.attachments
        ],
    }
    fingerprint = hashlib.sha256(json.dumps(made, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    zone = ZoneInfo(campaign.schedule.timezone)
    pinned: dict[str, Json] = {
        "campaign_date": to_datetime(now).astimezone(zone).date().isoformat(),
        "public_url": sender.public_url.rstrip("/") if sender.public_url else None,
        "postal_address": campaign.compliance.postal_address or sender.postal_address,
    }
    return Snapshot(specification={**made, "pinned": pinned}, contents=contents), fingerprint


def read_snapshot(snapshot: Snapshot) -> Content:
    """Return what a snapshot holds; raises ValueError, LookupError or TypeError where it is damaged."""
    made = cast("Mapping[str, Any]", snapshot.specification)
    for name, octets in snapshot.contents.items():
        if hashlib.sha256(octets).hexdigest() != name:
            raise ValueError(f"the content {name} was altered")
    texts = {name: snapshot.contents[key].decode() for name, key in made["sources"].items()}
    pinned = made["pinned"]
    return Content(
        specification=specification.read(made["campaign"]),
        sources=Sources(texts, {name: name for name in texts}),
        html=made["html"],
        text=made["text"],
        attachments=tuple(
            Attachment(
                filename=each["filename"],
                content=snapshot.contents[each["sha256"]],
                media_type=each["media_type"],
                content_id=each["content_id"],
            )
            for each in made["attachments"]
        ),
        campaign_date=date.fromisoformat(pinned["campaign_date"]),
        public_url=pinned["public_url"],
        postal_address=pinned["postal_address"],
    )
