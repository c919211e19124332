"""Deliveries, attempts and outcomes for the queue's tests."""

from dataclasses import replace
from datetime import timedelta

from tests.support.clock import START
from tierii_mta.clock import Instant, later
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.reply import Reply
from tierii_mta.queue.delivery import Attempt, Delivery, DeliveryId, Lane, LaneId, Priority, Stage, StreamId


def lane(number: int = 1, *, stream: int = 1, domain: str | None = None) -> Lane:
    """Return a lane."""
    return Lane(id=LaneId(number), stream=StreamId(stream), domain=domain or f"d{number}.example")


def delivery(number: int = 1, **changes: object) -> Delivery:
    """Return a delivery accepted at START with a day to live."""
    made = Delivery(
        id=DeliveryId(number),
        lane=lane(),
        recipient="ann@d1.example",
        recipient_key=PersonKey(bytes(15) + b"a"),
        priority=Priority.NORMAL,
        attempts=0,
        accepted_at=START,
        expires_at=later(START, timedelta(days=1)),
        campaign="spring",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def attempt(code: int = 250, text: str = "ok", enhanced: str | None = None, **changes: object) -> Attempt:
    """Return an attempt that ended with this reply to the final dot."""
    made = Attempt(
        stage=Stage.DOT,
        reply=Reply.of(code, text, enhanced),
        reply_class="TransientFailure",
        mx="mx.d1.example",
        address="127.0.0.9",
        source="main",
        tls="TLSv1.3 unverified",
        provider="other",
        message_id="<m1@example.com>",
        body_hash="ab" * 32,
        elapsed=timedelta(milliseconds=120),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def after(**kwargs: float) -> Instant:
    """Return START plus a timedelta given by its parts."""
    return later(START, timedelta(**kwargs))
