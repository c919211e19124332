"""The preferences page's doings: how a person stands, and what they wish.

Owns `PreferencesDesk`, over the suppression list, the known lists and the queue's store; the rules are
`consent.preferences`, the page `web.preferences_page`.
"""

from dataclasses import dataclass
from typing import Protocol

from tierii_mta.clock import Clock
from tierii_mta.consent.preferences import KnownLists, Standing, Wish, standing
from tierii_mta.consent.suppression import SuppressionList, SuppressionReason, left_list
from tierii_mta.mail.tokens import Preferences
from tierii_mta.web.unsubscribe import Journal, Method, mail_of, words


class PreferencesKeeper(Protocol):
    """Where the page's requests go."""

    async def standing(self, link: Preferences) -> Standing:
        """Return how the person stands to the sender. Changes nothing."""

    async def grant(self, link: Preferences, wish: Wish) -> None:
        """Do what the person wishes, durably, before returning. Raises `Unavailable` when nothing could be kept."""


@dataclass(frozen=True, slots=True)
class PreferencesDesk:
    """`PreferencesKeeper` over the suppression list, the lists of campaigns and the event log."""

    suppressions: SuppressionList
    lists: KnownLists
    journal: Journal
    clock: Clock

    async def standing(self, link: Preferences) -> Standing:
        """Return how the person stands; lists they left are shown however long ago they got mail of them."""
        entries = await self.suppressions.find([link.key])
        left = {name for entry in entries if (name := left_list(entry.scope)) is not None}
        lists = await self.lists.of_person(link.key, link.sender, also=left)
        return standing(link.sender, lists, entries, now=self.clock.now())

    async def grant(self, link: Preferences, wish: Wish) -> None:
        """Leave first: of two wishes half done, the one that stops mail is kept."""
        if wish.leaves:
            mail = await mail_of(self.journal, link.delivery)
            method = Method.PREFERENCES
            written = words(link.key, wish.leaves, method, mail, delivery=link.delivery, clock=self.clock)
            await self.journal.apply([written])
        for scope in wish.returns:
            reason = SuppressionReason.UNSUBSCRIBE
            await self.suppressions.remove(link.key, scope, reason=reason, by="person", why="preferences page")
