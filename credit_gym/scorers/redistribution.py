"""Return redistribution: fit the return as a sum over an episode, and give each step its term.

``c_t = g_{t+1} - g_t`` for a prediction g_t of R after t steps (Arjona-Medina et al. 2019, RUDDER, arXiv:1806.07857),
or ``sum_t c(s_t, a_t) = R`` by least squares (Wang et al. 2025, SPA-RL, arXiv:2505.20732).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import lsqr

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, compact, group_power
from credit_gym.estimation.critic import state_nodes
from credit_gym.estimation.ranges import Positive
from credit_gym.scorers.registry import register


@register("rudder", reference="Arjona-Medina et al. 2019, arXiv:1806.07857", stand_in=True)
def rudder(batch: EpisodeBatch, *, ridge: Positive = 1.0) -> FloatArray:
    """A step gets the change that the state it led to made to the predicted return; an episode's credits sum to R.

    ``c_t = g_{t+1} - g_t + (R - g_T + g_0) / T``. ``g_t = sum of w(s)`` over the distinct states among s_0..s_t, with w
    the ridge regression of the group's returns on the bag of states acted in; the state after the last step is not
    part of it, since it would give the outcome away. The last term spreads what the predictor missed evenly.

    Args:
        batch: the episodes.
        ridge: penalty on the squared weights, in (0, inf).

    Returns:
        (S,) float64, in reward units.
    """
    power = group_power(batch.episode_return, batch.group, batch.num_groups)[batch.group]
    returns = batch.episode_return / power
    ids, count = state_nodes(batch)
    first = _is_first_visit(batch.episode, ids, count)
    seen = np.flatnonzero(first)
    weights = _ridge_regression(batch.episode[seen], ids[seen], returns, count, ridge)
    arrival = np.where(first & (batch.step > 0), weights[ids], 0.0)
    change = np.where(batch.is_last, 0.0, np.roll(arrival, -1))
    predicted = np.bincount(batch.episode, weights=change, minlength=batch.num_episodes)
    missed = (returns - predicted) / np.maximum(batch.lengths, 1)
    return (change + missed[batch.episode]) * power[batch.episode]


@register("spa", reference="Wang et al. 2025, SPA-RL, arXiv:2505.20732", stand_in=True)
def spa(batch: EpisodeBatch, *, ridge: Positive = 1.0) -> FloatArray:
    """A step gets the contribution of its (state, action), fitted so that contributions add up to the return.

    ``c_t = w(s_t, a_t)``, ``w = argmin sum_i (R_i - sum_t w(s_t, a_t))^2 + ridge ||w||^2`` over each group.

    Args:
        batch: the episodes.
        ridge: penalty on the squared weights, in (0, inf).

    Returns:
        (S,) float64, in reward units.
    """
    edge, count = compact(batch.step_group, batch.state, batch.action)
    power = group_power(batch.episode_return, batch.group, batch.num_groups)[batch.group]
    weights = _ridge_regression(batch.episode, edge, batch.episode_return / power, count, ridge)
    return weights[edge] * power[batch.episode]


def _ridge_regression(
    episode: IntArray, feature: IntArray, returns: FloatArray, count: int, ridge: float
) -> FloatArray:
    """Weights (count,) of features whose occurrences in episodes are listed; repeats count.

    Features never cross groups, so that one sparse solve fits every group.
    """
    if feature.size == 0:
        return np.zeros(count)
    design = csr_array((np.ones(feature.size), (episode, feature)), shape=(returns.size, count))
    weights: FloatArray = lsqr(design, returns, damp=np.sqrt(ridge), atol=1e-10, btol=1e-10)[0]
    return weights


def _is_first_visit(episode: IntArray, ids: IntArray, count: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether a step is the first of its episode at its state; (S,)."""
    _, first = np.unique(episode * count + ids, return_index=True)
    mask = np.zeros(ids.size, dtype=np.bool_)
    mask[first] = True
    return mask
