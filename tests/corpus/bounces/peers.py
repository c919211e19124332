"""What other readers of delivery reports find, on the same messages.

flufl.bounce (Apache-2.0) is a development tool here: its own test messages, in its source package, are a second set.
"""

import ast
import email
import re
import tarfile
from collections.abc import Iterator, Mapping
from email.message import Message
from pathlib import Path, PurePosixPath

from flufl.bounce import all_failures

_FINAL = re.compile(r";?\s*<?([^\s<>;]+@[^\s<>;]+)")


def by_flufl(octets: bytes) -> set[str]:
    """Return the addresses flufl.bounce finds; empty where it fails."""
    try:
        temporary, permanent = all_failures(email.message_from_bytes(octets))
    except Exception:
        return set()
    return {each.decode("utf-8", "replace").lower() for each in (*temporary, *permanent)}


def by_fields(octets: bytes) -> set[str]:
    """Return what Python's own `email` shows: Final-Recipient and Original-Recipient of status parts."""
    found: set[str] = set()
    for part in email.message_from_bytes(octets).walk():
        blocks = part.get_payload() if part.get_content_type() == "message/delivery-status" else ()
        for block in blocks if isinstance(blocks, list) else ():
            if isinstance(block, Message):
                values = (str(block.get(name, "")) for name in ("Final-Recipient", "Original-Recipient"))
                found |= {match[1].lower() for value in values if (match := _FINAL.search(value))}
    return found


def flufl_messages(archive: Path) -> Iterator[tuple[str, bytes, set[str]]]:
    """Yield name, octets and expected addresses of the messages in flufl.bounce's source package."""
    with tarfile.open(archive) as found:
        files = {PurePosixPath(member.name): member for member in found if member.isfile()}
        tests = next(path for path in files if path.name == "test_detectors.py")
        source = found.extractfile(files[tests])
        assert source is not None
        expected = _expected(source.read().decode())
        for path, member in sorted(files.items()):
            if path.parent.name == "data" and path.name in expected and (file := found.extractfile(member)):
                yield path.name, file.read(), expected[path.name]


def _expected(source: str) -> Mapping[str, set[str]]:
    """The table of its tests: (detector, file, addresses, is temporary)."""
    rows: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Tuple) and len(node.elts) == 4 and isinstance(node.elts[2], ast.List):
            _, name, addresses, _ = (ast.literal_eval(each) for each in node.elts)
            known = rows.setdefault(name, set())
            known |= {(each.decode() if isinstance(each, bytes) else each).lower() for each in addresses}
    return rows
