"""Bodies hashed from pieces: the same as from the whole, however it is cut and wherever it comes from."""

import hashlib
import itertools
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.authentication.messages import bodies
from tierii_mta.authentication.body_hash import Body, Wanted, hash_body
from tierii_mta.authentication.canonical import BodyCanonicalizer, Canonicalization, canonical_body

RELAXED, SIMPLE = Canonicalization.RELAXED, Canonicalization.SIMPLE
_HOSTILE = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b" ", b"\t", b"a", b"  x"]), max_size=30).map(b"".join)


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place for place in places if place < len(octets)), len(octets)]
    return [octets[start:end] for start, end in itertools.pairwise(edges)]


@given(st.one_of(bodies(), _HOSTILE), st.sampled_from([RELAXED, SIMPLE]), st.lists(st.integers(0, 200), max_size=12))
def test_the_canonical_form_does_not_depend_on_the_cuts(body: bytes, how: Canonicalization, places: list[int]) -> None:
    canonicalizer = BodyCanonicalizer(how)
    given_ = [canonicalizer.feed(piece) for piece in cut(body, places)]
    assert b"".join([*given_, canonicalizer.finish()]) == canonical_body(body, how)


@given(_HOSTILE, st.lists(st.integers(0, 40), max_size=4), st.lists(st.integers(0, 200), max_size=5))
async def test_each_length_has_the_hash_of_so_many_octets(body: bytes, lengths: list[int], places: list[int]) -> None:
    wanted = {Wanted(how, length) for how in (RELAXED, SIMPLE) for length in (None, *lengths)}
    hashed = await hash_body(Body(pieces=lambda: iter(cut(body, places)), size_bytes=len(body)), wanted)
    for how, length in wanted:
        canonical = canonical_body(body, how)
        assert hashed[Wanted(how, length)] == (hashlib.sha256(canonical[:length]).digest(), len(canonical))


async def test_a_large_body_is_read_once_and_away_from_the_event_loop() -> None:
    threads: list[threading.Thread] = []

    def pieces() -> Iterator[bytes]:
        threads.append(threading.current_thread())
        for _ in range(100):
            threads.append(threading.current_thread())
            yield b"a line  of text\r\n" * 100

    wanted = {Wanted(RELAXED, None), Wanted(SIMPLE, None), Wanted(SIMPLE, 5)}
    hashed = await hash_body(Body(pieces=pieces, size_bytes=1_700_000), wanted)
    assert hashed[Wanted(SIMPLE, None)].digest == hashlib.sha256(b"a line  of text\r\n" * 10_000).digest()
    assert hashed[Wanted(RELAXED, None)].size == 160_000
    assert len(threads) == 101
    assert threading.main_thread() not in threads


async def test_a_body_that_cannot_be_read_says_so() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"some"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await hash_body(Body(pieces=pieces, size_bytes=4), {Wanted(SIMPLE, None)})
