"""Policy gradient on the team game with any registered credit: one gradient step per batch of eight problems."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from credit_gym.baselines.protocol.study_training import Training
from credit_gym.baselines.studies.team_training.team_game import (
    FAN_OUT,
    LEAVES,
    MESSAGES,
    PROBLEMS,
    ROLES,
    advantages,
    play,
    points,
    values,
)
from credit_gym.baselines.studies.team_training.team_model import as_policy, make_team, speak
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.scorers import score

RATE = 3e-4
MEMORY, PRIOR = 0.9, 0.1
"""The critic's: what a step leaves of older returns, and the return that it expects where it has seen none."""


@dataclass(frozen=True)
class Recipe:
    """One way to train.

    Attributes:
        credit: the credit of every message of a batch; None trains nothing.
        fan_out: draws of each role in each context; (n, 1, 1) is n independent episodes.
        solo: the solver works alone: plan and check are always message 0, and are not credited.
    """

    credit: Callable[[EpisodeBatch], FloatArray] | None
    fan_out: tuple[int, int, int] = (LEAVES, 1, 1)
    solo: bool = False

    @property
    def calls(self) -> int:
        """Evaluator calls of a gradient step."""
        return 0 if self.credit is None else PROBLEMS * int(np.prod(self.fan_out))

    @property
    def messages(self) -> int:
        """Messages, one token each, that are sampled for a gradient step."""
        return self.calls if self.solo or self.credit is None else PROBLEMS * int(np.cumprod(self.fan_out).sum())


def _by(name: str, **options: Any) -> Callable[[EpisodeBatch], FloatArray]:
    return partial(score, name=name, **options)


SAME_TOKENS = (6, 1, 1)
_PREFIXES = ((PROBLEMS,), (PROBLEMS, MESSAGES), (PROBLEMS, MESSAGES, MESSAGES))
RECIPES = {
    "frozen": Recipe(None),
    "solo grpo": Recipe(_by("magrpo"), solo=True),
    "mappo, same tokens": Recipe(_by("mappo"), SAME_TOKENS),
    "mappo, same calls": Recipe(_by("mappo")),
    "magrpo, same tokens": Recipe(_by("magrpo"), SAME_TOKENS),
    "magrpo, same calls": Recipe(_by("magrpo")),
    "magrpo on the tree": Recipe(_by("magrpo"), FAN_OUT),
    "c3": Recipe(_by("c3"), FAN_OUT),
    "counterfactual": Recipe(_by("counterfactual", scale="none"), FAN_OUT),
}


class Point(NamedTuple):
    """One exact evaluation: gradient steps so far, and the policy's probability of success over all problems."""

    steps: int
    success: float


@dataclass
class Critic:
    """A central critic: the recent mean return from every prefix of a transcript.

    Attributes:
        total: three tables, of returns from each problem, plan and check.
        count: how many returns those are, fading with them.
    """

    total: list[FloatArray] = field(default_factory=lambda: [np.full(shape, PRIOR) for shape in _PREFIXES])
    count: list[FloatArray] = field(default_factory=lambda: [np.ones(shape) for shape in _PREFIXES])

    def values(self, said: IntArray) -> FloatArray:
        """Return (E, 4) values before each message and, 0, after the last."""
        found = [
            (t / n)[tuple(said[:, : 1 + k].T)] for k, (t, n) in enumerate(zip(self.total, self.count, strict=True))
        ]
        return np.stack([*found, np.zeros(len(said))], axis=1)

    def learn(self, said: IntArray, won: FloatArray) -> None:
        """Take in (E,) returns."""
        for k, (total, count) in enumerate(zip(self.total, self.count, strict=True)):
            total *= MEMORY
            count *= MEMORY
            total += (1.0 - MEMORY) * PRIOR
            count += 1.0 - MEMORY
            np.add.at(total, tuple(said[:, : 1 + k].T), won)
            np.add.at(count, tuple(said[:, : 1 + k].T), 1.0)


@dataclass
class TeamTraining(Training[Point]):
    """A run under way, with its critic."""

    critic: Critic = field(default_factory=Critic)


def start(seed: int) -> TeamTraining:
    """Begin a run; all recipes of a seed begin with the same weights."""
    return TeamTraining.of(make_team(seed), RATE)


def train(
    run: TeamTraining, game: FloatArray, recipe: Recipe, *, steps: int, seed: int, evaluate_at: Collection[int] = ()
) -> None:
    """Train until a number of gradient steps has been made; draws depend on the seed and the step alone.

    The loss is ``-sum of credit * log-probability / episodes``: on trees of equal fan-out, and on flat episodes alike,
    each role's term is the mean over its plays.

    Args:
        run: the run to advance.
        game: (8, 5, 5, 5) probability of success.
        recipe: what each message is credited with.
        steps: gradient steps in all.
        seed: of messages and outcomes.
        evaluate_at: after which numbers of steps to evaluate.
    """
    import torch

    for step in range(run.steps, steps):
        spoken = speak(run.policy)
        if step in evaluate_at:
            run.curve.append(Point(step, success(game, spoken, recipe)))
        if recipe.credit is not None:
            batch, said = sample(game, spoken, recipe, run.critic, np.random.default_rng([seed, step]))
            credit = torch.as_tensor(recipe.credit(batch).reshape(-1, ROLES), dtype=torch.float32)
            if recipe.solo:
                credit[:, :-1] = 0.0
            chosen = torch.stack([table[tuple(said[:, : 2 + k].T)] for k, table in enumerate(spoken)], dim=1)
            loss = -(credit * chosen).sum() / len(said)
            run.descend(loss)
            run.critic.learn(said, batch.episode_return)
        run.steps = step + 1
    if steps in evaluate_at and (not run.curve or run.curve[-1].steps < steps):
        run.curve.append(Point(steps, success(game, speak(run.policy), recipe)))


def success(game: FloatArray, spoken: list[Any], recipe: Recipe) -> float:
    """Exact probability that the team, or the solver alone, succeeds at a problem drawn evenly."""
    exact = values(game, as_policy(spoken))
    return float((exact.checked[:, 0, 0] if recipe.solo else exact.start).mean())


def sample(
    game: FloatArray, spoken: list[Any], recipe: Recipe, critic: Critic, generator: np.random.Generator
) -> tuple[EpisodeBatch, IntArray]:
    """Play a batch.

    Returns:
        The batch, with the critic's values and exact advantages, and its (E, 4) problems and messages.
    """
    policy = as_policy(spoken)
    if recipe.solo:
        first = np.eye(MESSAGES)[0]
        policy = policy._replace(plan=first + 0.0 * policy.plan, check=first + 0.0 * policy.check)
    said = play(policy, generator, fan_out=recipe.fan_out)
    won = generator.random(len(said)) < game[tuple(said.T)]
    tree = points(recipe.fan_out)
    count = len(said)
    state = _interned(said)
    batch = EpisodeBatch(
        offsets=ROLES * np.arange(count + 1),
        state=state[:, :-1].ravel(),
        next_state=state[:, 1:].ravel(),
        action=said[:, 1:].ravel(),
        reward=(won[:, None] * (np.arange(ROLES) == ROLES - 1)).astype(np.float64).ravel(),
        group=said[:, 0],
        task=said[:, 0],
        success=won,
        terminated=np.ones(count, dtype=np.bool_),
        truncated=np.zeros(count, dtype=np.bool_),
        value=critic.values(said).ravel(),
        role=np.tile(np.arange(ROLES), count),
        parent=np.tile(tree, (PROBLEMS, 1)).ravel() if recipe.fan_out[1:] != (1, 1) else None,
        advantage=advantages(values(game, policy), said).ravel(),
    )
    return batch, said


def _interned(said: IntArray) -> IntArray:
    """(E, 4) id of every prefix: 8 problems, 40 plans, 200 checks, and one for the end."""
    problem, plan, check, _ = said.T
    planned = problem * MESSAGES + plan
    checked = planned * MESSAGES + check
    end = PROBLEMS * (1 + MESSAGES + MESSAGES**2)
    columns = [problem, PROBLEMS + planned, PROBLEMS * (1 + MESSAGES) + checked, np.full(len(said), end)]
    return np.stack(columns, axis=1)
