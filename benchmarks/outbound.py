"""Campaign throughput: our daemon, Postfix, and Postfix signing through OpenDKIM and rspamd, side by side in one run.

`python -m benchmarks outbound [--messages N] [--connections N] [--domains N] [--rounds N] [--peers LIST] [--json]`;
`--peers ours` runs our daemon alone, the quickest comparison of two trees of ours.  Root is needed for the Postfixes,
and `apt-get install postfix opendkim rspamd`; a peer whose program is missing is named and left out.  The data lies
where TMPDIR says: it should be a disk, not memory.

All systems are started and stay up.  Each delivers to the same port of loopback, 4 KB a message, one recipient each,
over the same number of connections; ours is rendered for every recipient and signed with RSA-2048.  Rounds and figures
are those of benchmarks.rounds.  Ours enqueues before the first message leaves, Postfix takes in while it delivers: so
`with intake` and CPU hold our `enqueue` as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from benchmarks import postfix, rounds
from benchmarks.milters import MILTERS
from benchmarks.ours import Ours
from benchmarks.testbed import System, Testbed

SOURCE_ALONE = "smtp-source"
_PEERS = (SOURCE_ALONE, postfix.PLAIN, *MILTERS)


def main(arguments: list[str]) -> int:
    """Run it."""
    return rounds.run(arguments, _open_systems, name="outbound", peers=_PEERS, messages=20_000)


class Source:
    """smtp-source straight to the sink, with neither queue nor content: what the sink can take."""

    name, signs = SOURCE_ALONE, False

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed

    def take(self, label: str, messages: int) -> None:
        postfix.inject(self._testbed.sink, messages, self._testbed)

    def settle(self, label: str, messages: int) -> None:
        """Nothing is kept, so nothing can wait."""

    def cpu_s(self) -> Mapping[str, float]:
        return {}

    def trees(self) -> Sequence[int]:
        return []


def _open_systems(testbed: Testbed, peers: Sequence[str], stack: ExitStack) -> Iterator[System]:
    if SOURCE_ALONE in peers:
        yield Source(testbed)
    yield from postfix.open_peers(testbed, peers, stack)
    ours = Ours(testbed)
    ours.start()
    stack.callback(ours.stop)
    yield ours
