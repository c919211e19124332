"""The footer of marketing mail (`unsubscribe.footer: auto`): a visible way out, and who writes.

Owns when it is added and how it looks.  A part whose template shows `unsubscribe_url` itself gets no second link; a
part that already holds the postal address gets no second address.  Pure.
"""

import re
from dataclasses import dataclass
from html import escape

_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_STYLE = "margin:24px 0 0;font:12px/1.5 sans-serif;color:#666"


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """What a campaign's footer must hold."""

    postal_address: str | None
    html_has_link: bool  # the template shows the link
    text_has_link: bool

    def add_to_html(self, html: str, unsubscribe_url: str) -> str:
        """Return the page with what it lacks, inside its body."""
        lines = []
        if self.postal_address and escape(self.postal_address) not in html and self.postal_address not in html:
            lines.append(escape(self.postal_address))
        if not self.html_has_link:
            lines.append(f'<a href="{escape(unsubscribe_url)}" style="color:#666">Unsubscribe</a>')
        if not lines:
            return html
        block = f'<p style="{_STYLE}">{"<br>".join(lines)}</p>\n'
        at = max((end.start() for end in _BODY_END.finditer(html)), default=len(html))
        return f"{html[:at]}{block}{html[at:]}"

    def add_to_text(self, text: str, unsubscribe_url: str) -> str:
        """Return the text with what it lacks at its end."""
        lines = []
        if self.postal_address and self.postal_address not in text:
            lines.append(self.postal_address)
        if not self.text_has_link:
            lines.append(f"Unsubscribe: {unsubscribe_url}")
        return f"{text.rstrip()}\n\n-- \n{chr(10).join(lines)}\n" if lines else text
