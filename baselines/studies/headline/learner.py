"""Training on-policy: play every task, credit every step, and follow the credits within a trust region.

    sum_i min(r_i A_i, clip(r_i, 1 - e, 1 + e) A_i) / steps,    r_i = pi(a_i | s_i) / pi_old(a_i | s_i)

Schulman et al. (2017), "Proximal policy optimization algorithms", equation 7: several epochs a batch, each one step of
Adam on the whole batch, until the policy has moved ``DIVERGENCE``. Credits are divided by their root mean square in the
batch, so that a rate means the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from credit_gym import rng
from credit_gym.agents.learning.gradient_step import gradient_step
from credit_gym.agents.learning.trusting import TrustingScorer
from credit_gym.baselines.studies.headline.headline_games import Game
from credit_gym.baselines.studies.headline.player import load
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, compact
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.exact import oracle

CLIP = 0.2
EPOCHS = 6
DIVERGENCE = 0.05
"""Mean divergence from the policy that played, over the steps of a batch, at which a batch is done with; nats."""


@dataclass(frozen=True)
class Recipe:
    """One way to credit.

    Attributes:
        scorer: a registered scorer; empty for the exact advantage of the policy as it stands.
        options: options of the scorer.
    """

    scorer: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


CEILING = "exact advantage"
BASELINE = "grpo"
RECIPES = {
    BASELINE: Recipe("grpo"),
    "evidence_lambda": Recipe("evidence_lambda"),
    "evidence_lambda, verifier unread": Recipe("evidence_lambda", {"trust": -1.0, "trust_weight": 1e9}),
    "td_error": Recipe("td_error"),
    "adaptive_q": Recipe("adaptive_q"),
    CEILING: Recipe(),
}


class Point(NamedTuple):
    """One evaluation: what training had cost by then, and the exact success of the policy, the mean over tasks."""

    steps: float
    episodes: float
    tokens: float
    success: float


class Learner:
    """A model in training.

    Args:
        game: what it plays.
        recipe: how its steps are credited.
        folder: of the model to begin with.
        rate: learning rate of Adam.
        seed: fixes everything, on one machine and one thread.

    Attributes:
        player: the model.
        steps: batches so far.
        episodes: episodes so far.
        tokens: sampled tokens so far; a message is one.
    """

    def __init__(self, game: Game, recipe: Recipe, folder: Path, *, rate: float, seed: int) -> None:
        self._game, self._seed = game, seed
        self._score = TrustingScorer(recipe.scorer, recipe.options) if recipe.scorer else self._exact
        self._model = game.model
        self.player = load(folder, self._model)
        self._optimizer = torch.optim.Adam(self.player.net.parameters(), lr=rate)
        self._policy = self.player.policy()
        self.steps = self.episodes = self.tokens = 0

    def step(self) -> None:
        """Play every task, and learn from it."""
        seed = rng.derive(self._seed, self.steps)
        batch = sample_batch(self._model, episodes_per_task=self._game.group_size, seed=seed, policy=self._policy)
        credit = self._score(batch)
        size = float(np.sqrt(np.mean(credit**2)))
        self.steps += 1
        self.episodes += batch.num_episodes
        self.tokens += batch.num_steps
        if size > 0.0:
            self._learn(batch, credit / size)
            self._policy = self.player.policy()

    def point(self) -> Point:
        """Evaluate."""
        success = oracle.success_probability(self._model, self._policy)
        return Point(self.steps, self.episodes, self.tokens, float(success.mean()))

    def _exact(self, batch: EpisodeBatch) -> FloatArray:
        """The advantage of the policy as it stands, in standard deviations of the task's outcome."""
        chance = oracle.success_probability(self._model, self._policy)
        spread = np.sqrt(chance * (1.0 - chance))[batch.task][batch.episode]
        exact = oracle.step_advantage(self._model, self._policy, batch)
        return np.divide(exact, spread, out=np.zeros_like(exact), where=spread > 0.0)

    def _learn(self, batch: EpisodeBatch, credit: FloatArray) -> None:
        slot = oracle.slots(self._model, batch)
        pair, pairs = compact(batch.state, slot)  # equal moves have equal ratios: they are weighed together
        first = np.zeros(pairs, dtype=np.int64)
        first[pair] = np.arange(batch.num_steps)
        up, down = (
            torch.as_tensor(np.bincount(pair, np.maximum(sign * credit, 0.0), pairs) / batch.num_steps)
            for sign in (1.0, -1.0)
        )
        states, row = np.unique(batch.state[first], return_inverse=True)
        place, chosen = torch.as_tensor(row), torch.as_tensor(slot[first])
        visits = torch.as_tensor(np.bincount(np.searchsorted(states, batch.state)) / batch.num_steps)
        old = torch.as_tensor(self._policy[states])
        for _ in range(EPOCHS):
            new = self.player.log_policy(states).double()
            with torch.no_grad():
                moved = torch.where(old > 0.0, old * (old.clamp_min(1e-300).log() - new), 0.0).sum(dim=1) @ visits
            if moved > DIVERGENCE:
                return
            ratio = new[place, chosen].exp() / old[place, chosen]
            gradient_step(self.player.net, self._optimizer, -clipped_gain(ratio, up, down))


def clipped_gain(ratio: Any, up: Any, down: Any) -> Any:
    """Return ``sum_i min(r_i A_i, clip(r_i) A_i)`` of steps that are weighed together where their moves are equal.

    Args:
        ratio: (M,) probability of each move over what it was.
        up: (M,) sum of the credits above 0 of its steps.
        down: (M,) minus the sum of those below 0.
    """
    return (up * ratio.clamp_max(1.0 + CLIP) - down * ratio.clamp_min(1.0 - CLIP)).sum()
