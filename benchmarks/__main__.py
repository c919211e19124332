"""`python -m benchmarks NAME [options]`: run one measurement."""

import sys

from benchmarks import drivers, outbound, queue

_MEASUREMENTS = {"drivers": drivers.main, "outbound": outbound.main, "queue": queue.main}


def main() -> int:
    """Run the named measurement; exit 2 with the list of names when there is none."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in _MEASUREMENTS:
        sys.stderr.write(f"usage: python -m benchmarks {{{','.join(_MEASUREMENTS)}}} [options]\n")
        return 2
    return _MEASUREMENTS[name](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
