"""How results are shown: a table for people, or one JSON object.

Both say the same; a column or value without a figure is left empty.
"""

import json
import sys
from collections.abc import Mapping, Sequence

Row = Mapping[str, object]


def tell(facts: Row, rows: Sequence[Row], ratios: Row, *, as_json: bool) -> None:
    """Print the facts of the run, one row a result, and the ratios between them."""
    if as_json:
        sys.stdout.write(json.dumps({**facts, "results": rows, "ratios": ratios}, indent=1) + "\n")
        return
    sys.stdout.write("".join(f"{name}: {_shown(value)}\n" for name, value in facts.items()) + "\n")
    sys.stdout.write(_table(rows) + "\n" + "".join(f"{name}: {_shown(value)}\n" for name, value in ratios.items()))


def note(text: str) -> None:
    """Say on stderr what is happening, or what is missing."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _table(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_shown(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case Mapping():
            return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
        case int() if not isinstance(value, bool):
            return f"{value:,}"
        case _:
            return str(value)
