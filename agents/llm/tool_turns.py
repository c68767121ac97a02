"""Turns in which tools are called: what an action calls, and both as messages, in the form of OpenAI's chats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from credit_gym.agents.core import Context
from credit_gym.agents.llm.completion import Message
from credit_gym.data.action_format import ActionFormat
from credit_gym.data.call_dialects import Unreadable, parameters, read_calls
from credit_gym.data.calls import write_arguments


def has_tools(context: Context) -> bool:
    """Whether an action may be a call of tools that the environment describes."""
    return context.action_format.kind == "tool_call" and bool(context.info.get("tools"))


def calls_in(text: str, info: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the calls that a text makes, in whatever dialect; none where it is speech, or cannot be read."""
    found = read_calls(text, parameters(info.get("tools") or ()))
    return () if isinstance(found, Unreadable) else found


def called(action: str, info: Mapping[str, Any], turn: int) -> tuple[Mapping[str, Any], ...]:
    """Return the calls that an earlier action made, each with an id: its own, or the place of the call.

    Args:
        action: text, or an :class:`~credit_gym.agents.core.Action` that knows its calls.
        info: the environment's, with its ``tools``.
        turn: number of the action.
    """
    return with_ids(getattr(action, "tool_calls", ()) or calls_in(action, info), turn)


def with_ids(calls: Sequence[Mapping[str, Any]], turn: int) -> tuple[dict[str, Any], ...]:
    """Return calls of which each has an id; those without get nine letters and digits, which every server takes."""
    return tuple({**call, "id": call.get("id") or f"t{turn:05d}{number:03d}"} for number, call in enumerate(calls))


def make_calls(calls: Sequence[Mapping[str, Any]]) -> Message:
    """Return the assistant's message that makes some calls."""
    functions = ({"name": call["name"], "arguments": write_arguments(call["arguments"])} for call in calls)
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": call["id"], "type": "function", "function": function}
            for call, function in zip(calls, functions, strict=True)
        ],
    }


def results(message: Message, observation: str, form: ActionFormat) -> list[Message]:
    """Return the results of the calls of a message, one message a call; what has no result of its own is empty.

    Args:
        message: of :func:`make_calls`.
        observation: what the environment said.
        form: says what each result begins with.
    """
    calls = message["tool_calls"]
    texts = [observation.removeprefix(form.result)]
    if form.result:
        texts = texts[0].split(f"\n{form.result}", len(calls) - 1)
    texts += [""] * (len(calls) - len(texts))
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": text} for call, text in zip(calls, texts, strict=True)
    ]
