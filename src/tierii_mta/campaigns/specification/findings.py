"""pydantic's errors in the operator's words.

Owns the translation: pydantic's location becomes a path of the file with its line, its message a sentence that says
what to write.  Knows the models only by their fields.
"""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tierii_mta.campaigns.problems import Problem, problem_at
from tierii_mta.yaml12 import Document, KeyPath, nearest

_EXPECTED = {
    "string_type": "is not a text; put it in quotes",
    "bool_type": "is neither true nor false",
    "int_type": "is not a whole number",
    "float_type": "is not a number",
    "list_type": "is not a list; write [..] or lines beginning with `- `",
    "dict_type": "is not a mapping of keys",
    "model_type": "is not a mapping of keys",
    "model_attributes_type": "is not a mapping of keys",
    "string_too_short": "is empty",
    "too_short": "has too few items",
}
_LISTED_KEYS = 12  # more are no help in a line


def problems_of(errors: ValidationError, document: Document, model: type[BaseModel]) -> Iterator[Problem]:
    """Yield each error of a validation as a finding."""
    for error in errors.errors(include_url=False, include_context=True):
        path = _path(error["loc"], document.value)
        what, remedy = _sentence(error, path, document, model)
        yield problem_at(document, path, what, remedy)


def _path(location: tuple[int | str, ...], value: Any) -> KeyPath:
    """Return the part of a location that stands in the file: without tags of unions and marks of keys."""
    path: list[str | int] = []
    node = value
    for number, step in enumerate(location):
        is_here = (isinstance(node, dict) and step in node) or (isinstance(node, list) and isinstance(step, int))
        if is_here:
            path.append(step)
            node = node[step]
        elif number == len(location) - 1 and step != "[key]":
            path.append(step)
    return tuple(path)


def _sentence(error: ErrorDetails, path: KeyPath, document: Document, model: type[BaseModel]) -> tuple[str, str | None]:
    kind, given, context = error["type"], error.get("input"), error.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return _unknown_key(path, document.value, model)
        case "missing":
            return "is missing", f"add the key {path[-1]}"
        case "value_error":
            return str(context["error"]), None
        case "literal_error" | "union_tag_invalid":
            return _not_among(error, given)
        case "union_tag_not_found":
            return "the key type is missing", "say csv or inline"
        case "string_pattern_mismatch":
            return f"{given!r} does not match {context['pattern']}", None
        case _:
            shown = f"{given!r} " if isinstance(given, (str, int, float, bool)) else ""
            text = _EXPECTED.get(kind)
            return (shown + text, None) if text else (shown + _lower(error["msg"]), None)


def _unknown_key(path: KeyPath, value: Any, model: type[BaseModel]) -> tuple[str, str]:
    known = _keys(model, value, path[:-1])
    meant = nearest(str(path[-1]), known)
    if meant:
        return "is no key here", f"did you mean {meant}?"
    if len(known) > _LISTED_KEYS:
        return "is no key here", "see docs/reference/campaign-yaml.md"
    return "is no key here", f"known are {', '.join(known)}"


def _not_among(error: ErrorDetails, given: Any) -> tuple[str, str | None]:
    if error["type"] == "union_tag_invalid":
        given = error["ctx"]["tag"]
    expected = str(error["ctx"].get("expected", error["ctx"].get("expected_tags", "")))
    meant = nearest(str(given), [word.strip(" '") for word in expected.replace(" or ", ",").split(",")])
    return f"{given!r} is not one of {expected}", f"did you mean {meant}?" if meant else None


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _keys(model: type[BaseModel], value: Any, path: KeyPath) -> list[str]:
    """Return the keys a mapping of the file may have."""
    section: Any = model
    node = value
    for step in path:
        node = node[step]
        if isinstance(step, int):
            continue  # a list's item has the list's annotation, which `_section` looks through
        field = _field(section, step)
        section = field if field is not None else section
        section = _section(section, node)
        if section is None:
            return []
    section = _section(section, node)
    return [field.alias or name for name, field in section.model_fields.items()] if section else []


def _field(section: type[BaseModel], key: str) -> Any:
    return next(
        (field.annotation for name, field in section.model_fields.items() if (field.alias or name) == key), None
    )


def _section(annotation: Any, node: Any) -> Any:
    """Return the model an annotation leads to; among several, the one whose `type` the node names."""
    found = list(_models(annotation))
    if len(found) < 2:
        return found[0] if found else None
    wanted = node.get("type") if isinstance(node, dict) else None
    by_type = (each for each in found if wanted in get_args(each.model_fields["type"].annotation))
    return annotation if isinstance(node, list) else next(by_type, None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {Union, UnionType, Annotated, list} and get_origin(annotation) is not Literal:
        for each in get_args(annotation):
            yield from _models(each)
