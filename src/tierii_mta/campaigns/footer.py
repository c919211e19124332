"""The footer: a visible way out and who writes, for mails that lack it (`unsubscribe.footer: auto`).

Owns what is added and where; not the links, which come with each mail.  A part is looked at as it was rendered for the
person: a link that its template shows to some is not there for the others.  Pure.
"""

import re
from dataclasses import dataclass
from html import escape

from tierii_mta.campaigns.snapshot import Content

_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_STYLE = "margin:24px 0 0;font:12px/1.5 sans-serif;color:#666"


@dataclass(frozen=True, slots=True)
class Footer:
    """A visible way out and who writes: added to a part that lacks it."""

    postal_address: str | None

    def add_to_html(self, html: str, unsubscribe_url: str) -> str:
        """Return the page with what it lacks, inside its body."""
        lines, url = [], escape(unsubscribe_url)
        if self.postal_address and escape(self.postal_address) not in html and self.postal_address not in html:
            lines.append(escape(self.postal_address))
        if url not in html:
            lines.append(f'<a href="{url}" style="color:#666">Unsubscribe</a>')
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
        if unsubscribe_url not in text:
            lines.append(f"Unsubscribe: {unsubscribe_url}")
        return f"{text.rstrip()}\n\n-- \n{chr(10).join(lines)}\n" if lines else text


def make_footer(content: Content) -> Footer | None:
    """Return what the campaign adds to its mails; None: nothing."""
    if not content.specification.is_marketing or content.specification.unsubscribe.footer != "auto":
        return None
    return Footer(content.postal_address)
