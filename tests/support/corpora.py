"""The public corpora, read in place: they are never copied into the project.

`TIERII_CORPORA` names their folder; without it they lie in `shared/corpora` beside the checkout.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

_BESIDE = Path(__file__).parents[3] / "shared" / "corpora"


def corpus(name: str) -> Path:
    """Return the folder of a corpus, such as `mime` or `replies/crisp`; skips the test where there is none."""
    folder = Path(os.environ.get("TIERII_CORPORA", _BESIDE)) / name
    if not folder.is_dir():
        pytest.skip(f"the public corpus {name} is not here: TIERII_CORPORA names the folder of all of them")
    return folder


def messages(name: str, pattern: str = "*.eml") -> Iterator[tuple[str, bytes]]:
    """Yield each message of a corpus with its path in it, in order."""
    folder = corpus(name)
    for path in sorted(folder.rglob(pattern)):
        yield path.relative_to(folder).as_posix(), path.read_bytes()
