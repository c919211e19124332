"""`python -m benchmarks NAME [options]`: run one measurement; each module says how it is run and what it counts.

audience   contacts through the stages of enqueue: rows a second, seconds of each stage, memory
outbound   campaign throughput beside Postfix, plain and signing through OpenDKIM and rspamd
standing   the same with a million rows queued, a `send` and an `enqueue` while it runs, start-up and memory
intake     messages a second that are durable before their 250, by port 25 and by submission, beside Postfix
relay      in by submission and out to a sink, beside Postfix, plain and signing
idle       memory of ten thousand silent clients and of a large message, and how long a new client waits meanwhile
hostages   the rate of those who answer beside black holes, a dead destination and a paused campaign
queue      enqueue, claim and settle at different fillings, without a network
press      CPU time of one campaign mail, rendered and put together, beside Jinja2 with EmailMessage
inbound    messages a second through the checks of port 25 and the reading, beside rspamd and spamd
drivers    one group commit through two SQLite drivers
"""

import signal
import sys

from benchmarks import audience, drivers, hostages, idle, inbound, intake, outbound, press, queue, relay, standing

_MEASUREMENTS = {
    "audience": audience.main,
    "drivers": drivers.main,
    "hostages": hostages.main,
    "idle": idle.main,
    "inbound": inbound.main,
    "intake": intake.main,
    "outbound": outbound.main,
    "press": press.main,
    "queue": queue.main,
    "relay": relay.main,
    "standing": standing.main,
}


def main() -> int:
    """Run the named measurement; exit 2 with the list of names when there is none."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in _MEASUREMENTS:
        sys.stderr.write(f"usage: python -m benchmarks {{{','.join(_MEASUREMENTS)}}} [options]\n")
        return 2
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that what was started is ended
    return _MEASUREMENTS[name](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
