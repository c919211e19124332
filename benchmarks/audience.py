"""What an audience costs, stage by stage, with no network in sight.

`python -m benchmarks audience [--rows 1000000] [--json]`

A CSV file of so many contacts with eight columns (one in fifty the same person as another, one in two hundred of an
excluded domain, one in sixty out of the segment, one in a hundred suppressed) goes through `enqueue` into an empty
installation, and then once more as a dry run: rows a second, CPU microseconds a row, the seconds of each stage, and the
memory of the whole process at its highest.
"""

import argparse
import asyncio
import resource
import time
from pathlib import Path

from benchmarks import machine, report
from benchmarks.testbed import testbed_folder
from tierii_mta.campaigns import specification
from tierii_mta.campaigns.enqueue import enqueue
from tierii_mta.campaigns.sender import Sender, SendingDomain
from tierii_mta.campaigns.summary import Options, Summary
from tierii_mta.clock import SystemClock
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionReason
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.storage.database import Database

_CAMPAIGN = """\
campaign: {id: bench}
from: {email: news@bench.example}
subject: "Hello {{ first_name }}"
template: {html: mail.html.j2}
contacts: [{type: csv, path: people.csv}]
schema: {types: {age: int, since: date}}
segment: "country == 'US' and age >= 21"
exclude: {domains: [d7.example]}
"""
_HEADER = "E-mail,Given,Surname,Company,City,Age,Country,Since\n"
_SUPPRESSED = 1000  # a commit


def main(arguments: list[str]) -> int:
    """Print one row for the real run and one for the dry one."""
    options = argparse.ArgumentParser(prog="python -m benchmarks audience")
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args(arguments)
    with testbed_folder() as folder:
        _write(folder, chosen.rows)
        facts = {"rows": chosen.rows, "fsyncs_per_s": machine.fsyncs_per_s(folder)}
        results = asyncio.run(_measure(folder, chosen.rows))
    report.tell(facts, results, {}, as_json=chosen.json)
    return 0


def _address(number: int) -> str:
    person = number - 7 if number % 50 == 49 else number
    return f"Person.{person}@d{person % 200}.example"


def _write(folder: Path, rows: int) -> None:
    with (folder / "people.csv").open("w", encoding="utf-8") as file:
        file.write(_HEADER)
        for number in range(rows):
            name, age, day = f"Ann{number},  Lee  ,Acme {number % 999},Köln", 20 + number % 60, 1 + number % 28
            file.write(f"{_address(number)},{name},{age},US,2024-01-{day:02d}\n")
    (folder / "mail.html.j2").write_text("<p>{{ first_name }} {{ city }}</p>", encoding="utf-8")
    (folder / "campaign.yaml").write_text(_CAMPAIGN, encoding="utf-8")


async def _measure(folder: Path, rows: int) -> list[report.Row]:
    clock, codec = SystemClock(), TokenCodec(b"a secret of the benchmark, long enough")
    database = await Database.open("sqlite", data_dir=folder, clock=clock, node="bench", upgrade=True)
    try:
        for start in range(0, rows, 100 * _SUPPRESSED):
            numbers = range(start, min(start + 100 * _SUPPRESSED, rows), 100)
            await database.suppression.add([_suppression(codec, clock, _address(number)) for number in numbers])
        results = []
        for name, is_dry in (("enqueue", False), ("dry run", True)):
            before, started = time.process_time(), time.monotonic()
            summary = await enqueue(
                specification.load(folder / "campaign.yaml"),
                database.campaigns,
                codec,
                sender=_SENDER,
                clock=clock,
                suppression=database.suppression,
                folder=folder,
                options=Options(dry_run=is_dry),
            )
            results.append(_row(name, summary, time.process_time() - before, time.monotonic() - started))
        return results
    finally:
        await database.close()


_SENDER = Sender(
    domains={"bench.example": SendingDomain(name="bench.example", return_path="bench.example")},
    public_url="https://bench.example",
)


def _suppression(codec: TokenCodec, clock: SystemClock, address: str) -> Suppression:
    return Suppression(
        key=codec.person_key(Address.parse(address)),
        scope=EVERYWHERE,
        reason=SuppressionReason.MANUAL,
        address=address,
        created_at=clock.now(),
    )


def _row(name: str, summary: Summary, cpu_s: float, seconds: float) -> report.Row:
    stages = {f"{one['stage']} s": one["seconds"] for one in summary.stages if isinstance(one, dict) and one["seconds"]}
    return {
        "run": name,
        "rows/s": round(summary.rows / seconds),
        "CPU us/row": round(cpu_s / summary.rows * 1e6, 1),
        "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "to send": summary.accepted,
        **{key: value for key, value in stages.items() if isinstance(value, float)},
    }
