"""Races: many learners at once, each a softmax policy gradient with a trust region of its own, until a target."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from credit_gym import rng
from credit_gym.agents.learning.policy_gradient import softmax, softmax_gradient_step
from credit_gym.agents.learning.trusting import TrustingScorer
from credit_gym.baselines.studies.regimes.regime import Regime, seen
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, group_mean
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.estimation.trust import EXACT, UNKNOWN
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel
from credit_gym.scorers import get, score

TRUST_REGION = 0.2
"""Mean divergence, over the visits of a batch, that one update of a learner's policy may make; nats."""
EXACT_ROW = "exact advantage"
"""The row of the advantage of the policy as it stands: the ceiling of the others."""

_Credit = Callable[[EpisodeBatch, IntArray], FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Who races: learners over the tasks of one model.

    Attributes:
        model: the tasks of all learners.
        regime: their regime.
        learner: (N,) int64 learner of each task, dense.
        rate: (learners,) step size of each.
        target: (learners,) mean success at which a learner is done.
        seed: fixes every draw; scorers that race over one field see the same luck.
    """

    model: TabularModel
    regime: Regime
    learner: IntArray
    rate: FloatArray
    target: FloatArray
    seed: int


def race(entrants: Field, scorer: str, *, iterations: int) -> FloatArray:
    """Train every learner with a scorer's credits until its mean success reaches its target.

    Each iteration samples a group of every task with the current policy, credits it, and takes one step of the policy
    gradient on the logits, scaled back where it would leave the trust region. Credits are used as they come.

    Args:
        entrants: the learners.
        scorer: a registered scorer, or :data:`EXACT_ROW`.
        iterations: number of updates at most.

    Returns:
        (iterations + 1, learners) exact mean success before each update and after the last; it stays as it is once a
        learner is done.
    """
    model, learner, size = entrants.model, entrants.learner, entrants.regime.group_size
    learners = entrants.rate.size
    logits = np.log(np.where(model.admissible, np.maximum(model.behaviour[0], 1e-12), 1.0))
    policy = softmax(logits, model.admissible)
    credit = _credit(scorer, entrants.regime)
    curve = np.zeros((iterations + 1, learners))
    curve[:] = group_mean(oracle.success_probability(model, policy), learner, learners)
    for iteration in range(iterations):
        running = curve[iteration] < entrants.target
        if not running.any():
            break
        tasks, seed = np.flatnonzero(running[learner]), rng.derive(entrants.seed, iteration)
        batch = sample_batch(model, episodes_per_task=size, seed=seed, policy=policy, task_indices=tasks)
        if scorer == EXACT_ROW:
            values = _scaled(oracle.step_advantage(model, policy, batch), batch)
        else:
            values = credit(seen(batch, entrants.regime, rng.derive(seed, 1)), learner[batch.task])
        slots = oracle.slots(model, batch)
        moved = softmax_gradient_step(logits, model.admissible, batch.state, slots, values / size, 1.0)
        step = (moved - logits) * entrants.rate[learner[model.task]][:, None]
        logits = logits + step * _trusted(logits, step, entrants, batch.state)[:, None]
        policy = softmax(logits, model.admissible)
        found = group_mean(oracle.success_probability(model, policy), learner, learners)
        curve[iteration + 1 :] = np.where(running, found, curve[iteration])
    return curve


def needed(curve: FloatArray, target: FloatArray) -> FloatArray:
    """Iterations until each learner's curve reaches its target, read between updates; infinite where it never does.

    Args:
        curve: (iterations + 1, learners) success.
        target: (learners,).

    Returns:
        (learners,) float64.
    """
    reached = curve >= target
    after = reached.argmax(axis=0)
    before, every = np.maximum(after - 1, 0), np.arange(target.size)
    rise = curve[after, every] - curve[before, every]
    share = np.divide(target - curve[before, every], rise, out=np.zeros(target.size), where=rise > 0.0)
    return np.where(reached.any(axis=0), np.where(after > 0, before + share, 0.0), np.inf)


def _credit(scorer: str, regime: Regime) -> _Credit:
    """What credits a batch; one that learns of the verifier does so learner by learner."""
    if scorer == EXACT_ROW or "trust" not in get(scorer).options:
        return lambda batch, _: score(batch, scorer)
    first = EXACT if regime.exact else UNKNOWN
    scorers = defaultdict[int, TrustingScorer](lambda: TrustingScorer(scorer, known=first))

    def each_on_its_own(batch: EpisodeBatch, learner: IntArray) -> FloatArray:
        credit = np.zeros(batch.num_steps)
        for one in np.unique(learner):
            own = learner == one
            credit[own[batch.episode]] = scorers[int(one)](batch.select(np.flatnonzero(own)))
        return credit

    return each_on_its_own


def _scaled(advantage: FloatArray, batch: EpisodeBatch) -> FloatArray:
    """The exact advantage over its root mean square in each group: rare success makes it small, which is no news."""
    size = np.sqrt(group_mean(advantage**2, batch.step_group, batch.num_groups))[batch.step_group]
    return np.divide(advantage, size, out=np.zeros_like(advantage), where=size > 0.0)


def _trusted(logits: FloatArray, step: FloatArray, entrants: Field, visited: IntArray) -> FloatArray:
    """How much of its step each state may take, so that no learner's policy moves further than its trust region."""
    model = entrants.model
    owner, learners = entrants.learner[model.task], entrants.rate.size
    old = softmax(logits, model.admissible)
    visits = np.bincount(visited, minlength=len(logits)).astype(np.float64)
    total = np.maximum(np.bincount(owner, weights=visits, minlength=learners), 1.0)
    allowed = np.ones(learners)
    while True:
        new = softmax(logits + step * allowed[owner][:, None], model.admissible)
        ratio = np.log(np.maximum(old, 1e-300)) - np.log(np.maximum(new, 1e-300))
        divergence = np.where(model.admissible, old * ratio, 0.0).sum(axis=1)
        mean = np.bincount(owner, weights=visits * divergence, minlength=learners) / total
        far = mean > 1.02 * TRUST_REGION
        if not far.any():
            return allowed[owner]
        # A divergence grows with the square of a small step.
        less = np.clip(np.sqrt(TRUST_REGION / np.where(far, mean, 1.0)), 0.05, 0.95)
        allowed = np.where(far, allowed * less, allowed)
