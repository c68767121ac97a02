"""The two trainers on tabular models, all tasks at once, judged by exact success instead of rollouts.

A *score table* takes the mean credit of every (state, action) and plays its argmax: the harshest use of a credit. An
*on-policy softmax policy gradient* resamples with the policy that it is training: the kindest one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from credit_gym import rng
from credit_gym.agents.learning.policy_gradient import softmax, softmax_gradient_step
from credit_gym.agents.learning.trusting import TrustingScorer
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, group_mean, group_std
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel
from credit_gym.metrics.fidelity import best
from credit_gym.scorers import get


class Annotate(Protocol):
    """Adds columns to a batch that a policy sampled."""

    def __call__(self, batch: EpisodeBatch, /, *, policy: FloatArray) -> EpisodeBatch:
        """Return the batch with them."""
        ...


class CreditTable(NamedTuple):
    """Mean credit and number of visits of every (state, action slot); states with one key share their row.

    Attributes:
        mean: (S, A) float64, 0 where never visited.
        visits: (S, A) int64.
    """

    mean: FloatArray
    visits: IntArray


def credit_table(model: TabularModel, batch: EpisodeBatch, credit: FloatArray) -> CreditTable:
    """Average the credits of a batch over each (key, action).

    Args:
        model: the environment that the batch was sampled from.
        batch: the episodes.
        credit: (number of steps,) credit of each step.
    """
    ids = len(model.action_names)
    cell = batch.state * ids + batch.action
    count = np.bincount(cell, minlength=model.num_states * ids)
    total = np.bincount(cell, weights=credit, minlength=model.num_states * ids)
    where = np.where(model.admissible, model.key[:, None] * ids + model.action_id, 0)
    visited = np.where(model.admissible, count[where], 0)
    return CreditTable(np.where(visited > 0, total[where] / np.maximum(visited, 1), 0.0), visited)


def greedy_policy(model: TabularModel, table: CreditTable, *, seed: int = 0) -> FloatArray:
    """Return the policy that plays each state's best observed action; (S, A).

    Ties are broken once per (key, action) by a seeded draw and stay broken; a state that was never visited is played
    uniformly.
    """
    ids = len(model.action_names)
    lottery = np.random.default_rng(seed).random(model.num_states * ids)
    ticket = lottery[np.where(model.admissible, model.key[:, None] * ids + model.action_id, 0)]
    observed = table.visits > 0
    chosen = np.where(best(table.mean, observed), ticket, -1.0).argmax(axis=1)
    policy = np.zeros_like(table.mean)
    policy[np.arange(model.num_states), chosen] = 1.0
    return np.where(observed.any(axis=1, keepdims=True), policy, oracle.uniform_policy(model))


def table_success(model: TabularModel, batch: EpisodeBatch, credit: FloatArray, *, seed: int = 0) -> FloatArray:
    """Return the exact success of the greedy score table in each task; (N,)."""
    return oracle.success_probability(model, greedy_policy(model, credit_table(model, batch, credit), seed=seed))


def policy_gradient_curve(
    model: TabularModel,
    scorer: str,
    *,
    iterations: int = 15,
    episodes_per_task: int = 16,
    learning_rate: float = 1.0,
    seed: int = 0,
    annotate: Annotate | None = None,
    **options: Any,
) -> FloatArray:
    """Train a softmax policy on-policy with a scorer's credits; return its exact success before each iteration.

    Each iteration samples ``episodes_per_task`` episodes of every task with the current policy, scores them, whitens
    the credits within each task, and takes one gradient step on the logits. The logits start at the logarithm of the
    prior behaviour. A scorer that needs the exact advantage (``oracle``) is given that of the current policy: its curve
    is the ceiling of the others, but for the luck of a step too large.

    Args:
        model: the environment.
        scorer: a registered scorer.
        iterations: number of updates.
        episodes_per_task: episodes per update and task.
        learning_rate: step size of the logits.
        seed: seed of the sampling.
        annotate: adds columns that the scorer reads to a batch, told the (S, A) policy that sampled it.
        options: the scorer's options.

    Returns:
        (iterations + 1, N) exact success of each task, the last row after the final update.
    """
    logits = np.log(np.where(model.admissible, np.maximum(model.mean_behaviour, 1e-12), 1.0))
    curve, scored = np.zeros((iterations + 1, model.num_tasks)), TrustingScorer(scorer, options)
    for iteration in range(iterations + 1):
        policy = softmax(logits[model.key], model.admissible)
        curve[iteration] = oracle.success_probability(model, policy)
        if iteration == iterations:
            break
        batch = sample_batch(
            model, episodes_per_task=episodes_per_task, seed=rng.derive(seed, iteration), policy=policy
        )
        if annotate is not None:
            batch = annotate(batch, policy=policy)
        if "advantage" in get(scorer).needs:  # the exact one of the policy as it now is
            batch = replace(batch, advantage=oracle.step_advantage(model, policy, batch))
        credit = whiten(scored(batch), batch)
        logits = softmax_gradient_step(
            logits,
            model.admissible,
            batch.state,
            oracle.slots(model, batch),
            credit / episodes_per_task,
            learning_rate,
        )
    return curve


def whiten(credit: FloatArray, batch: EpisodeBatch) -> FloatArray:
    """Centre and scale credits to zero mean and unit variance over the steps of each group; constant ones become 0."""
    mean = group_mean(credit, batch.step_group, batch.num_groups)[batch.step_group]
    spread = group_std(credit, batch.step_group, batch.num_groups)[batch.step_group]
    return np.divide(credit - mean, spread, out=np.zeros_like(credit), where=spread > 1e-12)
