"""Chat templates rendered as transformers renders them, byte for byte, at a bounded cost.

A template is a program of whoever made the model folder. Jinja's sandbox keeps it from Python; that it ends is held
here: the tree of the template is marked where work is done, and the work is paid for
(:mod:`credit_gym.agents.llm.template_effort`). The environment follows ``transformers.utils.chat_template_utils``: its
options, its functions, its ``{% generation %}``. Filters of web pages, and those that draw at random, are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any, Final, NoReturn, cast

from jinja2 import Template, nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from credit_gym.agents.llm.template_effort import (
    BASE,
    MADE,
    METER,
    SCALE,
    TooMuchWork,
    filter_growth,
    listed,
    method_growth,
    operator_growth,
    weight,
)

MOST_SOURCE: Final = 1 << 17
"""Characters of the longest template; those that are published have a fifth of it at most."""


def render_template(source: str, variables: Mapping[str, Any]) -> str:
    """Return what a chat template makes of a chat.

    Args:
        source: the template.
        variables: what it is shown, such as ``messages`` and ``tools``; plain data is shown, anything else its type.

    Raises:
        TooMuchWork: it would take more time or memory than a chat needs.
        Exception: whatever a template may raise, of which ``jinja2.TemplateError`` is the most usual.
    """
    shown = _plain(variables)
    METER.left = BASE + SCALE * weight(shown, MADE)
    return _compiled(source).render(shown)


@lru_cache(maxsize=32)
def _compiled(source: str) -> Template:
    if len(source) > MOST_SOURCE:
        raise TooMuchWork
    tree = _ENVIRONMENT.parse(source)
    _Marks().visit(tree)
    tree.set_environment(_ENVIRONMENT)
    return _ENVIRONMENT.from_string(tree)


class _Bounded(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which calls and arithmetic are paid for."""

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        METER.gives(left)
        METER.gives(right)
        METER.spend(operator_growth(operator, left, right))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        given = {name: value for name, value in kwargs.items() if name not in _SCOPES}
        METER.spend(_CALL)
        METER.reads([*args, *given.values()])
        method = getattr(__obj, "__wrapped__", __obj)  # the sandbox wraps str.format
        owner = getattr(method, "__self__", None)
        if isinstance(owner, _PLAIN):
            name = method.__name__
            if isinstance(owner, dict) and name in _LOOKS:
                return super().call(__context, __obj, *args, **kwargs)
            args = tuple(map(listed, args)) if name == "join" else args
            METER.reads([owner, *args])
            METER.spend(method_growth(name)(owner, *args, **given))
        return METER.gives(super().call(__context, __obj, *args, **kwargs))


class _Marks(NodeTransformer):
    """Puts filters that pay wherever a template repeats, compares or makes something."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        test = node.test and _cost([node.test])
        self._body(node)
        if node.test is not None:
            node.test = nodes.And(_marked(nodes.Const(test), "spent"), node.test, lineno=node.lineno)
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        return self._body(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:
        return self._body(node)

    def visit_Block(self, node: nodes.Block) -> nodes.Node:
        return self._body(node)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        return _marked(self.generic_visit(node), "read")

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return _marked(self.generic_visit(node), "read")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return _marked(self.generic_visit(node), "read") if node.ctx == "load" else self.generic_visit(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [_marked(part, "made") for part in node.nodes]
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        quick = all(operand.op in ("eq", "ne") for operand in node.ops)
        if not (quick and len(sides) == 2 and any(isinstance(side, nodes.Const) for side in sides)):
            node.expr = _marked(node.expr, "read")
            for operand in node.ops:
                operand.expr = _marked(operand.expr, "read")
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            return _marked(node, "given")
        node.arg = _marked(node.arg, "read")
        return node

    def _body(self, node: Any) -> nodes.Node:
        """What is repeated costs its length each time."""
        tick = _marked(nodes.Const(_cost(node.body)), "spent")
        self.generic_visit(node)
        node.body = [nodes.ExprStmt(tick, lineno=node.lineno), *node.body]
        return node  # type: ignore[no-any-return]


def _marked(node: nodes.Node, name: str) -> nodes.Expr:
    if isinstance(node, nodes.Const) and name != "spent":
        return node
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _cost(body: list[nodes.Node]) -> float:
    parts = [part for top in body for part in (top, *top.find_all(nodes.Node))]
    texts = [part.data if isinstance(part, nodes.TemplateData) else getattr(part, "value", None) for part in parts]
    return len(parts) + sum(len(text) for text in texts if isinstance(text, str)) / MADE


def _paid(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that pays for what it reads and makes."""
    passed = int(hasattr(function, "jinja_pass_arg"))
    grows = filter_growth(name)

    @wraps(function)
    def paid(*args: Any, **kwargs: Any) -> Any:
        own = args[passed:]
        if name in ("join", "sum"):
            own = (*map(listed, own[:1]), *own[1:])
        METER.reads([*own, *kwargs.values()])
        METER.spend(grows(*own, **kwargs))
        return METER.gives(function(*args[:passed], *own, **kwargs))

    return paid


def _compared(function: Callable[..., Any]) -> Callable[..., Any]:
    """A test that pays for what it compares."""

    @wraps(function)
    def compared(*args: Any) -> Any:
        METER.reads(args)
        return function(*args)

    return compared


@pass_context
def _spent(context: Context, units: float) -> bool:
    METER.spend(units)
    return True


@pass_context
def _finalised(context: Context, value: Any) -> Any:
    return METER.makes(value)


def _tojson(
    x: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    wide = indent if isinstance(indent, int) else len(indent or "")
    between = sum(map(len, separators or ()))
    METER.spend(weight(x, MADE, METER.left, max(wide, 0) + between))
    return METER.makes(
        json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    )


def _raise_exception(message: Any) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)


class _Dict:
    """``dict`` without its type's attributes."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class _Namespace(Namespace):
    """Jinja's namespace, of which only what it holds can be shown, not itself: it may hold itself."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # a name may be self
        attrs = dict(*args[1:], **kwargs)
        for name in attrs:
            _check_name(name)
        Namespace.__init__(args[0], attrs)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        Namespace.__setitem__(self, name, value)

    def __repr__(self) -> str:
        return "<Namespace>"


def _check_name(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"no attribute of a namespace begins with an underscore, as {name!r} does")


class _Generation(Extension):
    """``{% generation %}`` around what the assistant says: a scope of its own, shown as it is."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_shown"), [], [], body).set_lineno(line)

    def _shown(self, caller: Macro) -> str:
        return caller()


def _plain(value: Any) -> Any:
    """Plain data of exact types: a subclass may have methods that the sandbox does not know."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return tuple(map(_plain, value)) if isinstance(value, tuple) else f"<{type(value).__name__}>"


def _environment() -> _Bounded:
    found = _Bounded(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols], finalize=_finalised)
    for name in _LEFT_OUT:
        del found.filters[name]
    del found.globals["lipsum"]
    for name in found.filters.keys() - _QUICK:
        found.filters[name] = _paid(name, found.filters[name])
    for name in _COMPARING:
        found.tests[name] = _compared(cast(Callable[..., bool], found.tests[name]))
    found.filters |= {
        "tojson": _tojson,
        "spent": _spent,
        "read": METER.reads,
        "made": METER.makes,
        "given": METER.gives,
    }
    found.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
    found.globals |= {"dict": _Dict(), "namespace": _Namespace}
    return found


_PLAIN = (str, bytes, int, float, list, tuple, dict)
_CALL = 8  # units of a call; one of a macro takes as long as that many turns of an empty loop
_SCOPES = frozenset(("_loop_vars", "_block_vars"))  # what Jinja hands from frame to frame
_LOOKS = frozenset(("get", "items", "keys", "values"))
_QUICK = frozenset(("abs", "attr", "count", "d", "default", "first", "items", "last", "length"))
_LEFT_OUT = ("pprint", "random", "striptags", "urlize", "wordwrap", "xmlattr")
_COMPARING = ("==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", ">=", "ge", "<", "lt", "lessthan", "<=",
              "le", "in", "lower", "upper")  # fmt: skip
_ENVIRONMENT: Final = _environment()
