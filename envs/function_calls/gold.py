"""Calls as published answers write them, ``mv('a.txt', destination='b')``: parsed, never run."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, NamedTuple

from credit_gym.errors import ManifestError

_LONGEST = 20_000  # characters


class Call(NamedTuple):
    """A call of a tool.

    Attributes:
        name: of the tool.
        positional: arguments without a name, in order.
        named: the others.
    """

    name: str
    positional: tuple[Any, ...] = ()
    named: Mapping[str, Any] = {}


def read_gold(text: str) -> Call:
    """Return the call that an answer writes, each argument where it stands.

    Raises:
        ManifestError: it is no call of a plain name with literals.
    """
    try:
        tree = ast.parse(text.strip()[: _LONGEST + 1], mode="eval").body if len(text) <= _LONGEST else None
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
            named = {str(part.arg): ast.literal_eval(part.value) for part in tree.keywords if part.arg is not None}
            if len(named) == len(tree.keywords):
                return Call(tree.func.id, tuple(map(ast.literal_eval, tree.args)), named)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    raise ManifestError(f"{text[:80]!r} is no call: write name('value', other=1), with literals alone.")


def write_gold(call: Call) -> str:
    """Return the text of a call, which is also the action that makes it."""
    parts = [*map(repr, call.positional), *(f"{name}={value!r}" for name, value in call.named.items())]
    return f"{call.name}({', '.join(parts)})"
