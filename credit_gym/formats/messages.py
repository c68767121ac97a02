"""Chat messages as others write them, read into one form: that of OpenAI's chat completions, with text contents.

A message is a mapping with ``role`` (system, user, assistant, tool) and ``content`` (a text). An assistant's may have
``tool_calls``, their arguments in the canonical text of :mod:`credit_gym.data.calls`, and ``reasoning_content``; a
tool's may have ``tool_call_id``; any may have a ``name``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from credit_gym.data.call_dialects import Unreadable, before_marks, marked_calls, read_calls
from credit_gym.data.calls import write_arguments, write_calls
from credit_gym.data.finish_reasons import common_reason
from credit_gym.formats.json_values import mapping, name, rows
from credit_gym.formats.parts import Content, read_call, read_content, result
from credit_gym.formats.thoughts import take_thought

Message = dict[str, Any]
Chat = TypeVar("Chat", bound=Sized)

MOST_SHOWN = 10_000_000
"""Messages of all the chats that the steps of one episode answer, those that they share counted each time."""

_ROLES = {
    **dict.fromkeys(("ai", "model", "gpt", "chatgpt", "function_call", "tool_call"), "assistant"),
    **dict.fromkeys(("function", "observation", "function_response", "tool_response"), "tool"),
    "developer": "system",
    "human": "user",
}
_TYPES = ("human", "ai", "system", "tool", "function")  # LangChain's, in the place of a role
_CALLING = ("function_call", "tool_call")  # ShareGPT's roles whose text is a call
_ITEMS = ("reasoning", "_call", "_call_output")  # how the types of Responses items without a role end
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_WHATEVER_ELSE = ("name", "tool_call_id", "reasoning_content")


class Said(NamedTuple):
    """A message as it was read.

    Attributes:
        message: the message.
        text: what was written, thoughts in it included.
        finish_reason: of an assistant's, why it ended, in the common words; empty where that is not known.
        reward: what stands beside it as its reward, None for nothing.
    """

    message: Message
    text: str = ""
    finish_reason: str = ""
    reward: Any = None

    @property
    def is_reply(self) -> bool:
        """Whether the assistant said it."""
        return bool(self.message["role"] == "assistant")

    @property
    def action(self) -> str:
        """What an assistant's message does: its calls in canonical text, or else what it says."""
        calls = calls_of(self.message)
        return write_calls(calls) if calls else str(self.message["content"])

    @property
    def thought(self) -> str:
        """The thought that came with it; empty if there is none."""
        return str(self.message.get("reasoning_content", ""))


def read_messages(given: Any) -> list[Said]:
    """Return the messages of a chat, in whichever dialect each is written.

    Known are OpenAI's chat messages, Anthropic's with their blocks (tool results in a user's message become messages of
    their own), Gemini's and Bedrock's with their parts, ShareGPT's (``from`` and ``value``), LangChain's (``type``),
    and Responses items, of which those between two results are one reply. Calls that stand between marks in an
    assistant's text (:func:`credit_gym.data.call_dialects.marked_calls`) are its calls, unless it has others. A thought
    at the beginning of an assistant's text (:mod:`credit_gym.formats.thoughts`) is its ``reasoning_content``, unless it
    has one already. A reply that was declined ends by ``refusal``.

    Raises:
        ValueError: a message has no role or no content; the error says which.
        TypeError: one is not a message.
    """
    drafts = list[_Draft]()
    for index, each in enumerate(rows(given, "messages")):
        try:
            found = list(_drafts(mapping(each, "a message")))
        except KeyError as error:
            raise ValueError(f"messages[{index}] has no {error}") from None
        except TypeError as error:
            raise TypeError(f"{error} (messages[{index}])") from None
        for draft in found:
            if drafts and drafts[-1].goes_on_in(draft):
                drafts[-1].join(draft)
            else:
                drafts.append(draft)
    return [draft.said() for draft in drafts]


def bounded(chats: Iterable[Chat]) -> Iterator[Chat]:
    """Yield the chats that the steps of an episode answer as they are made, as long as they can be held.

    Raises:
        ValueError: together they have more than :data:`MOST_SHOWN` messages.
    """
    left = MOST_SHOWN
    for chat in chats:
        left -= len(chat)
        if left < 0:
            raise ValueError(f"the chats of its steps hold more than {MOST_SHOWN} messages: split it, or give steps")
        yield chat


def texts_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return what some messages say, one after the other."""
    return "\n".join(message["content"] for message in messages)


def calls_of(message: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the tool calls of a message, as the column ``tool_calls`` holds them."""
    return tuple(map(read_call, message.get("tool_calls") or ()))


def reply(text: str, *, calls: Sequence[Mapping[str, Any]] = (), thought: str = "") -> Message:
    """Return what an assistant said as a message; what it does not have is left out."""
    return {
        "role": "assistant",
        "content": text,
        **({"reasoning_content": thought} if thought else {}),
        **({"tool_calls": [_written(call) for call in calls]} if calls else {}),
    }


def plain_message(recorded: Mapping[str, Any]) -> Message:
    """Return a message of an episode with the fields that every trainer's chat may have, and no others."""
    calls = calls_of(recorded)
    return {
        "role": str(recorded["role"]),
        "content": _text(recorded.get("content")),
        **{key: str(recorded[key]) for key in _WHATEVER_ELSE if recorded.get(key)},
        **({"tool_calls": [_written(call) for call in calls]} if calls else {}),
    }


@dataclass(slots=True)
class _Draft:
    """A message while its items are being read."""

    role: str
    content: Content
    is_item: bool = False
    reason: str = ""
    rest: Message = field(default_factory=dict)
    reward: Any = None

    def goes_on_in(self, other: _Draft) -> bool:
        """Whether another one is a further part of this reply."""
        if self.role != "assistant" or other.role != "assistant":
            return False
        only_thought = self.is_item and not (self.content.texts or self.content.calls)
        only_calls = other.is_item and not (other.content.texts or other.content.thoughts)
        return only_thought or only_calls or (self.is_item and other.is_item)

    def join(self, other: _Draft) -> None:
        mine, theirs = self.content, other.content
        mine.texts += theirs.texts
        mine.thoughts += theirs.thoughts
        mine.calls += theirs.calls
        mine.refused |= theirs.refused
        self.reason, self.rest = other.reason or self.reason, {**self.rest, **other.rest}
        self.reward = self.reward if other.reward is None else other.reward

    def said(self) -> Said:
        content, text = self.content, "\n".join(self.content.texts)
        if self.role != "assistant":
            return Said({"role": self.role, "content": text, **self.rest}, text)
        thought, rest = ("\n".join(content.thoughts), text) if any(content.thoughts) else take_thought(text)
        calls = content.calls or _marked(rest)
        rest = rest if content.calls or not calls else before_marks(rest)
        reason = "refusal" if content.refused and self.reason in ("", "stop") else self.reason
        return Said({**reply(rest, calls=calls, thought=thought), **self.rest}, text, reason, self.reward)


def _drafts(item: Message) -> Iterator[_Draft]:
    """The messages that one entry of a chat is."""
    if str(item.get("type")).endswith(_ITEMS):
        role, content, is_item = "assistant", read_content([item]), True
    else:
        if "role" not in item and "from" in item:
            item = {**item, "role": item["from"], "content": item["value"]}
        elif "role" not in item and item.get("type") in _TYPES:
            item = {**item, **mapping(item.get("data"), "the data of a message"), "role": item["type"]}
        if not isinstance(item["role"], str):
            raise TypeError("a message must have a role and a content that are text")
        role, content = _ROLES.get(item["role"], item["role"]), _content(item)
        if item["role"] in _CALLING and not content.calls:
            content = Content(calls=_written_out("\n".join(content.texts)))
        is_item = item.get("type") == "message"
    named = name(item.get("name"), "the name in a message", "") if "role" in item else ""
    if role == "tool" and not content.results:
        yield _Draft(role, Content(), rest=result(content.texts, item.get("tool_call_id"), named))
        return
    draft = _Draft(role, content, is_item, _reason(item), {"name": named} if named else {}, item.get("reward"))
    results = [_Draft("tool", Content(), rest=found) for found in content.results]
    has_more = content.texts or content.thoughts or content.calls or not results
    yield from [draft, *results] if role == "assistant" and has_more else [*results, *([draft] if has_more else [])]


def _content(item: Message) -> Content:
    """What a message holds, in its content and in the fields beside it."""
    calls = item.get("tool_calls") or item.get("function_call") or []
    thoughts = [item[key] for key in _THOUGHTS if item.get(key) and isinstance(item[key], str)][:1]
    refusal = item.get("refusal")
    said = item.get("content", item.get("parts"))
    content = read_content(said if calls or thoughts or refusal or "parts" in item else item["content"])
    content.calls += map(read_call, calls if isinstance(calls, list) else [calls])
    content.thoughts[:0] = thoughts
    if refusal:
        content.add({"type": "refusal", "refusal": refusal})
    return content


def _marked(text: str) -> list[dict[str, Any]]:
    """The calls between marks in a text; none where they cannot be read: then it stays what was said."""
    found = marked_calls(text)
    return [] if isinstance(found, Unreadable) else list(found)


def _written_out(text: str) -> list[dict[str, Any]]:
    found = read_calls(text, {})
    if isinstance(found, Unreadable) or not found:
        raise TypeError('a message that is a tool call must be {"name": ..., "arguments": {...}}')
    return list(found)


def _reason(item: Message) -> str:
    """Why a reply ended, where its message says so."""
    reason = item.get("finish_reason") or item.get("stop_reason")
    if not reason and item.get("status") == "incomplete":
        reason = mapping(item.get("incomplete_details"), "incomplete_details").get("reason") or "incomplete"
    return common_reason(reason) if isinstance(reason, str) else ""


def _written(call: Mapping[str, Any]) -> Message:
    function = {"name": call["name"], "arguments": write_arguments(call["arguments"])}
    return {"id": call["id"], "type": "function", "function": function}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    try:
        return "\n".join(read_content(content).texts)
    except TypeError:
        return str(content)
