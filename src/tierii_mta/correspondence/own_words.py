"""What a message says, cut no further than a question needs.

Owns when the costly parts are done: a page becomes text, and a text loses what it quotes, only for whoever asks.  Not
how (quote).  Pure.
"""

from functools import cached_property

from tierii_mta.correspondence.quote.cutting import cut
from tierii_mta.mail.plaintext import TextMaker

_MAX_TEXT = 20_000  # characters that are looked at: what decides stands at the top
_MAX_PAGE = 40_000
_MAX_TOP = 2_000


class OwnWords:
    """The text of a message, without attachments."""

    def __init__(self, text: str, html: str) -> None:
        self._text, self._html = text[:_MAX_TEXT], html[:_MAX_PAGE]

    @cached_property
    def seen(self) -> str:
        """What a reader sees, without the lines that a mark says are quoted."""
        text = self._text if self._text.strip() else TextMaker().to_text(self._html)
        return "\n".join(line for line in text.split("\n") if not line.startswith(">"))

    @property
    def top(self) -> str:
        """The beginning of that."""
        return self.seen[:_MAX_TOP]

    @cached_property
    def words(self) -> str:
        """What the sender wrote, without quotes and signature."""
        return cut(self._text, self._html).words
