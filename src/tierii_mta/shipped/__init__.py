"""The files that travel with the package: `config/`, `templates/`, `systemd/`.

In a wheel they lie in this folder; in a source tree at its top level.  Reads only its own location.
"""

from pathlib import Path

_INSTALLED = Path(__file__).parent
_SOURCE_TREE = _INSTALLED.parents[2]


def folder(name: str) -> Path:
    """Return the folder `config`, `templates` or `systemd`; FileNotFoundError if the installation lost it."""
    for root in (_INSTALLED, _SOURCE_TREE):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"{name}/ is missing from this installation of tierii-mta; install the package again")
