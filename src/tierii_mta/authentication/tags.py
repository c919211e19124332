"""Tag lists: the `tag=value;` syntax that signatures and key records share.

RFC 6376 §3.2.  Pure and linear.
"""

import base64
import binascii
import re
from collections.abc import Mapping

_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_WHITE = re.compile(r"[ \t\r\n]+")
_MAX_TAGS = 100


class MalformedTags(ValueError):
    """Not a tag list, or a tag that is missing or says nothing valid."""


def parse_tags(octets: bytes) -> Mapping[str, str]:
    """Return the tags with white space around each value removed; raises `MalformedTags`, also for a repeated tag."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise MalformedTags("is not UTF-8") from cause
    tags: dict[str, str] = {}
    pieces = text.split(";")
    if len(pieces) > _MAX_TAGS:
        raise MalformedTags(f"has more than {_MAX_TAGS} tags")
    for number, piece in enumerate(pieces, 1):
        name, equals, value = (part.strip(" \t\r\n") for part in piece.partition("="))
        if not name and not equals and number == len(pieces):
            break  # a semicolon may end the list
        if not equals or not _TAG.fullmatch(name):
            raise MalformedTags("is not a list of tag=value")
        if name in tags:
            raise MalformedTags(f"repeats the tag {name}=")
        tags[name] = value
    return tags


def need(tags: Mapping[str, str], name: str) -> str:
    """Return a tag's value; raises `MalformedTags` where it is missing or empty."""
    value = tags.get(name)
    if not value:
        raise MalformedTags(f"lacks the tag {name}=")
    return value


def need_octets(tags: Mapping[str, str], name: str) -> bytes:
    """Return what a tag says in base64, in which white space means nothing; raises `MalformedTags`."""
    try:
        return base64.b64decode(_WHITE.sub("", need(tags, name)), validate=True)
    except (binascii.Error, ValueError) as cause:
        raise MalformedTags(f"has a tag {name}= that is not base64") from cause


def number(tags: Mapping[str, str], name: str) -> int | None:
    """Return a tag's decimal number, or None where it is missing; raises `MalformedTags`."""
    value = tags.get(name)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 76:
        raise MalformedTags(f"has a tag {name}= that is not a number")
    return int(value)


def names(value: str) -> list[str]:
    """Return a colon-separated list in lower case, white space removed."""
    return [each.strip(" \t\r\n").lower() for each in value.split(":")]
