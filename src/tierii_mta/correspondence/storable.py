"""Texts of strangers in a form that every database and terminal stream takes.

Owns what is replaced: NUL, which PostgreSQL has no place for in a text, and lone surrogates, which are no characters.
Everything else stays as it was read.  Pure.
"""

import re
from typing import Any

from tierii_mta.correspondence.codec import decode, encode
from tierii_mta.correspondence.reading import Reading

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_INSTEAD = "\N{REPLACEMENT CHARACTER}"


def storable_text(text: str) -> str:
    """Return the text with what cannot be stored replaced."""
    return _UNSTORABLE.sub(_INSTEAD, text)


def storable(reading: Reading) -> Reading:
    """Return the reading with every text in it storable."""
    return decode(Reading, _cleaned(encode(reading)))


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return storable_text(value)
        case list():
            return [_cleaned(each) for each in value]
        case dict():
            return {name: _cleaned(each) for name, each in value.items()}
        case _:
            return value
