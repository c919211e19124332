"""References and relative paths in settings: `${env:NAME}`, `${file:PATH}`, paths that count from their file.

Owns turning a tree of given values into final ones; not their types.  Reads the files that references name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tierii_mta import yaml12
from tierii_mta.daemon.settings import shape
from tierii_mta.daemon.settings.sources import Origin
from tierii_mta.yaml12 import KeyPath

MAX_FILE_BYTES = 1 << 16
_REFERENCE = re.compile(r"\$(\$\{)|\$\{(env|file):([^}]*)\}")


class _Missing(Exception):
    """A reference leads nowhere."""


@dataclass(slots=True)
class Expansion:
    """One pass over a tree. `problems` holds a sentence for each path that could not be resolved."""

    variables: Mapping[str, str]  # the environment over `.env`
    origins: dict[KeyPath, Origin]  # gains the reference each value came through
    base: Path  # for values without an origin of their own
    problems: dict[KeyPath, str] = field(default_factory=dict)

    def resolve(self, value: Any, annotation: Any, path: KeyPath = ()) -> Any:
        """Return the value with references replaced and paths absolute; unknown keys keep theirs.

        A section with nothing in it (all its lines are comments) is an empty one.
        """
        if (
            value is None
            and not shape.is_optional(annotation)
            and (shape.section(annotation) or shape.entry(annotation))
        ):
            return {}
        if isinstance(value, dict):
            return {
                name: self.resolve(below, annotation and shape.child(annotation, name), (*path, name))
                for name, below in value.items()
            }
        if isinstance(value, list):
            return [
                self.resolve(below, annotation and shape.child(annotation, number), (*path, number))
                for number, below in enumerate(value)
            ]
        return self._text(value, annotation, path) if isinstance(value, str) else value

    def _text(self, text: str, annotation: Any, path: KeyPath) -> Any:
        origin = self._origin(path)
        try:
            value = _REFERENCE.sub(lambda found: self._referred(found, origin.base), text)
        except _Missing as missing:
            self.problems[path] = f"{origin.text}: {yaml12.dotted(path)}: {missing}"
            return text
        if "${" in text and value != text:
            self.origins[path] = replace(origin, reference=" ".join(found[0] for found in _REFERENCE.finditer(text)))
            if annotation is not None and not shape.is_text(annotation):
                return yaml12.plain_scalar(value)
        if annotation is not None and shape.is_file(annotation) and value:
            return str(origin.base / Path(value).expanduser())
        return value

    def _origin(self, path: KeyPath) -> Origin:
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path) or Origin("the settings", self.base)

    def _referred(self, found: re.Match[str], base: Path) -> str:
        if found[1]:
            return found[1]
        if found[2] == "env":
            if found[3] not in self.variables:
                raise _Missing(f"the environment has no {found[3]}; set it, or put it in .env beside the settings file")
            return self.variables[found[3]]
        file = base / found[3]
        try:
            with file.open("rb") as stream:
                raw = stream.read(MAX_FILE_BYTES + 1)
            if len(raw) > MAX_FILE_BYTES:
                raise _Missing(f"{file} is larger than {MAX_FILE_BYTES} octets")
            return raw.decode().rstrip("\r\n")
        except OSError as cause:
            raise _Missing(f"{file} cannot be read: {cause.strerror}") from cause
        except UnicodeDecodeError as cause:
            raise _Missing(f"{file} is not UTF-8") from cause
