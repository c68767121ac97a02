"""Tool calls as Python writes them, ``get_loan(loan_id='L1')``: parsed, never run."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from itertools import islice
from typing import Any, TypeAlias

from credit_gym.data.calls import read_arguments

Call: TypeAlias = dict[str, Any]
"""``id``, ``name`` and ``arguments``, as the column ``tool_calls`` holds a call."""

Parameters: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Name of a tool -> its parameters, name -> JSON schema, in order."""

_LONGEST = 20_000  # characters: Python's parser is not made for more of a stranger's text
_ERRORS = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)
_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}


def make_call(name: str, arguments: Any) -> Call:
    """Return a call that nobody has given an id."""
    return {"id": "", "name": name, "arguments": arguments}


def python_calls(text: str, tools: Parameters) -> tuple[Call, ...]:
    """Return the calls that Python statements make, ``()`` if one of them is no call of a known tool with literals.

    Unnamed arguments go to the tool's parameters in order. A call may stand in a list, in ``print(...)``, behind
    ``await`` or ``name =``, and its name behind dots.
    """
    tree = _parsed(text, "exec")
    calls = []
    for statement in tree.body if isinstance(tree, ast.Module) else ():
        if not isinstance(statement, (ast.Expr, ast.Assign)):
            return ()
        value = statement.value
        for node in value.elts if isinstance(value, (ast.List, ast.Tuple)) else (value,):
            call = _unwrapped(node)
            arguments = _bound(call, tools) if isinstance(call, ast.Call) else None
            if call is None or arguments is None:
                return ()
            calls.append(make_call(_called(call), arguments))
    return tuple(calls)


def unknown_call(text: str) -> Call | None:
    """Return the call of whatever tool that a text is; None where it is speech, as ``Sure(yes)`` is.

    Its arguments are text where they have no names: nobody knows them.
    """
    call = _parsed(text)
    if not isinstance(call, ast.Call) or not _called(call):
        return None
    try:
        arguments = {str(keyword.arg): literal(keyword.value) for keyword in call.keywords if keyword.arg}
    except _ERRORS:
        return None
    if call.args and not arguments:
        bare_words = all(isinstance(node, ast.Name) for node in call.args)
        return None if bare_words else make_call(_called(call), text)
    return make_call(_called(call), arguments)


def python_value(text: str) -> Any:
    """Return the value of an object or a list as Python writes it (``{'name': ...}``); None if it is none."""
    node = _parsed(text)
    if not isinstance(node, (ast.Dict, ast.List)):
        return None
    if any(isinstance(part, ast.Name) and part.id not in _WORDS for part in ast.walk(node)):
        return None
    try:
        return literal(node)
    except _ERRORS:
        return None


def literal(node: ast.expr) -> Any:
    """Return the JSON value of a Python expression: literals, lists, dictionaries, and JSON's or anybody's bare words.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(node, ast.Name):
        return _WORDS.get(node.id, node.id)
    if isinstance(node, (ast.List, ast.Tuple)):
        return [literal(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {str(literal(k)): literal(v) for k, v in zip(node.keys, node.values, strict=True) if k is not None}
    value = ast.literal_eval(node)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError("not a JSON value")


def _unwrapped(node: ast.expr) -> ast.Call | None:
    """The call in an expression, out of ``print(...)`` and ``await``."""
    if isinstance(node, ast.Await):
        node = node.value
    if isinstance(node, ast.Call) and _called(node) == "print" and len(node.args) == 1 and not node.keywords:
        node = node.args[0]
    return node if isinstance(node, ast.Call) else None


def _bound(call: ast.Call, tools: Parameters) -> dict[str, Any] | None:
    """The arguments of a call of a known tool by name; None if they are no JSON values, too many, or one is twice."""
    names = tools.get(_called(call))
    given = [*islice(names or (), len(call.args)), *(keyword.arg for keyword in call.keywords)]
    if names is None or None in given or len(call.args) > len(names) or len(set(given)) < len(given):
        return None
    try:
        unnamed = [literal(node) for node in call.args]
        named = {str(keyword.arg): literal(keyword.value) for keyword in call.keywords}
    except _ERRORS:
        return None
    arguments = read_arguments(dict(zip(names, unnamed, strict=False)) | named)
    return dict(arguments) if isinstance(arguments, Mapping) else None


def _called(call: ast.Call) -> str:
    """The name that a call calls, without what stands before a dot."""
    name = getattr(call.func, "id", None) or getattr(call.func, "attr", "")
    return str(name)


def _parsed(text: str, mode: str = "eval") -> ast.AST | None:
    """Python's tree of a text, of the expression alone in mode ``eval``; None if it is none."""
    if len(text) > _LONGEST:
        return None
    try:
        tree = ast.parse(text, mode=mode)
    except _ERRORS:
        return None
    return tree.body if isinstance(tree, ast.Expression) else tree
