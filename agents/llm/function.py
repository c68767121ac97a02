"""A function from a chat to its answer, as a backend: whatever stands behind it plays like a model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from credit_gym.agents.llm.completion import Completion, Message, Request
from credit_gym.errors import BackendError

Answer: TypeAlias = str | Completion
Chat: TypeAlias = list[Message]


class ChatFunction:
    """Answers each request with a function ``messages -> text``; it must be thread-safe if there are several workers.

    Args:
        name: who plays, in stores and reports.
        function: a list of messages with ``role`` and ``content`` in, the answer out: its text, or a
            :class:`~credit_gym.agents.llm.completion.Completion`.
    """

    takes_tools = False

    def __init__(self, name: str, function: Callable[[Chat], Answer]) -> None:
        self.name = name
        self._function = function

    def complete(self, requests: Sequence[Request], /) -> list[Completion]:
        """Answer each request, in order.

        Raises:
            BackendError: an answer is no text.
        """
        return [_completion(self._function(list(request.messages)), self.name) for request in requests]


class AsyncChatFunction:
    """The same with a function that is awaited.

    Args:
        name: who plays.
        function: like that of :class:`ChatFunction`, a coroutine function.
    """

    def __init__(self, name: str, function: Callable[[Chat], Awaitable[Answer]]) -> None:
        self.name = name
        self._function = function

    async def complete(self, request: Request, /) -> Completion:
        """Answer one request.

        Raises:
            BackendError: the answer is no text.
        """
        return _completion(await self._function(list(request.messages)), self.name)

    async def close(self) -> None:
        """Do nothing: a function holds nothing open."""


def _completion(answer: object, name: str) -> Completion:
    if isinstance(answer, Completion):
        return answer
    if not isinstance(answer, str):
        raise BackendError(f"{name} answered {type(answer).__name__}: it must return text.")
    return Completion(text=answer)
