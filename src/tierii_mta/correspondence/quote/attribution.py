"""Where a quote begins: the lines that clients put before what they quote.

Owns `On … wrote:` in its many forms, the From/Sent/To/Subject blocks, the separators and "reply above this line"; not
the quoted lines themselves.  Pure; each line is looked at a bounded number of times.

A line of attribution is recognised by its form first: an address, a date and a colon at its end make one in any
language; with a known verb less is enough.  What could be somebody's prose (*weak*) counts only right above a quote.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape

from tierii_mta.correspondence.quote.lines import Line, Role, next_seen
from tierii_mta.correspondence.quote.wording import (
    ABOVE,
    ANNOUNCED,
    LABELS,
    OPENERS,
    REPLY_ABOVE,
    SEPARATED,
    WROTE,
    Label,
    speaks_of,
)

_MAX_WRAPPED = 6  # lines of one attribution
_MAX_ATTRIBUTION = 400  # characters
_MAX_VERB = 18  # characters at the end of a line that may be the verb
_MAX_BLOCK = 16  # lines of a block of labels, wrapped ones and blanks among them
_MAX_SEPARATOR = 120  # characters
_DASHES = "-_=*~‐‑—–―─━•#+"

_ADDRESS = re.compile(r"[^\s<>@\"'(\[]@ ?[^\s<>@]")
_TIME = re.compile(r"\d[:.h時点시] ?\d\d")
_YEAR = re.compile(r"\d{4}")
_DATE = re.compile(r"\d{4}|\d[:.h時点시] ?\d\d|\d[./-]\d|\d ?月|\d ?월")
_STARTS_AS_DATE = re.compile(r"[^\w<]{0,4}(?:[^\W\d_]{1,14}\.?,? ){0,3}\d")
_FIRST_WORD = re.compile(r"[^\w<]{0,4}([^\W\d_]+)")
_LABEL = re.compile(r"[\s>*_•|.-]{0,8}([^\W\d_][^:：*_\d<>@]{0,28}?)[*_ ]{0,4}[:：][*_]{0,3}(?P<value>.*)")
_ENDS_WITH_COLON = re.compile(r"[:：][ *_>\"”»]{0,4}$")
_COLON_AFTER_SENDER = re.compile(r"[>)\]\"”'\d] ?[:：][ *_]{0,4}$|[^\s@]@[^\s@]{1,250} ?[:：][ *_]{0,4}$")


@dataclass(frozen=True, slots=True)
class Opening:
    """The lines `start` to `end` (exclusive) announce a quote."""

    start: int
    end: int
    rule: str
    is_weak: bool = False  # counts only if a quote follows


def opening_at(lines: Sequence[Line], index: int) -> Opening | None:
    """Return the opening that this line completes or begins, or None."""
    line = lines[index]
    if line.is_code or line.role is Role.BLANK:
        return None
    if line.role is Role.QUOTE and not _is_broken_address(lines, index):
        return None
    found = _separator(lines, index) or _block(lines, index) or _attribution(lines, index)
    return _with_rule_above(lines, found) if found is not None else None


def is_ruler(text: str) -> bool:
    """Whether a line is drawn: three dashes, underscores or the like, and nothing else."""
    return len(text) >= 3 and not text.strip(_DASHES + " ")


# -- separators


def _separator(lines: Sequence[Line], index: int) -> Opening | None:
    text = lines[index].text
    if len(text) > _MAX_SEPARATOR:
        return None
    inner = text.strip(_DASHES + " >")
    if not inner or inner.casefold().startswith(("end ", "ende ", "fin ")):
        return None
    if speaks_of(ABOVE, text) and REPLY_ABOVE.search(text):
        return Opening(index, index + 1, "reply-above")
    if inner.rstrip(" :：").casefold() in ANNOUNCED:
        return Opening(index, _block_end(lines, index + 1), "announced")
    is_dashed = text[0] in _DASHES and text[-1] in _DASHES and len(text) - len(inner) >= 4
    if is_dashed and 3 <= len(inner) <= 80 and len(inner.split()) <= 8 and speaks_of(SEPARATED, inner):
        return Opening(index, _block_end(lines, index + 1), "separator")
    return None


# -- blocks of labels: From, Sent, To, Subject


def _block(lines: Sequence[Line], index: int) -> Opening | None:
    """Three different labels, the sender's among them; below a ruler, two.

    In a language unknown to us, below a ruler: three labels, an address behind the first and a date behind the next.
    """
    labels = _labels_of(lines[index].text)
    is_ruled = _is_ruled(lines, index)
    if not labels and not (is_ruled and _LABEL.match(lines[index].text)):
        return None
    end, found, unknown = _read_block(lines, index)
    has_sender = any(Label.FROM in each for each in found)
    distinct = len({min(each) for each in found})
    if has_sender and (distinct >= 3 or (distinct == 2 and is_ruled)):
        return Opening(index, end, "header-block")
    if is_ruled and len(found) + unknown >= 3 and _ADDRESS.search(lines[index].text):
        dates = (line.text for line in lines[index + 1 : index + 4])
        if any(_TIME.search(text) and _YEAR.search(text) for text in dates):
            return Opening(index, end, "header-block-by-form")
    return None


def _read_block(lines: Sequence[Line], index: int) -> tuple[int, list[frozenset[Label]], int]:
    """Return where a block ends, the labels in it and the number of lines with unknown ones."""
    found: list[frozenset[Label]] = []
    unknown, end, wrapped = 0, index, 0
    for position in range(index, min(index + _MAX_BLOCK, len(lines))):
        line = lines[position]
        if line.role is Role.BLANK:
            if position + 1 >= len(lines) or lines[position - 1].role is Role.BLANK:
                break
            wrapped = _MAX_BLOCK if not _labels_of(lines[position + 1].text) else 0
            continue
        if labels := _labels_of(line.text):
            found.append(labels)
            end, wrapped = position + 1, 0
        elif wrapped >= 3:
            break
        elif (label := _LABEL.match(line.text)) and not label["value"].startswith("//"):
            unknown += 1
            end, wrapped = position + 1, 0
        else:
            wrapped += 1
            end = position + 1 if found else end
    return end, found, unknown


def _block_end(lines: Sequence[Line], index: int) -> int:
    """Return where a block of labels ends that may follow a separator; `index` if none does."""
    start = index
    while start < len(lines) and lines[start].role is Role.BLANK:
        start += 1
    if start == len(lines) or lines[start].role is Role.QUOTE or not _labels_of(lines[start].text):
        return index
    return _read_block(lines, start)[0]


def _labels_of(text: str) -> frozenset[Label]:
    found = _LABEL.match(text)
    return LABELS.get(found[1].casefold().strip(), frozenset()) if found else frozenset()


def _is_ruled(lines: Sequence[Line], index: int) -> bool:
    above = next((line for line in reversed(lines[max(0, index - 3) : index]) if line.role is not Role.BLANK), None)
    return above is not None and is_ruler(above.text)


# -- attributions: "On … wrote:" and all that ends with a colon


def _attribution(lines: Sequence[Line], index: int) -> Opening | None:
    last = lines[index].text
    if not (_ENDS_WITH_COLON.search(last[-_MAX_VERB:]) or _ends_with_verb(lines, index) or _is_bare(lines, index)):
        return None
    shortest: Opening | None = None
    for start in range(index, max(-1, index - _MAX_WRAPPED), -1):
        if lines[start].role is Role.BLANK or (start < index and not _may_wrap(lines, start)):
            break
        text = _joined(lines[start : index + 1])
        if len(text) > _MAX_ATTRIBUTION:
            break
        strength = _strength(text)
        if strength is None:
            continue
        opening = Opening(start, index + 1, "attribution", is_weak=strength == "weak")
        if _begins_as_opener(lines[start].text):
            return _with_loose_ends(lines, opening)
        if shortest is None or (shortest.is_weak and not opening.is_weak):
            shortest = opening
    return _with_loose_ends(lines, shortest) if shortest is not None else None


def _strength(text: str) -> str | None:
    """Return "strong", "weak" or None. `text` is a whole attribution in one line."""
    has_address, has_date = bool(_ADDRESS.search(text)), bool(_DATE.search(text))
    if not _ENDS_WITH_COLON.search(text):
        if has_address and has_date and speaks_of(WROTE, text[-_MAX_VERB:]):
            return "strong"
        return "weak" if has_address and has_date and text[-1] in ">)]" else None
    if speaks_of(WROTE, text):
        is_dated = _TIME.search(text) or (has_date and (has_address or _begins_as_opener(text)))
        is_of_sender = has_address and (speaks_of(WROTE, text[-_MAX_VERB:]) or speaks_of(WROTE, text[:_MAX_VERB]))
        return "strong" if is_dated or is_of_sender else "weak"
    if has_address and has_date:
        return "strong" if _COLON_AFTER_SENDER.search(text) else "weak"
    return None


def _begins_as_opener(text: str) -> bool:
    """Whether a line begins as attributions do: `On 3 May`, `Am Mi., 1. Jan.`, `2026-01-01`, `ср, 30 апр.`."""
    word = _FIRST_WORD.match(text)
    if word is None:
        return bool(_STARTS_AS_DATE.match(text))
    return word[1].casefold() in OPENERS and any(each.isdigit() for each in text[:60])


def _with_loose_ends(lines: Sequence[Line], opening: Opening) -> Opening:
    """Take in the lines above that belong to an attribution: an address or a date that was wrapped."""
    start = opening.start
    while start > 0 and opening.end - start < _MAX_WRAPPED and _may_wrap(lines, start - 1):
        above, first = lines[start - 1].text, lines[start].text
        is_open = above.rfind("<") > above.rfind(">") or above.endswith("(") or first[0] in "<>"
        is_date = (
            not _begins_with_word(first) and _begins_as_opener(above) and len(above) < 60 and above[-1] not in ".!?"
        )
        if not is_open and not is_date:
            break
        start -= 1
    return Opening(start, opening.end, opening.rule, opening.is_weak)


def _begins_with_word(text: str) -> bool:
    word = _FIRST_WORD.match(text)
    return word is not None and word[1].casefold() in OPENERS


def _ends_with_verb(lines: Sequence[Line], index: int) -> bool:
    """Whether this line ends with a verb of writing, without colon; an address stands in it or above."""
    last = lines[index].text
    has_address = "@" in last or (index > 0 and "@" in lines[index - 1].text)
    return has_address and speaks_of(WROTE, last[-_MAX_VERB:])


def _is_bare(lines: Sequence[Line], index: int) -> bool:
    """Whether this is the last line above a quote, ends with an address and may be an attribution without colon."""
    if lines[index].text[-1] not in ">)]":
        return False
    below = next_seen(lines, index + 1)
    return below is not None and lines[below].role is Role.QUOTE


def _may_wrap(lines: Sequence[Line], index: int) -> bool:
    return lines[index].role is Role.WORDS and not lines[index].is_code


def _is_broken_address(lines: Sequence[Line], index: int) -> bool:
    """Whether the `>` of this line closes an address that was wrapped before it, and quotes nothing."""
    if index == 0 or lines[index - 1].role is not Role.WORDS:
        return False
    above = lines[index - 1].text
    return above.rfind("<") > above.rfind(">") and len(lines[index].text) < 60


def _joined(lines: Sequence[Line]) -> str:
    text = " ".join(line.text for line in lines)
    return unescape(text) if "&" in text else text


def _with_rule_above(lines: Sequence[Line], opening: Opening) -> Opening:
    """Take in a ruler drawn above."""
    start = opening.start
    for position in range(opening.start - 1, max(-1, opening.start - 5), -1):
        if lines[position].role is Role.WORDS and is_ruler(lines[position].text):
            start = position
        elif lines[position].role is not Role.BLANK:
            break
    return Opening(start, opening.end, opening.rule, opening.is_weak)
