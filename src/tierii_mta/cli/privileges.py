"""Who runs the command: everything in `data_dir` belongs to one user, and commands run as that user.

Root becomes the owner of `data_dir`; anybody else is told how to run the command.  Touches: the process's user.
"""

import os
import pwd
import shlex
import sys
from pathlib import Path

from tierii_mta.errors import ConfigurationError


def assume_owner(data_dir: Path) -> None:
    """Become the owner of `data_dir`, or raise `ConfigurationError`. A missing folder has no owner: nothing happens."""
    try:
        owner = data_dir.stat().st_uid
    except OSError:
        return  # missing: whoever creates it owns it; unreadable: the first use says so, with its path
    if owner == os.geteuid():
        return
    name = user_name(owner)
    if os.geteuid() != 0:
        raise ConfigurationError(
            f"belongs to {name}, and you are {user_name(os.geteuid())}",
            where=str(data_dir),
            remedy=f"run it as {name}: sudo -u {name} {shlex.join(['tierii-mta', *sys.argv[1:]])}",
        )
    _become(owner)


def user_name(uid: int) -> str:
    """Return the name of a user, or its number where nobody has it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _become(uid: int) -> None:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        os.setgroups([])
    else:
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
    os.setuid(uid)
