"""Tools: functions on a draft of the database, their JSON schemas, and calls that succeed or change nothing."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from credit_gym.envs.tau2.database import Database, Draft

Kind = Literal["read", "write", "generic"]
Function = Callable[..., Any]
Clean = Callable[[Any, str], Any]
"""Returns the value that a tool takes, or raises :class:`Refused`; it is told the argument's name."""

_LONGEST_ERROR = 500  # characters
_LARGEST = 2**53  # beyond it floats and integers are no longer the same numbers


class Refused(Exception):
    """A tool does not do what it was asked; the sentence is its answer, and nothing has changed."""


class Result(NamedTuple):
    """What a call gave.

    Attributes:
        database: the version after it; the very same object where nothing changed.
        content: the answer as text: JSON, or ``Error: ...``.
        error: whether the call was refused.
    """

    database: Database
    content: str
    error: bool


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        name: what it is called by.
        kind: ``write`` may change the database; ``read`` and ``generic`` never do.
        function: ``function(draft, **arguments)``; returns text or JSON, raises :class:`Refused`.
        schema: its OpenAI function description.
        arguments: name -> check of each argument.
        required: names that may not be left out.
    """

    name: str
    kind: Kind
    function: Function
    schema: Mapping[str, Any]
    arguments: Mapping[str, Clean]
    required: frozenset[str]


class Toolkit(Mapping[str, Tool]):
    """Tools by name, in the order of their definition. Its methods are decorators that add one.

    Args:
        tools: those it begins with.
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def read(self, function: Function) -> Function:
        """Add a tool that only looks."""
        return self._add(function, "read")

    def write(self, function: Function) -> Function:
        """Add a tool that may change the database."""
        return self._add(function, "write")

    def generic(self, function: Function) -> Function:
        """Add a tool that does not touch the database."""
        return self._add(function, "generic")

    @property
    def schemas(self) -> list[Mapping[str, Any]]:
        """The OpenAI function descriptions of all tools."""
        return [tool.schema for tool in self._tools.values()]

    def call(
        self,
        database: Database,
        name: str,
        arguments: Mapping[str, Any],
        *,
        after: Callable[[Draft], None] | None = None,
    ) -> Result:
        """Call a tool. Arguments are checked first, and what a refused call has written is thrown away.

        Args:
            database: the version to work on.
            name: of the tool.
            arguments: by name, as parsed from JSON; anything at all may stand here.
            after: what follows from every change, written into the same draft; it may refuse too.
        """
        tool = self._tools.get(name)
        if tool is None:
            return Result(database, _error(f"Tool {name[:80]!r} not found."), True)
        draft = Draft(database)
        try:
            content = render(tool.function(draft, **_checked(tool, arguments)))
            if after is not None and draft.written and tool.kind == "write":
                after(draft)
        except Refused as refusal:
            return Result(database, _error(str(refusal)), True)
        return Result(draft.commit() if tool.kind == "write" else database, content, False)

    def complaint(self, name: str, arguments: Mapping[str, Any]) -> str | None:
        """Return why a call is refused before its tool is asked, None where its arguments fit.

        Args:
            name: of a tool that there is.
            arguments: by name.
        """
        try:
            _checked(self._tools[name], arguments)
        except Refused as refusal:
            return str(refusal)
        return None

    def _add(self, function: Function, kind: Kind) -> Function:
        tool = _describe(function, kind)
        self._tools[tool.name] = tool
        return function


def render(answer: Any) -> str:
    """Return an answer as tau2 shows it: text as it is, everything else as JSON."""
    return answer if isinstance(answer, str) else json.dumps(answer)


def signature(schema: Mapping[str, Any]) -> str:
    """Return a function description as one line for a prompt: ``name(argument: type, ...): what it does``."""
    function = schema["function"]
    shown = ", ".join(f"{name}: {_type_name(kind)}" for name, kind in function["parameters"]["properties"].items())
    return f"{function['name']}({shown}): {function['description'].splitlines()[0]}"


def _error(sentence: str) -> str:
    """An error that any file can hold: it may quote the argument of a hostile call."""
    return f"Error: {sentence[:_LONGEST_ERROR].encode('utf-8', 'backslashreplace').decode()}"


def _type_name(kind: Mapping[str, Any]) -> str:
    if "enum" in kind:
        return "|".join(map(str, kind["enum"]))
    return f"list of {_type_name(kind['items'])}" if kind.get("type") == "array" else str(kind.get("type", "any"))


def _checked(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    missing = tool.required - arguments.keys()
    if missing:
        raise Refused(f"{tool.name} needs the argument {min(missing)!r}.")
    checks, clean = tool.arguments, {}
    for name, value in arguments.items():
        if name not in checks:
            raise Refused(f"{tool.name} has no argument {str(name)[:80]!r}; it takes {', '.join(checks) or 'none'}.")
        clean[name] = checks[name](value, name)
    return clean


def _describe(function: Function, kind: Kind) -> Tool:
    summary, explained = _docstring(function)
    hints = typing.get_type_hints(function)
    parameters = list(inspect.signature(function).parameters.values())[1:]  # the first is the draft
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
    return Tool(function.__name__, kind, function, schema, checks, frozenset(required))


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
