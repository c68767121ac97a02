"""Rollout-tree Monte Carlo: what rollouts got that took an action, less what they got at its state and in general.

``c_t = Q(s, a) - V'(s)``, ``V'(s) = (n_s V(s) + k v) / (n_s + k)``, v the mean return of the group (Wang et al. 2026,
RTMC, arXiv:2604.11037, equation 11).
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, compact, discounted_sum, group_mean, group_size
from credit_gym.estimation.critic import state_nodes
from credit_gym.estimation.ranges import NonNegative, Share
from credit_gym.scorers.registry import register


@register("rtmc", reference="Wang et al. 2026, RTMC, arXiv:2604.11037")
def rtmc(batch: EpisodeBatch, *, discount: Share = 0.99, prior: NonNegative = 2.0) -> FloatArray:
    """A step gets the mean return after its action at its state, less the value of the state, smoothed by a prior.

    ``c_t = Q(s, a) - V'(s)``: Q(s, a) is the mean discounted return from the first visit of each episode that took a
    at s; V(s) is the mean of the n_s returns that went into s's actions, and ``V'(s) = (n_s V(s) + k v) / (n_s + k)``
    with v the mean undiscounted return of the group. A state that one rollout alone has seen has Q = V, so without the
    prior it earns 0: with it ``k / (k + 1) (G_t - v)``, a centred GRPO. The published method pools states by signatures
    of what the agent has done so far; here they are what the batch was keyed by.

    Args:
        batch: the episodes.
        discount: g in [0, 1]; 0.99 as published.
        prior: k in [0, inf), rollouts' worth of it; 2 as published.

    Returns:
        (S,) float64, in reward units.
    """
    state, states = state_nodes(batch)
    action, actions = compact(state, batch.action)
    first = _first_of(*compact(batch.episode, action))
    returns = discounted_sum(batch.reward, batch.offsets, discount)[first]
    taken = group_mean(returns, action[first], actions)
    seen = group_size(state[first], states)
    value = group_mean(returns, state[first], states)
    general = group_mean(batch.episode_return, batch.group, batch.num_groups)
    doubt = prior / (seen + prior)
    smoothed = value[state] + doubt[state] * (general[batch.step_group] - value[state])
    return taken[action] - smoothed


def _first_of(ids: IntArray, count: int) -> IntArray:
    """Index of the first member of each group; (M,) ids in ``0..count-1`` -> (count,)."""
    first = np.zeros(count, dtype=np.int64)
    first[ids[::-1]] = np.arange(ids.size - 1, -1, -1)  # the last assignment, which is the first member's, wins
    return first
