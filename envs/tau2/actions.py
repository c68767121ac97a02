"""What an agent may write: a tool call as JSON, a tool call as a function call, or a message to the customer."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from credit_gym.envs.tau2.toolkit import Toolkit

STOP = "###STOP###"
TRANSFER = "###TRANSFER###"
OUT_OF_SCOPE = "###OUT-OF-SCOPE###"

DONE = "done()"
"""The call by which an agent ends the conversation."""

_CALL = re.compile(r"(\w+)\s*\((.*)\)", re.DOTALL)
_LONGEST_CALL = 20_000  # characters; the parser of function calls is Python's own, and hostile input can be any length


class ToolCall(NamedTuple):
    """A call of a tool."""

    name: str
    arguments: Mapping[str, Any]
    requestor: str = "assistant"
    id: str = ""


class Message(NamedTuple):
    """One message of a conversation, as tau2 has them.

    Attributes:
        role: ``assistant`` (the agent), ``user`` (the customer) or ``tool``.
        content: its text; None for a call.
        call: the tool call that it makes, if it makes one.
        requestor: of a tool's answer: who called.
        error: of a tool's answer: whether it was refused.
        id: of a tool's answer: the id of the call.
        calls: further calls of the same message, in published trajectories; the environment makes one at a time.
    """

    role: str
    content: str | None = None
    call: ToolCall | None = None
    requestor: str = "assistant"
    error: bool = False
    id: str = ""
    calls: tuple[ToolCall, ...] = ()

    @property
    def all_calls(self) -> tuple[ToolCall, ...]:
        """Every call that it makes."""
        return self.calls if self.call is None else (self.call, *self.calls)


class Malformed(NamedTuple):
    """An action that cannot be understood, and the sentence that says why."""

    reason: str


def parse_action(action: str, tools: Toolkit, *, upstream: bool = False) -> ToolCall | Malformed | str:
    """Read an action.

    ``{"name": ..., "arguments": {...}}`` and ``name(argument=value, ...)`` are calls, everything else is a message.

    By default a function call may span lines; arguments without a name go to the tool's parameters in order; a JSON
    object with a name and without an object of arguments is an error; and text that merely ends in brackets, such as
    ``Sure (of course)``, stays text unless a tool has that name. With ``upstream`` as tau2 1.0.1 does it: one line
    only, arguments without a name are dropped, anything of the form ``word(...)`` that parses is a call, and JSON that
    is not a complete call is a message.

    Args:
        action: what the agent wrote, hostile or not.
        tools: the tools that it has.
        upstream: read it exactly as tau2 does.

    Returns:
        The call, the message as it was written, or what is wrong.
    """
    text = action.strip()
    if not text:
        return Malformed("The action is empty: write a message to the customer or a tool call.")
    if text.startswith("{"):
        call = _from_json(text)
        if call is not None and (isinstance(call, ToolCall) or not upstream):
            return call
        return action
    match = _CALL.fullmatch(text) if len(text) <= _LONGEST_CALL else None
    if match is None or (upstream and "\n" in text):
        return action
    name, inside = match.groups()
    arguments = _from_function(inside, tools[name].arguments if name in tools else {}, upstream=upstream)
    if arguments is None or (not upstream and name not in tools and name != "done" and not arguments):
        return action
    return ToolCall(name, arguments)


def write_call(call: ToolCall) -> str:
    """Return a call as an action in JSON."""
    return json.dumps({"name": call.name, "arguments": call.arguments})


def write_function(call: ToolCall) -> str:
    """Return a call as an action that reads like a function call."""
    return f"{call.name}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})"


def is_stop(text: str) -> bool:
    """Whether a customer's message ends the conversation."""
    return STOP in text or TRANSFER in text or OUT_OF_SCOPE in text


def _from_json(text: str) -> ToolCall | Malformed | None:
    """The call that a JSON object means; None if it is not JSON, or not about a call."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or "name" not in value:
        return None
    name, arguments = value["name"], value.get("arguments")
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return Malformed('A tool call in JSON is {"name": "...", "arguments": {...}}.')
    return ToolCall(name, arguments)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _from_function(inside: str, parameters: Mapping[str, Any], *, upstream: bool) -> dict[str, Any] | None:
    """The arguments between the brackets; None if they are not literals."""
    try:
        call = ast.parse(f"f({inside})", mode="eval").body
        if not isinstance(call, ast.Call) or any(keyword.arg is None for keyword in call.keywords):
            return None
        unnamed = [] if upstream else [_literal(node) for node in call.args]
        named = {str(keyword.arg): _literal(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None
    if len(unnamed) > len(parameters):
        return None
    return dict(zip(parameters, unnamed, strict=False)) | named


def _literal(node: ast.expr) -> Any:
    """The JSON value of an expression: literals, lists, dictionaries, and JSON's or anybody's bare words."""
    if isinstance(node, ast.Name):
        return _WORDS.get(node.id, node.id)
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {str(_literal(k)): _literal(v) for k, v in zip(node.keys, node.values, strict=True) if k is not None}
    value = ast.literal_eval(node)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError("not a JSON value")


_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}
