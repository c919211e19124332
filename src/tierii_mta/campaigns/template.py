"""Templates: from the sources of a snapshot and a contact's fields to subject, headers, HTML and text.

Owns the template context of the contract and how a template's faults are told: with the file and line of the template,
never a traceback.  What templates may call is in `functions`.  Sources come as a mapping (campaigns.expansion gathers
them); nothing is read here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, Undefined, meta, nodes
from jinja2.debug import rewrite_traceback_stack
from jinja2.runtime import Context

from tierii_mta.campaigns.functions import FUNCTIONS
from tierii_mta.campaigns.sandbox import MarkingSandbox, Sandbox
from tierii_mta.campaigns.specification.vocabulary import PERSON_FIELDS
from tierii_mta.outbound.content import RenderFailed
from tierii_mta.queue.delivery import Json

SUBJECT = "subject"  # names of sources that are not files
HEADERS = "header:"
_NO_NAMES = dict.fromkeys(PERSON_FIELDS, "")


class TemplateBroken(ValueError):
    """A template that cannot be used with any contact. `file` and `line` say where."""

    def __init__(self, what: str, file: str, line: int) -> None:
        super().__init__(f"{file}:{line}: {what}")
        self.what, self.file, self.line = what, file, line


@dataclass(frozen=True, slots=True)
class Sources:
    """Template texts by name, and the file each came from as errors show it."""

    texts: Mapping[str, str]
    files: Mapping[str, str]

    def find(self, name: str) -> tuple[str, str] | None:
        text = self.texts.get(name)
        return None if text is None else (text, self.files.get(name, name))


class Templates:
    """The templates of one campaign, compiled. Safe to share between threads."""

    def __init__(
        self, sources: Sources, *, undefined: type[Undefined] = StrictUndefined, marks_values: bool = False
    ) -> None:
        """`marks_values`: what HTML templates fill in stands between marks, see `sandbox.MarkingSandbox`."""
        self._sources = sources
        sandbox = MarkingSandbox if marks_values else Sandbox
        self._html = sandbox(sources.find, autoescape=True, undefined=undefined)
        self._text = Sandbox(sources.find, autoescape=False, undefined=undefined)

    def html(self, name: str) -> Template:
        """Return a template whose values are escaped; raises `TemplateBroken`."""
        return self._compiled(self._html, name)

    def text(self, name: str) -> Template:
        """Return a template of plain text; raises `TemplateBroken`."""
        return self._compiled(self._text, name)

    def render(self, template: Template, context: Mapping[str, Any]) -> str:
        """Return what the template makes of a context; raises `RenderFailed` with file, line and reason."""
        environment: Any = template.environment
        environment.start()
        try:
            # what template.render does, without merging its globals through a ChainMap first
            names = Context(environment, {**environment.globals, **context}, template.name, template.blocks)
            text: str = environment.whole(template.root_render_func(names))
        except MemoryError:  # ours to answer for, not the contact's
            raise
        except RecursionError as cause:
            raise RenderFailed(f"{template.filename}: calls itself without end") from cause
        except Exception as cause:  # the template is the operator's program: whatever it raises is its fault
            trace = rewrite_traceback_stack().__traceback__
            raise RenderFailed(f"{self._place(template, trace)}: {_reason(cause)}") from cause
        return text

    def _compiled(self, environment: Sandbox, name: str) -> Template:
        try:
            return environment.get_template(name)
        except TemplateSyntaxError as cause:
            raise TemplateBroken(cause.message or "is malformed", cause.filename or name, cause.lineno) from cause
        except TemplateError as cause:
            raise TemplateBroken(str(cause), self._sources.files.get(name, name), 1) from cause

    def _place(self, template: Template, trace: TracebackType | None) -> str:
        """Return `file:line` of the innermost template frame."""
        files = set(self._sources.files.values())
        place = template.filename or "template"
        while trace is not None:
            if trace.tb_frame.f_code.co_filename in files:
                place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
            trace = trace.tb_next
        return place


def make_context(
    contact: Mapping[str, Json], *, variables: Mapping[str, Json], dates: frozenset[str], constants: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all names a template may use for one contact.

    `dates` are the fields of type date, kept as text in the queue; `constants` what is the same for all contacts, or
    comes from the delivery.  Reserved names win over columns of the same name, which remain in `contact`.  Raises
    `RenderFailed` for a date that is none.
    """
    fields: dict[str, Any] = dict(contact)
    for name in dates & fields.keys():
        value = fields[name]
        try:
            fields[name] = date.fromisoformat(value) if isinstance(value, str) and value else value
        except ValueError as cause:
            raise RenderFailed(f"{name}: {value!r:.80} is not a date") from cause
    context = {**_NO_NAMES, **variables, **fields, **constants, **FUNCTIONS, "contact": fields}
    if not context["full_name"]:
        context["full_name"] = f"{context['first_name'] or ''} {context['last_name'] or ''}".strip()
    return context


@dataclass(frozen=True, slots=True)
class Use:
    """Where a name is used."""

    name: str
    line: int


def names_used(text: str, *, file: str) -> list[Use]:
    """Return the names a template takes from its context, each with the line of its first use.

    `contact.x` and `contact['x']` count as x, any other use of `contact` as `contact`. Raises `TemplateBroken`.
    """
    tree = parse(text, file=file)
    try:
        undeclared = meta.find_undeclared_variables(tree)
    except TemplateSyntaxError as cause:  # an unknown filter or test
        raise TemplateBroken(cause.message or "is malformed", file, cause.lineno) from cause
    lines: dict[str, int] = {}
    inside: set[int] = set()
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if found := _field_of_contact(node):
            inside.add(id(found[0]))
            lines.setdefault(found[1], node.lineno)
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name in undeclared and id(name) not in inside:
            lines.setdefault(name.name, name.lineno)
    return [Use(name, line) for name, line in lines.items()]


def names_settled(text: str, *, file: str) -> set[str]:
    """Return the names that a template brings itself, or of which it asks whether they are there.

    Raises `TemplateBroken`.
    """
    tree = parse(text, file=file)
    asked = [node.node for node in tree.find_all(nodes.Filter) if node.name in {"default", "d"}]
    asked += [node.node for node in tree.find_all(nodes.Test) if node.name in {"defined", "undefined"}]
    found = {node.name for node in asked if isinstance(node, nodes.Name)}
    found |= {field[1] for node in asked if node is not None and (field := _field_of_contact(node))}
    found |= {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    found |= {node.name for node in tree.find_all(nodes.Macro)} | {node.target for node in tree.find_all(nodes.Import)}
    for node in tree.find_all(nodes.FromImport):
        found.update(name if isinstance(name, str) else name[1] for name in node.names)
    return found


def parse(text: str, *, file: str) -> nodes.Template:
    """Return a template's syntax tree; raises `TemplateBroken`."""
    environment = Sandbox(lambda name: None, autoescape=False)
    try:
        return environment.parse(text, filename=file)
    except TemplateSyntaxError as cause:
        raise TemplateBroken(cause.message or "is malformed", file, cause.lineno) from cause


def _field_of_contact(node: nodes.Expr) -> tuple[nodes.Name, str] | None:
    """Return the name node and the field of `contact.field` and `contact['field']`."""
    if not isinstance(node, (nodes.Getattr, nodes.Getitem)) or not isinstance(node.node, nodes.Name):
        return None
    if node.node.name != "contact":
        return None
    if isinstance(node, nodes.Getattr):
        return node.node, node.attr
    key = node.arg.value if isinstance(node.arg, nodes.Const) else None
    return (node.node, key) if isinstance(key, str) else None


def _reason(cause: Exception) -> str:
    return str(cause) or type(cause).__name__
