"""The way back, wired: received mail is read, matched, acted upon, and put into its mailboxes.

Owns which settings and parts reach `correspondence`, and what is counted of it.  Part of the composition root, apart
from daemon.assembly because it grows with what is done with mail that comes back.
"""

from tierii_mta.correspondence.effects import Effects
from tierii_mta.correspondence.mailboxes.routing import Routing
from tierii_mta.correspondence.originals import PreparedOriginals
from tierii_mta.correspondence.processor import Processor, Reader
from tierii_mta.daemon.installation import Installation
from tierii_mta.daemon.metrics import INBOX_EFFECTS, INBOX_PROCESSED, Metrics
from tierii_mta.outbound.content import ContentSource
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Epoch


def build_processor(
    installation: Installation,
    *,
    epoch: Epoch,
    committer: Committer,
    content: ContentSource,
    reader: Reader,
    routing: Routing,
    metrics: Metrics,
) -> Processor:
    """Wire who processes the inbox."""

    def count(found: Effects) -> None:
        metrics.count(INBOX_PROCESSED, kind=found.kind.value)
        for event in found.events:
            metrics.count(INBOX_EFFECTS, event=event.type.value)

    return Processor(
        intray=installation.intray,
        inbox=installation.inbox,
        store=installation.correspondence,
        originals=PreparedOriginals(content),
        reader=reader,
        router=routing,
        committer=committer,
        codec=installation.codec,
        clock=installation.clock,
        epoch=epoch,
        on_processed=count,
    )
