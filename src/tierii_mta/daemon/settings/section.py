"""How a key of the settings is declared.

Owns what every section has in common: frozen, unknown keys are errors, each key with its default and its meaning.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def key(default: Any, text: str, *, example: str | None = None, later: bool = False) -> Any:
    """Declare a key: default, meaning, example for the sample file; `later`: the part that obeys it is yet to come."""
    extra: dict[str, Any] = {"example": example, "later": later}
    return Field(default=default, description=text, json_schema_extra=extra)


def required(text: str) -> Any:
    """Declare a key that must be given wherever its section stands."""
    return Field(description=text)


class Section(BaseModel):
    """A group of keys: unknown ones are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)
