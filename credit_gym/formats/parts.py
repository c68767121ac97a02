"""The content of a message as others write it: a text, or parts (OpenAI's chat and Responses, Anthropic's, Gemini's).

Texts, refusals, thoughts, tool calls and tool results are told apart; of everything else (images, sound, files) a note
such as ``[image: https://...]`` stays in the text, so that nobody takes the message for an empty one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from credit_gym.data.calls import read_arguments
from credit_gym.formats.json_values import mapping, name, text


@dataclass(slots=True)
class Content:
    """What the content of a message holds, each in its order.

    Attributes:
        texts: what is said.
        thoughts: reasoning that is no part of it.
        calls: tool calls, as the column ``tool_calls`` holds them.
        results: tool results, as messages of the role ``tool``.
        refused: whether the model declined.
    """

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    refused: bool = False

    def add(self, part: Any) -> None:
        """Add a part: a text, or an object whose ``type`` says what it is."""
        if isinstance(part, str):
            self.texts.append(part)
        else:
            part = mapping(part, "a part of a message")
            read = _untyped if part.get("type") is None else _READ.get(str(part["type"]), _other)
            read(self, part)


def read_content(given: Any) -> Content:
    """Return what a message's content holds; null holds nothing.

    Raises:
        TypeError: it is neither a text nor parts.
    """
    if not isinstance(given, (str, list, dict, type(None))):
        raise TypeError("a message must have a role and a content that are text")
    content = Content()
    for part in given if isinstance(given, list) else [] if given is None else [given]:
        content.add(part)
    return content


def read_call(given: Any) -> dict[str, Any]:
    """Return a tool call, in whichever dialect it is written.

    Known are OpenAI's chat calls (also the ``function_call`` of old, which has no id) and Responses items, Anthropic's
    ``tool_use`` blocks, Gemini's ``functionCall``, Bedrock's ``toolUse``, verifiers' flat calls and the
    ``args`` of LangChain.

    Raises:
        TypeError: it is no call: it has no name.
    """
    call = mapping(given, "a tool call")
    inside = mapping(call.get("function") or call.get("custom") or call, "a tool call")
    called = text(inside.get("name"), "the name of a tool call")
    where = inside.get("namespace")
    arguments = next((inside[key] for key in ("arguments", "input", "args", "parameters") if key in inside), None)
    return {
        "id": name(call.get("call_id") or call.get("toolUseId") or call.get("id"), "the id of a tool call", ""),
        "name": f"{where}.{called}" if where else called,
        "arguments": read_arguments(arguments),
    }


def result(content: Any, call_id: Any, called: Any = None) -> dict[str, Any]:
    """Return a tool's result as a message; what is not known of its call is left out."""
    identity, function = name(call_id, "the id of a tool result", ""), name(called, "the name of a tool", "")
    return {
        "role": "tool",
        "content": "\n".join(read_content(content).texts),
        **({"tool_call_id": identity} if identity else {}),
        **({"name": function} if function else {}),
    }


def _text(content: Content, part: dict[str, Any]) -> None:
    said = part.get("text")
    said = said.get("value") if isinstance(said, dict) else said  # as OpenAI's Assistants write it
    content.texts.append("" if said is None else text(said, "the text of a part"))


def _refusal(content: Content, part: dict[str, Any]) -> None:
    content.refused = True
    content.texts.append(text(part.get("refusal") or "", "a refusal"))


def _thought(content: Content, part: dict[str, Any]) -> None:
    direct = next((part[key] for key in ("thinking", "text") if isinstance(part.get(key), str)), None)
    if direct is not None:
        content.thoughts.append(direct)
    for key in ("thinking", "summary", "content"):  # lists of parts, in Responses items and Mistral's
        if not isinstance(part.get(key), str):
            content.thoughts += read_content(part.get(key)).texts


def _call(content: Content, part: dict[str, Any]) -> None:
    content.calls.append(read_call(part))


def _device_call(content: Content, part: dict[str, Any]) -> None:
    """A call of a tool that has no name of its own, such as ``local_shell_call``: its name is its type's."""
    called, asked = str(part["type"]).removesuffix("_call"), part.get("action") or part.get("operation")
    content.calls.append(read_call({"id": part.get("call_id") or part.get("id"), "name": called, "arguments": asked}))


def _result(content: Content, part: dict[str, Any]) -> None:
    said = part["output"] if "output" in part else part.get("content")
    content.results.append(result(said, part.get("tool_use_id") or part.get("call_id"), part.get("name")))


def _untyped(content: Content, part: dict[str, Any]) -> None:
    """A part whose field says what it is, as Gemini and Bedrock write them."""
    for key, read in _BY_FIELD.items():
        if isinstance(part.get(key), dict):
            read(content, part[key])
            return
    said = text(part.get("text"), "the text of a part that has no type")
    (content.thoughts if part.get("thought") is True else content.texts).append(said)


def _response(content: Content, part: dict[str, Any]) -> None:
    said = part["response"] if "response" in part else part.get("content")
    parts = said if isinstance(said, list) else [said]
    texts = [each if isinstance(each, str) else _unwrapped(each) for each in parts if each is not None]
    content.results.append(result(texts, part.get("toolUseId") or part.get("id"), part.get("name")))


def _unwrapped(said: Any) -> str:
    """The text of a result: its own, or the JSON text of what it is."""
    if isinstance(said, dict) and set(said) == {"text"} and isinstance(said["text"], str):
        return str(said["text"])
    inside = said["json"] if isinstance(said, dict) and set(said) == {"json"} else said
    return json.dumps(inside, ensure_ascii=False, sort_keys=True)


def _reasoning(content: Content, part: dict[str, Any]) -> None:
    content.thoughts.append(text(mapping(part.get("reasoningText"), "a thought").get("text") or "", "a thought"))


def _other(content: Content, part: dict[str, Any]) -> None:
    kind, where = str(part["type"]).removeprefix("input_").removesuffix("_url"), _address(part)
    content.texts.append(f"[{kind}: {where}]" if where else f"[{kind}]")


def _address(part: dict[str, Any]) -> str:
    """Where an image or a file lies on the web; empty where it lies in the message itself."""
    for key in ("image_url", "source", "file_url", "url"):
        given = part.get(key)
        found = given.get("url") if isinstance(given, dict) else given
        if isinstance(found, str) and found.startswith(("http://", "https://")):
            return found
    return ""


_ITEMS = (
    "function_call",
    "custom_tool_call",
    "local_shell_call",
    "shell_call",
    "computer_call",
    "apply_patch_call",
)
"""Responses items by which a model calls a tool that is not the provider's own."""

_READ: dict[str, Callable[[Content, dict[str, Any]], None]] = {
    **dict.fromkeys(("text", "input_text", "output_text", "summary_text", "reasoning_text"), _text),
    "refusal": _refusal,
    **dict.fromkeys(("thinking", "redacted_thinking", "reasoning"), _thought),
    **dict.fromkeys(_ITEMS, _device_call),
    **dict.fromkeys(("tool_use", "tool_call", "function_call", "custom_tool_call", "function"), _call),
    **dict.fromkeys(("tool_result", *(f"{call}_output" for call in _ITEMS)), _result),
}

_BY_FIELD: dict[str, Callable[[Content, dict[str, Any]], None]] = {
    **dict.fromkeys(("functionCall", "function_call", "toolUse"), _call),
    **dict.fromkeys(("functionResponse", "function_response", "toolResult"), _response),
    "reasoningContent": _reasoning,
}
