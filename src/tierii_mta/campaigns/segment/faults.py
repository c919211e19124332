"""What is wrong with an expression, and where in it.

Owns the value and the way its place is shown.  Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN = 60  # characters of an excerpt


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the text, counted in characters from 0; `end` is the first behind it."""

    start: int
    end: int

    def to(self, other: "Span") -> "Span":
        """Return the part from here to the end of another."""
        return Span(self.start, other.end)


@dataclass(frozen=True, slots=True)
class Fault:
    """One finding."""

    text: str  # the whole expression
    span: Span
    what: str
    remedy: str

    @property
    def position(self) -> int:
        """The character it begins at, counted from 1."""
        return self.span.start + 1

    def __str__(self) -> str:
        part = " ".join(self.text[self.span.start : self.span.end].split())
        part = part if len(part) <= _SHOWN else f"{part[:_SHOWN]}..."
        at = f"character {self.position}, `{part}`" if part else f"character {self.position}"
        return f"{at}: {self.what}"


class ExpressionInvalid(ValueError):
    """The text is no expression, or one that the types forbid. `faults` holds every finding, in order."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.span.start))
        super().__init__("\n".join(f"{fault}; {fault.remedy}" for fault in self.faults))
