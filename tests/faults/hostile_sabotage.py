"""The daemon with a fault built in: `python hostile_sabotage.py FAULT[,FAULT…] COMMAND…`; each must be noticed."""

import sys
from typing import Any

from tierii_mta.cli.main import main
from tierii_mta.outbound import interpret
from tierii_mta.outbound.connection import Connection
from tierii_mta.queue.delivery import Attempt, Deferred
from tierii_mta.smtp.replies import ReplyReader


def _ignore(*_: Any, **__: Any) -> None:
    return None


def doubt_is_retry() -> None:
    """A connection cut after the final dot counts as a plain failure: the message is sent again."""

    def deferred(*, attempt: Attempt) -> Deferred:
        return Deferred(attempt=attempt)

    setattr(interpret, "InDoubt", deferred)  # noqa: B010 - a class is replaced on purpose


def endless_replies() -> None:
    """A reply may be as long as the host likes."""
    setattr(ReplyReader, "_check_size", _ignore)  # noqa: B010


def sockets_stay() -> None:
    """A session given up keeps its socket."""
    setattr(Connection, "abort", _ignore)  # noqa: B010


FAULTS = {"doubt-is-retry": doubt_is_retry, "endless-replies": endless_replies, "sockets-stay": sockets_stay}


if __name__ == "__main__":
    for name in sys.argv[1].split(","):
        FAULTS[name]()
    sys.argv[1:] = sys.argv[2:]
    main()
