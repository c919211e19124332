"""One shaping file, read strictly.

Owns the syntax of shaping.yaml and its errors, each with file, line and the nearest known key; not how files merge
(outbound.shaping).  Pure: the file is already parsed (yaml12).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn

from tierii_mta.errors import ConfigurationError
from tierii_mta.mail.address import InvalidAddress, parse_domain
from tierii_mta.outbound.security import TlsPolicy
from tierii_mta.quantities import Rate, parse_duration
from tierii_mta.yaml12 import Document, KeyPath, dotted, nearest


class Level(StrEnum):
    """Where a setting stands; the word operators see in `queue explain`."""

    DEFAULT = "default"
    PROVIDER = "provider"
    DOMAIN = "domain"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and the `file:line` that says so. None was written as null."""

    value: Any
    origin: str


@dataclass(slots=True)
class Layer:
    """What one file says."""

    drops_base: bool = False
    settings: dict[tuple[Level, str], dict[str, Setting]] = field(default_factory=dict)
    rules: dict[tuple[Level, str], tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is not a whole number of at least 1")
    return value


def _policy(value: Any) -> TlsPolicy:
    try:
        return TlsPolicy(value)
    except ValueError:
        raise ValueError(f"{value!r} is no TLS policy; write one of {', '.join(TlsPolicy)}") from None


def _suffixes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("is not a list of host name suffixes; write for instance [google.com]")
    return tuple(parse_domain(item.strip().lstrip(".")) for item in value)


KNOBS: Mapping[str, Callable[[Any], Any]] = {
    "tls": _policy,
    "messages_per_connection": _count,
    "connection_lifetime": parse_duration,
}
CEILINGS: Mapping[str, Callable[[Any], Any]] = {
    "connections": _count,
    "rate": Rate.parse,
    "connection_rate": Rate.parse,
}
_GROUPS = {"providers": Level.PROVIDER, "domains": Level.DOMAIN, "sources": Level.SOURCE}
_RESERVED = ("other",)


def read_layer(document: Document) -> Layer:
    """Read a parsed file; raises `ConfigurationError`."""
    return _Reader(document).read()


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document, self._layer = document, Layer()

    def read(self) -> Layer:
        root = self._mapping(self._document.value, ())
        for key, value in root.items():
            if key == "base":
                if value != "none":
                    self._fail(("base",), f"{value!r} is not understood", "write base: none, or leave it out")
                self._layer.drops_base = True
            elif key == "default":
                self._read_level((Level.DEFAULT, ""), value, ("default",))
            elif key == "rules":
                self._read_rules((Level.DEFAULT, ""), value, ("rules",))
            elif key in _GROUPS:
                self._read_group(key, value)
            else:
                self._unknown((key,), ("base", "default", "rules", *_GROUPS))
        return self._layer

    def _read_group(self, group: str, value: Any) -> None:
        for name, settings in self._mapping(value, (group,)).items():
            path: KeyPath = (group, name)
            if group == "providers" and name in _RESERVED:
                self._fail(path, f"{name} is the name of all sites without a provider", "use the level default")
            try:
                key = (_GROUPS[group], parse_domain(name) if group == "domains" else name)
            except InvalidAddress as cause:
                self._fail(path, f"{name!r} {cause}", "write a domain name")
            self._read_level(key, settings, path)

    def _read_level(self, key: tuple[Level, str], value: Any, path: KeyPath) -> None:
        known = {**KNOBS, **CEILINGS}
        if key[0] is Level.PROVIDER:
            known["mx"] = _suffixes
        settings = self._layer.settings.setdefault(key, {})
        for name, written in self._mapping(value, path).items():
            where = (*path, name)
            if name == "rules":
                self._read_rules(key, written, where)
            elif name not in known:
                self._unknown(where, (*known, "rules"))
            else:
                settings[name] = Setting(self._parsed(known[name], written, where), self._origin(where))

    def _read_rules(self, key: tuple[Level, str], value: Any, path: KeyPath) -> None:
        if value is None or value == []:
            return
        if not isinstance(value, list) or not all(isinstance(rule, dict) for rule in value):
            self._fail(path, "is not a list of rules", "write each rule as a mapping")
        self._layer.rules[key] = (*self._layer.rules.get(key, ()), *value)
        what = f"{dotted(path)}: adaptive rules are read but not acted on by this version"
        self._layer.warnings += (f"{self._origin(path)}: {what}; set fixed ceilings meanwhile",)

    def _parsed(self, parse: Callable[[Any], Any], value: Any, path: KeyPath) -> Any:
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as cause:
            self._fail(path, str(cause))

    def _mapping(self, value: Any, path: KeyPath) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._fail(path, "must be a mapping of keys and values")
        return value

    def _unknown(self, path: KeyPath, known: tuple[str, ...]) -> NoReturn:
        guess = nearest(str(path[-1]), known)
        self._fail(
            path, "is no key of a shaping file", f"did you mean {guess}?" if guess else f"known: {', '.join(known)}"
        )

    def _fail(self, path: KeyPath, what: str, remedy: str | None = None) -> NoReturn:
        raise ConfigurationError(what, where=self._document.where(path), remedy=remedy)

    def _origin(self, path: KeyPath) -> str:
        return f"{self._document.file}:{self._document.lines[path]}"
