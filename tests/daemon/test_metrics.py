"""The table of metrics."""

import re
from pathlib import Path

import tierii_mta
from tierii_mta.daemon import metrics

_SOURCES = Path(tierii_mta.__file__).parent
_DEFINED = re.compile(r"^([A-Z_]+) = Metric\(", re.MULTILINE)


def test_every_metric_is_moved_by_somebody() -> None:
    table = Path(metrics.__file__)
    names = _DEFINED.findall(table.read_text())
    users = "\n".join(path.read_text() for path in sorted(_SOURCES.rglob("*.py")) if path != table)
    used = set(re.findall(r"\b[A-Z_]+\b", users)) | {"LOOP_LAG"}  # watched beside its definition

    assert len(names) == len(metrics.TABLE)
    assert [name for name in names if name not in used] == []
