"""Root exceptions, each with the exit code its command ends with.

Owns the distinction an operator needs: whose fault, what, where, and what to do.  Outcomes of a delivery are values
(queue.delivery), replies of a peer are `mail.reply`; neither is an exception here.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command of ours ends (CLI contract)."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    CHECK_FAILED = 3
    TOO_MANY_REJECTS = 4
    REFUSED = 5
    NOT_FOUND = 6
    CONFLICT = 7
    TEMPORARY = 75
    CONFIGURATION = 78
    INTERRUPTED = 130


class TieriiError(Exception):
    """An error with a sentence for the operator: `where: what; remedy`. No traceback is shown for these."""

    exit_code = ExitCode.UNEXPECTED

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__((f"{where}: " if where else "") + what + (f"; {remedy}" if remedy else ""))


class UsageError(TieriiError):
    """The command line does not make sense."""

    exit_code = ExitCode.USAGE


class CheckFailed(TieriiError):
    """A file of the operator has errors: a campaign, a template, a contact file."""

    exit_code = ExitCode.CHECK_FAILED


class TooManyRejects(TieriiError):
    """More contact rows were rejected than `schema.max_rejects` allows."""

    exit_code = ExitCode.TOO_MANY_REJECTS


class Refused(TieriiError):
    """A policy or a guard says no."""

    exit_code = ExitCode.REFUSED


class NotFound(TieriiError):
    """The named campaign, address or message is unknown."""

    exit_code = ExitCode.NOT_FOUND


class Conflict(TieriiError):
    """The same id with other content, or a state that does not allow the verb."""

    exit_code = ExitCode.CONFLICT


class Unavailable(TieriiError):
    """Temporary: the daemon, the database or DNS cannot be used now; the same call may succeed later."""

    exit_code = ExitCode.TEMPORARY


class ConfigurationError(TieriiError):
    """The settings, or a file they name, are wrong or missing."""

    exit_code = ExitCode.CONFIGURATION
