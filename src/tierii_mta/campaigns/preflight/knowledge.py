"""Lists the rules go by: freemail, disposable and misspelt domains, link shorteners, role accounts.

Owns reading `config/preflight/knowledge.yaml`, which travels with the product.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tierii_mta import shipped, yaml12


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """The lists."""

    freemail: frozenset[str]
    disposable: frozenset[str]
    typos: Mapping[str, str]  # a domain people write by mistake → the one they mean
    shorteners: frozenset[str]
    roles: frozenset[str]  # local parts
    executables: frozenset[str]  # file name extensions, with the dot


def load_knowledge() -> Knowledge:
    """Read the lists; raises `ConfigurationError`."""
    value = yaml12.load(shipped.folder("config") / "preflight" / "knowledge.yaml").value
    return Knowledge(
        freemail=frozenset(value["freemail"]),
        disposable=frozenset(value["disposable"]),
        typos=dict(value["typos"]),
        shorteners=frozenset(value["shorteners"]),
        roles=frozenset(value["roles"]),
        executables=frozenset(value["executables"]),
    )
