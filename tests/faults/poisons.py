"""The program with a poison built in: `python poisons.py --with=POISON… COMMAND…`.

Owns the faults that one delivery brings out, each for whoever is called as its stage is, and the sabotage of the
controls.  The product carries no hooks: its functions are replaced here, before it runs.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tierii_mta.campaigns.merge import CampaignContent
from tierii_mta.campaigns.pressroom import pool
from tierii_mta.cli.main import main
from tierii_mta.outbound import throttle
from tierii_mta.outbound.attempt import DeliveryAttempt
from tierii_mta.outbound.route_book import RouteBook
from tierii_mta.outbound.session import Session
from tierii_mta.outbound.transports.direct_mx import DirectMx
from tierii_mta.queue.settlement import Settlement
from tierii_mta.storage import upkeep


class Escaped(BaseException):
    """What no part of the product catches."""


def _breaks(owner: Any, name: str, is_it: Callable[..., bool], act: Callable[[], object]) -> None:
    """Let a function do `act` instead of its work whenever `is_it` says so of its arguments."""
    work = getattr(owner, name)

    def wrapped(*args: Any, **fields: Any) -> Any:
        if is_it(*args, **fields):
            act()
        return work(*args, **fields)

    setattr(owner, name, wrapped)


def _fault() -> None:
    raise KeyError("a fault of ours")


def _death() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _of_delivery(who: str) -> Callable[..., bool]:
    return lambda _, delivery, *__, **___: str(delivery.recipient).startswith(f"{who}@")


def _of_attempt(who: str) -> Callable[..., bool]:
    return lambda attempt, *_: str(attempt._errand.delivery.recipient).startswith(f"{who}@")


def _of_header(who: str) -> Callable[..., bool]:
    return lambda coverage, *_, **__: who.encode() in coverage.header


def _of_envelope(who: str) -> Callable[..., bool]:
    return lambda _, envelope, __: str(envelope.recipients[0]).startswith(f"{who}@")


def _let_out() -> None:
    """A fault of the way out is nobody's to catch."""
    deliver = DirectMx.deliver

    async def wrapped(*args: Any) -> Any:
        try:
            return await deliver(*args)
        except KeyError as fault:
            raise Escaped from fault

    DirectMx.deliver = wrapped  # type: ignore[method-assign, assignment]


def _uncounted() -> None:
    """Deaths leave no trace."""
    upkeep.count_crashes = lambda *_, **__: None  # type: ignore[attr-defined]


def _shared_hand() -> None:
    """Sites that were not reached may take the whole hand."""
    throttle._UNPROVEN_MOST = 1_000_000


def _restless() -> None:
    """A failed look-up makes nobody wait."""
    RouteBook.is_failing = lambda *_: False  # type: ignore[method-assign]


POISONS: dict[str, Callable[[], None]] = {
    "content": lambda: _breaks(CampaignContent, "prepare", _of_delivery("content"), _fault),
    "sign": lambda: _breaks(pool, "sign_coverage", _of_header("signature-of"), _fault),
    "session": lambda: _breaks(Session, "transact", _of_envelope("session"), _fault),
    "interpret": lambda: _breaks(DeliveryAttempt, "_after", _of_attempt("interpret"), _fault),
    "settle": lambda: _breaks(Settlement, "settle", _of_delivery("settle"), _fault),
    "death": lambda: _breaks(CampaignContent, "prepare", _of_delivery("death"), _death),
    "let-out": _let_out,
    "uncounted": _uncounted,
    "shared-hand": _shared_hand,
    "restless": _restless,
}

if __name__ == "__main__":
    chosen = [argument for argument in sys.argv[1:] if argument.startswith("--with=")]
    sys.argv[1:] = [argument for argument in sys.argv[1:] if argument not in chosen]
    for one in chosen:
        POISONS[one.removeprefix("--with=")]()
    main()
