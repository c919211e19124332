"""One mail as a page for a browser: header, HTML part with its pictures, text part.

Owns the page's looks.  It holds all it shows, asks nobody for its own parts, and runs no script of the mail: the HTML
part stands in a sandboxed frame.  Pictures that the mail names by address are fetched, as a reader's client would.
"""

import base64
from email.message import EmailMessage
from html import escape

_FIELDS = ("From", "To", "Reply-To", "Subject", "Date", "List-Id", "List-Unsubscribe")
_STYLE = (
    "body{margin:0;font:14px/1.5 system-ui,sans-serif;background:#f4f4f4;color:#222}"
    "main{max-width:960px;margin:0 auto;padding:16px}"
    "table{margin-bottom:16px}th{text-align:left;padding-right:12px;vertical-align:top;font-weight:600}"
    "td{overflow-wrap:anywhere}iframe,pre{width:100%;box-sizing:border-box;border:1px solid #ccc;background:#fff}"
    "iframe{height:720px}pre{padding:16px;white-space:pre-wrap;overflow-wrap:anywhere}"
)


def page_of(message: EmailMessage) -> str:
    """Return the page of a mail of ours."""
    rows = "".join(
        f"<tr><th>{name}</th><td>{escape(str(message[name]))}</td></tr>" for name in _FIELDS if name in message
    )
    parts = []
    if (html := _content(message, "html")) is not None:
        parts.append(f'<iframe sandbox title="HTML part" srcdoc="{escape(_with_pictures(html, message))}"></iframe>')
    if (text := _content(message, "plain")) is not None:
        parts.append(f"<h2>Text part</h2><pre>{escape(text)}</pre>")
    if names := [name for part in message.iter_attachments() if (name := part.get_filename())]:
        parts.append(f"<h2>Attachments</h2><p>{escape(', '.join(names))}</p>")
    title = escape(str(message["Subject"]))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"</head><body><main><table>{rows}</table>{''.join(parts)}</main></body></html>\n"
    )


def _content(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else None


def _with_pictures(html: str, message: EmailMessage) -> str:
    """Return the HTML with the parts it names by Content-ID written into it."""
    named = {str(part["Content-ID"]).strip("<> "): part for part in message.walk() if part["Content-ID"]}
    for name in sorted(named, key=len, reverse=True):  # one may begin like another
        octets = named[name].get_payload(decode=True)
        if isinstance(octets, bytes):
            encoded = base64.b64encode(octets).decode()
            html = html.replace(f"cid:{name}", f"data:{named[name].get_content_type()};base64,{encoded}")
    return html
