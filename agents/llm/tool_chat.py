"""Chats with tool calls in them, as OpenAI writes them: made whole, or told in words to those who know no tools."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from typing import Any

from credit_gym.agents.llm.completion import Message, Request
from credit_gym.data.calls import read_arguments, write_calls


def calls_of(message: Message) -> list[dict[str, Any]]:
    """Return the calls that a message of the assistant's makes, each with ``id``, ``name`` and ``arguments``."""
    return [_call(call) for call in message.get("tool_calls") or ()]


def text_of(message: Message) -> str:
    """Return the content of a message; one that is null is empty."""
    content = message.get("content")
    return "" if content is None else str(content)


def in_words(messages: Sequence[Message]) -> list[Message]:
    """Return a chat without tools: calls are what the assistant said, results what the user says."""
    return [_in_words(message, frozenset()) for message in messages]


def paired(messages: Sequence[Message]) -> list[Message]:
    """Return a chat in which every call has its result right behind it and every result its call.

    Servers refuse a chat with any other, as one has whose beginning is not shown; those are told in words.
    """
    found: list[Message] = []
    place = 0
    while place < len(messages):
        end = place + 1
        while end < len(messages) and messages[end]["role"] == "tool":
            end += 1
        called = [call["id"] for call in calls_of(messages[place])]
        results = messages[place + 1 : end]
        answered = [message.get("tool_call_id") for message in results]
        kept = {identity for identity in called if identity and called.count(identity) == answered.count(identity) == 1}
        results = sorted(results, key=lambda message: message.get("tool_call_id") not in kept)
        found += (_in_words(message, kept) for message in (messages[place], *results))
        place = end
    return found


def written(request: Request) -> str:
    """Return everything that a request says, as text: contents, calls, results and tools."""
    texts = [text_of(message) for message in request.messages]
    texts += [write_calls([call]) for message in request.messages for call in calls_of(message)]
    texts += [json.dumps(tool, ensure_ascii=False, default=str) for tool in request.tools]
    return "".join((*texts, request.opening))


def _in_words(message: Message, kept: Set[str]) -> Message:
    """A message whose calls and results are text, save those with one of these ids."""
    if message["role"] == "tool":
        return message if message.get("tool_call_id") in kept else {"role": "user", "content": text_of(message)}
    calls = calls_of(message)
    loose = [call for call in calls if call["id"] not in kept]
    if not loose:
        return message
    rest = {key: value for key, value in message.items() if key not in ("tool_calls", "token_ids")}
    left = [given for given, call in zip(message["tool_calls"], calls, strict=True) if call["id"] in kept]
    said = "\n".join(filter(None, (text_of(message), write_calls(loose))))
    return {**rest, "content": said, **({"tool_calls": left} if left else {})}


def _call(given: Mapping[str, Any]) -> dict[str, Any]:
    inside = given.get("function") or given
    return {
        "id": str(given.get("id") or ""),
        "name": str(inside.get("name") or ""),
        "arguments": read_arguments(inside.get("arguments")),
    }
