"""The footer: a visible way out and who writes, for templates that lack it (`unsubscribe.footer: auto`).

Owns what is added and where; not the links, which come with each mail.  Pure.
"""

import re
from dataclasses import dataclass
from html import escape

from jinja2 import meta

from tierii_mta.campaigns.snapshot import Content
from tierii_mta.campaigns.template import Sources, names_used, parse

_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_STYLE = "margin:24px 0 0;font:12px/1.5 sans-serif;color:#666"


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """A visible way out and who writes (`unsubscribe.footer: auto`): added to a part whose template lacks it."""

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


def make_footer(content: Content) -> Footer | None:
    """Return what the campaign adds to its mails; None: nothing."""
    if not content.specification.is_marketing or content.specification.unsubscribe.footer != "auto":
        return None
    return Footer(
        postal_address=content.postal_address,
        html_has_link=_uses_link(content.sources, content.html),
        text_has_link=_uses_link(content.sources, content.text),
    )


def _uses_link(sources: Sources, main: str | None) -> bool:
    """Return whether a template, or one it includes or extends, shows the unsubscribe link."""
    waiting, seen = [main], set[str]()
    while waiting:
        name = waiting.pop()
        if name is None or name in seen or name not in sources.texts:
            continue
        seen.add(name)
        text = sources.texts[name]
        if any(use.name == "unsubscribe_url" for use in names_used(text, file=name)):
            return True
        waiting += meta.find_referenced_templates(parse(text, file=name))
    return False
