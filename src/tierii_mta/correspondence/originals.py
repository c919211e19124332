"""Mail of ours as it was sent, made again: campaign mail is rendered, submitted mail read from the store.

Owns what that may cost; who makes the octets is a `ContentSource`, the one that attempts use.
"""

import asyncio
from datetime import timedelta

from tierii_mta.correspondence.sent import OriginalText
from tierii_mta.errors import TieriiError
from tierii_mta.mail.mime import parse
from tierii_mta.outbound.content import ContentSource, RenderFailed
from tierii_mta.queue.delivery import Delivery

MAX_BYTES = 1_000_000  # of a mail that is looked into: most of a larger one is attachments
_WITHIN = timedelta(seconds=10)  # a campaign's workers may be busy


class PreparedOriginals:
    """Implements `sent.Originals`."""

    def __init__(self, content: ContentSource) -> None:
        self._content = content

    async def original(self, delivery: Delivery) -> OriginalText | None:
        """Return what a delivery said; None where that is not kept, cannot be made now, or costs too much."""
        try:
            async with asyncio.timeout(_WITHIN.total_seconds()):
                prepared = await self._content.prepare(delivery)
        except (RenderFailed, TieriiError, TimeoutError):
            return None
        if len(prepared.data) > MAX_BYTES:
            return None
        return await asyncio.to_thread(_texts, prepared.data)


def _texts(octets: bytes) -> OriginalText:
    mail = parse(octets)
    return OriginalText(subject=mail.root.get("subject") or "", text=mail.body_text(), html=mail.body_html())
