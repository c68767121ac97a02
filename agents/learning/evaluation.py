"""How often the model being trained succeeds on tasks that it is not trained on, or on its own with other draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import gymnasium as gym
import numpy as np

from credit_gym import rng
from credit_gym.agents.learning.conversations import Conversations, TokenAgent
from credit_gym.agents.learning.playing import Seat, play_together
from credit_gym.agents.llm.prompting import Prompting
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.metrics.statistics import bootstrap

if TYPE_CHECKING:
    from torch import nn

    from credit_gym.agents.learning.synced import SyncedBackend

_EVALUATION = 1 << 40  # no group of a training has this number
_TOGETHER = 32


class Evaluation:
    """The same episodes at every call, played by the model as it stands and as it is sampled in training.

    Args:
        make_env: builds one environment, which must have ``num_tasks``; its tasks are played in turn.
        backend: who plays, once it follows the model.
        prompting: how the model is asked and read.
        episodes: how many; 0 for no evaluation.
        seed: of the training.

    Raises:
        CreditGymError: the environment has no tasks to choose from.
    """

    def __init__(
        self,
        make_env: Callable[[], gym.Env[str, str]],
        backend: SyncedBackend,
        prompting: Prompting,
        *,
        episodes: int,
        seed: int,
    ) -> None:
        self._make_env, self._backend, self._prompting, self._seed = make_env, backend, prompting, seed
        self._envs = [make_env()] if episodes else []
        if not self._envs:
            self._seats: list[Seat] = []
            return
        if not self._envs[0].has_wrapper_attr("num_tasks"):
            raise CreditGymError("The environment of the evaluation has no num_tasks, so no task can be chosen.")
        tasks = self._envs[0].get_wrapper_attr("num_tasks")
        self._seats = [
            Seat(rng.derive(seed, _EVALUATION, number), f"e{number}", f"e{number % tasks}", number % tasks)
            for number in range(episodes)
        ]

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Return ``episodes``, ``failed``, ``return``, ``success`` and its 95% interval, ``low`` and ``high``.

        The interval draws whole tasks, where there are several. An episode that did not complete is no success.
        """
        training = model.training
        self._backend.follow(model.eval())
        agent = TokenAgent(self._backend, Conversations(self._prompting, self._backend.chat.text, self._seed))
        try:
            played = [
                episode
                for first in range(0, len(self._seats), _TOGETHER)
                for episode in self._play(agent, self._seats[first : first + _TOGETHER])
            ]
        finally:
            model.train(training)
            self._backend.forget()
        success = np.array([bool(episode.success) and episode.error is None for episode in played], dtype=np.float64)
        tasks = [seat.group_id for seat in self._seats]
        labels = tasks if len(set(tasks)) > 1 else [seat.episode_id for seat in self._seats]
        found = bootstrap(lambda rows: float(success[rows].mean()), labels)
        return {
            "episodes": len(played),
            "failed": sum(episode.error is not None for episode in played),
            "return": float(np.mean([episode.episode_return for episode in played])),
            "success": found.value,
            "low": found.low,
            "high": found.high,
        }

    def _play(self, agent: TokenAgent, seats: Sequence[Seat]) -> list[Episode]:
        self._envs += [self._make_env() for _ in range(len(seats) - len(self._envs))]
        played = play_together(self._envs, agent, seats)
        for index, episode in enumerate(played):
            if episode.error is not None:  # its environment may be broken
                self._envs[index] = self._make_env()
        return played

    def close(self) -> None:
        """Close the environments."""
        while self._envs:
            self._envs.pop().close()
