"""Shaping: which limits and habits apply to a source, a domain and a provider, and who said so.

Owns the merge of shaping files and the four levels (default, provider, domain, source); not their syntax
(outbound.shaping_file), the counting (outbound.throttle) nor the sessions that obey.  *Knobs* are taken from the most
specific level that sets them: source, domain, provider, default.  *Ceilings* each have a bucket of their own at their
level, and all of them must have room.  Pure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from tierii_mta.errors import ConfigurationError
from tierii_mta.outbound.security import TlsPolicy
from tierii_mta.outbound.shaping_file import CEILINGS, KNOBS, Layer, Level, Setting, read_layer
from tierii_mta.quantities import Rate
from tierii_mta.yaml12 import Document, nearest

OTHER = "other"
"""The provider of every site that no provider's MX suffix matches."""


class Resource(StrEnum):
    """What a ceiling limits."""

    CONNECTIONS = "connections"  # at a time
    RATE = "rate"  # messages
    CONNECTION_RATE = "connection_rate"  # new connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """One limit that must have room. Equal `bucket`s share their count."""

    resource: Resource
    level: Level
    bucket: tuple[str, ...]  # (resource, level, and whom the level counts separately)
    limit: int | Rate
    origin: str  # file:line


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How sessions to a site behave."""

    tls: TlsPolicy
    messages_per_connection: int
    connection_lifetime: timedelta
    origins: Mapping[str, str]  # knob → file:line


_BUILT_IN: Mapping[str, Any] = {
    "tls": TlsPolicy.OPPORTUNISTIC,
    "messages_per_connection": 100,
    "connection_lifetime": timedelta(minutes=5),
}


class Shaping:
    """The merged files."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        """`layers` as read, the shipped one first; later ones win key by key, `base: none` drops the earlier ones."""
        self._settings: dict[tuple[Level, str], dict[str, Setting]] = {}
        self._rules: dict[tuple[Level, str], tuple[Mapping[str, Any], ...]] = {}
        self._suffixes: dict[str, str] = {}
        self.warnings: tuple[str, ...] = ()
        for layer in layers:
            self._merge(layer)
        for (level, name), settings in self._settings.items():
            if level is Level.PROVIDER:
                self._claim_suffixes(name, settings.get("mx"))

    @classmethod
    def load(cls, documents: Iterable[Document]) -> Self:
        """Merge parsed files, the shipped one first. Raises `ConfigurationError` for anything it does not know."""
        return cls([read_layer(document) for document in documents])

    @property
    def providers(self) -> tuple[str, ...]:
        """The closed list of provider names, `other` last."""
        return (*sorted(name for level, name in self._settings if level is Level.PROVIDER), OTHER)

    def provider_of(self, hosts: Iterable[str]) -> str:
        """Return whose MX hosts these are, by the first of them (the most preferred one); the longest suffix wins."""
        host = next(iter(hosts), "")
        while host:
            if host in self._suffixes:
                return self._suffixes[host]
            host = host.partition(".")[2]
        return OTHER

    def knobs(self, *, source: str, domain: str, provider: str) -> Knobs:
        """Return the knobs of mail from a source to a domain."""
        values, origins = dict(_BUILT_IN), dict.fromkeys(_BUILT_IN, "built in")
        for name in KNOBS:
            for key in _narrow_first(source, domain, provider):
                setting = self._settings.get(key, {}).get(name)
                if setting is not None and setting.value is not None:
                    values[name], origins[name] = setting.value, setting.origin
                    break
        return Knobs(**values, origins=origins)

    def ceilings(self, *, source: str, domain: str, provider: str, site: str) -> tuple[Ceiling, ...]:
        """Return every ceiling a message from a source to a domain must pass, the smallest limits first.

        The default's ceiling applies to each (source, site), unless the provider or the domain has one of its own.
        """
        found: list[Ceiling] = []
        for name in CEILINGS:
            resource = Resource(name)
            whom = {
                Level.PROVIDER: (provider, source),
                Level.DOMAIN: (domain,),
                Level.SOURCE: (source,),
                Level.DEFAULT: (source, site),
            }
            has_own = False
            for level, key in (
                (level, (level, whom[level][0])) for level in (Level.PROVIDER, Level.DOMAIN, Level.SOURCE)
            ):
                if ceiling := self._ceiling(resource, key, whom[level]):
                    found.append(ceiling)
                    has_own = has_own or level is not Level.SOURCE
            if not has_own and (ceiling := self._ceiling(resource, (Level.DEFAULT, ""), whom[Level.DEFAULT])):
                found.append(ceiling)
        return tuple(sorted(found, key=lambda each: _size(each.limit)))

    def rules(self, *, source: str, domain: str, provider: str) -> tuple[Mapping[str, Any], ...]:
        """Return the adaptive rules as written, narrow levels first. Kept, and not acted on yet: see `warnings`."""
        return tuple(rule for key in _narrow_first(source, domain, provider) for rule in self._rules.get(key, ()))

    def check_sources(self, known: Iterable[str]) -> None:
        """Raise `ConfigurationError` if a level names a source that does not exist."""
        names = list(known)
        for (level, name), settings in self._settings.items():
            if level is Level.SOURCE and name not in names:
                where = next((setting.origin for setting in settings.values()), None)
                guess = nearest(name, names)
                remedy = f"did you mean {guess}?" if guess else f"outbound.sources has {', '.join(names) or 'none'}"
                raise ConfigurationError(f"there is no source {name!r}", where=where, remedy=remedy)

    def _merge(self, layer: Layer) -> None:
        if layer.drops_base:
            self._settings, self._rules, self.warnings = {}, {}, ()
        for key, settings in layer.settings.items():
            self._settings.setdefault(key, {}).update(settings)
        for key, rules in layer.rules.items():
            self._rules[key] = (*rules, *self._rules.get(key, ()))
        self.warnings += layer.warnings

    def _claim_suffixes(self, provider: str, mx: Setting | None) -> None:
        for suffix in mx.value if mx and mx.value else ():
            if suffix in self._suffixes:
                raise ConfigurationError(
                    f"the MX suffix {suffix} belongs to {self._suffixes[suffix]} and to {provider}",
                    where=mx.origin if mx else None,
                    remedy="give it to one of them; `mx: []` takes a shipped provider its suffixes",
                )
            self._suffixes[suffix] = provider

    def _ceiling(self, resource: Resource, key: tuple[Level, str], whom: tuple[str, ...]) -> Ceiling | None:
        setting = self._settings.get(key, {}).get(resource)
        if setting is None or setting.value is None:
            return None
        bucket = (resource, key[0], *whom)
        return Ceiling(resource=resource, level=key[0], bucket=bucket, limit=setting.value, origin=setting.origin)


def _narrow_first(source: str, domain: str, provider: str) -> Iterator[tuple[Level, str]]:
    yield Level.SOURCE, source
    yield Level.DOMAIN, domain
    yield Level.PROVIDER, provider
    yield Level.DEFAULT, ""


def _size(limit: int | Rate) -> float:
    return limit.per_second if isinstance(limit, Rate) else limit
