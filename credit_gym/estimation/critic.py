"""State values under a batch, recorded by a critic or fitted from the batch itself, and their temporal differences."""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, compact, discounted_sum, group_mean
from credit_gym.estimation.pooled_graph import chain_value, pool


def state_nodes(batch: EpisodeBatch) -> tuple[IntArray, int]:
    """Number the distinct (group, state) pairs that were acted in: (S,) dense ids and their count."""
    return compact(batch.step_group, batch.state)


def point_before(batch: EpisodeBatch) -> IntArray:
    """Index, in a column of S+E points, of the point before each step; the point after it is the next one. (S,)."""
    return np.arange(batch.num_steps, dtype=np.int64) + batch.episode


def monte_carlo_value(batch: EpisodeBatch, discount: float) -> FloatArray:
    """Tabular critic: the mean discounted return from the step's (group, state).

    Args:
        batch: the episodes; the return of a truncated one is what it had earned when it was cut off.
        discount: in [0, 1].

    Returns:
        (S,) float64, reward units.
    """
    ids, count = state_nodes(batch)
    return group_mean(discounted_sum(batch.reward, batch.offsets, discount), ids, count)[ids]


def certainty_equivalent_value(batch: EpisodeBatch, discount: float) -> FloatArray:
    """The TD(0) fixed point: the value of the step's (group, state) if the pooled transitions were the whole truth.

    ``V(s) = mean over visits of (r + discount * V(s'))``, one sparse solve; a cut-off episode leads to value 0.

    Args:
        batch: the episodes.
        discount: in [0, 1].

    Returns:
        (S,) float64, reward units.
    """
    graph = pool(batch)
    return chain_value(graph, batch.reward, discount)[graph.node]


def values_around(batch: EpisodeBatch, fitted: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Value of the state before each step and of the one after it, 0 after a termination; (S,) each.

    V is the critic's column ``value`` wherever it has a reading, else the fitted value. Only a recorded value can
    speak for the state in which a truncated episode stopped; a fitted critic takes it to be worth 0.

    Args:
        batch: the episodes.
        fitted: (S,) float64 value of the state before each step.
    """
    current = fitted
    following = np.where(batch.is_last, 0.0, np.roll(fitted, -1))
    if batch.value is not None:
        before = point_before(batch)
        current = _prefer(batch.value[before], current)
        following = _prefer(batch.value[before + 1], following)
    return current, np.where(batch.is_last & batch.terminated[batch.episode], 0.0, following)


def temporal_differences(batch: EpisodeBatch, fitted: FloatArray, discount: float) -> FloatArray:
    """``r_t + discount * V(s_{t+1}) - V(s_t)`` with V of :func:`values_around`.

    Args:
        batch: the episodes.
        fitted: (S,) float64 value of the state before each step.
        discount: in [0, 1].

    Returns:
        (S,) float64, reward units.
    """
    current, following = values_around(batch, fitted)
    return batch.reward + discount * following - current


def _prefer(recorded: FloatArray, fitted: FloatArray) -> FloatArray:
    return np.where(np.isnan(recorded), fitted, recorded)
