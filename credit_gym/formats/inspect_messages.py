"""Chats of inspect_ai's logs, in the form of :mod:`credit_gym.formats.messages`, and what the calls of a model say."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from credit_gym.data.finish_reasons import common_reason
from credit_gym.formats.json_records import LONGEST
from credit_gym.formats.json_values import mapping, name, rows, text
from credit_gym.formats.messages import Message, Said, read_messages

MOST_SHOWN = 10_000_000
"""Messages of all the chats that a model was shown in one sample, those that they share counted each time."""

_REFERENCE = "attachment://"


class Call(NamedTuple):
    """One call of a model.

    Attributes:
        chat: the messages that it was shown.
        reply: its answer.
    """

    chat: tuple[Message, ...]
    reply: Said


class Sample:
    """The messages and calls of one sample.

    Args:
        row: the sample.

    Attributes:
        ids: of each message of its chat the id, empty where it has none.
        given: of each whether it came with the task, as few-shot examples do.
        chat: the messages.

    Raises:
        ValueError, TypeError, ...: it is malformed.
    """

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._read = _Reader(mapping(row.get("attachments"), "attachments"))
        entries = [mapping(each, "a message") for each in rows(row.get("messages"), "messages")]
        self.ids = [_id(each) for each in entries]
        self.given = [each.get("source") == "input" for each in entries]
        self.chat = [self._read(each) for each in entries]
        self._row = row

    def calls(self) -> dict[str, deque[Call]]:
        """Return the calls of models by the id of their answer, in their order: cached answers share an id."""
        pooled = mapping(self._row.get("events_data"), "events_data").get("messages")
        pool = [self._read(each).message for each in rows(pooled or [], "events_data.messages")]
        found: dict[str, deque[Call]] = {}
        left = MOST_SHOWN
        for event in rows(self._row.get("events") or [], "events"):
            event = mapping(event, "an event")
            choices = rows(mapping(event.get("output"), "an output").get("choices") or [], "choices")
            if event.get("event") != "model" or not choices:
                continue
            spans = [_span(each, len(pool)) for each in rows(event.get("input_refs") or [], "input_refs")]
            shown = rows(event.get("input") or [], "input")
            left -= len(shown) + sum(map(len, spans))
            if left < 0:
                raise ValueError(f"its chats hold more than {MOST_SHOWN} messages")
            chat = [self._read(each).message for each in shown]
            chat += [message for span in spans for message in pool[span.start : span.stop]]
            choice = mapping(choices[0], "a choice")
            answer = mapping(choice.get("message"), "a message")
            reason = common_reason(text(choice.get("stop_reason") or "", "a stop_reason"))
            said = self._read(answer)._replace(finish_reason="" if reason == "unknown" else reason)
            found.setdefault(_id(answer), deque()).append(Call(tuple(chat), said))
        return found


def _span(given: Any, size: int) -> range:
    pair = rows(given, "a reference")
    if len(pair) != 2 or any(type(each) is not int for each in pair) or not 0 <= pair[0] <= pair[1] <= size:
        raise ValueError("it refers to messages that it does not hold")
    return range(*pair)


def _id(given: Mapping[str, Any]) -> str:
    return name(given.get("id"), "the id of a message", "")


class _Reader:
    """Reads messages, each once, with the long texts that they refer to in their places."""

    def __init__(self, attachments: Mapping[str, Any]) -> None:
        self._attachments = attachments
        self._known: dict[str, tuple[Any, Said]] = {}
        self._left = LONGEST

    def __call__(self, given: Any) -> Said:
        message = mapping(given, "a message")
        before, said = self._known.get(_id(message), (None, None))
        if said is None or before != message:
            found = read_messages([_plain(self._held(message))])
            if len(found) > 1:
                raise ValueError("a message holds results of tools beside its own text")
            said = found[0]
            self._known[_id(message)] = message, said
        return said

    def _held(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(_REFERENCE):
            found = text(self._attachments.get(value.removeprefix(_REFERENCE), value), "an attachment")
            self._left -= len(found)
            if self._left < 0:
                raise ValueError(f"its attachments are more than {LONGEST} characters where they are referred to")
            return found
        if isinstance(value, dict):
            return {key: self._held(each) for key, each in value.items()}
        return [self._held(each) for each in value] if isinstance(value, list) else value


def _plain(given: Mapping[str, Any]) -> Message:
    """A message as OpenAI writes them."""
    content = given.get("content") or ""
    error = mapping(given.get("error"), "the error of a tool").get("message")
    if error:  # beside it stands what the tool had said by then
        said = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
        content = [*said, {"type": "text", "text": error}]
    call_id = given.get("tool_call_id")
    message: Message = {
        "role": given["role"],
        "content": [_part(each) for each in content] if isinstance(content, list) else content,
        "reasoning": given.get("reasoning"),  # where it stood before it was a part of the content
        "tool_calls": [_call(each) for each in rows(given.get("tool_calls") or [], "tool_calls")],
    }
    if given["role"] == "tool":  # the id says which call it is; a user's message may have a list of them
        message |= {"tool_call_id": call_id} if call_id else {"name": given.get("function")}
    return message


def _call(given: Any) -> Message:
    call = mapping(given, "a tool call")
    return {"id": call.get("id"), "function": {"name": call.get("function"), "arguments": call.get("arguments")}}


def _part(given: Any) -> Any:
    part = mapping(given, "a part of a message")
    read = _PARTS.get(str(part.get("type")))
    return read(part) if read else part


def _text(part: Message) -> Message:
    return {"type": "refusal", "refusal": part.get("text")} if part.get("refusal") is True else part


def _thought(part: Message) -> Message:
    readable = not part.get("redacted") and part.get("reasoning")
    return {"type": "thinking", "thinking": readable or part.get("summary") or ""}


_PARTS: dict[str, Callable[[Message], Any]] = {
    "text": _text,
    "reasoning": _thought,
    "image": lambda part: {"type": "image", "url": part.get("image")},
    "tool_use": lambda part: {"type": str(part.get("tool_type") or "tool")},  # the provider called it, and answered
    "data": lambda part: "",  # for the provider alone
}
