"""A language model as environments use one, a judge or a simulated user: a chat in, its answer out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TypeAlias, cast

from credit_gym import rng
from credit_gym.agents.llm.backends import Backend, Settings, is_server, parse_backend
from credit_gym.agents.llm.completion import BatchBackend, Completion, Message, Request
from credit_gym.agents.llm.loop import LoopThread
from credit_gym.data.finish_reasons import is_cut
from credit_gym.errors import BackendError

Asker: TypeAlias = Callable[[Sequence[Message]], str]


def asker(
    model: str | Backend,
    settings: Settings | None = None,
    *,
    seed: int = 0,
    max_tokens: int = 256,
    temperature: float = 0.0,
) -> Asker:
    """Return a blocking function from a chat to a model's answer; safe from any thread, and inside an event loop.

    The answer to a chat does not depend on the chats before it.

    Args:
        model: the spec of a language model, or a backend.
        settings: how a model named by a spec is asked; its prompting is not used.
        seed: fixes the sampling where the model can be seeded.
        max_tokens: most tokens of an answer.
        temperature: 0 is greedy.

    Raises:
        CreditGymError: there is no such model, or the settings do not fit it. The function itself raises
            :class:`BackendError` and :class:`BudgetError`.
    """
    backend = parse_backend(model, settings) if isinstance(model, str) else model
    complete = _blocking(backend)

    def answer(chat: Sequence[Message]) -> str:
        return complete(
            Request(messages=tuple(chat), seed=rng.derive(seed), max_tokens=max_tokens, temperature=temperature)
        )

    return answer


def _blocking(backend: Backend) -> Callable[[Request], str]:
    if is_server(backend):
        server, loop = backend, LoopThread()
        return lambda request: _said(loop.submit(server.complete(request)).result(), server.name)
    model, lock = cast("BatchBackend", backend), Lock()

    def complete(request: Request) -> str:
        with lock:  # a model in this process answers one call at a time
            return _said(model.complete([request])[0], model.name)

    return complete


def _said(completion: Completion, name: str) -> str:
    """The text of an answer; a judgement that was never written is none."""
    if is_cut(completion.finish_reason) and not completion.text.strip():
        raise BackendError(f"{name} wrote no answer ({completion.finish_reason}): give it more max_tokens.")
    return completion.text
