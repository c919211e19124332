"""The few pages recipients see: plain HTML without scripts, cookies or anything fetched from elsewhere.

Owns their words and their style; not what they do.  Everything that comes from outside is escaped.
"""

import base64
import hashlib
from html import escape

from starlette.responses import HTMLResponse

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1.125rem/1.5 system-ui,sans-serif;margin:0;padding:10vh 1.5rem;max-width:36rem;margin-inline:auto}"
    "h1{font-size:1.6rem;line-height:1.25}"
    "button{font:inherit;font-weight:600;padding:.75rem 1.5rem;border:2px solid #0b57d0;border-radius:.5rem;"
    "background:#0b57d0;color:#fff;cursor:pointer}"
    "button:focus-visible{outline:3px solid #f9ab00;outline-offset:3px}"
    "code{overflow-wrap:anywhere}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
CONFIRM_FIELD, CONFIRM_VALUE = "confirm", "unsubscribe"


def ask_to_unsubscribe(list_id: str, *, status: int = 200) -> HTMLResponse:
    """Return the page with the one button; it posts to its own address."""
    return _page(
        "Unsubscribe",
        f"<p>{_about(list_id, 'You will get no more mail of')}</p>"
        f'<form method="post"><input type="hidden" name="{CONFIRM_FIELD}" value="{CONFIRM_VALUE}">'
        '<button type="submit">Unsubscribe</button></form>',
        status,
    )


def unsubscribed(list_id: str) -> HTMLResponse:
    """Return what follows, the first time and every time after."""
    return _page(
        "You are unsubscribed",
        f'<p role="status">{_about(list_id, "We will not write to you again as part of")} '
        "A mail that is on its way already may still arrive.</p>",
        200,
    )


def not_found() -> HTMLResponse:
    """Return the page for a link that is not ours, not whole, or not for this."""
    return _page(
        "This link does not work",
        "<p>It may have been cut off. Please open it again from the mail, or copy all of it.</p>",
        404,
    )


def failed(status: int, number: str | None = None) -> HTMLResponse:
    """Return the page for what went wrong on our side or was too much; `number` finds it in our log."""
    told = f" If it stays so, tell the sender this number: <code>{escape(number)}</code>." if number else ""
    return _page("That did not work", f"<p>Please try again in a few minutes.{told}</p>", status)


def _about(list_id: str, sentence: str) -> str:
    return f"{sentence} <strong>{escape(list_id)}</strong>." if list_id else f"{sentence} this sender's mailings."


def _page(title: str, body: str, status: int) -> HTMLResponse:
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="robots" content="noindex,nofollow">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>",
        status_code=status,
    )
