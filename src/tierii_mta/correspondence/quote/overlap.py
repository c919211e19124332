"""What of a message stood in the one we sent.

Owns the comparison by runs of words, which no wrapping, quoting, language or HTML between the two can hide; not what
becomes of the lines it finds.  Linear in both texts.  Pure.
"""

import re
from collections.abc import Iterator, Sequence

from tierii_mta.correspondence.quote.lines import Line, Role

_MAX_CHARACTERS = 400_000  # of the message we sent
_URL = re.compile(r"<?(?:https?://|www\.|mailto:|cid:)[^\s<>]{1,2000}>?", re.IGNORECASE)
_WORD = re.compile(
    r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)  # a letter of a script without spaces is a word
_RUN = 4  # words in a row that both texts must share
_MIN_RUN = 8  # words of a passage, so that a phrase somebody repeats is not taken for a quote
_MIN_SHARE = 0.75  # of the words of a line
_NOVEL_SHARE = 0.5  # of the words of a line between two quoted ones, so that it is an answer
_MIN_NOVEL = 3
_MAX_STRANGERS = 2  # lines in a row that we did not send and that do not end a passage
_MAX_LINKS = 3  # lines
_MIN_LINK = 8  # characters


def mark_original(lines: Sequence[Line], original: str) -> bool:
    """Mark the lines that stood in the message we sent as quotes; return whether there are any."""
    sent = _Sent(original[:_MAX_CHARACTERS])
    if not sent.words:
        return False
    shares = _shares(lines, sent)
    least = min(_MIN_RUN, len(sent.words))
    is_any = False
    for passage in _passages(shares):
        if sum(shares[index][0] for index in passage) >= least:
            is_any = True
            _mark_passage(lines, passage, sent)
    return is_any


class _Sent:
    """The message we sent, as it is compared with."""

    def __init__(self, text: str) -> None:
        self.words = list(_words(text))
        self.run = min(_RUN, len(self.words))
        self.shingles = {tuple(self.words[at : at + self.run]) for at in range(len(self.words) - self.run + 1)}
        self._vocabulary = set(self.words)
        self._compact = "".join(text.split()).casefold()

    def has_link(self, line: Line) -> bool:
        """Whether a line is one long word that stood in it: an address of a page, or what wrapping left of one."""
        text = line.text.lstrip("> ").casefold()
        return len(text) >= _MIN_LINK and " " not in text and text in self._compact

    def is_answered_by(self, line: Line) -> bool:
        """Whether a line between others of ours says something new: not the text of an image or a link."""
        words = list(_words(line.text))
        novel = sum(word not in self._vocabulary for word in words)
        return bool(words) and novel >= min(_MIN_NOVEL, len(words)) and novel >= _NOVEL_SHARE * len(words)


def _words(text: str) -> Iterator[str]:
    return (found[0].casefold() for found in _WORD.finditer(_URL.sub(" ", text)))


def _shares(lines: Sequence[Line], sent: _Sent) -> list[tuple[int, int]]:
    """Return for each line how many of its words lie in runs that we sent, and how many it has."""
    words: list[str] = []
    places: list[int] = []
    for index, line in enumerate(lines):
        for word in _words(line.text):
            words.append(word)
            places.append(index)
    is_shared = bytearray(len(words))
    for start in range(len(words) - sent.run + 1):
        if tuple(words[start : start + sent.run]) in sent.shingles:
            is_shared[start : start + sent.run] = b"\x01" * sent.run
    shares = [(0, 0)] * len(lines)
    for index, shared in zip(places, is_shared, strict=True):
        hits, total = shares[index]
        shares[index] = (hits + shared, total + 1)
    return shares


def _passages(shares: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
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


def _mark_passage(lines: Sequence[Line], passage: Sequence[int], sent: _Sent) -> None:
    """Mark the lines of a passage, those between them that bring nothing new, and the links right below."""
    found, last = set(passage), passage[-1]
    for index in range(passage[0], min(last + _MAX_LINKS + 1, len(lines))):
        line = lines[index]
        if line.role is not Role.WORDS:
            continue
        if index in found:
            line.role, line.rule = Role.QUOTE, "original"
        elif sent.has_link(line) or (index < last and not sent.is_answered_by(line)):
            line.role, line.rule = Role.QUOTE, "original-between"
        elif index > last:
            return
