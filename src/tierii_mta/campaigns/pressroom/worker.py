"""A press worker: prints batches until its socket ends.  `python -m tierii_mta.campaigns.pressroom.worker`.

Owns the editions it was given and what is told of a mail that fails; its limits are `workers.program`'s.
"""

import sys
from collections.abc import Sequence

from tierii_mta.authentication.coverage import cover
from tierii_mta.campaigns.plate import Plate
from tierii_mta.campaigns.pressroom import wire
from tierii_mta.campaigns.pressroom.wire import Failure, Printed, Result
from tierii_mta.outbound.content import RenderFailed
from tierii_mta.workers.program import Bench, run
from tierii_mta.workers.wire import Frame

_MAX_WHY = 2_000  # characters


def work(bench: Bench) -> None:
    """Work until the socket ends."""
    editions: dict[int, Plate | Failure] = {}

    def print_one(row: Sequence[object]) -> Result:
        number, job = wire.unpack_job(row)
        plate = editions[number]
        if isinstance(plate, Failure):
            return plate
        try:
            sheet = plate.print(job)
        except RenderFailed as failed:
            return Failure(str(failed)[:_MAX_WHY])
        return Printed(sheet, cover(sheet.data))

    for frame in bench.frames():
        if "edition" in frame.head:
            editions[frame.head["edition"]] = bench.attempt(frame, _compiled, failure=_unusable)
            continue
        for number in frame.head["drop"]:
            editions.pop(number, None)
        bench.do_all(frame.head["print"], print_one, failure=Failure, pack=wire.pack_results, size=_size)


def _compiled(frame: Frame) -> Plate | Failure:
    return Plate(wire.unpack_edition(frame))


def _unusable(why: str) -> Plate | Failure:
    return Failure(why, is_of_edition=True)


def _size(result: Result) -> int:
    return len(result.sheet.data) if isinstance(result, Printed) else 0


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:], work))
