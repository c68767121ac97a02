"""Tools: functions on a draft of the database, their JSON schemas, and calls that succeed or change nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from credit_gym.envs.tau2.database import Database, Draft
from credit_gym.envs.tool_arguments import Described, Function, Refused, checked, describe, type_name

__all__ = ["Refused", "Result", "Tool", "Toolkit", "render", "signature"]

Kind = Literal["read", "write", "generic"]

_LONGEST_ERROR = 500  # characters


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
class Tool(Described):
    """One tool.

    Attributes:
        kind: ``write`` may change the database; ``read`` and ``generic`` never do.
        function: ``function(draft, **arguments)``; returns text or JSON, raises :class:`Refused`.
    """

    kind: Kind
    function: Function


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
            content = render(tool.function(draft, **checked(tool, arguments)))
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
            checked(self._tools[name], arguments)
        except Refused as refusal:
            return str(refusal)
        return None

    def _add(self, function: Function, kind: Kind) -> Function:
        takes = describe(function)
        tool = Tool(takes.name, takes.schema, takes.arguments, takes.required, kind, function)
        self._tools[tool.name] = tool
        return function


def render(answer: Any) -> str:
    """Return an answer as tau2 shows it: text as it is, everything else as JSON."""
    return answer if isinstance(answer, str) else json.dumps(answer)


def signature(schema: Mapping[str, Any]) -> str:
    """Return a function description as one line for a prompt: ``name(argument: type, ...): what it does``."""
    function = schema["function"]
    shown = ", ".join(f"{name}: {type_name(kind)}" for name, kind in function["parameters"]["properties"].items())
    return f"{function['name']}({shown}): {function['description'].splitlines()[0]}"


def _error(sentence: str) -> str:
    """An error that any file can hold: it may quote the argument of a hostile call."""
    return f"Error: {sentence[:_LONGEST_ERROR].encode('utf-8', 'backslashreplace').decode()}"
