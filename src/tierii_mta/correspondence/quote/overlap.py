"""What of a message stood in the one we sent.

Owns the comparison by runs of words, which no wrapping, quoting, language or HTML between the two can hide; not what
becomes of the lines it finds.  Linear in both texts.  Pure.
"""

import re
from collections.abc import Iterator, Sequence

from tierii_mta.correspondence.quote.lines import Line, Role

_MAX_CHARACTERS = 400_000  # of the message we sent
_URL = re.compile(r"<?(?:https?://|www\.|mailto:|cid:)[^\s<>]{1,2000}>?")
_WORD = re.compile(
    r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)  # a letter of a script without spaces is a word
_RUN = 4  # words in a row that both texts must share
_MIN_RUN = 8  # words of a passage, so that a phrase somebody repeats is not taken for a quote
_MIN_SHARE = 0.75  # of the words of a line
_NOVEL_SHARE = 0.5  # of the words of a line between two quoted ones, so that it is an answer
_MIN_NOVEL = 3


def mark_original(lines: Sequence[Line], original: str) -> bool:
    """Mark the lines that stood in the message we sent as quotes; return whether there are any."""
    known = list(_words(original[:_MAX_CHARACTERS]))
    if not known:
        return False
    run = min(_RUN, len(known))
    shingles = {tuple(known[start : start + run]) for start in range(len(known) - run + 1)}
    shares = _shares(lines, shingles, run)
    vocabulary = set(known)
    least = min(_MIN_RUN, len(known))
    is_any = False
    for passage in _passages(lines, shares):
        if sum(shares[index][0] for index in passage) >= least:
            is_any = True
            _mark_passage(lines, passage, vocabulary)
    return is_any


def _words(text: str) -> Iterator[str]:
    return (found[0].casefold() for found in _WORD.finditer(_URL.sub(" ", text)))


def _shares(lines: Sequence[Line], shingles: set[tuple[str, ...]], run: int) -> list[tuple[int, int]]:
    """Return for each line how many of its words lie in runs that we sent, and how many it has."""
    words: list[str] = []
    places: list[int] = []
    for index, line in enumerate(lines):
        for word in _words(line.text):
            words.append(word)
            places.append(index)
    is_shared = bytearray(len(words))
    for start in range(len(words) - run + 1):
        if tuple(words[start : start + run]) in shingles:
            is_shared[start : start + run] = b"\x01" * run
    shares = [(0, 0)] * len(lines)
    for index, shared in zip(places, is_shared, strict=True):
        hits, total = shares[index]
        shares[index] = (hits + shared, total + 1)
    return shares


def _passages(lines: Sequence[Line], shares: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Yield the runs of lines that we sent, as indexes; lines without words do not end one, two others do."""
    passage: list[int] = []
    strangers = 0
    for index, (hits, total) in enumerate(shares):
        if total and hits >= _MIN_SHARE * total:
            passage.append(index)
            strangers = 0
        elif total and passage:
            strangers += 1
            if strangers > _MAX_STRANGERS:
                yield passage
                passage, strangers = [], 0
    if passage:
        yield passage


_MAX_STRANGERS = 2


def _mark_passage(lines: Sequence[Line], passage: Sequence[int], vocabulary: set[str]) -> None:
    """Mark the lines of a passage, and those between them that bring nothing new, as the text of an image or link."""
    found = set(passage)
    for index in range(passage[0], passage[-1] + 1):
        line = lines[index]
        if line.role is not Role.WORDS:
            continue
        if index in found:
            line.role, line.rule = Role.QUOTE, "original"
        elif not _is_answer(line, vocabulary):
            line.role, line.rule = Role.QUOTE, "original-between"


def _is_answer(line: Line, vocabulary: set[str]) -> bool:
    words = list(_words(line.text))
    novel = sum(word not in vocabulary for word in words)
    return bool(words) and novel >= min(_MIN_NOVEL, len(words)) and novel >= _NOVEL_SHARE * len(words)
