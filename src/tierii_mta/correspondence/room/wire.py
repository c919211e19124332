"""What the daemon and a reader say to each other, in the frames of `workers.wire`.

Owns the encoding, both ways; values travel as `correspondence.codec` writes them.  Pure.

    daemon → worker   {"jobs": [["read", size, envelope], ["cut", size, size, size or null], …]}   + messages and texts
    worker → daemon   {"done": [["reading", …], ["cut", …], ["failed", why], …], "is_last": whether the batch ends here}
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tierii_mta.correspondence.codec import Json, Undecodable, decode, encode
from tierii_mta.correspondence.quote.cutting import Cut
from tierii_mta.correspondence.reading import EnvelopeFacts, Reading
from tierii_mta.workers.wire import Frame, Garbled, cut, pack

_READ, _CUT = "read", "cut"
_READING, _FAILED = "reading", "failed"


@dataclass(frozen=True, slots=True)
class ReadJob:
    """A message to be read; its octets in pieces, as they were kept."""

    pieces: Sequence[bytes]
    envelope: EnvelopeFacts

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.pieces))


@dataclass(frozen=True, slots=True)
class CutJob:
    """A reply to be cut."""

    text: str
    html: str
    original: str | None

    @property
    def size_bytes(self) -> int:
        return len(self.text) + len(self.html) + len(self.original or "")


@dataclass(frozen=True, slots=True)
class Failure:
    """No result; a sentence for the record of the message."""

    why: str


Job = ReadJob | CutJob
Result = Reading | Cut | Failure


def pack_jobs(jobs: Sequence[Job]) -> bytes:
    """Return the frame of a batch."""
    rows: list[list[Json]] = []
    octets: list[bytes] = []
    for job in jobs:
        if isinstance(job, ReadJob):
            rows.append([_READ, job.size_bytes, encode(job.envelope)])
            octets += job.pieces
            continue
        texts = [_octets(job.text), _octets(job.html), None if job.original is None else _octets(job.original)]
        rows.append([_CUT, *(None if text is None else len(text) for text in texts)])
        octets += (text for text in texts if text is not None)
    return pack({"jobs": rows}, octets)


def unpack_jobs(frame: Frame) -> Iterator[Job]:
    """Yield the jobs of `pack_jobs`."""
    sizes = [size for row in frame.head["jobs"] for size in row[1:] if isinstance(size, int)]
    pieces = iter(cut(frame.octets, sizes))
    for kind, *said in frame.head["jobs"]:
        if kind == _READ:
            yield ReadJob([next(pieces)], decode(EnvelopeFacts, said[1]))
        else:
            yield CutJob(_text(next(pieces)), _text(next(pieces)), None if said[2] is None else _text(next(pieces)))


def pack_results(results: Sequence[Result], *, is_last: bool) -> bytes:
    """Return the frame of some results of a batch, in the order of its jobs."""
    return pack({"done": [_row(result) for result in results], "is_last": is_last})


def unpack_results(frame: Frame) -> tuple[list[Result], bool]:
    """Return the results, and whether the batch ends with them; raises `Garbled`."""
    try:
        return [_result(kind, said) for kind, said in frame.head["done"]], bool(frame.head["is_last"])
    except (KeyError, TypeError, ValueError, Undecodable) as cause:
        raise Garbled("not results") from cause


def _row(result: Result) -> list[Json]:
    if isinstance(result, Failure):
        return [_FAILED, result.why]
    return [_READING if isinstance(result, Reading) else _CUT, encode(result)]


def _result(kind: Json, said: Json) -> Result:
    match kind:
        case "reading":
            return decode(Reading, said)
        case "cut":
            return decode(Cut, said)
        case "failed":
            return Failure(str(said))
    raise Garbled("no kind of result")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogatepass")
