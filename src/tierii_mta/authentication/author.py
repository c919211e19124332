"""The author's domains: every domain that a reader may take for the sender's.

Owns how a From field is read for DMARC: quoted strings and comments are text, and whatever else stands behind an `@`
counts, so that no domain can be hidden from the check and shown to a reader.  Where quotes or parentheses do not
balance, nobody can say what is text, and all of it counts.  Not the display name (correspondence).  RFC 5322 §3.4 and
§4.4, RFC 6531, RFC 9989 §5.3.1.  Pure, and linear in the length of its input.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

from tierii_mta.mail.address import MAX_DOMAIN_OCTETS, InvalidAddress, parse_domain
from tierii_mta.mail.header import HeaderField

MAX_DOMAINS = 10
_MARK = re.compile(r'["()\\]')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DOMAIN = re.compile(r'@(\[[^\]]*\]?|[^\s"()<>\[\]:;,@\\]+)')


def author_domains(fields: Iterable[HeaderField]) -> list[str]:
    """Return the domains of all From fields, each once, in lower-case A-labels where they have such a form.

    At most ten: who has more than one is no author we could check.
    """
    written: dict[str, None] = {}
    for field in fields:
        if field.name.lower() == "from":
            for found in _DOMAIN.finditer(_bare(field.value.decode("utf-8", "replace"))):
                written[found[1]] = None
    return list(dict.fromkeys(normal_domain(each) for each in islice(written, MAX_DOMAINS)))


def normal_domain(text: str) -> str:
    """Return a domain as DNS names are compared, also one that is no domain by the book."""
    if len(text) > MAX_DOMAIN_OCTETS:
        return text.lower().strip(".")  # no name; not worth the mapping of IDNA
    try:
        return parse_domain(text)
    except InvalidAddress:
        return text.lower().strip(".")


def _bare(text: str) -> str:
    """Return a field without comments, quoted strings and control characters, and without space around `@` and dots."""
    with suppress(ValueError):  # unbalanced: all of it
        text = "".join(_outside(text))
    text = _CONTROL.sub("", " ".join(text.split()))
    return text.replace(" @", "@").replace("@ ", "@").replace(" .", ".").replace(". ", ".")


def _outside(text: str) -> Iterator[str]:
    """Yield what stands outside comments and quoted strings; ValueError if one of them has no end."""
    start, depth, is_quoted, place = 0, 0, False, 0
    while found := _MARK.search(text, place):
        mark, place = found[0], found.end()
        is_inside = is_quoted or depth > 0
        if mark == "\\":
            place += is_inside  # it takes the meaning of the next character, but only inside
            continue
        if not is_inside:
            yield text[start : found.start()]
        if mark == '"' and not depth:
            is_quoted = not is_quoted
        elif mark == "(" and not is_quoted:
            depth += 1
        elif mark == ")" and not is_quoted:
            depth -= 1
            if depth < 0:
                raise ValueError("a parenthesis closes nothing")
        start = place
    if is_quoted or depth:
        raise ValueError("a comment or quoted string has no end")
    yield text[start:]
