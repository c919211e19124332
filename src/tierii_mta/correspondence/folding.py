"""Text made comparable: what people and clients write in one way or another becomes one.

Owns the fold that tables of phrases and the texts they are looked for in go through; not the tables (phrases, calendar,
unsubscribe).  Pure and linear.
"""

import re
import unicodedata
from functools import lru_cache

_SPACE = re.compile(r"\s+")
_ALIKE = str.maketrans(
    dict.fromkeys("‐‑‒–—―−", "-") | dict.fromkeys("’‘´`", "'") | {"ı": "i", "ł": "l", "ø": "o", "đ": "d"}
)
_KEPT = "\u3099\u309a"  # the voicing marks of kana make other letters, not accents


def fold(text: str) -> str:
    """Return the text in lower case without accents, full-width forms, kinds of hyphen, and runs of white space.

    Lines stay apart only by spaces: use `fold_lines` where they matter.
    """
    return _SPACE.sub(" ", _bare(text)).strip()


def fold_lines(text: str) -> str:
    """Return the text folded, line by line."""
    return "\n".join(_SPACE.sub(" ", line).strip() for line in _bare(text).split("\n"))


def _bare(text: str) -> str:
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    marks = (character for character in decomposed if character in _KEPT or not _is_mark(character))
    return unicodedata.normalize("NFC", "".join(marks)).translate(_ALIKE)


@lru_cache(maxsize=4096)
def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in {"Mn", "Cf"}
