"""The long runs with one command: `python -m tests.faults [kills] [power] [postgresql] [intake]`, or all of them.

Runs the soaks through pytest, shows what they say, and prints the tables that docs/reference/reliability.md quotes.
Exits as pytest does.
"""

import json
import subprocess
import sys
from pathlib import Path

from tests.faults import intake, runs

_FOLDER = Path(__file__).parent
_FILES = {
    "kills": "test_kill.py",
    "power": "test_power_cut.py",
    "postgresql": "test_kill_on_postgresql.py",
    "intake": "test_intake.py",
}


def main(wanted: list[str]) -> int:
    """Run the named soaks one after the other."""
    if unknown := set(wanted) - _FILES.keys():
        print(f"no such runs: {', '.join(sorted(unknown))}; there are {', '.join(_FILES)}", file=sys.stderr)
        return 2
    files = [str(_FOLDER / _FILES[name]) for name in wanted or _FILES]
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-m", "soak", *files]
    kills: list[runs.Result] = []
    intakes: list[intake.IntakeResult] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout or ():
            sys.stderr.write(line)
            if (start := line.find('{"what"')) >= 0:
                kills.append(runs.Result(**json.loads(line[start:])))
            elif (start := line.find('{"intake"')) >= 0:
                intakes.append(intake.IntakeResult(**json.loads(line[start:])))
    for heading, results in ((runs.HEADING, kills), (intake.HEADING, intakes)):
        if results:
            print(heading, *(result.as_row() for result in results), sep="\n")
    return running.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
