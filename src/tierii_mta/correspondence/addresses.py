"""Mail addresses in running text and in fields nobody vouches for.

Owns finding them, whatever stands around; not whether they are valid by the grammar (mail.address).  Linear: an address
is looked for around each `@`, never further than one can be long.  Pure.
"""

import re
from collections.abc import Iterator

from tierii_mta.mail.address import MAX_LOCAL_OCTETS

MAX_SEARCHED = 200_000  # characters of one text
_ATOM = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~.-"
_LETTERS = r"\u00a1-\u1fff"  # of scripts that put spaces between words: Japanese text may touch an address
_LABELS = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?"
_ASCII = rf"(?<![{_LETTERS}{_ATOM}])[{_ATOM}]{{1,{MAX_LOCAL_OCTETS}}}@{_LABELS}(?![{_LETTERS}])"
_WIDE = (
    rf"(?:(?<![{_LETTERS}{_ATOM}])[{_LETTERS}{_ATOM}]{{1,{MAX_LOCAL_OCTETS}}}|[\u2e80-\uffef]{{1,{MAX_LOCAL_OCTETS}}})"
    r"@\w(?:[\w.-]{0,252}\w)?"
)
_QUOTED = rf'"[^"@\s<>](?:[^"@\n<>]{{0,60}}[^"@\s<>])?"@{_LABELS}'
_LITERAL = rf"(?<![{_LETTERS}{_ATOM}])[{_ATOM}]{{1,{MAX_LOCAL_OCTETS}}}@\[[0-9A-Fa-f:.]{{2,45}}\]"
_FOUND = re.compile(f"{_ASCII}|{_LITERAL}|{_QUOTED}|{_WIDE}")
_BEFORE = re.compile(r"(?:['`.*]|=(?!\?))+")  # what people and programs put before an address, and none begins with
_FORMS = str.maketrans({"＠": "@", "\u00a0": " ", "\u3000": " "})


def addresses_in(text: str) -> Iterator[str]:
    """Return the addresses in a text, in order, as written there; one that comes twice comes twice."""
    for found in _FOUND.finditer(text[:MAX_SEARCHED].translate(_FORMS)):
        before = _BEFORE.match(found[0])
        address = found[0][before.end() if before else 0 :].rstrip("'")
        if not address.startswith("@"):
            yield address


def first_address(text: str) -> str | None:
    """Return the first address in a text, or None."""
    return next(addresses_in(text), None)
