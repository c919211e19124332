"""Preferences: what a person gets from one sender, and how they change it themselves.

Owns the values of the preferences page and the rules: a person takes back their own word and nobody else's; what a
bounce, a complaint or the operator stopped stays stopped.  Not how the lists are found (storage) nor the page (web).
Pure.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tierii_mta.clock import Instant
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionReason, list_scope, sender_scope
from tierii_mta.mail.person import PersonKey


@dataclass(frozen=True, slots=True, kw_only=True)
class MailingList:
    """A list that campaigns of ours were sent to."""

    id: str
    name: str  # as the newest campaign says; the id where none does


class KnownLists(Protocol):
    """What is known of lists. Read only."""

    async def of_person(self, person: PersonKey, sender: str, *, also: Collection[str]) -> Sequence[MailingList]:
        """Return the lists of a sender's marketing campaigns that the person is or was a recipient of, as far as kept,
        and those of `also` that the sender has; newest first, a bounded number.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ListStanding:
    """One list, as the person stands to it."""

    list: MailingList
    has_left: bool
    stopped_by: SuppressionReason | None = None  # other than the person's own word


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a person stands to all that one sender sends."""

    sender: str
    lists: Sequence[ListStanding]
    has_left: bool  # all of it
    stopped_by: SuppressionReason | None  # all of it, other than by the person's own word


def standing(sender: str, lists: Iterable[MailingList], entries: Sequence[Suppression], *, now: Instant) -> Standing:
    """Return how the person with these entries stands."""
    holding = [entry for entry in entries if entry.holds(now)]
    own = {entry.scope for entry in holding if entry.reason is SuppressionReason.UNSUBSCRIBE}
    others = {entry.scope: entry.reason for entry in holding if entry.reason is not SuppressionReason.UNSUBSCRIBE}
    wide = (sender_scope(sender), EVERYWHERE)
    return Standing(
        sender=sender,
        lists=[
            ListStanding(list=each, has_left=list_scope(each.id) in own, stopped_by=others.get(list_scope(each.id)))
            for each in lists
        ],
        has_left=not own.isdisjoint(wide),
        stopped_by=next((others[scope] for scope in wide if scope in others), None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for: scopes they leave, and scopes in which they take their word back."""

    leaves: Sequence[str] = ()
    returns: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.leaves or self.returns)


def wish_of(present: Standing, *, shown: Collection[str], chosen: Collection[str]) -> Wish:
    """Return what a person asks for who was shown some lists and chose to get some of them."""
    seen = [each for each in present.lists if each.list.id in shown]
    return Wish(
        leaves=[list_scope(each.list.id) for each in seen if not each.has_left and each.list.id not in chosen],
        returns=[list_scope(each.list.id) for each in seen if each.has_left and each.list.id in chosen],
    )


def leaving_all(present: Standing) -> Wish:
    """Return the wish to get nothing of the sender."""
    return Wish() if present.has_left else Wish(leaves=[sender_scope(present.sender)])


def returning(present: Standing) -> Wish:
    """Return the wish to get the sender's mail again: the word against all mail has to go for it, too."""
    return Wish(returns=[sender_scope(present.sender), EVERYWHERE]) if present.has_left else Wish()
