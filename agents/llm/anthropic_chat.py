"""A chat as the Messages API wants it: system apart, roles in turn, calls and their results as blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from credit_gym.agents.llm.completion import Message
from credit_gym.agents.llm.tool_chat import calls_of, paired, text_of

_EMPTY = "(nothing)"  # the API refuses a message without text
_NO_ID = re.compile(r"[^a-zA-Z0-9_-]")


def system_text(messages: Sequence[Message]) -> str:
    """Return what the system messages say."""
    return "\n\n".join(text_of(message) for message in messages if message["role"] == "system")


def chat_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the other messages: neighbours of one role are one message, results stand before what the user says.

    A message of nothing but one text has that as its content, any other a list of blocks.
    """
    merged: list[tuple[str, list[dict[str, Any]]]] = []
    for message in paired([message for message in messages if message["role"] != "system"]):
        role = "assistant" if message["role"] == "assistant" else "user"
        if not merged or merged[-1][0] != role:
            merged.append((role, []))
        merged[-1][1].extend(_blocks(message))
    return [{"role": role, "content": _content(blocks)} for role, blocks in merged]


def tool_descriptions(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return tools, given as OpenAI function descriptions, in the API's form."""
    return [_description(tool.get("function") or tool) for tool in tools]


def _description(function: Mapping[str, Any]) -> dict[str, Any]:
    described = {"description": function["description"]} if function.get("description") else {}
    schema = {"type": "object", "properties": {}, **(function.get("parameters") or {})}
    return {"name": function["name"], **described, "input_schema": schema}


def _blocks(message: Message) -> Iterator[dict[str, Any]]:
    text = text_of(message)
    if message["role"] == "tool":
        yield {"type": "tool_result", "tool_use_id": _id(message["tool_call_id"]), "content": text}
        return
    if text.strip():
        yield {"type": "text", "text": text}
    for call in calls_of(message):
        arguments = call["arguments"]
        written = {"arguments": arguments} if isinstance(arguments, str) else arguments  # the API takes objects alone
        yield {"type": "tool_use", "id": _id(call["id"]), "name": call["name"], "input": written}


def _content(blocks: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    if not blocks:
        return _EMPTY
    if len(blocks) == 1 and blocks[0]["type"] == "text":
        return str(blocks[0]["text"])
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


def _id(given: Any) -> str:
    return _NO_ID.sub("_", str(given))
