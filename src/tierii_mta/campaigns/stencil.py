"""Stencils: what is costly in a page is done once, and the values of each mail are filled in.

Owns the way from a page whose values are marked (`sandbox.MarkingSandbox`) to the HTML part with its style sheets
inlined and the text part made from it.  Both depend on a value only where it changes the structure: it is empty, brings
markup, stands in a `class`, or makes the text of a link equal to its target.  Every other value leaves a *hole*; a page
with holes is a *shape*, and mails of one shape share one stencil.  So a mail is what it would be had it been worked on
alone (a test with chance templates and values holds it to that), whatever else was printed before it.  Pure.

    print     1. take the marked page apart; values that could change the structure join what is around them
              2. find the holes that this shape must not have; close them, and look again
              3. find the stencil, or cut it: inline the sheets, make the text
              4. fill in the values
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import chain

from tierii_mta.campaigns.inlining import Inliner, attributes_that_matter
from tierii_mta.campaigns.markup import Kind, Mark, attributes, marks
from tierii_mta.campaigns.sandbox import VALUE_BEGINS, VALUE_ENDS
from tierii_mta.mail.plaintext import SHOWN_SCHEMES, TextMaker, link_target

_HOLE = VALUE_BEGINS
_NUMBERED_HOLE = re.compile(f"{VALUE_BEGINS}([0-9]+){VALUE_ENDS}")
_WORD = (  # without markup, white space, and what the text part drops
    r"(?:[^\s<>\"'&\x00-\x1f\x7f\u200b-\u200d\u2060\ufeff\u00ad\u034f]++|&(?:amp|lt|gt|#34|#39);)++"
)
_SCHEME = "|".join(map(re.escape, SHOWN_SCHEMES))
_CALM = re.compile(f"{VALUE_BEGINS}((?:{_SCHEME})?+)({_WORD}(?: {_WORD})*+){VALUE_ENDS}")
_OPEN_ENTITY = re.compile(r"&[#0-9A-Za-z]{0,40}\Z")
_TRIALS = 100  # stencils; where few mails share one by then, most are worked on alone
_MAX_REMEMBERED = 8_000_000  # characters


@dataclass(frozen=True, slots=True)
class _Stencil:
    """One shape, ready to be filled."""

    html: Sequence[str]  # around the holes
    text: Sequence[str]  # constants, and between any two of them
    order: Sequence[int]  # the number of a value


class Stencils:
    """The stencils of one template. Safe to share between threads."""

    def __init__(self, *, inlines: bool, makes_text: bool) -> None:
        """`inlines`: write style sheets into elements; `makes_text`: make the text part."""
        self._inliner = Inliner() if inlines else None
        self._text_maker = TextMaker() if makes_text else None
        self._shapes: dict[str, _Stencil | frozenset[int]] = {}
        self._size = 0  # of all shapes
        self._printed = self._cuts = 0

    def __len__(self) -> int:
        """How many stencils are kept."""
        return sum(isinstance(known, _Stencil) for known in self._shapes.values())

    def print(self, marked: str) -> tuple[str, str]:
        """Return the HTML part and the text part; the latter is empty where none is made."""
        self._printed += 1
        if self._cuts > _TRIALS and self._cuts > self._printed // 4:
            return self._alone(_bare(marked))
        shape, values = _take_apart(marked)
        while not isinstance(known := self._known(shape), _Stencil):
            shape, values = _close(shape, values, known)  # this may make a link of its surroundings, and close others
        stencil = known
        html = "".join(chain.from_iterable(zip(stencil.html, [*values, ""], strict=True)))
        if self._text_maker is None:
            return html, ""
        words = [unescape(value) if "&" in value else value for value in values]
        shown = [*(words[number] for number in stencil.order), ""]
        return html, "".join(chain.from_iterable(zip(stencil.text, shown, strict=True)))

    @staticmethod
    def mark(value: str) -> str:
        """Return a value as `MarkingSandbox` puts it out, for what is added to a rendered page."""
        return f"{VALUE_BEGINS}{value}{VALUE_ENDS}"

    def _known(self, shape: str) -> _Stencil | frozenset[int]:
        """Return the stencil of a shape, or the holes it must not have."""
        known = self._shapes.get(shape)
        if known is None:
            found = list(marks(shape))
            matters = attributes_that_matter(found) if self._inliner is not None else frozenset[str]()
            known = frozenset(_holes_to_close(shape, found, matters)) or self._cut(shape, found)
            self._remember(shape, known)
        return known

    def _alone(self, page: str) -> tuple[str, str]:
        html = self._inliner.inline(page, list(marks(page))) if self._inliner is not None else page
        return html, self._text_maker.to_text(html) if self._text_maker is not None else ""

    def _cut(self, shape: str, found: Sequence[Mark]) -> _Stencil:
        self._cuts += 1
        inlined = self._inliner.inline(shape, found) if self._inliner is not None else shape
        html = inlined.split(_HOLE)
        if len(html) != shape.count(_HOLE) + 1:
            raise AssertionError("inlining lost a value")
        if self._text_maker is None:
            return _Stencil(html, (), ())
        numbered = html[0] + "".join(
            f"{VALUE_BEGINS}{number}{VALUE_ENDS}{after}" for number, after in enumerate(html[1:])
        )
        pieces = _NUMBERED_HOLE.split(self._text_maker.to_text(numbered))
        return _Stencil(html, pieces[::2], [int(number) for number in pieces[1::2]])

    def _remember(self, shape: str, known: _Stencil | frozenset[int]) -> None:
        """Keep memory bounded; what is forgotten is worked out again."""
        self._size += len(shape)
        if self._size > _MAX_REMEMBERED:
            self._shapes, self._size = {}, len(shape)
        self._shapes[shape] = known


def _take_apart(marked: str) -> tuple[str, list[str]]:
    """Return the shape, and the values of its holes.

    How a web or mail address begins is no part of its value: whether a link shows in the text part depends on it.
    """
    pieces = _CALM.split(marked)  # around, scheme, value, around, scheme, ...
    around, values = pieces[::3], pieces[2::3]
    for number, scheme in enumerate(pieces[1::3]):
        if scheme:
            around[number] += scheme
    if marked.count(VALUE_BEGINS) > len(values):
        around = [_bare(piece) for piece in around]
    return _HOLE.join(around), values


def _bare(text: str) -> str:
    """Return a text without the marks of values."""
    return text.replace(VALUE_BEGINS, "").replace(VALUE_ENDS, "")


def _scheme_of(value: str) -> str:
    """Return how a web or mail address begins: whether a link shows in the text part depends on it."""
    if ":" not in value:
        return ""
    return next((each for each in SHOWN_SCHEMES if value.startswith(each)), "")


def _close(shape: str, values: Sequence[str], closed: frozenset[int]) -> tuple[str, list[str]]:
    """Return the shape with some of its holes filled in, and the values of the others."""
    between = [value if number in closed else _HOLE for number, value in enumerate(values)]
    left = "".join(chain.from_iterable(zip(shape.split(_HOLE), [*between, ""], strict=True)))
    return left, [value for number, value in enumerate(values) if number not in closed]


# -- which holes must be closed ------------------------------------------------------------------------------------


def _holes_to_close(shape: str, found: Sequence[Mark], matters: frozenset[str]) -> Iterator[int]:
    numbers: Mapping[int, int] = {place: number for number, place in enumerate(_holes(shape, 0))}
    done, link = 0, _Link()
    for mark in found:
        yield from (numbers[place] for place in _in_text(shape, done, mark.start))
        yield from (numbers[place] for place in _in_mark(mark, matters))
        link.add(shape[done : mark.start], done)
        yield from (numbers[place] for place in link.pass_by(mark))
        done = mark.end
    yield from (numbers[place] for place in _in_text(shape, done, len(shape)))


def _holes(text: str, offset: int) -> Iterator[int]:
    """Yield the place of each hole, counted from `offset`."""
    place = text.find(_HOLE)
    while place >= 0:
        yield offset + place
        place = text.find(_HOLE, place + 1)


def _in_text(shape: str, start: int, end: int) -> Iterator[int]:
    """Yield holes behind a `<` that is no tag as yet, or inside of what may be an entity."""
    if shape.find(_HOLE, start, end) < 0:
        return
    text = shape[start:end]
    opened = text.find("<")
    for place in _holes(text, start):
        if 0 <= opened < place - start or _OPEN_ENTITY.search(text, max(0, place - start - 42), place - start):
            yield place


def _in_mark(mark: Mark, matters: frozenset[str]) -> Iterator[int]:
    """Yield holes of a mark, but for those in the values of attributes on which nothing depends."""
    if mark.kind is Kind.RAW or _HOLE not in mark.text:
        return
    if mark.kind is Kind.OTHER and mark.text.startswith("<!--"):
        yield from (place for place in _holes(mark.text, mark.start) if mark.text[place - mark.start + 1] in "->!")
        return
    free: set[int] = set()
    for each in attributes(mark.text) if mark.kind is Kind.START else ():
        value = mark.text[each.start : each.end]
        begins_link = each.name.endswith("href") and each.value.startswith(_HOLE)
        if each.is_quoted and each.name not in matters and not begins_link:
            free.update(
                place
                for place in _holes(value, mark.start + each.start)
                if not _OPEN_ENTITY.search(value, 0, place - mark.start - each.start)
            )
    yield from (place for place in _holes(mark.text, mark.start) if place not in free)


class _Link:
    """The link that is open while marks pass by: its target, and what it shows."""

    def __init__(self) -> None:
        self._target: tuple[str, list[int]] | None = None
        self._shown, self._places = "", list[int]()

    def add(self, text: str, offset: int) -> None:
        """Take in text."""
        if self._target is not None:
            self._shown += text
            self._places += _holes(text, offset)

    def pass_by(self, mark: Mark) -> Iterator[int]:
        """Take in a mark; yield the holes of a link that ends, if what it shows may be its target."""
        if mark.name == "img" and self._target is not None:
            for each in attributes(mark.text):
                if each.name == "alt":
                    self.add(each.value, mark.start + each.end - len(each.value) - each.is_quoted)
        if mark.name != "a":
            return
        if mark.kind is Kind.START:
            if target := link_target(mark.text):
                self._target = target, list(_holes(mark.text, mark.start))
                self._shown, self._places = "", []
        elif self._target is not None:
            target, places = self._target
            self._target = None
            variants = {target, target.removeprefix("mailto:"), target.removeprefix("tel:")}
            if (places or self._places) and any(_may_be_equal(self._shown, each) for each in variants):
                yield from (*places, *self._places)


def _may_be_equal(one: str, other: str) -> bool:
    """Whether two texts with holes could be filled so that they are the same, white space aside."""
    one, other = "".join(unescape(one).split()), "".join(unescape(other).split())
    if _cannot_begin(one, other) or _cannot_begin(other, one):
        return False
    one_head, _, one_rest = one.partition(_HOLE)
    other_head, _, other_rest = other.partition(_HOLE)
    if _HOLE not in one or _HOLE not in other:
        whole, holed = (one, other) if _HOLE not in one else (other, one)
        pattern = ".+".join(map(re.escape, holed.split(_HOLE)))
        return re.fullmatch(pattern, whole) is not None
    one_tail, other_tail = one_rest.rpartition(_HOLE)[2], other_rest.rpartition(_HOLE)[2]
    heads = one_head.startswith(other_head) or other_head.startswith(one_head)
    return heads and (one_tail.endswith(other_tail) or other_tail.endswith(one_tail))


def _cannot_begin(holed: str, address: str) -> bool:
    """Whether a text that begins with a hole cannot become an address: a value's scheme is never part of a hole."""
    scheme = _scheme_of(address)
    if not scheme or not holed.startswith(_HOLE):
        return False
    after = holed[1:].partition(_HOLE)[0]
    if not after:
        return len(holed) == 1
    rests = [scheme[begun:] for begun in range(1, len(scheme))]
    return not any(rest.startswith(after) or after.startswith(rest) for rest in rests)
