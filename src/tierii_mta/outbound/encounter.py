"""Encounters: what an attempt met at one host, or what kept it from one, and how the queue is told.

Owns the way from a transaction to the facts of an `Attempt`; not what they mean (outbound.interpret).  Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.mail.address import Address
from tierii_mta.mail.reply import Reply
from tierii_mta.outbound.content import Prepared
from tierii_mta.outbound.interpret import ACCEPTED, classify
from tierii_mta.outbound.session import Session, Transaction
from tierii_mta.queue.delivery import Attempt, Stage
from tierii_mta.smtp.talk import Exchange


@dataclass(slots=True)
class Met:
    """What an attempt met last: the answer of one host, or what kept it from one."""

    stage: Stage
    reply: Reply
    is_local: bool
    host: str | None = None
    address: str | None = None
    tls: str | None = None
    is_ours: bool = False  # our own socket failed
    tells: bool = False  # the host offers DSN


def met_in(session: Session, ended: Transaction, recipient: Address) -> Met:
    """Return what a transaction came to for one of its recipients."""
    stage, reply = ended.decided(recipient)
    is_local = ended.is_local and reply is ended.reply
    if stage is Stage.DOT and is_local and not ended.dot_written:
        stage = Stage.BODY  # it never left us
    tells = "DSN" in session.extensions
    return Met(stage, reply, is_local, session.host.name, session.host.address, session.tls, tells=tells)


def told(met: Met, prepared: Prepared | None, *, talk: Sequence[Exchange], elapsed: timedelta) -> Attempt:
    """Return the facts; which source and provider it was is the attempt's to say."""
    is_success = met.stage is Stage.DOT and not met.is_local and 200 <= met.reply.code < 300
    wants_success = prepared is not None and prepared.request is not None and "SUCCESS" in prepared.request.notify
    return Attempt(
        stage=met.stage,
        reply=met.reply,
        reply_class=ACCEPTED if is_success else classify(met.reply, met.stage, is_local=met.is_local),
        is_local=met.is_local,
        mx=met.host,
        address=met.address,
        tls=met.tls,
        message_id=prepared.message_id if prepared else None,
        body_hash=prepared.body_hash if prepared else None,
        talk=talk,
        is_untold=is_success and wants_success and not met.tells,
        elapsed=elapsed,
    )
