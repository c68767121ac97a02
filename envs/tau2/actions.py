"""What an agent may write: tool calls, in the dialects that models write them in, or a message to the customer."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from credit_gym.data import calls
from credit_gym.data.call_dialects import Unreadable, parameters, read_calls
from credit_gym.data.foreign_text import read_json
from credit_gym.data.python_calls import literal
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


class Calls(NamedTuple):
    """Several calls of one action, to be made one after another."""

    calls: tuple[ToolCall, ...]


class Malformed(NamedTuple):
    """An action that cannot be understood, and the sentence that says why."""

    reason: str


def parse_action(action: str, tools: Toolkit, *, upstream: bool = False) -> ToolCall | Calls | Malformed | str:
    """Read an action.

    By default every dialect of :func:`~credit_gym.data.call_dialects.read_calls` is a call, and what looks like one and
    cannot be read is an error, never a message: ``Sure (of course)`` is a message, ``get_loan(`` is not. With
    ``upstream`` as tau2 1.0.1 does it: ``{"name": ..., "arguments": {...}}`` or ``name(argument=value, ...)`` on one
    line, arguments without a name are dropped, anything of the form ``word(...)`` that parses is a call, and all else
    is a message.

    Args:
        action: what the agent wrote, hostile or not.
        tools: the tools that it has.
        upstream: read it exactly as tau2 does.

    Returns:
        The call or calls, the message as it was written, or what is wrong.
    """
    if not action.strip():
        return Malformed("The action is empty: write a message to the customer or a tool call.")
    if upstream:
        return _as_tau2_reads(action)
    found = read_calls(action, {"done": {}} | parameters(tools.schemas))
    if isinstance(found, Unreadable):
        return Malformed(found.reason)
    read = [ToolCall(call["name"], call["arguments"]) for call in found]
    if not read:
        return action
    return read[0] if len(read) == 1 else Calls(tuple(read))


def write_call(call: ToolCall) -> str:
    """Return a call as an action in JSON."""
    return calls.write_call(call.name, call.arguments)


def write_function(call: ToolCall) -> str:
    """Return a call as an action that reads like a function call."""
    return f"{call.name}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})"


def is_stop(text: str) -> bool:
    """Whether a customer's message ends the conversation."""
    return STOP in text or TRANSFER in text or OUT_OF_SCOPE in text


def _as_tau2_reads(action: str) -> ToolCall | str:
    text = action.strip()
    if text.startswith("{"):
        return _from_json(text) or action
    match = _CALL.fullmatch(text) if len(text) <= _LONGEST_CALL and "\n" not in text else None
    arguments = None if match is None else _from_function(match[2])
    return action if match is None or arguments is None else ToolCall(match[1], arguments)


def _from_json(text: str) -> ToolCall | None:
    """The call that a JSON object means; None if it is none."""
    try:
        value = read_json(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    name, arguments = value.get("name"), value.get("arguments")
    return ToolCall(name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _from_function(inside: str) -> dict[str, Any] | None:
    """The named arguments between the brackets; None if they are not literals."""
    try:
        call = ast.parse(f"f({inside})", mode="eval").body
        if not isinstance(call, ast.Call) or any(keyword.arg is None for keyword in call.keywords):
            return None
        return {str(keyword.arg): literal(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None
