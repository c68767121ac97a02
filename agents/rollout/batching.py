"""Batched: many threads ask one by one, the model is asked for all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock

from credit_gym.agents.core import Agent, Context


class Batched:
    """Lets an agent that is not thread-safe serve many episodes, with continuous batching and no barrier per turn.

    Whoever finds the agent idle asks it for everybody who is waiting; those who come while it is busy form the next
    batch. A batch that fails is asked again one by one, so that an error reaches only the episode that caused it.

    Args:
        agent: the agent; its ``act`` is never entered twice at a time.
        limit: most contexts in one call.
    """

    def __init__(self, agent: Agent, limit: int = 256) -> None:
        self.agent = agent
        self.limit = limit
        self._waiting: SimpleQueue[tuple[Context, Future[str]]] = SimpleQueue()
        self._busy = Lock()

    @property
    def name(self) -> str:
        """The agent's own name."""
        return self.agent.name

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        """Return one action per context, in order; safe to call from any thread."""
        answers: list[Future[str]] = [Future() for _ in contexts]
        for request in zip(contexts, answers, strict=True):
            self._waiting.put(request)
        while not all(answer.done() for answer in answers):
            with self._busy:
                if not all(answer.done() for answer in answers):  # nobody served them while this thread waited
                    self._serve(self._take())
        return [answer.result() for answer in answers]

    def _take(self) -> list[tuple[Context, Future[str]]]:
        batch: list[tuple[Context, Future[str]]] = []
        while len(batch) < self.limit and not self._waiting.empty():  # only the holder of the lock takes
            batch.append(self._waiting.get())
        return batch

    def _serve(self, batch: Sequence[tuple[Context, Future[str]]]) -> None:
        try:
            actions = list(self.agent.act([context for context, _ in batch]))
            for action, (_, answer) in zip(actions, batch, strict=True):
                answer.set_result(action)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread of whoever asked
            if isinstance(error, Exception) and len(batch) > 1 and not any(answer.done() for _, answer in batch):
                for alone in batch:
                    self._serve([alone])
                return
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
