"""Logs: JSON lines or readable ones on stderr, without secrets, with recipients masked.

Owns what every log line passes through, ours and that of the libraries; not what is logged.  Configures structlog and
the standard library's root logger: once a process, at its start.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRET = re.compile(r"passw|secret|token|authorization|credential|cookie|private_?key|api_?key", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<![^\s<>\"'(,;:=])([^\s<>\"'(),;:=@]{1,64})@([^\s<>\"'(),;:=@]{1,255})")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MASK = "********"
_LIBRARIES: Mapping[str, int] = {
    "uvicorn.error": logging.ERROR,  # its warnings are what strangers send
    "asyncio": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
}


def configure_logging(
    *,
    level: Literal["debug", "info", "warning", "error"] = "info",
    format: Literal["json", "console"] = "json",
    recipients: Literal["masked", "full"] = "masked",
    stream: TextIO | None = None,  # None: stderr
    process: str = "",  # e.g. "web": which process speaks
) -> None:
    """Send every log line of this process to `stream` as the settings say. Level debug shows recipients."""
    stream = stream or sys.stderr
    shows_recipients = recipients == "full" or level == "debug"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Constant({"process": process} if process else {}),
        structlog.processors.format_exc_info,
        _Privacy(shows_recipients=shows_recipients),
    ]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    rendering = _rendering(format, stream)
    lines = _Lines(stream)
    structlog.configure(  # past the standard library: its records and handlers cost more than all else about a line
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(threshold)
    for name, least in _LIBRARIES.items():
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(threshold, least))


def mask_recipients(text: str) -> str:
    """Return the text with the local part of each address in it hidden: `a***@example.com`."""
    return _ADDRESS.sub(lambda found: f"{found[1][:1]}***@{found[2]}", text) if "@" in text else text


def _rendering(format: str, stream: TextIO) -> list[Processor]:
    if format == "json":
        return [_render_json]
    return [
        _escape_control_characters,
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback),
    ]


_ENCODER = json.JSONEncoder()  # escapes all but printable ASCII, so no log line can be forged or move a cursor


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return _ENCODER.encode(event)


class _Lines:
    """Where structlog's finished lines go."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def write(self, line: str) -> None:
        """Write one line at once; like the standard library's handlers, a log nobody can write stops no work."""
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # a full disk, a closed pipe: there is nowhere to say so
                return

    debug = info = warning = error = critical = exception = write


class _Constant:
    """Adds the same pairs to each line."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._pairs = dict(pairs)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.update(self._pairs)
        return event


class _Privacy:
    """Hides values whose key says that they are secret, and, unless shown, who was written to."""

    def __init__(self, *, shows_recipients: bool) -> None:
        self._shows_recipients = shows_recipients
        self._is_secret = lru_cache(1024)(lambda key: _SECRET.search(key) is not None)  # keys are few

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: self._clean(key, value) for key, value in event.items()}

    def _clean(self, key: str, value: Any) -> Any:
        if value is None or key in ("_record", "_from_structlog"):
            return value
        if self._is_secret(key):
            return _MASK
        kind = type(value)
        if kind is str:
            return value if self._shows_recipients or key == "message_id" else mask_recipients(value)
        if kind is int or kind is float or kind is bool:
            return value
        if isinstance(value, Mapping):
            return {str(name): self._clean(str(name), one) for name, one in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._clean("", one) for one in value]
        return self._clean(key, str(value))


def _escape_control_characters(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep what others sent from moving the cursor of a terminal; tracebacks are ours and keep their lines."""
    return {
        key: _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", value)
        if isinstance(value, str) and key != "exception"
        else value
        for key, value in event.items()
    }
