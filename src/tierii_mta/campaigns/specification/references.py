"""References to secrets in campaign.yaml: `${env:NAME}` and `${file:PATH}`.

Owns where they may stand (only in what a feed needs to reach its contacts: a mail must not carry a secret, and the
canonical form keeps references unresolved) and how they are resolved.  Reads the files they name.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tierii_mta.campaigns.problems import Problem, problem_at
from tierii_mta.errors import CheckFailed
from tierii_mta.yaml12 import Document, KeyPath

Environ = Mapping[str, str]

_REFERENCE = re.compile(r"\$\{(env|file):([^}]*)\}")
_FEED_KEYS = frozenset({"path", "url", "auth", "query"})


def resolve(text: str, *, environ: Environ, folder: Path, where: str) -> str:
    """Return `text` with its references filled in; raises `CheckFailed` naming what is missing, never its value."""

    def value(found: re.Match[str]) -> str:
        kind, name = found[1], found[2]
        if kind == "env":
            if name not in environ:
                raise CheckFailed(f"the environment variable {name} is not set", where=where, remedy=f"set {name}")
            return environ[name]
        try:
            return (folder / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as cause:
            raise CheckFailed(f"${{file:{name}}} cannot be read", where=where, remedy="check the path") from cause

    return _REFERENCE.sub(value, text)


def stray_references(document: Document) -> Iterator[Problem]:
    """Yield references that stand where none may."""
    for path, text in _texts(document.value, ()):
        is_of_feed = len(path) == 3 and path[0] == "contacts" and path[2] in _FEED_KEYS
        if _REFERENCE.search(text) and not is_of_feed:
            yield problem_at(
                document,
                path,
                "a ${…} reference may only stand in path, url, auth and query of a feed",
                "write the value itself; what a mail shows is no secret",
            )


def _texts(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, (*path, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _texts(each, (*path, number))
