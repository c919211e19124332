"""A process that has imported our whole program, and becomes a command of it as often as it is asked.

Owns the far side of `tests.support.program`: each order makes a fork, which is a process of its own in all that matters
(pid, signals, folder, environment, exit code) and has saved the half second of CPU that importing takes.  It runs as a
file, never under pytest: no thread and no event loop exists when it forks.  Ends with its standard input, and takes
the folder of its socket with it.

    order  → one line of JSON: script (None: the program itself; else a file of a test that builds something into it),
             arguments, folder, environ, out, err (files that are appended to)
    answer ← the pid, and the exit code at its end, a line each
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from tierii_mta.cli import main as program

LATE = ("uvloop", "tierii_mta.campaigns.feeds", "tierii_mta.storage.foreign")  # imported by commands when they need it


def listen(path: str) -> dict[str, Any]:
    """Take orders until standard input ends, which ends the process; return, in each fork, the order it has to obey."""
    ways = selectors.DefaultSelector()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)
        ways.register(0, selectors.EVENT_READ)
        ways.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in ways.select():
                if key.fd == 0:  # whoever started us has ended, however it did
                    shutil.rmtree(Path(path).parent, ignore_errors=True)
                    raise SystemExit(0)
                if key.fileobj is listener:
                    customer, _ = listener.accept()
                    order = json.loads(customer.makefile("rb").readline())
                    if (pid := os.fork()) == 0:
                        for other in [one for one in ways.get_map().values() if one.data]:
                            os.close(other.fd)
                            other.data[1].close()
                        customer.close()
                        return dict(order)
                    ways.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, customer))
                    tell(customer, pid)
                else:
                    ways.unregister(key.fd)
                    os.close(key.fd)
                    pid, customer = key.data
                    tell(customer, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                    customer.close()


def tell(customer: socket.socket, number: int) -> None:
    """Say a number, unless nobody listens any more."""
    with contextlib.suppress(OSError):
        customer.sendall(b"%d\n" % number)


def obey(order: dict[str, Any]) -> NoReturn:
    """Be the command that was ordered."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order["environ"])
    os.chdir(order["folder"])
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    for number, (name, flags) in enumerate(((os.devnull, os.O_RDONLY), (order["out"], append), (order["err"], append))):
        opened = os.open(name, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = [order["script"] or "tierii-mta", *order["arguments"]]
    if order["script"]:
        runpy.run_path(order["script"], run_name="__main__")
    program.main()
    raise AssertionError("a program ends with its exit code")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends pytest, and so our standard input
    for name in (*(where.partition(":")[0] for where in program.COMMANDS.values()), *LATE):
        importlib.import_module(name)
    gc.freeze()
    obey(listen(sys.argv[1]))
