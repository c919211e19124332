"""A mail of a campaign once more, for its web view: as it was sent, without the power to unsubscribe.

Owns what stands in the place of the links that could: whoever is shown a web view may be anybody, a forwarded mail's
reader or a scanner.  The mail is printed from the campaign's snapshot and the contact's fields, as at every attempt,
so it lasts as long as these are kept.  Not how it is shown (web.webview).
"""

from tierii_mta.campaigns.editions import Editions
from tierii_mta.campaigns.plate import Job
from tierii_mta.campaigns.press import Press
from tierii_mta.mail.address import Address
from tierii_mta.queue.delivery import Delivery, Priority

_IDENTITY = "<web-view@specimen.invalid>"  # in the header, which is not shown


class WebCopies:
    """Prints copies."""

    def __init__(self, editions: Editions, press: Press) -> None:
        self._editions, self._press = editions, press

    async def print(self, delivery: Delivery, *, path: str, note: str) -> bytes:
        """Return the mail, unsigned; `path` is that of the web view under our public address. Wherever the mail has a
        link to unsubscribe or to the preferences, it leads to the fragment `note` of the web view itself.

        Raises what the press raises, and `NotFound` where the campaign is kept no more.
        """
        if delivery.campaign is None:
            raise ValueError(f"delivery {delivery.id} belongs to no campaign")
        edition = await self._editions.get(delivery.campaign)
        shown_at = f"{edition.public_url or ''}{path}"
        instead = f"{shown_at}#{note}"
        job = Job(
            recipient=Address.parse(delivery.recipient),
            contact=delivery.contact,
            accepted_at=delivery.accepted_at,
            message_id=_IDENTITY,
            unsubscribe_url=instead,
            preferences_url=instead,
            web_view_url=shown_at,
        )
        printed = await self._press.produce(edition, job, (), priority=Priority.NORMAL)
        return printed.data
