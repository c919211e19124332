"""The few pages recipients see: plain HTML without scripts, cookies or anything fetched from elsewhere.

Owns their words and their style, and the frame that the preferences page shares; not what they do.  Everything that
comes from outside is escaped.
"""

import base64
import hashlib
from html import escape

from starlette.responses import HTMLResponse

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1.0625rem/1.55 system-ui,sans-serif;margin:0;padding:clamp(1rem,10vh,6rem) 1rem;"
    "background:light-dark(#f3f4f6,#16181c);color:light-dark(#1c1e21,#e8eaed)}"
    "main{box-sizing:border-box;max-width:28rem;margin:0 auto;padding:1.75rem 1.5rem;border-radius:.75rem;"
    "background:light-dark(#fff,#23262b);border:1px solid light-dark(#d9dce1,#3a3e45)}"
    "h1{font-size:1.375rem;line-height:1.3;margin:0 0 .75rem;text-wrap:balance}"
    "p{margin:0 0 1rem}main>:last-child{margin-bottom:0}"
    "small{display:block;margin-top:.875rem;font-size:.875rem;color:light-dark(#5a6068,#a9afb8)}"
    "button{font:inherit;font-weight:600;width:100%;min-height:3rem;padding:.5rem 1.5rem;border:0;"
    "border-radius:.5rem;background:#0b57d0;color:#fff;cursor:pointer}"
    "button:hover{background:#0a4ab2}"
    "button:focus-visible{outline:3px solid #f9ab00;outline-offset:3px}"
    "strong,code,label{overflow-wrap:anywhere}"
    "fieldset{border:0;margin:0 0 1rem;padding:0}legend{padding:0;font-weight:600;margin-bottom:.25rem}"
    "label{display:flex;align-items:flex-start;gap:.75rem;padding:.625rem 0;cursor:pointer}"
    "label small{margin-top:0}"
    "input[type=checkbox]{flex:none;width:1.5rem;height:1.5rem;margin:0;accent-color:#0b57d0}"
    "input:focus-visible{outline:3px solid #f9ab00;outline-offset:3px}"
    "button.quiet{background:none;color:light-dark(#0b57d0,#a8c7fa);border:1px solid currentcolor}"
    "button.quiet:hover{background:light-dark(#eef3fd,#2d3138)}"
    "form+form{margin-top:.75rem}"
    "[role=status]{padding:.75rem 1rem;border-radius:.5rem;background:light-dark(#e6f4ea,#1e3a2a)}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;margin:0}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
CONFIRM_FIELD, CONFIRM_VALUE, UNDO_VALUE = "confirm", "unsubscribe", "undo"


def ask_to_unsubscribe(list_id: str, *, status: int = 200) -> HTMLResponse:
    """Return the page with the one button; it posts to its own address."""
    return page(
        "Unsubscribe",
        f"<p>{_sentence('Stop getting mail from', list_id, '?')}</p>"
        f'<form method="post"><input type="hidden" name="{CONFIRM_FIELD}" value="{CONFIRM_VALUE}">'
        '<button type="submit">Unsubscribe</button>'
        "<small>Nothing changes until you press the button.</small></form>",
        status,
    )


def unsubscribed(list_id: str) -> HTMLResponse:
    """Return what follows, the first time and every time after."""
    return page(
        "You are unsubscribed",
        f'<p role="status">{_sentence("You will get no more mail from", list_id, ".")}</p>'
        "<p>A mail that is already on its way may still arrive. You may close this page.</p>"
        f'<form method="post"><input type="hidden" name="{CONFIRM_FIELD}" value="{UNDO_VALUE}">'
        '<button type="submit" class="quiet">Undo</button>'
        "<small>If you pressed the button by mistake, you can undo it for a day.</small></form>",
    )


def subscribed_again(list_id: str) -> HTMLResponse:
    """Return what follows an undo."""
    return page("Undone", f'<p role="status">{_sentence("You will go on getting mail from", list_id, ".")}</p>')


def undone_no_more() -> HTMLResponse:
    """Return the page for an undo that comes too late."""
    return page(
        "It is too late to undo this here",
        "<p>You unsubscribed more than a day ago, and this link cannot change that any more.</p>"
        "<p>To get mail again, ask the sender, or use the link to your preferences in one of their mails.</p>",
        409,
    )


def not_found() -> HTMLResponse:
    """Return the page for a link that is not ours, not whole, or not for this."""
    return page(
        "This link does not work",
        "<p>It may have been cut off. Open it again from the mail, or copy all of it.</p>"
        "<p>To unsubscribe, you can also use the Unsubscribe button of your mail program.</p>",
        404,
    )


def gone() -> HTMLResponse:
    """Return the page for a web view whose mail is not kept any more."""
    return page(
        "This mail is no longer kept",
        "<p>It can be seen on the web for a limited time only, or it was never sent.</p>"
        "<p>If you still have the mail itself, open it in your mail program.</p>",
        410,
    )


def failed(status: int, number: str | None = None) -> HTMLResponse:
    """Return the page for what went wrong on our side or was too much; `number` finds it in our log."""
    told = f" If it stays so, tell the sender this number: <code>{escape(number)}</code>." if number else ""
    return page("That did not work", f"<p>Please try again in a few minutes.{told}</p>", status)


def _sentence(start: str, list_id: str, end: str) -> str:
    """Return a sentence about a list; a link without one is about all mailings of the sender."""
    return f"{start} <strong>{escape(list_id)}</strong>{end}" if list_id else f"{start} this sender{end}"


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    """Return a page; `body` is HTML, in which everything from outside was escaped."""
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="robots" content="noindex,nofollow">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>",
        status_code=status,
    )
