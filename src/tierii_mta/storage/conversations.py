"""Conversations in the database: what was sent and received, and what is said with whom.

Owns the port `correspondence.sent.SentStore`, the rows of `conversation` and `conversation_message`, and their
retention; not which message belongs where (correspondence.thread).
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, Select, delete, func, insert, select, text, update

from tierii_mta.campaigns.store import way_back
from tierii_mta.clock import Instant
from tierii_mta.correspondence.sent import Conversation, Sent, Utterance
from tierii_mta.correspondence.thread import KnownMessage
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import DeliveryId, State
from tierii_mta.queue.processed import Said
from tierii_mta.queue.received import InboxId
from tierii_mta.storage.claim import delivery_at
from tierii_mta.storage.codes import STATE, STATE_OF, Mark
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.lanes import places
from tierii_mta.storage.received_tables import conversation, conversation_message
from tierii_mta.storage.tables import AnyRow, campaign, delivery, event, message

_MOST = 200  # messages of one conversation that are shown, and recipients of one message that are looked at

_IS_OURS = text("conversation_message.is_ours")  # in the words of the partial index, else SQLite passes it over


# -- reading


class StoredCorrespondence:
    """`SentStore` on SQLite or PostgreSQL."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def sent(self, delivery: DeliveryId, *, answered_by: PersonKey | None = None) -> Sent | None:
        return await self._connections.read(_sent, delivery, answered_by)

    async def list_ids(self) -> Sequence[str]:
        wanted = select(campaign.c.list_id).where(campaign.c.list_id.is_not(None)).distinct()
        return await self._connections.read(lambda connection: list(connection.execute(wanted).scalars()))

    async def known(
        self, deliveries: Sequence[DeliveryId], message_ids: Sequence[str]
    ) -> tuple[Mapping[DeliveryId, KnownMessage], Mapping[str, KnownMessage]]:
        return await self._connections.read(_known, deliveries, message_ids)

    async def sent_to(self, person: PersonKey, since: Instant, *, limit: int) -> Sequence[KnownMessage]:
        return await self._connections.read(_sent_to, person, since, limit)

    async def conversation(self, message: InboxId) -> Conversation | None:
        return await self._connections.read(_conversation, message)


def _sent(connection: Connection, number: DeliveryId, answered_by: PersonKey | None) -> Sent | None:
    row = connection.execute(select(delivery).where(delivery.c.id == number)).one_or_none()
    if row is None:
        return None
    if row.message is not None and answered_by is not None and row.recipient_key != answered_by:
        theirs = delivery.c.recipient_key == answered_by, delivery.c.message == row.message
        row = connection.execute(select(delivery).where(*theirs).limit(1)).one_or_none() or row
    at = places(connection, {row.lane})[row.lane]
    stored = None
    if row.message is not None:
        stored = connection.execute(select(message).where(message.c.id == row.message)).one_or_none()
    of_campaign = select(campaign.c.specification).where(campaign.c.id == at.campaign)
    specification = connection.execute(of_campaign).scalar() if at.campaign is not None else None
    back = way_back(json.loads(specification)) if specification is not None else None
    return Sent(
        delivery=delivery_at(row, at, stored),
        state=STATE_OF[row.state],
        marks=frozenset(mark.name.lower() for mark in Mark if row.marks & mark),
        message_id=stored.message_id if stored is not None else _ids_by_event(connection, [row.id]).get(row.id),
        list_id=at.list_id,
        author=back.author if back is not None else None,
        answers_go_to=back.answers_go_to if back is not None else (stored.reverse_path if stored is not None else ""),
        stop_on=back.stop_on if back is not None else frozenset(),
    )


def _known(
    connection: Connection, deliveries: Sequence[DeliveryId], message_ids: Sequence[str]
) -> tuple[Mapping[DeliveryId, KnownMessage], Mapping[str, KnownMessage]]:
    named = {row.message_id: row for row in connection.execute(_of_message_ids(message_ids))} if message_ids else {}
    sent = select(delivery.c.id, delivery.c.recipient, delivery.c.message)
    rows = {row.id: row for row in connection.execute(sent.where(delivery.c.id.in_(list(deliveries))))}
    of_messages = sent.where(delivery.c.message.in_([row.id for row in named.values()])).order_by(delivery.c.id)
    by_message: dict[int, list[AnyRow]] = {}
    for row in connection.execute(of_messages.limit(_MOST)) if named else ():
        by_message.setdefault(row.message, []).append(row)
    firsts = {name: by_message[row.id] for name, row in named.items() if row.id in by_message}
    met = _met(connection, {*rows, *(row.id for some in firsts.values() for row in some)})
    ids = _ids_by_event(connection, list(rows))
    by_delivery = {
        DeliveryId(row.id): _known_message([row], met, message_id=ids.get(row.id, "")) for row in rows.values()
    }
    by_id = {name: _known_message(some, met, message_id=name) for name, some in firsts.items()}
    return by_delivery, {**_received(connection, message_ids), **by_id}


def _of_message_ids(message_ids: Sequence[str]) -> Select[tuple[int, str]]:
    return select(message.c.id, message.c.message_id).where(message.c.message_id.in_(list(message_ids)))


def _received(connection: Connection, message_ids: Sequence[str]) -> dict[str, KnownMessage]:
    """Return what we received before, by Message-ID."""
    if not message_ids:
        return {}
    wanted = select(conversation_message.c.conversation, conversation_message.c.message_id, conversation.c.address)
    rows = connection.execute(
        wanted.join(conversation, conversation.c.id == conversation_message.c.conversation).where(
            conversation_message.c.message_id.in_(list(message_ids)), conversation_message.c.is_ours.is_(False)
        )
    ).all()
    senders = _senders(connection, {row.conversation for row in rows})
    return {
        row.message_id: KnownMessage(
            delivery=None,
            conversation=row.conversation,
            message_id=row.message_id,
            participants=[row.address, *senders.get(row.conversation, ())],
        )
        for row in rows
    }


def _known_message(
    rows: Sequence[AnyRow], met: Mapping[int, tuple[int, Sequence[str]]], *, message_id: str
) -> KnownMessage:
    """Return a message to one or several; the first of its deliveries stands for it."""
    number, others = next((met[row.id] for row in rows if row.id in met), (None, ()))
    return KnownMessage(
        delivery=DeliveryId(rows[0].id),
        conversation=number,
        message_id=message_id,
        participants=[*(row.recipient for row in rows), *others],
    )


def _met(connection: Connection, deliveries: Iterable[int]) -> dict[int, tuple[int, Sequence[str]]]:
    """Return the conversations in which deliveries of ours stand, with everybody who took part."""
    wanted = select(conversation_message.c.delivery, conversation_message.c.conversation)
    numbers = sorted(deliveries)
    named = wanted.where(_IS_OURS, conversation_message.c.delivery.in_(numbers))
    found = {row.delivery: row.conversation for row in connection.execute(named)} if numbers else {}
    senders = _senders(connection, set(found.values()))
    return {number: (where, senders.get(where, ())) for number, where in found.items()}


def _senders(connection: Connection, conversations: set[int]) -> dict[int, list[str]]:
    wanted = select(conversation_message.c.conversation, conversation_message.c.sender).distinct()
    theirs = conversation_message.c.is_ours.is_(False), conversation_message.c.conversation.in_(sorted(conversations))
    found: dict[int, list[str]] = {}
    for row in connection.execute(wanted.where(*theirs)) if conversations else ():
        found.setdefault(row.conversation, []).append(row.sender)
    return found


def _ids_by_event(connection: Connection, deliveries: Sequence[int]) -> Mapping[int, str]:
    """Return the Message-IDs that deliveries went out with, as far as events are kept."""
    told = select(event.c.delivery, func.max(event.c.message_id).label("message_id"))
    of_them = event.c.delivery.in_(list(deliveries)), event.c.message_id.is_not(None)
    rows = connection.execute(told.where(*of_them).group_by(event.c.delivery)) if deliveries else ()
    return {row.delivery: row.message_id for row in rows}


def _sent_to(connection: Connection, person: PersonKey, since: Instant, limit: int) -> Sequence[KnownMessage]:
    wanted = select(delivery.c.id, delivery.c.recipient, delivery.c.message).where(
        delivery.c.recipient_key == person,
        delivery.c.accepted_at >= since,
        delivery.c.state == STATE[State.COMPLETED],
    )
    rows = connection.execute(wanted.order_by(delivery.c.id.desc()).limit(limit)).all()
    met, ids = _met(connection, [row.id for row in rows]), _ids_by_event(connection, [row.id for row in rows])
    return [_known_message([row], met, message_id=ids.get(row.id, "")) for row in rows]


def _conversation(connection: Connection, number: InboxId) -> Conversation | None:
    holding = select(conversation_message.c.conversation).where(conversation_message.c.inbox == number)
    row = connection.execute(select(conversation).where(conversation.c.id.in_(holding))).one_or_none()
    if row is None:
        return None
    of_it = conversation_message.c.conversation == row.id
    said = select(conversation_message).where(of_it).order_by(conversation_message.c.id).limit(_MOST)
    campaign_id = None
    if row.campaign is not None:
        named = select(campaign.c.id).where(campaign.c.number == row.campaign)
        campaign_id = connection.execute(named).scalar_one_or_none()
    return Conversation(
        id=row.id,
        address=row.address,
        campaign=campaign_id,
        subject=row.subject,
        opened_at=Instant(row.opened_at),
        last_at=Instant(row.last_at),
        messages=[_utterance(one) for one in connection.execute(said)],
    )


def _utterance(row: AnyRow) -> Utterance:
    return Utterance(
        is_ours=bool(row.is_ours),
        inbox=InboxId(row.inbox) if row.inbox is not None else None,
        delivery=DeliveryId(row.delivery) if row.delivery is not None else None,
        message_id=row.message_id,
        sender=row.sender,
        at=Instant(row.at),
        words=row.words,
    )


# -- writing


def say(connection: Connection, said: Said, number: InboxId, now: Instant) -> None:
    """Put a received message into its conversation, which begins with it where there is none."""
    where = _found(connection, said) or _opened(connection, said, now)
    if said.delivery is not None and said.delivery not in _met(connection, [said.delivery]):
        ours = {
            "conversation": where,
            "is_ours": True,
            "delivery": said.delivery,
            "message_id": said.answered_id,
            "sender": said.answered_from,
            "at": said.answered_at,
        }
        connection.execute(insert(conversation_message).values(ours))
    theirs = {
        "conversation": where,
        "is_ours": False,
        "inbox": number,
        "delivery": said.delivery,
        "message_id": said.message_id,
        "sender": said.sender,
        "at": now,
        "words": said.words,
    }
    connection.execute(insert(conversation_message).values(theirs))
    connection.execute(update(conversation).where(conversation.c.id == where).values(last_at=now))


def _found(connection: Connection, said: Said) -> int | None:
    of_delivery = select(conversation_message.c.conversation).where(
        _IS_OURS, conversation_message.c.delivery == said.delivery
    )
    named = connection.execute(of_delivery).scalar_one_or_none() if said.delivery is not None else None
    number = said.conversation if said.conversation is not None else named
    if number is None:
        return None
    held = select(conversation.c.id).where(conversation.c.id == number).with_for_update()
    return connection.execute(held).scalar_one_or_none()


def _opened(connection: Connection, said: Said, now: Instant) -> int:
    number = select(campaign.c.number).where(campaign.c.id == said.campaign).scalar_subquery()
    values = {
        "recipient_key": said.person,
        "address": said.address,
        "campaign": number,
        "subject": said.subject,
        "opened_at": now,
        "last_at": now,
    }
    opened = insert(conversation).values(values).returning(conversation.c.id)
    return int(connection.execute(opened).scalar_one())


def purge(connection: Connection, before: Instant, limit: int) -> int:
    """Delete a page of conversations in which nothing was said for so long; return how many went."""
    oldest = select(conversation.c.id).where(conversation.c.last_at < before).order_by(conversation.c.last_at)
    return connection.execute(delete(conversation).where(conversation.c.id.in_(oldest.limit(limit)))).rowcount
