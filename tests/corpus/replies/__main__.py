"""How exactly the new words of replies are cut out, beside public parsers: `python -m tests.corpus.replies`.

Cases: crisp's texts (read in place) and the replies that `clients` and `pages` compose.  A case counts when the words
left are the expected ones, white space apart; F1 is over words.  Peers are measured if they can be imported: install
email-reply-parser, mail-parser-reply, unquotemail, talon, quotequail and email-reply-extractor beside this checkout
(ours needs nothing else: `PYTHONPATH=src`).
"""

import argparse
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from tests.corpus.replies.answers import Answer, real_answers
from tests.corpus.replies.clients import ATTRIBUTIONS, BLOCKS, PHONES
from tests.corpus.replies.pages import NEW as PAGE_NEW
from tests.corpus.replies.pages import PAGES
from tierii_mta.correspondence.quote import cut
from tierii_mta.mail.plaintext import TextMaker

_CORPORA = Path(os.environ.get("TIERII_CORPORA", Path(__file__).parents[4] / "shared" / "corpora"))
_NEW = "Yes, I will.\nAt noon."
_QUOTE = "Hello,\n\nour new shop opens on Monday. Will you come?\n\nAnn"
_LANGUAGES = ("en", "de", "fr", "it", "nl", "pl", "ja", "sv", "da", "es", "pt", "cs", "ko", "zh")

Parser = Callable[[str, str], str]  # text, HTML → what is left


class Case(NamedTuple):
    """A reply and what a reader would keep of it."""

    text: str
    html: str
    expected: str


def main() -> None:
    """Print a line for each suite and parser."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus.replies", description=__doc__)
    parser.add_argument("--show", action="store_true", help="print what we cut otherwise than expected")
    parser.add_argument("--ham", type=Path, help="the archive of the SpamAssassin corpus: answers of real people")
    chosen = parser.parse_args()
    parsers: dict[str, Parser] = {"ours": lambda text, html: cut(text, html).text, **dict(_peers())}
    for suite, cases in _suites().items():
        for name, parse in parsers.items():
            print(f"{suite:<34}{name:<28}{_judged(parse, cases)}")
        for case in cases if chosen.show else ():
            if (left := cut(case.text, case.html).text).split() != case.expected.split():
                print(f"    {left!r}\n    expected {case.expected!r}")
    if chosen.ham:
        answers = list(real_answers(chosen.ham))
        for name, parse in parsers.items():
            print(f"{'answers of real people':<34}{name:<28}{_whole(parse, answers)}")


def _suites() -> Mapping[str, Sequence[Case]]:
    prefixed = "\n".join(f"> {line}".rstrip() for line in _QUOTE.split("\n"))
    quotes = {True: prefixed, False: _QUOTE}
    suites = {
        "announcements above": [
            Case(f"{_NEW}\n\n{form.lines}\n\n{quotes[form.is_prefixed]}\n", "", _NEW)
            for form in (*ATTRIBUTIONS, *BLOCKS)
        ],
        "announcements, answer below": [
            Case(f"{form.lines}\n{prefixed}\n\n{_NEW}\n", "", _NEW) for form in ATTRIBUTIONS if form.is_prefixed
        ],
        "lines of phones": [Case(f"{_NEW}\n\n{line}\n", "", _NEW) for line in PHONES],
        "pages in HTML": [Case("", page, PAGE_NEW) for page in PAGES.values()],
    }
    crisp = _CORPORA / "replies" / "crisp"
    if crisp.is_dir():
        expected: Mapping[str, str] = json.loads((crisp / "expected.json").read_text())
        suites["crisp"] = [Case((crisp / name).read_text(), "", words) for name, words in expected.items()]
    return suites


def _judged(parse: Parser, cases: Sequence[Case]) -> str:
    exact, score, lost, raised = 0, 0.0, 0, 0
    start = time.process_time()
    for case in cases:
        try:
            left = parse(case.text, case.html).split()
        except Exception:  # a foreign parser may raise anything, and that is a finding
            raised += 1
            continue
        wanted = case.expected.split()
        shared = sum((Counter(left) & Counter(wanted)).values())
        exact += left == wanted
        score += 2 * shared / (len(left) + len(wanted)) if left or wanted else 1.0
        lost += shared < len(wanted) / 2
    spent = (time.process_time() - start) / len(cases)
    return (
        f"exact {exact}/{len(cases)}  F1 {score / len(cases):.3f}  more than half lost {lost}  raised {raised}  "
        f"{spent * 1000:.2f} ms"
    )


def _whole(parse: Parser, answers: Sequence[Answer]) -> str:
    """Return in how many answers each sentence that is new beyond doubt was left."""
    whole = lines = kept = 0
    for answer in answers:
        left = " ".join(parse(answer.text, "").split())
        found = [" ".join(line.split()) in left for line in answer.new_lines]
        whole += all(found)
        lines += len(found)
        kept += sum(found)
    return f"whole {whole}/{len(answers)} ({whole / len(answers):.1%})  lines {kept}/{lines} ({kept / lines:.1%})"


def _peers() -> Iterator[tuple[str, Parser]]:
    """Yield those that are installed. Text made from the HTML is given to those that take text alone."""
    makers: Mapping[str, Callable[[Any], Parser]] = {
        "email_reply_parser": lambda module: (
            lambda text, html: module.EmailReplyParser.parse_reply(text or _to_text(html))
        ),
        "mailparser_reply": lambda module: (
            lambda text, html: module.EmailReplyParser(languages=list(_LANGUAGES)).parse_reply(
                text=text or _to_text(html)
            )
        ),
        "email_reply_extractor": lambda module: (
            lambda text, html: module.extract_new_text(text or None, html_body=html or None).text or ""
        ),
        "unquotemail": lambda module: lambda text, html: module.Unquote(html or None, text or None).get_text() or "",
        "talon.quotations": lambda module: (
            lambda text, html: module.extract_from_plain(text) if text else _to_text(module.extract_from_html(html))
        ),
    }
    for name, make in makers.items():
        try:
            module = import_module(name)
        except Exception as cause:  # not here, or broken on this Python
            print(f"{name}: not measured ({type(cause).__name__}: {cause})")
        else:
            yield name, make(module)


def _to_text(html: str) -> str:
    return TextMaker().to_text(html)


if __name__ == "__main__":
    logging.disable()  # of the peers
    main()
