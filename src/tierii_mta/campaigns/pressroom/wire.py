"""What the daemon and a press worker say to each other, in the frames of `workers.wire`.

Owns the encoding, both ways.  Pure.

    daemon → worker   {"edition": 7, "specification": …, "contents": [[name, size], …]}   + the contents
                      {"print": [[edition, local, domain, contact, accepted at, Message-ID, [URL, …], Reply-To,
                                  address to unsubscribe at], …], "drop": [3]}
    worker → daemon   {"ready": process id}
                      {"printed": [result, …], "is_last": whether the batch ends here}    + the octets of each mail
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tierii_mta.authentication.coverage import Coverage
from tierii_mta.campaigns.plate import Job, Sheet
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.clock import Instant
from tierii_mta.mail.address import Address
from tierii_mta.workers.wire import Frame, Garbled, cut, pack

_SHEET, _FAILED, _UNUSABLE = "sheet", "failed", "unusable"


@dataclass(frozen=True, slots=True)
class Printed:
    """A mail, and what signing needs to know of it."""

    sheet: Sheet
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Failure:
    """No mail. `is_of_edition`: nothing to do with this recipient, the campaign cannot be compiled."""

    why: str
    is_of_edition: bool = False


Result = Printed | Failure


# -- daemon → worker ---------------------------------------------------------------------------------------------


def pack_edition(number: int, snapshot: Snapshot) -> bytes:
    """Return the frame that gives a worker an edition."""
    contents = snapshot.contents
    head = {
        "edition": number,
        "specification": snapshot.specification,
        "contents": [[name, len(octets)] for name, octets in contents.items()],
    }
    return pack(head, list(contents.values()))


def unpack_edition(frame: Frame) -> Snapshot:
    """Return what `pack_edition` packed."""
    names = [name for name, _ in frame.head["contents"]]
    pieces = cut(frame.octets, [size for _, size in frame.head["contents"]])
    return Snapshot(specification=frame.head["specification"], contents=dict(zip(names, pieces, strict=True)))


def pack_batch(jobs: Sequence[tuple[int, Job]], drop: Sequence[int]) -> bytes:
    """Return the frame of a batch: each job with the number of its edition, and the editions to forget first."""
    rows = [
        [
            number,
            job.recipient.local,
            job.recipient.domain,
            dict(job.contact),
            job.accepted_at,
            job.message_id,
            [job.unsubscribe_url, job.preferences_url, job.web_view_url],
            _text(job.reply_to),
            _text(job.unsubscribe_address),
        ]
        for number, job in jobs
    ]
    return pack({"print": rows, "drop": drop})


def unpack_job(row: Sequence[Any]) -> tuple[int, Job]:
    """Return one job of `pack_batch`, with the number of its edition."""
    number, local, domain, contact, accepted_at, message_id, urls, reply_to, way_out = row
    job = Job(
        recipient=Address(local, domain),
        contact=contact,
        accepted_at=Instant(accepted_at),
        message_id=message_id,
        unsubscribe_url=urls[0],
        preferences_url=urls[1],
        web_view_url=urls[2],
        reply_to=_address(reply_to),
        unsubscribe_address=_address(way_out),
    )
    return number, job


def _text(address: Address | None) -> str | None:
    return str(address) if address is not None else None


def _address(text: str | None) -> Address | None:
    return Address.parse(text) if text is not None else None


# -- worker → daemon ---------------------------------------------------------------------------------------------


def pack_results(results: Sequence[Result], *, is_last: bool) -> bytes:
    """Return the frame of some results of a batch, in the order of its jobs."""
    rows: list[list[Any]] = []
    octets: list[bytes] = []
    for result in results:
        if isinstance(result, Failure):
            rows.append([_UNUSABLE if result.is_of_edition else _FAILED, result.why])
            continue
        sheet, coverage = result.sheet, result.coverage
        flags = [sheet.body_hash, sheet.is_8bit, sheet.needs_smtputf8]
        rows.append([_SHEET, *flags, coverage.tags, len(sheet.data), len(coverage.header)])
        octets += (sheet.data, coverage.header)
    return pack({"printed": rows, "is_last": is_last}, octets)


def unpack_results(frame: Frame) -> tuple[list[Result], bool]:
    """Return the results, and whether the batch ends with them; raises `Garbled`."""
    try:
        rows, is_last = frame.head["printed"], bool(frame.head["is_last"])
        sizes = [size for row in rows if row[0] == _SHEET for size in row[5:]]
        pieces = iter(cut(frame.octets, sizes))
        return [_result(row, pieces) for row in rows], is_last
    except (KeyError, IndexError, TypeError, ValueError) as cause:
        raise Garbled("not results") from cause


def _result(row: Sequence[Any], pieces: Iterator[bytes]) -> Result:
    if row[0] != _SHEET:
        return Failure(str(row[1]), row[0] == _UNUSABLE)
    _, body_hash, is_8bit, needs_smtputf8, tags, _, _ = row  # exactly two sizes, so exactly two pieces
    data, header = next(pieces), next(pieces)
    sheet = Sheet(data=data, body_hash=str(body_hash), is_8bit=bool(is_8bit), needs_smtputf8=bool(needs_smtputf8))
    return Printed(sheet, Coverage(str(tags), header))
