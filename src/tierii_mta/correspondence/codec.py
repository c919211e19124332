"""Values of this package as JSON, and back: between the reading room and the daemon, and in the store.

Owns the form of any frozen dataclass of ours whose fields are text, numbers, enumerations, sequences, mappings and
other such dataclasses; not what they mean.  What is read may come from a process that read hostile mail, so nothing in
it names a type and every value is checked against the field it is for.  A field at its default is left out, a missing
one gets its default and an unknown one is ignored: rows that an older or newer version wrote can be read.  Pure.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Json = Any
"""What `json.dumps` takes."""


class Undecodable(ValueError):
    """Not what `encode` returns for this type."""


def encode(value: Any) -> Json:
    """Return a value as what JSON can say."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {key: encode(each) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [encode(each) for each in value]
    forms = ((name, encode(getattr(value, name)), default) for name, _, default in _plan(cast("Hashable", type(value))))
    return {name: form for name, form, default in forms if form != default}


def decode(kind: type[T], said: Json) -> T:
    """Return the value of this type that was encoded; raises `Undecodable`."""
    value: T = _reader(cast("Hashable", kind))(said)
    return value


Reader = Callable[[Json], Any]


@cache
def _reader(kind: Any) -> Reader:
    """Return what turns JSON into a value of a type; TypeError for a type that is not ours to read."""
    if isinstance(kind, NewType):
        return _reader(kind.__supertype__)
    if kind in (str, int, bool, float, NoneType):
        return _exactly(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType) and len(inner) == 2 and NoneType in inner:
        return _optional(_reader(next(each for each in inner if each is not NoneType)))
    if origin is Mapping:
        return _mapping(_reader(inner[1]))
    if origin is Sequence or (origin is tuple and inner[1:] == (Ellipsis,)):
        return _sequence(_reader(inner[0]))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        return _record(kind)
    raise TypeError(f"{kind!r} has no JSON form")


def _exactly(kind: type) -> Reader:
    def read(said: Json) -> Any:
        if type(said) is not kind and not (kind is float and type(said) is int):
            raise Undecodable(f"{type(said).__name__} where {kind.__name__} belongs")
        return said

    return read


def _optional(inner: Reader) -> Reader:
    return lambda said: None if said is None else inner(said)


def _mapping(inner: Reader) -> Reader:
    def read(said: Json) -> Any:
        if not isinstance(said, dict):
            raise Undecodable("no object where one belongs")
        return {key: inner(each) for key, each in said.items()}

    return read


def _sequence(inner: Reader) -> Reader:
    def read(said: Json) -> Any:
        if not isinstance(said, list):
            raise Undecodable("no array where one belongs")
        return tuple(map(inner, said))

    return read


def _choice(kind: type[Enum]) -> Reader:
    def read(said: Json) -> Any:
        try:
            return kind(said)
        except ValueError as cause:
            raise Undecodable(f"no {kind.__name__}: {said!r:.80}") from cause

    return read


def _record(kind: type) -> Reader:
    def read(said: Json) -> Any:
        if not isinstance(said, dict):
            raise Undecodable("no object where one belongs")
        found = {}
        for name, hint, default in _plan(kind):
            if name in said:
                found[name] = _reader(hint)(said[name])
            elif default is MISSING:
                raise Undecodable(f"{kind.__name__} without {name}")
        return kind(**found)

    return read


@cache
def _plan(kind: Hashable) -> tuple[tuple[str, Any, Json], ...]:
    """Return each field of a dataclass: name, type, and its default as JSON, or MISSING."""
    hints, plan = get_type_hints(kind), list[tuple[str, Any, Json]]()
    for each in fields(cast("Any", kind)):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        plan.append((each.name, hints[each.name], MISSING if default is MISSING else encode(default)))
    return tuple(plan)
