"""Durations, sizes and rates as operators write them: `30s`, `25MB`, `600/h`, `5%`.

Owns their grammar, for every file of ours; ValueError says what was expected.  Pure.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?i?b|)", re.IGNORECASE)
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(?:(\d+)?(s|m|min|h|d))")


def parse_duration(value: str | int | float | timedelta) -> timedelta:
    """Return `30s`, `1h30m`, `5d`, `250ms` as a timedelta; a bare number counts seconds."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("a duration cannot be negative")
        return timedelta(seconds=value)
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError(f"{value!r} is not a duration; write for instance 30s, 5m, 2h or 5d")
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(value)))


def format_duration(duration: timedelta) -> str:
    """Return the shortest form that parses back: `1h30m`, `5d`, `0s`."""
    left = round(duration / timedelta(milliseconds=1))
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(value: str | int) -> int:
    """Return `25MB`, `256KiB` or a bare number as octets. MB is 10^6, MiB 2^20."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f"{value!r} is not a size; write for instance 25MB or 256KiB")
    return round(float(found[1]) * _BYTES[found[2].lower()])


@dataclass(frozen=True, slots=True)
class Rate:
    """So many per so long."""

    count: float
    period: timedelta

    @classmethod
    def parse(cls, value: "str | Rate") -> Self:
        """Return `600/h`, `100/s`, `1/10s` as a rate."""
        if isinstance(value, cls):
            return value
        found = _RATE.fullmatch(value) if isinstance(value, str) else None
        if not found or float(found[1]) <= 0 or found[2] == "0":
            raise ValueError(f"{value!r} is not a rate; write for instance 600/h or 100/s")
        unit = "m" if found[3] == "min" else found[3]
        return cls(float(found[1]), timedelta(seconds=int(found[2] or 1) * _SECONDS[unit]))

    @property
    def per_second(self) -> float:
        """The rate in events a second."""
        return self.count / self.period.total_seconds()

    def __str__(self) -> str:
        period = format_duration(self.period)
        return f"{self.count:g}/{period[1:] if period in ('1s', '1m', '1h', '1d') else period}"


def parse_share(value: str | float) -> float:
    """Return `5%` or `0.05` as a fraction between 0 and 1."""
    if isinstance(value, str) and re.fullmatch(r"\d+(?:\.\d+)?\s*%", value):
        share = float(value.rstrip("% ")) / 100
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        share = float(value)
    else:
        raise ValueError(f"{value!r} is not a share; write for instance 5%")
    if not 0 <= share <= 1:
        raise ValueError(f"{value!r} is not between 0% and 100%")
    return share
