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
_MAX_STRANGERS = 2  # lines in a row that we did not send and that do not end a passage
_MAX_LINKS = 3  # lines
_MIN_LINK = 8  # characters
_MAX_LINK_WORDS = 4  # beside it


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
        starts = range(len(self.words) - self.run + 1)
        self.shingles = {tuple(self.words[at : at + self.run]) for at in starts}
        self._compact = "".join(text.split()).casefold()

    def has_link(self, line: Line) -> bool:
        """Whether a line is hardly more than a link that stood in it, or than what wrapping left of one."""
        text = line.text.lstrip("> ")
        if " " not in text and len(text) >= _MIN_LINK:
            return self._has_link(text)
        links = [found[0].strip("<>") for found in _URL.finditer(text)]
        return any(self._has_link(link) for link in links) and len(list(_words(text))) <= _MAX_LINK_WORDS

    def _has_link(self, text: str) -> bool:
        return text.casefold() in self._compact


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
        elif sent.has_link(line) or (index < last and _is_image(line.text)):
            line.role, line.rule = Role.QUOTE, "original-between"
        elif index > last:
            return


def _is_image(text: str) -> bool:
    """Whether a line stands for an image, as clients write it: `[logo.png]`, `[cid:…]`."""
    return text.startswith("[") and text.endswith("]")
