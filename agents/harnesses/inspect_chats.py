"""Our requests as chats of inspect_ai, and its model's output as a completion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from credit_gym.agents.llm.completion import Completion, Message
from credit_gym.agents.llm.tool_chat import calls_of
from credit_gym.data.finish_reasons import common_reason
from credit_gym.errors import BackendError, missing_extra

try:
    from inspect_ai.model import (
        ChatMessage,
        ChatMessageAssistant,
        ChatMessageSystem,
        ChatMessageTool,
        ChatMessageUser,
        ContentReasoning,
        ModelOutput,
    )
    from inspect_ai.tool import ToolCall, ToolInfo, ToolParams
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "inspect_ai", "inspect") from None


class GrowingChat:
    """One conversation: a message that was shown once is the same object ever after, as inspect's log expects."""

    def __init__(self) -> None:
        self._shown: list[tuple[Message, ChatMessage]] = []

    def messages(self, chat: Sequence[Message], replies: Sequence[str]) -> list[ChatMessage]:
        """Return a chat in inspect's types.

        Args:
            chat: the messages.
            replies: ids of the model's messages so far, the last ones of which are those of the chat.
        """
        same = 0
        for message, (before, _) in zip(chat, self._shown, strict=False):
            if message != before:
                break
            same += 1
        del self._shown[same:]
        answers = sum(message["role"] == "assistant" for message in chat[same:])
        ids = iter(replies[len(replies) - answers :])
        names = {call["id"]: call["name"] for message in chat for call in calls_of(message)}
        for message in chat[same:]:
            self._shown.append((message, _message(message, ids, names)))
        return [shown for _, shown in self._shown]


def tools(given: Sequence[Mapping[str, Any]]) -> list[ToolInfo]:
    """Return OpenAI's function descriptions in inspect's type."""
    functions = [tool["function"] for tool in given]
    return [
        ToolInfo(
            name=each["name"],
            description=each.get("description") or each["name"],
            parameters=ToolParams.model_validate(each.get("parameters") or {}),
        )
        for each in functions
    ]


def completion(output: ModelOutput) -> Completion:
    """Return what a model answered.

    Raises:
        BackendError: it did not.
    """
    if not output.choices:
        raise BackendError(f"{output.model} gave no answer: {output.error or 'its output has no choice'}.")
    choice = output.choices[0]
    message = choice.message
    reason = common_reason(choice.stop_reason)
    return Completion(
        text=message.text,
        logprobs=tuple(each.logprob for each in choice.logprobs.content) if choice.logprobs else (),
        usage=_usage(output),
        finish_reason="stop" if reason == "unknown" else reason,
        thought="\n".join(filter(None, map(_thought, message.content_list))),
        tool_calls=tuple(
            {"id": call.id, "name": call.function, "arguments": call.arguments} for call in message.tool_calls or ()
        ),
    )


def _message(message: Message, ids: Iterator[str], names: Mapping[str, str]) -> ChatMessage:
    content = str(message.get("content") or "")
    return _OF_ROLE[message["role"]](message, content, ids, names)


def _assistant(message: Message, content: str, ids: Iterator[str], _: Any) -> ChatMessage:
    calls = [ToolCall(call["id"], call["name"], _arguments(call["arguments"])) for call in calls_of(message)]
    return ChatMessageAssistant(id=next(ids, None), content=content, tool_calls=calls or None)


def _tool(message: Message, content: str, _: Any, names: Mapping[str, str]) -> ChatMessage:
    call_id = message.get("tool_call_id")
    return ChatMessageTool(content=content, tool_call_id=call_id, function=names.get(call_id or ""))


_OF_ROLE: dict[str, Callable[[Message, str, Iterator[str], Mapping[str, str]], ChatMessage]] = {
    "system": lambda message, content, ids, names: ChatMessageSystem(content=content),
    "user": lambda message, content, ids, names: ChatMessageUser(content=content),
    "assistant": _assistant,
    "tool": _tool,
}


def _arguments(arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    """Arguments of a call; text that is no object is kept under a name that no tool has."""
    return {"": arguments} if isinstance(arguments, str) else dict(arguments)


def _thought(content: Any) -> str:
    if not isinstance(content, ContentReasoning):
        return ""
    return str((content.summary if content.redacted else content.reasoning) or "")


def _usage(output: ModelOutput) -> dict[str, float]:
    given = output.usage
    if given is None:
        return {}
    read = given.input_tokens + (given.input_tokens_cache_read or 0) + (given.input_tokens_cache_write or 0)
    dollars = {} if given.total_cost is None else {"dollars": given.total_cost}
    return {"prompt_tokens": read, "completion_tokens": given.output_tokens, **dollars}
