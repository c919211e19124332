"""The new words of a reply: what to show, and what was cut by which rule.

Owns the order of the rules and what they leave; not how each recognises its lines.  Nothing is lost: the pieces cover
the source without gaps, and where the rules would leave nothing, all is kept.  Pure, never raises, linear.

    1. `lines.split`           lines, and which a prefix (`>`) marks as quoted
    2. `page.read`             HTML: what its structure says of quotes and signatures
    3. `overlap`               what stood in the message we sent, however it was wrapped or quoted
    4. `attribution`           where an unmarked quote begins
    5. `signature`             what was added below the words
    6. `_lay_out`              a quote in one piece goes, and what ends the message; those answered in between stay
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tierii_mta.correspondence.quote.attribution import Opening, is_ruler, opening_at
from tierii_mta.correspondence.quote.lines import Line, Role, mark, mark_own_prefix, next_seen, split
from tierii_mta.correspondence.quote.overlap import mark_original
from tierii_mta.correspondence.quote.page import read_page
from tierii_mta.correspondence.quote.signature import mark_signatures

_NEAR = 3  # lines below an announcement, in which a mark tells where its quote is


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of the source."""

    start: int  # characters
    end: int
    role: Role
    is_kept: bool
    rule: str = ""  # why it has this role; "" for words


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A reply and what of it is new."""

    source: str  # what the pieces are stretches of: the text as it came, or made from the HTML
    is_from_html: bool
    pieces: Sequence[Piece]  # all of the source, in order

    @property
    def text(self) -> str:
        """What to show: the new words, with the quotes they stand between."""
        return self._joined(piece for piece in self.pieces if piece.is_kept)

    @property
    def words(self) -> str:
        """The new words alone; all that is shown, where nothing tells them."""
        said = [piece for piece in self.pieces if piece.is_kept and piece.role in {Role.WORDS, Role.BLANK}]
        return self._joined(said) or self.text

    @property
    def is_whole(self) -> bool:
        """Whether nothing was cut."""
        return all(piece.is_kept or piece.role is Role.BLANK for piece in self.pieces)

    def _joined(self, pieces: Iterable[Piece]) -> str:
        shown = "".join(self.source[piece.start : piece.end] for piece in pieces)
        return "\n".join(line.rstrip() for line in shown.strip("\r\n").split("\n")).rstrip()


def cut(text: str, html: str = "", original: str | None = None) -> Cut:
    """Return the new words of a reply.

    `text` and `html` are its bodies, one may be empty.  HTML counts where its structure marks a quote, or where there
    is no text.  `original` is the text of the message it answers: with it, quotes are found in any language and form.
    """
    source, lines, is_from_html = text, split(text), False
    if html:
        page = read_page(html)
        if page.has_quote or not text.strip():
            source, lines, is_from_html = page.source, page.lines, True
    has_original = mark_original(lines, original) if original else False
    _mark_openings(lines)
    mark_signatures(lines, has_original=has_original)
    return Cut(source=source, is_from_html=is_from_html, pieces=tuple(_pieces(source, lines, _lay_out(lines))))


def _mark_openings(lines: Sequence[Line]) -> None:
    """Mark what announces quotes, and the quotes that carry no mark themselves."""
    index, first = 0, len(lines)
    while index < len(lines):
        opening = opening_at(lines, index)
        if opening is not None and opening.rule == "attribution":
            mark_own_prefix(lines, opening.end)
        if opening is None or not _counts(lines, opening):
            first = min(first, index) if lines[index].role is Role.WORDS else first
            index += 1
            continue
        has_words = first < opening.start
        is_marked = _is_marked(lines, opening.end)
        if is_marked or has_words:
            mark(lines[opening.start : opening.end], Role.HEADER, opening.rule)
        else:
            first = min(first, opening.start)
        if has_words and not is_marked:
            _mark_unquoted(lines, opening)
        index = opening.end


def _counts(lines: Sequence[Line], opening: Opening) -> bool:
    below = next_seen(lines, opening.end)
    return not opening.is_weak or (below is not None and lines[below].role is Role.QUOTE)


def _is_marked(lines: Sequence[Line], index: int) -> bool:
    """Whether what follows tells itself where the quote is: by marks, or by an opening of its own."""
    below = next_seen(lines, index)
    if below is None:
        return False
    if any(line.role is Role.QUOTE for line in lines[below : below + _NEAR]):  # "[…]" or a wrapped name may come first
        return True
    following = next((each for at in range(below, min(below + 3, len(lines))) if (each := opening_at(lines, at))), None)
    return following is not None and following.start == below and _counts(lines, following)


def _mark_unquoted(lines: Sequence[Line], opening: Opening) -> None:
    """Mark what follows an opening as the quote, answers included that nothing tells from it.

    Where the comparison found part of it, it tells them: only what stands before that part is marked.
    """
    for index in range(opening.end, len(lines)):
        line = lines[index]
        if line.rule == "original":
            return
        if line.role is Role.WORDS:
            line.role, line.rule = Role.QUOTE, f"after-{opening.rule}"


def _lay_out(lines: Sequence[Line]) -> Sequence[bool]:
    """Return for each line whether it is kept: all of them, if no words are left."""
    words = [index for index, line in enumerate(lines) if line.role is Role.WORDS and not is_ruler(line.text)]
    if not words:
        return [True] * len(lines)
    shown = {Role.WORDS} if _is_quoted_whole(lines) else {Role.WORDS, Role.QUOTE}
    first, last = next(at for at, line in enumerate(lines) if line.role in shown), words[-1]
    return [first <= at <= last and line.role in {*shown, Role.BLANK} for at, line in enumerate(lines)]


def _is_quoted_whole(lines: Sequence[Line]) -> bool:
    """Whether there is one quote, in one piece, announced or known to be ours: it was not answered line by line."""
    seen = [line for line in lines if line.role in {Role.WORDS, Role.QUOTE}]
    begins = sum(
        line.role is Role.QUOTE and (before is None or before.role is not Role.QUOTE)
        for before, line in zip([None, *seen], seen, strict=False)
    )
    is_announced = any(line.role is Role.HEADER or line.rule.startswith(("original", "html")) for line in lines)
    return is_announced and begins == 1


def _pieces(source: str, lines: Sequence[Line], kept: Sequence[bool]) -> Iterator[Piece]:
    """Yield the stretches of lines with one role, rule and fate."""
    start = 0
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else None
        is_one = following is not None and (following.role, following.rule) == (line.role, line.rule)
        if is_one and kept[index] == kept[index + 1]:
            continue
        end = following.start if following is not None else len(source)
        yield Piece(start=start, end=end, role=line.role, is_kept=kept[index], rule=line.rule)
        start = end
