"""The arguments of a tool, read off a Python function: its JSON schema, and checks that refuse what does not fit.

A function says what it takes by its type hints and the ``Args:`` of its docstring; its first parameter is what it works
on, and no argument of the tool. What is checked may be anything at all, and costs time in proportion to its size.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Function = Callable[..., Any]
Clean = Callable[[Any, str], Any]
"""Returns the value that a tool takes, or raises :class:`Refused`; it is told the argument's name."""

_LARGEST = 2**53  # beyond it floats and integers are no longer the same numbers


class Refused(Exception):
    """A tool does not do what it was asked; the sentence is its answer, and nothing has changed."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a tool takes.

    Attributes:
        name: what it is called by.
        schema: its OpenAI function description.
        arguments: name -> check of each argument.
        required: names that may not be left out.
    """

    name: str
    schema: Mapping[str, Any]
    arguments: Mapping[str, Clean]
    required: frozenset[str]


def describe(function: Function) -> Described:
    """Return what a function takes; its first parameter is what it works on, and is left out."""
    summary, explained = _docstring(function)
    hints = typing.get_type_hints(function)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    properties = {
        p.name: {**_schema(hints[p.name]), **({"description": explained[p.name]} if p.name in explained else {})}
        for p in parameters
    }
    required = [p.name for p in parameters if p.default is p.empty]
    schema = {
        "type": "function",
        "function": {
            "name": function.__name__,
            "description": summary,
            "parameters": {"type": "object", "properties": properties, "required": required},
        },
    }
    checks = {p.name: _check(hints[p.name]) for p in parameters}
    return Described(function.__name__, schema, checks, frozenset(required))


def checked(tool: Described, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a tool takes.

    Args:
        tool: what takes them.
        arguments: by name, as parsed from JSON; anything at all may stand here.

    Raises:
        Refused: one is missing, unknown or of another type.
    """
    missing = tool.required - arguments.keys()
    if missing:
        raise Refused(f"{tool.name} needs the argument {min(missing)!r}.")
    checks, clean = tool.arguments, {}
    for name, value in arguments.items():
        if name not in checks:
            raise Refused(f"{tool.name} has no argument {str(name)[:80]!r}; it takes {', '.join(checks) or 'none'}.")
        clean[name] = checks[name](value, name)
    return clean


def type_name(schema: Mapping[str, Any]) -> str:
    """Return what a line for a prompt says of a JSON schema: ``integer``, ``low|high`` or ``list of string``.

    Args:
        schema: of an argument.
    """
    if "enum" in schema:
        return "|".join(map(str, schema["enum"]))
    items = schema.get("items") if schema.get("type") == "array" else None
    return f"list of {type_name(items)}" if isinstance(items, Mapping) else str(schema.get("type", "any"))


def _docstring(function: Function) -> tuple[str, dict[str, str]]:
    """The text before ``Args:`` and what is said of each argument."""
    summary, _, rest = (inspect.getdoc(function) or "").partition("\nArgs:\n")
    lines = [line.strip() for line in rest.split("\n\n")[0].splitlines() if ": " in line]
    return summary.strip(), dict(line.split(": ", 1) for line in lines)


def _schema(hint: Any) -> dict[str, Any]:
    """The JSON schema of a type hint."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return {"type": "string", "enum": list(parts)}
    if origin is list:
        return {"type": "array", "items": _schema(parts[0])}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(part) for part in parts]}
    if typing.is_typeddict(hint):
        fields = typing.get_type_hints(hint)
        return {
            "type": "object",
            "properties": {name: _schema(kind) for name, kind in fields.items()},
            "required": list(fields),
        }
    return {"type": _JSON_NAMES[hint]}


def _check(hint: Any) -> Clean:
    """The check that belongs to a type hint."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return _one_of(parts)
    if origin is list:
        return _list_of(_check(parts[0]))
    if origin in (typing.Union, types.UnionType):
        return _optional(_check(next(part for part in parts if part is not types.NoneType)))
    if typing.is_typeddict(hint):
        return _object_of({name: _check(kind) for name, kind in typing.get_type_hints(hint).items()})
    return _CHECKS[hint]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Refused(f"The argument {name!r} must be text.")
    return value


def _integer(value: Any, name: str) -> int:
    number = _number(value, name)
    if number != int(number):
        raise Refused(f"The argument {name!r} must be a whole number.")
    return int(number)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -_LARGEST < value < _LARGEST:
        raise Refused(f"The argument {name!r} must be a number.")
    return value


def _boolean(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise Refused(f"The argument {name!r} must be true or false.")
    return value


def _one_of(choices: tuple[Any, ...]) -> Clean:
    def check(value: Any, name: str) -> Any:
        if not isinstance(value, str) or value not in choices:
            raise Refused(f"The argument {name!r} must be one of: {', '.join(map(str, choices))}.")
        return value

    return check


def _list_of(item: Clean) -> Clean:
    def check(value: Any, name: str) -> list[Any]:
        if not isinstance(value, list):
            raise Refused(f"The argument {name!r} must be a list.")
        return [item(part, name) for part in value]

    return check


def _optional(inner: Clean) -> Clean:
    return lambda value, name: None if value is None else inner(value, name)


def _object_of(fields: Mapping[str, Clean]) -> Clean:
    """What else the object holds is left out, as tau2's data models do."""

    def check(value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict) or fields.keys() - value.keys():
            raise Refused(f"Each object of the argument {name!r} must have: {', '.join(fields)}.")
        return {field: clean(value[field], f"{name}.{field}") for field, clean in fields.items()}

    return check


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(f"The argument {name!r} must be an object.")
    return value


_JSON_NAMES = {
    str: "string", int: "integer", float: "number", bool: "boolean", dict: "object", types.NoneType: "null"
}  # fmt: skip
_CHECKS: dict[Any, Clean] = {str: _text, int: _integer, float: _number, bool: _boolean, dict: _object}
