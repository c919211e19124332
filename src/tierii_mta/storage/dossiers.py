"""All there is of a delivery, as `queue show` tells it: its history, message, DSN parameters and transcripts."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, func, select

from tierii_mta.clock import Instant
from tierii_mta.queue.delivery import DeliveryId, MessageRow
from tierii_mta.queue.operator import Dossier, MessageFacts, Transcript
from tierii_mta.storage.codes import NOTIFY, RETURN_OF
from tierii_mta.storage.history import history
from tierii_mta.storage.tables import AnyRow, body_part, delivery, lane, message, stream, transcript


def dossiers(connection: Connection, ids: Sequence[DeliveryId]) -> Sequence[Dossier]:
    """Return them, lowest id first; those that are gone are left out."""
    wanted = (
        select(delivery.c.id, delivery.c.message, delivery.c.notify, delivery.c.orcpt, delivery.c.last_reply)
        .add_columns(stream.c.name)
        .select_from(delivery.join(lane, lane.c.id == delivery.c.lane).join(stream, stream.c.id == lane.c.stream))
        .where(delivery.c.id.in_(ids))
    )
    rows = connection.execute(wanted.order_by(delivery.c.id)).all()
    messages = {number: _message(connection, number) for number in {row.message for row in rows} if number is not None}
    return [_dossier(connection, row, messages) for row in rows]


def _dossier(connection: Connection, row: AnyRow, messages: Mapping[int, MessageFacts]) -> Dossier:
    (known,) = history(connection, key=None, message_id=None, delivery_id=row.id)
    return Dossier(
        history=known,
        owner=known.campaign or row.name,
        notify=frozenset(one for one, bit in NOTIFY.items() if row.notify & bit),
        orcpt=row.orcpt,
        last_reply=row.last_reply,
        message=messages.get(row.message),
        transcripts=_transcripts(connection, row.id),
    )


def _transcripts(connection: Connection, number: int) -> Sequence[Transcript]:
    kept = select(transcript).where(transcript.c.delivery == number).order_by(transcript.c.attempt)
    return [Transcript(attempt=row.attempt, at=Instant(row.at), text=row.lines) for row in connection.execute(kept)]


def _message(connection: Connection, number: int) -> MessageFacts:
    row = connection.execute(select(message).where(message.c.id == number)).one()
    parts = body_part.c.message == number
    size = connection.execute(select(func.sum(func.length(body_part.c.content))).where(parts)).scalar()
    beginning = connection.execute(select(body_part.c.content).where(parts, body_part.c.position == 0)).scalar()
    return MessageFacts(
        row=MessageRow(number),
        reverse_path=row.reverse_path,
        size_bytes=int(size) if size is not None else None,
        header=(beginning or b"").partition(b"\r\n\r\n")[0],
        ret=RETURN_OF[row.ret] if row.ret is not None else None,
        envid=row.envid,
        is_smtputf8=bool(row.is_smtputf8),
        label=row.label,
        tag=row.tag,
    )
