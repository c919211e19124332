"""Addresses, domains and instants as operators type them on the command line."""

import re
from datetime import timedelta

from tierii_mta.clock import Instant, later
from tierii_mta.errors import UsageError
from tierii_mta.mail.address import Address, InvalidAddress, parse_domain
from tierii_mta.quantities import parse_duration


def parse_address(text: str) -> Address:
    """Return an address; raises `UsageError`."""
    try:
        return Address.parse(text)
    except InvalidAddress as cause:
        raise UsageError(str(cause), where=text, remedy="write an address such as ann@example.com") from cause


def parse_domain_name(text: str) -> str:
    """Return a domain in A-labels; raises `UsageError`."""
    try:
        return parse_domain(text)
    except InvalidAddress as cause:
        raise UsageError(str(cause), where=text) from cause


def parse_age(text: str, *, now: Instant) -> Instant:
    """Return how far back `2h` or `3d` is; raises `UsageError`."""
    return later(now, -parse_span(text))


def parse_span(text: str) -> timedelta:
    """Return a duration; raises `UsageError`."""
    try:
        return parse_duration(float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else text)
    except ValueError as cause:
        raise UsageError(str(cause)) from cause
