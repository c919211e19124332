"""Reads the refusals beside it: what providers, servers and filters answer, and what each means."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tierii_mta.correspondence.bounces.claim import Claim, Voice
from tierii_mta.correspondence.bounces.diagnosis import judged
from tierii_mta.correspondence.reading import BouncedRecipient
from tierii_mta.queue.delivery import Stage


@dataclass(frozen=True, slots=True)
class Refusal:
    """One line: who says so, what, in answer to which command, and what it means."""

    source: str
    classes: tuple[str, ...]  # one, or several where the words leave it open
    is_hard: bool
    stage: str  # - where nobody tells, own: the reporter's own words
    text: str


def refusals() -> Iterator[Refusal]:
    """Yield every line of the tables."""
    for path in sorted(Path(__file__).parent.glob("*.txt")):
        source = ""
        for line in path.read_text().splitlines():
            if line.startswith("## "):
                source = line[3:]
            elif line and not line.startswith("#"):
                classes, hard, stage, text = line.split(maxsplit=3)
                yield Refusal(source, tuple(classes.split("/")), {"hard": True, "soft": False}[hard], stage, text)


def judge(refusal: Refusal) -> BouncedRecipient:
    """Return what is made of a refusal that a report quotes."""
    stage = None if refusal.stage in ("-", "own") else Stage(refusal.stage)
    voice = Voice.KEEPER if refusal.stage == "own" else Voice.SERVER
    return judged(Claim(recipient="ann@example.com", source="test", text=refusal.text, stage=stage, voice=voice))
