"""tierii-mta: a self-hosted mail server that sends campaigns straight to MX hosts and keeps every accepted message.

The folders in reading order, each importing only those above it here:

    clock errors events   time, root exceptions, every event
    workers               processes for what foreign data can make endless
    mail smtp             what a mail is; how SMTP is spoken (pure, no I/O)
    resolver              how names become hosts
    authentication        who really sent it: DKIM
    consent queue         who may be written to; where mail waits
    outbound              how mail leaves
    campaigns             why many leave
    storage web           how it is kept; how it is seen
    daemon                how it runs (daemon.assembly is the composition root)
    rehearsal             the Internet on loopback: sink, demo
    cli                   how it is driven

One mail's way through them is told in docs/life-of-a-message.md.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tierii-mta")
except PackageNotFoundError:  # a source tree on PYTHONPATH, never installed
    __version__ = "0+unknown"
