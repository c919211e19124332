"""The settings model as a tree of keys, for whoever must know what may stand where.

Owns walking by key path, reading `a.b.c` and `TIERII_A__B` as paths, and finding the nearest known key; not values.
Pure.
"""

import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from tierii_mta.yaml12 import KeyPath

ENVIRONMENT_PREFIX = "TIERII_"
_STEP = re.compile(r'"([^"]*)"|\[([^\]]*)\]|([^.\["]+)')


class UnknownKey(ValueError):
    """No such key: `path` made sense, `name` did not, `known` could stand there."""

    def __init__(self, path: KeyPath, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name)
        self.path, self.name, self.known = path, name, known


def bare(annotation: Any) -> Any:
    """Return the type behind `Annotated` and `| None`."""
    while True:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            annotation = arguments[0]
        elif origin in (Union, types.UnionType) and type(None) in arguments:
            annotation = next(one for one in arguments if one is not type(None))
        else:
            return annotation


def is_optional(annotation: Any) -> bool:
    """Return whether null is a value."""
    if get_origin(annotation) is Annotated:
        return is_optional(get_args(annotation)[0])
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def section(annotation: Any) -> type[BaseModel] | None:
    """Return the section a type is, or None."""
    found = bare(annotation)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def entry(annotation: Any) -> Any | None:
    """Return the type of a mapping's values (keys are free: domains, transports), or None."""
    found = bare(annotation)
    return get_args(found)[1] if get_origin(found) is Mapping else None


def item(annotation: Any) -> Any | None:
    """Return the type of a list's items, or None."""
    found = bare(annotation)
    return get_args(found)[0] if get_origin(found) is tuple else None


def is_container(annotation: Any) -> bool:
    """Return whether the type holds keys or items rather than one value."""
    return any(kind(annotation) is not None for kind in (section, entry, item))


def is_text(annotation: Any) -> bool:
    """Return whether a value is taken as it stands, never read as a number or a switch."""
    return bare(annotation) in (str, SecretStr, Path)


def is_file(annotation: Any) -> bool:
    """Return whether the value names a file or folder."""
    return bare(annotation) is Path


def is_secret(annotation: Any) -> bool:
    """Return whether the value is never shown."""
    return bare(annotation) is SecretStr


def child(annotation: Any, step: str | int) -> Any | None:
    """Return the type one step down, or None where nothing of that name may stand."""
    if isinstance(step, int):
        return item(annotation)
    if model := section(annotation):
        field = model.model_fields.get(step)
        return None if field is None else whole(field)
    return entry(annotation)


def whole(field: Any) -> Any:
    """Return a field's type with the metadata pydantic took off it."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def names(annotation: Any) -> tuple[str, ...]:
    """Return the keys a section has; () for anything else."""
    model = section(annotation)
    return tuple(model.model_fields) if model else ()


def keys(annotation: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield every fixed key path, sections before their keys; free keys and list items are left out."""
    for name in names(annotation):
        yield (*path, name)
        yield from keys(child(annotation, name), (*path, name))


def descend(annotation: Any, path: KeyPath) -> Any:
    """Return the type at a path; raises `UnknownKey`."""
    for depth, step in enumerate(path):
        below = child(annotation, step)
        if below is None:
            raise UnknownKey(path[:depth], str(step), names(annotation))
        annotation = below
    return annotation


def path_of(text: str, annotation: Any) -> KeyPath:
    """Read a key as operators write it: `web.listen`, `domains.example.com.pool`, `domains."example.com".pool`.

    A free key may hold dots: it reaches as far as what follows still names a key.  Raises `UnknownKey`.
    """
    steps = [found[0] or found[1] or found[2] for found in _STEP.findall(text)]
    if not steps:
        raise UnknownKey((), text, names(annotation))
    return tuple(_resolve(steps, annotation, ()))


def _resolve(steps: list[str], annotation: Any, path: KeyPath) -> list[str]:
    if not steps:
        return []
    if entry(annotation) is not None:
        for length in range(len(steps) - 1, 0, -1):
            try:
                return [".".join(steps[:length]), *_resolve(steps[length:], entry(annotation), path)]
            except UnknownKey:
                continue
        return [".".join(steps)]
    below = child(annotation, steps[0])
    if below is None:
        raise UnknownKey(path, steps[0], names(annotation))
    return [steps[0], *_resolve(steps[1:], below, (*path, steps[0]))]


def path_of_variable(name: str, annotation: Any) -> KeyPath:
    """Read `TIERII_WEB__LISTEN` as `(web, listen)`; raises `UnknownKey`."""
    path = tuple(name[len(ENVIRONMENT_PREFIX) :].lower().split("__"))
    descend(annotation, path)
    return path


def variable_of(path: KeyPath) -> str:
    """Return the name of the environment variable that sets a key."""
    return ENVIRONMENT_PREFIX + "__".join(str(step).upper() for step in path)
