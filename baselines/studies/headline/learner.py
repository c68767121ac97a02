"""On-policy training: play, credit every turn, one policy-gradient step on the tokens that were sampled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from credit_gym import rng
from credit_gym.agents.learning.playing import Seat, play_together
from credit_gym.agents.likelihood.believers import ModelBeliever, with_beliefs
from credit_gym.agents.likelihood.language_model import LanguageModel
from credit_gym.agents.llm.agent import BatchAgent
from credit_gym.agents.llm.hf import HuggingFaceBackend
from credit_gym.agents.replay.tree import ReplayTree
from credit_gym.baselines.studies.headline.headline_games import Game
from credit_gym.baselines.studies.headline.lessons import targets
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.siblings import siblings
from credit_gym.scorers import score


@dataclass(frozen=True)
class Recipe:
    """One way to credit.

    Attributes:
        scorer: a registered scorer.
        tree: whether the episodes of a task are the leaves of a replay tree.
        belief: whether the player's own belief is read after every turn.
        options: options of the scorer.
    """

    scorer: str
    tree: bool = False
    belief: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


RECIPES = {
    "outcome-only GRPO": Recipe("grpo"),
    "GiGPO": Recipe("gigpo"),
    "turn GRPO + delta-belief": Recipe("turn_grpo_belief", belief=True, options={"weight": 0.1}),
    "C3": Recipe("c3", tree=True),
    "branch_aware": Recipe("branch_aware"),
    "adaptive_q": Recipe("adaptive_q", options={"discount": 0.8}),
}


class Point(NamedTuple):
    """One evaluation: what training had cost by then, and the share of evaluation episodes that succeeded."""

    steps: int
    episodes: int
    tokens: int
    success: float


class Row(NamedTuple):
    """A text with the tokens in it that were sampled.

    Attributes:
        ids: (N,) token ids.
        sampled: (K,) indices of the sampled ones.
    """

    ids: tuple[int, ...]
    sampled: tuple[int, ...]


class Learner:
    """A model in training.

    Args:
        game: what it plays.
        recipe: how its turns are credited.
        model: folder of the model to begin with.
        rate: learning rate of Adam.
        seed: fixes everything, on one machine and one thread.
    """

    def __init__(self, game: Game, recipe: Recipe, model: Path, *, rate: float, seed: int) -> None:
        import torch

        self._game, self._recipe, self._seed = game, recipe, seed
        self._backend = HuggingFaceBackend(str(model), device="cpu")
        self._policy = self._backend.model.requires_grad_(True)
        self._agent = BatchAgent(self._backend, game.prompting, seed)
        self._envs: list[gym.Env[str, str]] = []
        self._make = partial(game.make, model)
        first: Any = self._env(0).unwrapped
        self._tasks: int = first.num_tasks
        self._targets = targets(game, model) if recipe.belief else {}
        self._believer = ModelBeliever(
            LanguageModel.of(self._policy, self._backend.tokenizer), prompting=game.prompting
        )
        self._optimizer = torch.optim.Adam(self._policy.parameters(), lr=rate)
        self.steps = self.episodes = self.tokens = 0

    def step(self) -> None:
        """Play the next tasks and take one gradient step."""
        first = self.steps * self._game.groups
        tasks = [(first + index) % self._tasks for index in range(self._game.groups)]
        played = self._trees(tasks) if self._recipe.tree else self._episodes(tasks)
        if self._recipe.belief:
            played = with_beliefs(played, self._believer, self._targets)
        batch = EpisodeBatch.from_episodes(played)
        share = siblings(batch).share  # a play that several leaves of a tree list counts once
        lengths = [len(tokens) for episode in played for tokens in episode.token_ids or ()]
        credit = score(batch, self._recipe.scorer, **self._recipe.options)
        self.steps += 1
        self.episodes += len(played)
        self.tokens += round(float(share @ lengths))
        self._learn(weighted_rows(played, credit * share), float(share.sum()))
        self._backend.forget()

    def point(self, episodes: int) -> Point:
        """Evaluate: the share of so many episodes, the same tasks and seeds every time, that succeed."""
        seats = [Seat(rng.derive(-1, number), str(number), "", number % self._tasks) for number in range(episodes)]
        success = float(np.mean([episode.success for episode in self._play(seats)]))
        return Point(self.steps, self.episodes, self.tokens, success)

    def _episodes(self, tasks: Sequence[int]) -> list[Episode]:
        return self._play(
            [
                Seat(rng.derive(self._seed, self.steps, group, member), f"{group}-{member}", str(group), task)
                for group, task in enumerate(tasks)
                for member in range(self._game.group_size)
            ]
        )

    def _play(self, seats: Sequence[Seat]) -> list[Episode]:
        return play_together([self._env(index) for index in range(len(seats))], self._agent, seats)

    def _trees(self, tasks: Sequence[int]) -> list[Episode]:
        grower = ReplayTree(
            self._env(0), self._agent, self._game.allocation, seed=rng.derive(self._seed, self.steps), width=256
        )
        return [episode for task in tasks for episode in grower.grow(task).episodes()]

    def _env(self, index: int) -> gym.Env[str, str]:
        while len(self._envs) <= index:
            self._envs.append(self._make())
        return self._envs[index]

    def _learn(self, rows: dict[Row, FloatArray], plays: float) -> None:
        import torch

        self._optimizer.zero_grad()
        for batch in _batches(rows):
            ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row.ids) for row in batch], batch_first=True)
            number, index = torch.tensor([(n, i) for n, row in enumerate(batch) for i in row.sampled]).T
            weight = torch.as_tensor(np.concatenate([rows[row] for row in batch]), dtype=torch.float32)
            with torch.enable_grad():
                states = self._policy.model(ids).last_hidden_state  # padding is behind what attention looks at
                logits = self._policy.lm_head(states[number, index - 1])
                chosen = torch.log_softmax(logits, dim=-1).gather(1, ids[number, index][:, None])[:, 0]
                torch.autograd.backward(-(weight * chosen).sum() / plays)
        torch.nn.utils.clip_grad_norm_(self._policy.parameters(), 1.0)
        self._optimizer.step()


def weighted_rows(episodes: Sequence[Episode], weight: FloatArray) -> dict[Row, FloatArray]:
    """Return the distinct texts of some episodes with the weight of each token that was sampled in them.

    Turns whose prompt goes on from the turn before share a text; equal texts are one, their weights added up.

    Args:
        episodes: with token ids, S turns in all.
        weight: (S,) of each turn.
    """
    rows: dict[Row, FloatArray] = {}
    turn = iter(weight.tolist())
    for episode in episodes:
        for row, weights in _texts(episode, turn):
            rows[row] = rows.get(row, 0.0) + np.asarray(weights)
    return {row: weights for row, weights in rows.items() if np.any(weights)}


def _texts(episode: Episode, weight: Iterator[float]) -> Iterator[tuple[Row, list[float]]]:
    ids: tuple[int, ...] = ()
    sampled: tuple[int, ...] = ()
    weights: list[float] = []
    for prompt, answer in zip(episode.prompt_token_ids or (), episode.token_ids or (), strict=True):
        if prompt[: len(ids)] != ids:
            yield Row(ids, sampled), weights
            sampled, weights = (), []
        ids = (*prompt, *answer)
        sampled = (*sampled, *range(len(prompt), len(ids)))
        weights = [*weights, *[next(weight)] * len(answer)]
    yield Row(ids, sampled), weights


def _batches(rows: dict[Row, FloatArray], tokens: int = 16_384) -> Iterator[list[Row]]:
    """Rows of similar length, padded to at most so many tokens together."""
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: (len(row.ids), row)):
        if batch and (len(batch) + 1) * len(row.ids) > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
