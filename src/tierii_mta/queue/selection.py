"""Selections: which deliveries an operator's verb is about.

Owns the criteria and how an id is read as typed; not which rows meet them (storage.selected).  Pure.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from tierii_mta.queue.delivery import DeliveryId, MessageRow

_MESSAGE_ROW = re.compile(r"message:([0-9]{1,18})")
_DELIVERY = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """Deliveries and messages by name; one of them is enough."""

    deliveries: tuple[DeliveryId, ...] = ()
    messages: tuple[MessageRow, ...] = ()
    message_ids: tuple[str, ...] = ()  # with angle brackets

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Read ids as typed: `17` a delivery, `message:17` a stored message, else a Message-ID, brackets or not.

        Raises ValueError for what is none of them.
        """
        deliveries, messages, message_ids = [], [], []
        for text in texts:
            if _DELIVERY.fullmatch(text):
                deliveries.append(DeliveryId(int(text)))
            elif row := _MESSAGE_ROW.fullmatch(text):
                messages.append(MessageRow(int(row[1])))
            elif "@" in text:
                message_ids.append(f"<{text.strip().removeprefix('<').removesuffix('>')}>")
            else:
                raise ValueError(f"{text!r} is neither a delivery's number, message:NUMBER nor a Message-ID")
        return cls(deliveries=tuple(deliveries), messages=tuple(messages), message_ids=tuple(message_ids))

    def __bool__(self) -> bool:
        return bool(self.deliveries or self.messages or self.message_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The deliveries that meet every criterion given; without one, `is_all` has to say that all are meant."""

    ids: Ids = Ids()
    domain: str | None = None  # A-labels
    campaign: str | None = None  # its id
    user: str | None = None  # who submitted it
    label: str | None = None  # X-Tierii-Campaign of submitted mail
    tag: str | None = None  # X-Tierii-Tag
    is_all: bool = False

    def __post_init__(self) -> None:
        if self.is_all == self.has_criteria:
            raise ValueError("name what is meant, or say that all is meant, not both")

    @property
    def has_criteria(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.ids) or any((self.domain, self.campaign, self.user, self.label, self.tag))

    @property
    def names_messages(self) -> bool:
        """Whether it picks deliveries or messages one by one, not whole lanes."""
        return bool(self.ids) or self.label is not None or self.tag is not None
