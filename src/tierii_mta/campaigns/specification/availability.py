"""Features of the contract that this version cannot do yet: refused by name, never ignored.

Owns the list.  A file that asks for a send window or click tracking must not go out without it, so each such
key is an error until its feature exists; the value that means "off" is always allowed.  Works on the raw document, so
that these findings stand beside all others.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points

from tierii_mta.campaigns.problems import Problem, problem_at
from tierii_mta.campaigns.specification.sections import FEED_TYPES
from tierii_mta.yaml12 import Document, KeyPath, nearest

FEED_GROUP = "tierii_mta.feeds"
"""The entry points under which packages bring feeds."""

Test = Callable[[object], bool]


def _is_set(value: object) -> bool:
    return value not in (None, [], {}, "")


def _is_true(value: object) -> bool:
    return value is True


def _is_other_than(*allowed: object) -> Test:
    return lambda value: value is not None and value not in allowed


@dataclass(frozen=True, slots=True)
class _Missing:
    keys: tuple[str, ...]  # `*` stands for every item of a list
    asks: Test
    feature: str


_MISSING = (
    _Missing(("tracking", "opens"), _is_true, "tracking of opens"),
    _Missing(("tracking", "clicks"), _is_true, "tracking of clicks"),
    _Missing(("tracking", "utm"), _is_set, "adding UTM parameters"),
    _Missing(("ab_test",), _is_set, "an A/B test"),
    _Missing(("follow_ups",), _is_set, "a follow-up"),
    _Missing(("transport", "use"), _is_other_than("direct-mx"), "a transport other than direct-mx"),
    _Missing(("transport", "fallback"), _is_set, "a fallback transport"),
)


def refusals(document: Document) -> Iterator[Problem]:
    """Yield a finding for each key that asks for what is not built yet."""
    for missing in _MISSING:
        for path, value in _reach(document.value, missing.keys, ()):
            if missing.asks(value):
                yield problem_at(document, path, f"{missing.feature} is not available in this version", "remove it")


def unknown_feeds(document: Document) -> Iterator[Problem]:
    """Yield a finding for each feed whose type is neither ours nor an installed package's."""
    for path, value in _reach(document.value, ("contacts", "*", "type"), ()):
        if not isinstance(value, str) or value in FEED_TYPES:
            continue
        types = [*FEED_TYPES, *sorted(entry_points(group=FEED_GROUP).names)]
        if value not in types:
            meant = nearest(value, types)
            remedy = f"did you mean {meant}?" if meant else "a package may bring it; see docs/operate/feeds.md"
            yield problem_at(document, path, f"{value!r} is not one of {', '.join(map(repr, types))}", remedy)


def _reach(value: object, keys: tuple[str, ...], path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    if not keys:
        yield path, value
    elif keys[0] == "*" and isinstance(value, list):
        for number, each in enumerate(value):
            yield from _reach(each, keys[1:], (*path, number))
    elif isinstance(value, dict) and keys[0] in value:
        yield from _reach(value[keys[0]], keys[1:], (*path, keys[0]))
