"""The rollouts of a trainer: the model being trained plays, and a registered scorer credits every turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from credit_gym import rng
from credit_gym.agents.learning.conversations import Conversations, TokenAgent, check_growing
from credit_gym.agents.learning.playing import Seat, play_together
from credit_gym.agents.learning.token_rows import TokenRow, token_row
from credit_gym.agents.learning.trusting import TrustingScorer
from credit_gym.agents.llm.prompting import Prompting
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.scorers import DEFAULT

if TYPE_CHECKING:
    from credit_gym.agents.learning.synced import SyncedBackend


class Rollout:
    """TRL's ``rollout_func``: plays each row's task with the model being trained and credits every turn.

    The prompts are the numbers of groups in decimal; a group's rows follow each other. Group k plays task
    ``k % num_tasks``, and member i of it has the seed ``rng.derive(seed, k, i)``: neither the step nor the batch that a
    group falls into changes what it plays.

    Args:
        make_env: builds one environment, which must have ``num_tasks``.
        backend: who plays, once it follows the model as it stands.
        prompting: how the model is asked and read.
        scorer: a registered scorer.
        options: its keyword options.
        seed: fixes everything.

    Attributes:
        scorer: it, with what it remembers from call to call.
        played: the episodes of the last call.
        summary: what they came to.
        effort: ``sampled_tokens``, ``tokens`` with those that were only read, and ``rollout_seconds``.

    Raises:
        CreditGymError: the prompting or the environment cannot be trained with.
    """

    def __init__(
        self,
        make_env: Callable[[], gym.Env[str, str]],
        backend: SyncedBackend,
        prompting: Prompting,
        scorer: str = DEFAULT,
        options: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        check_growing(prompting)
        self._make_env, self._envs = make_env, [make_env()]
        if not self._envs[0].has_wrapper_attr("num_tasks"):
            raise CreditGymError("The environment has no num_tasks, so the episodes of a group cannot share a task.")
        self._num_tasks = self._envs[0].get_wrapper_attr("num_tasks")
        self._backend, self._prompting = backend, prompting
        own = dict(options or {})
        self._key = own.pop("key", "state")
        self.scorer = TrustingScorer(scorer, own)
        self._seed = seed
        self.played: list[Episode] = []
        self.summary: dict[str, float] = {}
        self.effort: dict[str, float] = {}

    def __call__(self, prompts: Sequence[str], trainer: Any) -> dict[str, Any]:
        """Return ``prompt_ids``, ``completion_ids``, ``logprobs``, ``env_mask``, ``token_advantages``, returns."""
        start = perf_counter()
        model = trainer.accelerator.unwrap_model(trainer.model)
        training = model.training
        self._backend.follow(model.eval())
        try:
            self.played = self._play(list(map(int, prompts)))
        finally:
            model.train(training)
            self._backend.forget()  # the gradient step needs the memory
        credits = self._credits(self.played)
        rows = [_row(episode, credit) for episode, credit in zip(self.played, credits, strict=True)]
        self.summary = {**_summary(self.played, credits, rows), **self.scorer.summary}
        self.effort = {
            "sampled_tokens": sum(sum(row.mask) for row in rows),
            "tokens": sum(len(row.prompt_ids) + len(row.completion_ids) for row in rows),
            "rollout_seconds": perf_counter() - start,
        }
        return {
            "prompt_ids": [row.prompt_ids for row in rows],
            "completion_ids": [row.completion_ids for row in rows],
            "logprobs": [row.logprobs for row in rows] if self._backend.corrected else None,  # None: TRL's are the same
            "env_mask": [row.mask for row in rows],
            "token_advantages": [row.credits for row in rows],
            "episode_return": [episode.episode_return for episode in self.played],
        }

    def close(self) -> None:
        """Close the environments."""
        while self._envs:
            self._envs.pop().close()

    def _play(self, groups: Sequence[int]) -> list[Episode]:
        members: dict[int, int] = {}
        seats = []
        for group in groups:
            member = members[group] = members.get(group, -1) + 1
            seed, name = rng.derive(self._seed, group, member), f"{self._seed}-g{group}"
            seats.append(Seat(seed, f"{name}-{member}", name, group % self._num_tasks))
        self._envs += [self._make_env() for _ in range(len(seats) - len(self._envs))]
        agent = TokenAgent(self._backend, Conversations(self._prompting, self._backend.chat.text, self._seed))
        played = play_together(self._envs, agent, seats)
        for index, episode in enumerate(played):
            if episode.error is not None:  # its environment may be broken
                self._envs[index] = self._make_env()
        return played

    def _credits(self, played: Sequence[Episode]) -> list[Sequence[float] | None]:
        """Each episode's credits; None for one that did not complete."""
        completed = [episode for episode in played if episode.error is None]
        if not completed:
            raise CreditGymError(f"No episode of this step completed; the first one says: {played[0].error}")
        flat = self.scorer(EpisodeBatch.from_episodes(completed, key=self._key))
        pieces = iter(np.split(flat, np.cumsum([len(episode) for episode in completed])[:-1]))
        return [None if episode.error is not None else next(pieces).tolist() for episode in played]


def _row(episode: Episode, credit: Sequence[float] | None) -> TokenRow:
    """The row of an episode; one that did not complete is a token that counts for nothing."""
    return token_row(episode, credit) if credit else TokenRow([0], [0], [0], [0.0], [0.0], 0)


def _summary(
    played: Sequence[Episode], credits: Sequence[Sequence[float] | None], rows: Sequence[TokenRow]
) -> dict[str, float]:
    completed = [episode for episode in played if episode.error is None]
    flat = np.asarray([value for credit in credits for value in credit or ()], dtype=np.float64)
    return {
        "episodes": len(completed),
        "failed": len(played) - len(completed),
        "return": math.fsum(episode.episode_return for episode in completed) / len(completed),
        "success": sum(episode.success for episode in completed) / len(completed),
        "turns": flat.size / len(completed),
        "turns_left_out": sum(row.left_out for row in rows),
        "credit_mean": float(flat.mean()) if flat.size else 0.0,
        "credit_std": float(flat.std()) if flat.size else 0.0,
    }
