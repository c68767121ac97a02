"""What a language model or a reward model would have recorded of a batch from a tabular model, exact where it can be.

A step is one token. Its entropy is the policy's own. The belief at a point is the exact chance of success from there: a
critic that knows. The reward model is a softmax table, fitted by DPO to pairs of a won and a lost episode of a group,
as iStar's language model is (arXiv:2509.19199). So scorers that read such columns are judged beside the others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from credit_gym.agents.learning.policy_gradient import softmax, softmax_gradient_step
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, group_size, group_sum
from credit_gym.estimation.critic import point_before
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel

_LEAST = 1e-6  # a chance below it has the logarithm of this one
_BETA, _FITS, _RATE = 0.1, 20, 30.0  # of DPO: strength, gradient steps, step size


def with_exact_columns(batch: EpisodeBatch, model: TabularModel, policy: FloatArray) -> EpisodeBatch:
    """Return a batch with ``policy_entropy``, ``log_belief``, and the log-probabilities that iStar reads.

    Args:
        batch: S steps sampled from the model.
        model: the environment.
        policy: (S', A) the policy that sampled it, or the mean of the mixture that did.

    Returns:
        The batch; ``policy_logprob`` is the fitted reward model's, ``reference_logprob`` the sampling policy's.
    """
    slot = oracle.slots(model, batch)
    before, after = _log(policy), _log(_reward_model(batch, model, policy, slot))
    return replace(
        batch,
        policy_entropy=-(policy * before).sum(axis=1)[batch.state].astype(np.float32),
        reference_logprob=before[batch.state, slot].astype(np.float32),
        policy_logprob=after[batch.state, slot].astype(np.float32),
        logprob_offsets=np.arange(batch.num_steps + 1),
        log_belief=np.log(np.maximum(_chance(batch, model, policy), _LEAST)),
    )


def _log(policy: FloatArray) -> FloatArray:
    return np.log(np.where(policy > 0.0, policy, 1.0))


def _chance(batch: EpisodeBatch, model: TabularModel, policy: FloatArray) -> FloatArray:
    """Chance of success at every point with the steps that are left; averaged over states that share a key; (S+E,)."""
    value, occupied = oracle.policy_values(model, policy).v, oracle.visits(model, policy)
    steps, states = occupied.shape
    left = np.clip(model.horizon[model.task] - np.arange(steps)[:, None], 0, steps)
    cell = (np.arange(steps)[:, None] * states + model.key).ravel()
    mass = np.bincount(cell, weights=occupied.ravel(), minlength=steps * states)
    here = occupied * value[left, np.arange(states)]
    mean = np.bincount(cell, weights=here.ravel(), minlength=steps * states) / np.where(mass > 0.0, mass, 1.0)
    chance = np.zeros(batch.num_steps + batch.num_episodes)
    chance[point_before(batch)] = mean.reshape(steps, states)[batch.step, batch.state]
    chance[batch.offsets[1:] + np.arange(batch.num_episodes)] = batch.success
    return chance


def _reward_model(batch: EpisodeBatch, model: TabularModel, policy: FloatArray, slot: IntArray) -> FloatArray:
    """The policy that DPO moves to from ``policy`` on pairs of episodes of one group; (S', A)."""
    won, lost = _pairs(batch)
    before = _log(policy)
    logits, pairs = np.where(policy > 0.0, before, np.log(_LEAST)), max(won.size, 1)
    for _ in range(_FITS if won.size else 0):
        gained = (_log(softmax(logits, model.admissible)) - before)[batch.state, slot]
        score = _BETA * group_sum(gained, batch.episode, batch.num_episodes)
        wrong = 1.0 / (1.0 + np.exp(score[won] - score[lost]))
        push = np.bincount(won, weights=wrong, minlength=batch.num_episodes)
        push -= np.bincount(lost, weights=wrong, minlength=batch.num_episodes)
        credit = _BETA * (push * batch.num_groups / pairs)[batch.episode]
        logits = softmax_gradient_step(logits, model.admissible, batch.state, slot, credit, _RATE)
    return softmax(logits, model.admissible)


def _pairs(batch: EpisodeBatch) -> tuple[IntArray, IntArray]:
    """Episodes of one group in pairs of a won and a lost one: the fewer of the two are used again in turn."""
    won, lost = [], []
    order = np.argsort(batch.group, kind="stable")
    for members in np.split(order, np.cumsum(group_size(batch.group, batch.num_groups))[:-1]):
        good, bad = members[batch.success[members]], members[~batch.success[members]]
        if good.size and bad.size:
            size = max(good.size, bad.size)
            won.append(np.resize(good, size))
            lost.append(np.resize(bad, size))
    return (np.concatenate(won), np.concatenate(lost)) if won else (order[:0], order[:0])
