"""The settings for people: the commented sample file and the reference page, both written from the model.

Owns their form.  `python -m tierii_mta.daemon.settings.describe sample|reference` prints one of them; a test compares
what is kept in the tree with it.
"""

import sys
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tierii_mta.daemon.settings import shape
from tierii_mta.daemon.settings.loading import format_value
from tierii_mta.daemon.settings.model import Settings
from tierii_mta.daemon.settings.values import Endpoint
from tierii_mta.inbound.checks import Decision
from tierii_mta.yaml12 import KeyPath, dotted

_WIDTH = 118
_NOT_YET = "(no part obeys it yet)"
_TYPES = MappingProxyType(
    {
        "str": "text",
        "Topic": "text",
        "SecretStr": "secret",
        "int": "number",
        "float": "number",
        "bool": "true, false",
        "Path": "path",
    }
)
_UNITS: MappingProxyType[Any, str] = MappingProxyType(
    {
        timedelta: "duration",
        Endpoint: "host:port",
        IPv4Network | IPv6Network: "network",
        float | Decision: "number, quarantine, reject",
    }
)

_SAMPLE_HEAD = """\
# Settings of tierii-mta. Generated from the settings model: docs/reference/settings.md has the same as tables.
#
# Lines that begin with #name show a default, or an example where there is none: remove the # to set them.
# Higher ones win: --set key=value, then TIERII_* in the environment (TIERII_WEB__LISTEN), then .env beside this file,
# then this file. Values may be ${env:NAME} or ${file:PATH}. Relative paths count from the file that names them.
# Durations 30s 5m 2h 5d, sizes 25MB 256KiB. `tierii-mta config show --origin` prints what counts and why.
"""

_PAGE_HEAD = """\
# Settings

<!-- Generated: python -m tierii_mta.daemon.settings.describe reference -->

Every key of `tierii-mta.yaml`, with its default. How the file is found, what wins over what, and how values are
written: [operate/settings.md](../operate/settings.md). Keys marked *not yet* are accepted and checked, but the part
that obeys them is still to come. `NAME`, `DOMAIN`, `TRANSPORT` stand for names of your own, `[]` for items of a list.
"""


def sample() -> str:
    """Return `config/tierii-mta.yaml`: every key in a comment, so that loading it changes nothing."""
    return _SAMPLE_HEAD + "\n" + "\n".join(_sample_lines(Settings, "")) + "\n"


def reference() -> str:
    """Return `docs/reference/settings.md`."""
    return _PAGE_HEAD + "\n".join(_page_lines(Settings, (), "General")) + "\n"


def _sample_lines(model: type[BaseModel], indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        below = shape.section(field.annotation)
        text, example = _meaning(field), _extra(field)["example"]
        if below is not None and example is None:
            yield f"{indent}{name}:  # {text}"
            yield from _sample_lines(below, indent + "  ")
            continue
        lines = example.splitlines() if example else [f"{name}: {_yaml(field.get_default(call_default_factory=False))}"]
        first = f"{indent}#{lines[0]}  # {text}"
        if len(lines) > 1 or len(first) > _WIDTH:
            yield f"{indent}# {text}"
            first = f"{indent}#{lines[0]}"
        yield first
        for line in lines[1:]:
            bare = line.lstrip()
            yield f"{indent}{line[: len(line) - len(bare)]}#{bare}"


def _page_lines(model: type[BaseModel], path: KeyPath, title: str) -> Iterator[str]:
    sections: list[tuple[type[BaseModel], KeyPath, str]] = []
    rows: list[str] = []
    for name, field in model.model_fields.items():
        here = (*path, name)
        inner = _inner(field, here)
        if inner is not None:
            sections.append(inner)
        if shape.section(field.annotation) is None or shape.is_optional(field.annotation):
            rows.append(
                f"| `{dotted(here)}` | {_type(field.annotation)} | {_default(field)} | {_meaning(field, '*not yet*')} |"
            )
    if rows:
        yield from ("", f"## {title}", "", "| key | type | default | meaning |", "|---|---|---|---|", *rows)
    for below, below_path, below_title in sections:
        yield from _page_lines(below, below_path, below_title)


def _inner(field: FieldInfo, path: KeyPath) -> tuple[type[BaseModel], KeyPath, str] | None:
    """Return the section a key leads to, the path its keys are shown under, and its title."""
    title = f"`{dotted(path)}`: {field.description}"
    placeholder = {"domains": "DOMAIN", "transports": "TRANSPORT"}.get(str(path[-1]), "NAME")
    for below, shown in (
        (shape.section(field.annotation), path),
        (shape.section(shape.entry(field.annotation)), (*path, placeholder)),
        (shape.section(shape.item(field.annotation)), (*path[:-1], f"{path[-1]}[]")),
    ):
        if below is not None:
            return below, shown, title
    return None


def _extra(field: FieldInfo) -> dict[str, Any]:
    extra = field.json_schema_extra
    return extra if isinstance(extra, dict) else {"example": None, "later": False}


def _meaning(field: FieldInfo, mark: str = _NOT_YET) -> str:
    return f"{field.description} {mark}" if _extra(field)["later"] else str(field.description)


def _type(annotation: Any) -> str:
    bare = shape.bare(annotation)
    if (of := shape.item(annotation)) is not None:
        return f"list of {_type(of)}"
    if shape.is_container(annotation):
        of = shape.entry(annotation)
        by_name = "sections" if of is None or shape.section(of) else _type(of)
        return "section" if shape.section(annotation) else f"{by_name} by name"
    if get_origin(bare) is Literal:
        return ", ".join(get_args(bare))
    return _UNITS.get(bare) or _TYPES.get(bare.__name__, bare.__name__)


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return ""
    return "required" if field.is_required() else f"`{_yaml(field.default)}`"


def _yaml(value: Any) -> str:
    """Return a default as it stands in YAML, in flow style."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case tuple():
            return f"[{', '.join(_yaml(one) for one in value)}]"
        case Endpoint() | IPv4Network() | IPv6Network():
            return f'"{value}"'
        case dict():
            return "{}"
        case _:
            return format_value(value)


if __name__ == "__main__":
    sys.stdout.write({"sample": sample, "reference": reference}[sys.argv[1]]())
