"""The preferences page: the lists of a sender, each with a box, and all of them with a button.

Owns its words and its form: what it posts is read here too.  No script: each button is a form of its own, and the undo
of a change is the form with the choices of before.
"""

from collections.abc import Mapping, Sequence
from html import escape

from starlette.responses import HTMLResponse

from tierii_mta.consent.preferences import ListStanding, Standing, Wish, leaving_all, returning, wish_of
from tierii_mta.consent.suppression import SuppressionReason, left_list
from tierii_mta.web.pages import page

_ACTION, _SHOWN, _CHOSEN = "action", "shown", "list"
_SAVE, _LEAVE, _RETURN = "save", "leave", "return"
_WHY: Mapping[SuppressionReason, str] = {
    SuppressionReason.HARD_BOUNCE: "a mail could not be delivered to your address",
    SuppressionReason.COMPLAINT: "a mail was reported as unwanted",
    SuppressionReason.MANUAL: "the sender has stopped it",
}


def wish_in(fields: Mapping[str, Sequence[str]], present: Standing) -> Wish | None:
    """Return what a posted form asks for, None if it is none of ours."""
    action = next(iter(fields.get(_ACTION, ())), "")
    if action == _SAVE:
        return wish_of(present, shown=fields.get(_SHOWN, ()), chosen=fields.get(_CHOSEN, ()))
    return {_LEAVE: leaving_all(present), _RETURN: returning(present)}.get(action)


def preferences(present: Standing, *, done: Wish | None = None, status: int = 200) -> HTMLResponse:
    """Return the page; `done` is what was just changed, which it tells and offers to undo."""
    sender = f"<strong>{escape(present.sender)}</strong>"
    told = "" if done is None else _told(present, done)
    if present.stopped_by is not None:
        why = _WHY[present.stopped_by]
        body = f"<p>You get no mail from {sender}, because {why}. Only the sender can change that.</p>"
    elif present.has_left:
        body = f"<p>You have unsubscribed from all mailings of {sender}.</p>" + _button(_RETURN, "Get mailings again")
    else:
        body = _lists(present, sender) + _button(_LEAVE, "Unsubscribe from all")
        body += "<p><small>Nothing changes until you press a button. Mail about something you ordered or asked for"
        body += " is not affected.</small></p>"
    return page("Your mail preferences", told + body, status)


def _lists(present: Standing, sender: str) -> str:
    if not present.lists:
        return f"<p>You may get mailings from {sender}.</p>"
    boxes = "".join(_box(each) for each in present.lists)
    return (
        f'<form method="post"><fieldset><legend>Mailings of {sender} that you get</legend>{boxes}</fieldset>'
        f'<button type="submit" name="{_ACTION}" value="{_SAVE}">Save</button></form>'
    )


def _box(each: ListStanding) -> str:
    name, value = escape(each.list.name), escape(each.list.id)
    if each.stopped_by is not None:
        why = f"<small>Stopped, because {_WHY[each.stopped_by]}.</small>"
        return f'<label><input type="checkbox" disabled> <span>{name}{why}</span></label>'
    checked = "" if each.has_left else " checked"
    return (
        f'<input type="hidden" name="{_SHOWN}" value="{value}">'
        f'<label><input type="checkbox" name="{_CHOSEN}" value="{value}"{checked}> <span>{name}</span></label>'
    )


def _told(present: Standing, done: Wish) -> str:
    if not done:
        return '<p role="status">Nothing was changed.</p>'
    names = {each.list.id: each.list.name for each in present.lists}
    lines = [f"You will get no more mail from {_named(scope, present, names)}." for scope in done.leaves]
    again = dict.fromkeys(_named(scope, present, names) for scope in done.returns)
    lines += [f"You will get mail from {name} again." for name in again]
    return f'<p role="status">{"<br>".join(lines)}</p>{_undo(done)}'


def _named(scope: str, present: Standing, names: Mapping[str, str]) -> str:
    name = left_list(scope)
    return f"<strong>{escape(names.get(name, name) if name is not None else present.sender)}</strong>"


def _undo(done: Wish) -> str:
    """Return the form that posts the choices of before."""
    left = [name for scope in done.leaves if (name := left_list(scope)) is not None]
    back = [name for scope in done.returns if (name := left_list(scope)) is not None]
    if not left and not back:
        return _button(_RETURN if done.leaves else _LEAVE, "Undo")
    fields = [(_SHOWN, name) for name in (*left, *back)] + [(_CHOSEN, name) for name in left]
    hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields)
    return _button(_SAVE, "Undo", hidden)


def _button(action: str, text: str, hidden: str = "") -> str:
    return (
        f'<form method="post">{hidden}'
        f'<button type="submit" class="quiet" name="{_ACTION}" value="{action}">{text}</button></form>'
    )
