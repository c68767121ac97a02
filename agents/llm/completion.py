"""What a language model is asked and what it answers: the one interface of every backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

Message: TypeAlias = Mapping[str, Any]
"""One chat message: ``role`` and ``content``, and what a protocol adds to them."""

MOST_ALTERNATIVES = 20
"""Most likeliest tokens at a place that a backend is asked for; OpenAI and vLLM give no more unless told to."""


class Position(NamedTuple):
    """One place of an answer.

    Attributes:
        text: what the token there spells.
        alternatives: (text, log-probability in nats) of the likeliest tokens there, likeliest first; the sampled one
            need not be among them.
    """

    text: str
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One chat to be continued.

    Attributes:
        messages: the chat, oldest first; the last message is not the assistant's.
        seed: 64 random bits that fix the sampling where the backend can be seeded.
        max_tokens: most tokens of the answer.
        temperature: 0 is greedy.
        stop: texts that end the answer; they are not part of it.
        choices: the answer must be one of these where the backend can constrain it; empty for free text.
        repetition: tells apart repeated samples of one chat in a response cache.
        top_logprobs: how many of the likeliest tokens to report at every place, at most :data:`MOST_ALTERNATIVES`.
        tools: the tools that the model may call, as OpenAI function descriptions (``{"type": "function", "function":
            {"name", "description", "parameters"}}``); empty for none. A backend without tools leaves them out.
        opening: words of the assistant's that the answer continues and does not repeat, where the backend can: a model
            in this process, or one behind a vLLM server. Others are not told of them.
    """

    messages: tuple[Message, ...]
    seed: int = 0
    max_tokens: int = 256
    temperature: float = 1.0
    stop: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    repetition: int = 0
    top_logprobs: int = 0
    tools: tuple[Mapping[str, Any], ...] = ()
    opening: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One answer.

    Attributes:
        text: the answer as text, special tokens left out.
        prompt_token_ids: the tokens that were answered, empty where the backend does not give ids.
        token_ids: the sampled tokens, the end-of-turn token included when it was sampled.
        logprobs: log-probability of each sampled token under the sampling model at temperature 1, nats.
        usage: ``prompt_tokens``, ``completion_tokens`` and, where prices are known, ``dollars``.
        finish_reason: ``stop``, ``tool_calls``, ``length``, ``content_filter``, ``refusal``, or the backend's own word.
        thought: reasoning that the backend gave apart from the text.
        tool_calls: the tools that the model called, each a mapping with ``id``, ``name`` and ``arguments``: a mapping,
            or the text as it was written where that is no JSON object.
        constrained: whether the backend kept the answer to the request's choices.
        positions: every sampled token and the likeliest ones in its place, under the sampling model at temperature 1.
            Empty unless they were asked for, where the backend does not give them, and under choices.
    """

    text: str
    prompt_token_ids: tuple[int, ...] = ()
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    usage: Mapping[str, float] = field(default_factory=dict)
    finish_reason: str = "stop"
    thought: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    constrained: bool = False
    positions: tuple[Position, ...] = ()


@runtime_checkable
class BatchBackend(Protocol):
    """A model in this process: many chats in one call."""

    @property
    def name(self) -> str:
        """The spec that names it, such as ``hf:models/tiny``."""
        ...

    def complete(self, requests: Sequence[Request], /) -> Sequence[Completion]:
        """Answer each request, in order; an answer depends on nothing but its own request."""
        ...


@runtime_checkable
class AsyncBackend(Protocol):
    """A model behind a server: one chat a call, many calls at once."""

    @property
    def name(self) -> str:
        """The spec that names it, such as ``openai:gpt@http://127.0.0.1:8000/v1``; never a key."""
        ...

    async def complete(self, request: Request, /) -> Completion:
        """Answer one request, or raise a :class:`credit_gym.errors.CreditGymError` that says what went wrong."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class BackendWrapper:
    """Stands before a backend behind a server, goes by its name and closes it; what is asked of it is a subclass's own.

    Args:
        backend: whom to ask.
    """

    def __init__(self, backend: AsyncBackend) -> None:
        self.backend = backend

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.backend.name

    async def close(self) -> None:
        """Close the backend."""
        await self.backend.close()
