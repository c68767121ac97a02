"""Language models as agents: a prompting policy in front of a model in this process or behind a server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from credit_gym.agents.core import Action, Context
from credit_gym.agents.llm.completion import AsyncBackend, BatchBackend
from credit_gym.agents.llm.loop import LoopThread
from credit_gym.agents.llm.prompting import Prompting, request, with_sampled_tokens
from credit_gym.agents.llm.reading import read_action


class BatchAgent:
    """Plays with a model in this process; the contexts of one call are one batch.

    It is as thread-safe as its backend: wrap it in :class:`credit_gym.agents.rollout.batching.Batched` for several
    workers.

    Args:
        backend: the model.
        prompting: how it is asked and read.
        seed: fixes the sampling, together with the episode's seed and the step.
    """

    def __init__(self, backend: BatchBackend, prompting: Prompting | None = None, seed: int = 0) -> None:
        self.backend = backend
        self.prompting = prompting or Prompting()
        self.seed = seed

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.backend.name

    def act(self, contexts: Sequence[Context], /) -> list[Action]:
        """Return one action per context.

        Raises:
            BackendError: the model could not answer.
        """
        prompting = _within_means(self.prompting, self.backend)
        requests = [with_sampled_tokens(request(context, prompting, self.seed), context) for context in contexts]
        completions = self.backend.complete(requests)
        return [
            read_action(completion, context, prompting)
            for completion, context in zip(completions, contexts, strict=True)
        ]


class ServerAgent:
    """Plays with a model behind a server: awaited by the runner, or called like any other agent by a script.

    All its requests run on one event loop of its own, so both ways may be mixed and called from any thread.

    Args:
        backend: the model.
        prompting: how it is asked and read.
        seed: fixes the sampling where the server can be seeded, together with the episode's seed and the step.
    """

    def __init__(self, backend: AsyncBackend, prompting: Prompting | None = None, seed: int = 0) -> None:
        self.backend = backend
        self.prompting = prompting or Prompting()
        self.seed = seed
        self._loop = LoopThread()

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.backend.name

    def act(self, contexts: Sequence[Context], /) -> list[Action]:
        """Return one action per context; they are asked for at the same time.

        Raises:
            BackendError: the model could not answer.
            BudgetError: a cap is reached.
        """
        waiting = [self._loop.submit(self._action(context)) for context in contexts]
        try:
            return [answer.result() for answer in waiting]
        finally:
            for answer in waiting:
                answer.cancel()

    async def act_async(self, context: Context, /) -> Action:
        """Return the action for one context.

        Raises:
            BackendError: the model could not answer.
            BudgetError: a cap is reached.
        """
        return await asyncio.wrap_future(self._loop.submit(self._action(context)))

    async def close(self) -> None:
        """Close the connections; the agent answers no more."""
        await asyncio.wrap_future(self._loop.submit(self.backend.close()))
        self._loop.close()

    async def _action(self, context: Context) -> Action:
        completion = await self.backend.complete(request(context, self.prompting, self.seed))
        return read_action(completion, context, self.prompting)


def _within_means(prompting: Prompting, backend: BatchBackend) -> Prompting:
    """The prompting, its tools in words where the backend says that its model knows none."""
    return prompting if getattr(backend, "takes_tools", True) else replace(prompting, tools="text")
