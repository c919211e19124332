"""The Jinja2 environment of templates: sandboxed, strict, bounded and without chance.

Owns what a template may do.  A rendering costs at most so many loop steps and no text grows beyond 1 MiB, so that one
contact's values or one careless loop cannot hold up the mail of others; nothing random and nothing of the clock can be
reached, because every attempt must render the same octets.  The limits count steps, not seconds: a busy machine changes
no outcome.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, Final, cast

from jinja2 import StrictUndefined, TemplateRuntimeError, Undefined, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.loaders import FunctionLoader
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, markup_join, str_join
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape

MAX_TEXT: Final = 1 << 20
MAX_STEPS: Final = 100_000
MAX_RANGE: Final = 10_000
_MAX_POWER = 64
_PIECES = 32  # joined at once: so many texts may pass the limit together
_UNSAFE_FORMATTING = frozenset({"format", "format_map"})
_ASKS_THE_MACHINE = frozenset(  # its clock, or its time zone
    {"today", "now", "utcnow", "fromtimestamp", "utcfromtimestamp", "timestamp", "astimezone"}
)
_SHOWN = (str, int, float, Decimal, date, time, timedelta, list, tuple, Mapping, Undefined)
_PUTS_OUT = (Macro, BlockReference, LoopContext)
_FILTERS_LEFT_OUT = ("random", "format", "pprint", "urlize")
_WIDTH_FILTERS = ("center", "indent", "wordwrap")
VALUE_BEGINS, VALUE_ENDS = "\x02", "\x03"
_NO_MARKS = {ord(VALUE_BEGINS): None, ord(VALUE_ENDS): None}
_NEEDS_ESCAPE = re.compile("[&<>'\"\x02\x03]")


class LimitExceeded(TemplateRuntimeError):
    """The template does more than a mail can need."""


class _Compiler(CodeGenerator):
    """Has a template put out a run of constants and values as one text, where jinja2 yields each by itself.

    Most of a mail's rendering goes into its values; so these take the shortest way, `Sandbox.escaped`, as well.
    """

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:
        if frame.buffer is not None or frame.require_output_check or len(node.nodes) == 1:
            super().visit_Output(node, frame)
            return
        self.buffer(frame)
        super().visit_Output(node, frame)
        self.writeline(f"yield environment.whole({frame.buffer})")
        frame.buffer = None

    def _output_const_repr(self, group: Iterable[Any]) -> str:
        return repr(cast("Sandbox", self.environment).captured(group))

    def write_commons(self) -> None:
        super().write_commons()
        self.writeline("concat = environment.captured")

    def return_buffer_contents(self, frame: Frame, force_unescaped: bool = False) -> None:
        whole = f"environment.whole({frame.buffer})"
        if force_unescaped or not (frame.eval_ctx.volatile or frame.eval_ctx.autoescape):
            self.writeline(f"return {whole}")
        elif frame.eval_ctx.volatile:
            self.writeline(f"return (Markup if context.eval_ctx.autoescape else str)({whole})")
        else:
            self.writeline(f"return Markup({whole})")

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.escaped((")  # two, because jinja2 closes its own and that of finalize


class _Metering(NodeTransformer):
    """Puts `metered` around what loops iterate over, and `joined` in the place of `~`."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        node.iter = _call("metered", [cast("nodes.Expr", node.iter)], node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Call:
        self.generic_visit(node)
        return _call("joined", node.nodes, node.lineno)


class Sandbox(ImmutableSandboxedEnvironment):
    """One environment over a fixed set of sources. Safe to share between threads."""

    code_generator_class = _Compiler
    rewriter: type[NodeTransformer] = _Metering
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(
        self,
        source: Callable[[str], tuple[str, str] | None],
        *,
        autoescape: bool,
        undefined: type[Undefined] = StrictUndefined,
    ) -> None:
        """`source` returns a template's text and the file name that errors show, or None."""

        def load(name: str) -> tuple[str, str, Callable[[], bool]] | None:
            found = source(name)
            return (*found, lambda: True) if found else None

        super().__init__(
            loader=FunctionLoader(load), autoescape=autoescape, undefined=undefined, auto_reload=False, finalize=_shown
        )
        self._meter = threading.local()
        self.globals["range"] = _bounded_range
        del self.globals["lipsum"]
        for name in _FILTERS_LEFT_OUT:
            del self.filters[name]
        for name in _WIDTH_FILTERS:
            self.filters[name] = _with_bounded_numbers(self.filters[name])

    def start(self) -> None:
        """Begin a rendering in this thread: the full number of steps is allowed again."""
        self._meter.steps = 0

    @staticmethod
    def whole(pieces: Iterable[str]) -> str:
        """Join what a template, a block or a macro put out."""
        rest, kept, size = iter(pieces), [], 0
        while some := list(islice(rest, _PIECES)):
            kept.append("".join(some))
            size += len(kept[-1])
            if size > MAX_TEXT:
                raise LimitExceeded(f"the output is longer than {MAX_TEXT} characters")
        return "".join(kept)

    concat = whole

    @staticmethod
    def captured(pieces: Iterable[str]) -> str:
        """Join what a template keeps for itself: `{% set %}` and `{% filter %}`."""
        return Sandbox.whole(pieces)

    @staticmethod
    def escaped(value: Any) -> str:
        """Return a value as HTML shows it; what needs no escaping takes no detour over jinja2's Markup."""
        kind = type(value)
        if kind is str and not _NEEDS_ESCAPE.search(value):
            text: str = value
            return text
        if kind is int:
            return str(value)
        return escape(_shown(value))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            _check_product(left, right)
        elif operator == "**" and isinstance(right, (int, float)) and abs(right) > _MAX_POWER:
            raise LimitExceeded(f"a power above {_MAX_POWER}")
        elif operator == "%" and isinstance(left, (str, bytes)):
            raise LimitExceeded("% on a text is not available; write {{ a }} {{ b }} or use ~")
        value = super().call_binop(context, operator, left, right)
        return _checked(value)

    def call(self, context: Context, called: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(getattr(called, "__self__", None), str):
            _check_numbers(args, kwargs)
        return _checked(super().call(context, called, *args, **kwargs))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr in _UNSAFE_FORMATTING:
            return False
        if isinstance(obj, date | time) and attr in _ASKS_THE_MACHINE:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Nothing takes the place of `str.format`: jinja2's own would pad a text to gigabytes before we see it."""

    def metered(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield a loop's items, counting each against the rendering's steps."""
        for item in items:
            self._meter.steps = getattr(self._meter, "steps", 0) + 1
            if self._meter.steps > MAX_STEPS:
                raise LimitExceeded(f"the loops take more than {MAX_STEPS} steps")
            yield item

    def joined(self, *parts: Any) -> str:
        """Do what `a ~ b` does, within the limit."""
        shown = (_shown(part) for part in parts)
        text: str = markup_join(shown) if self.autoescape else str_join(shown)
        return str_checked(text)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = self.rewriter().visit(super()._parse(source, name, filename))
        return tree


class _Marking(_Metering):
    """Puts `put_out` in the place of what `{{ }}` calls."""

    def visit_Output(self, node: nodes.Output) -> nodes.Output:
        self.generic_visit(node)
        node.nodes = [_put_out(each) if isinstance(each, nodes.Call) else each for each in node.nodes]
        return node


def _put_out(call: nodes.Call) -> nodes.Call:
    if isinstance(call.node, nodes.EnvironmentAttribute):
        return call
    called = nodes.EnvironmentAttribute("put_out")
    arguments = [call.node, *call.args]
    return nodes.Call(called, arguments, call.kwargs, call.dyn_args, call.dyn_kwargs, lineno=call.lineno)


class _Marked(Markup):
    """What a macro or a block put out, with its marks."""

    __slots__ = ()


class MarkingSandbox(Sandbox):
    """One for HTML, in whose output each value stands between `VALUE_BEGINS` and `VALUE_ENDS`.

    So do those in what `{{ }}` gets from a macro or a block.  What a template keeps, to compare it, to pass it on or
    through a filter, is without marks.
    """

    rewriter = _Marking

    @staticmethod
    def escaped(value: Any) -> str:
        kind = type(value)
        if kind is str and value and not _NEEDS_ESCAPE.search(value):
            return f"{VALUE_BEGINS}{value}{VALUE_ENDS}"
        if kind is _Marked:
            marked: str = value
            return marked
        text = Sandbox.escaped(value)
        if VALUE_BEGINS in text or VALUE_ENDS in text:  # a value's own; no HTML may hold them
            text = text.translate(_NO_MARKS)
        return f"{VALUE_BEGINS}{text}{VALUE_ENDS}" if text else ""

    @staticmethod
    def captured(pieces: Iterable[str]) -> str:
        text = Sandbox.whole(pieces)
        return text.translate(_NO_MARKS) if VALUE_BEGINS in text else text

    def call(self, context: Context, called: Any, *args: Any, **kwargs: Any) -> Any:
        made = super().call(context, called, *args, **kwargs)
        if isinstance(made, str) and VALUE_BEGINS in made and type(made) is not _Marked:
            return made.translate(_NO_MARKS)
        return made

    @pass_context
    def put_out(self, context: Context, called: Any, *args: Any, **kwargs: Any) -> Any:
        """Call what `{{ }}` calls; of macros, blocks and recursive loops keep the marks."""
        made = super().call(context, called, *args, **kwargs)
        return _Marked(made) if isinstance(called, _PUTS_OUT) and isinstance(made, Markup) else made


def _call(method: str, arguments: list[nodes.Expr], lineno: int) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(method), arguments, [], None, None, lineno=lineno)


def _shown(value: Any) -> Any:
    """Return what a value shows as: an empty field of a type is None and shows as nothing.

    Raises TypeError for what no reader could make sense of (a function, what `map` returns): it would show where it
    lies in memory, which differs from one attempt to the next.
    """
    if value is None:
        return ""
    if not isinstance(value, _SHOWN):
        raise TypeError(f"a {type(value).__name__} cannot be shown; call it, or add `| join(', ')`")
    if isinstance(value, Mapping | list | tuple):
        for each in (*value, *value.values()) if isinstance(value, Mapping) else value:
            _shown(each)
    return value


def _bounded_range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > MAX_RANGE:
        raise LimitExceeded(f"range() has more than {MAX_RANGE} numbers")
    return numbers


def _check_product(left: Any, right: Any) -> None:
    for text, times in ((left, right), (right, left)):
        if isinstance(text, (str, bytes, list, tuple)) and isinstance(times, int) and len(text) * times > MAX_TEXT:
            raise LimitExceeded("a text or list is repeated too often")


def _check_numbers(args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    if any(isinstance(each, int) and each > 1000 for each in (*args, *kwargs.values())):
        raise LimitExceeded("a width above 1000")


def _with_bounded_numbers(original: Callable[..., Any]) -> Callable[..., Any]:
    def bounded(*args: Any, **kwargs: Any) -> Any:
        _check_numbers(args[1:], kwargs)
        return original(*args, **kwargs)

    bounded.__dict__.update(original.__dict__)  # jinja2's marks: pass_environment and its like
    return bounded


def _checked(value: Any) -> Any:
    return str_checked(value) if isinstance(value, str) else _int_checked(value) if isinstance(value, int) else value


def str_checked(text: str) -> str:
    """Return the text, or raise `LimitExceeded`."""
    if len(text) > MAX_TEXT:
        raise LimitExceeded(f"a text grows beyond {MAX_TEXT} characters")
    return text


def _int_checked(number: int) -> int:
    if number.bit_length() > 4096:
        raise LimitExceeded("a number grows beyond reason")
    return number
