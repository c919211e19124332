"""Relay end to end: in by submission, out to `smtp-sink`, beside plain Postfix and Postfix signing through two milters.

`python -m benchmarks relay [--messages N] [--connections N] [--domains N] [--rounds N] [--peers LIST] [--json]`;
`--peers ours` runs our daemon alone.  Root is needed for the Postfixes, and `apt-get install postfix opendkim rspamd`;
a peer whose program is missing is named and left out.  The data lies where TMPDIR says: it should be a disk.

Every system takes 4 KB messages from benchmarks.source over `--connections` sessions, one recipient each, keeps them
durably, and hands them to the same port of loopback over as many connections.  Ours demands AUTH once a session and
signs with RSA-2048; it relays in the process that takes in.  Rounds and figures are those of benchmarks.rounds;
`with intake` holds our logins too.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks import postfix, rounds
from benchmarks.front_door import FrontDoor, addresses
from benchmarks.milters import MILTERS
from benchmarks.source import hand_in
from benchmarks.testbed import System, Testbed

_PEERS = (postfix.PLAIN, *MILTERS)


def main(arguments: list[str]) -> int:
    """Run it."""
    return rounds.run(arguments, _open_systems, name="relay", peers=_PEERS, messages=10_000)


def _open_systems(testbed: Testbed, peers: Sequence[str], stack: ExitStack) -> Iterator[System]:
    yield from postfix.open_peers(testbed, peers, stack, injection=_submit)
    ours = FrontDoor(testbed, roles="outbound,submission,web")
    ours.start()
    stack.callback(ours.stop)
    ours.add_user()
    yield ours


def _submit(port: int, messages: int, testbed: Testbed) -> None:
    hand_in(port, addresses("relayed", messages, domains=testbed.domains), sessions=testbed.connections)
