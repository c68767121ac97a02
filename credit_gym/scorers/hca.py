"""Hindsight credit: how much more likely an action is once the outcome is known, by counting.

``c_t = (1 - pi(a_t | s_t) / h(a_t | s_t, R)) R`` (Harutyunyan et al. 2019, arXiv:1912.02503); HCAPO (2026,
arXiv:2603.08754) weighs discounted returns by h and adds the outcome.
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, compact, group_mean, group_size
from credit_gym.errors import OptionError
from credit_gym.estimation.critic import state_nodes
from credit_gym.estimation.normalise import standardise
from credit_gym.estimation.ranges import NonNegative, Share
from credit_gym.scorers.imitation import filtered_bc, majority
from credit_gym.scorers.outcome import grpo
from credit_gym.scorers.registry import register


@register("hca", reference="Harutyunyan et al. 2019, arXiv:1912.02503, return form, counted", stand_in=True)
def hca(batch: EpisodeBatch) -> FloatArray:
    """A step gets its episode's return, times how far that return raised the probability of its action.

    ``c_t = (1 - pi(a_t | s_t) / h(a_t | s_t, R)) R``; pi is the share of a_t among the group's visits to s_t, h the
    same share among the visits by episodes with the same return R.

    Args:
        batch: the episodes.

    Returns:
        (S,) float64, in reward units.
    """
    _, outcome = np.unique(batch.episode_return, return_inverse=True)
    node, _ = state_nodes(batch)
    place, num_places = compact(node, outcome.astype(np.int64)[batch.episode])
    choice, num_choices = compact(place, batch.action)
    hindsight = group_size(choice, num_choices)[choice] / group_size(place, num_places)[place]
    return (1.0 - majority(batch) / hindsight) * batch.episode_return[batch.episode]


@register("hcapo", reference="HCAPO 2026, arXiv:2603.08754, counts in place of the hindsight pass", stand_in=True)
def hcapo(
    batch: EpisodeBatch,
    *,
    discount: Share = 0.95,
    weight: float = 1.0,
    low: NonNegative = 0.8,
    high: NonNegative = 1.2,
) -> FloatArray:
    """A step gets its episode's GRPO advantage plus a return weighted by how well hindsight explains its action.

    ``c_t = A^GRPO + w (Q_t - mean Q) / sd Q`` over the steps of the group, ``Q_t = rho_t g^(T-1-t) R`` and
    ``rho_t = clip(h_t / mean_t h_t, low, high)``, the mean over the episode. h is the share of a_t among the visits to
    s_t in successful episodes (published: a language model's probability of the action given the final state). In
    successful episodes a negative second term is set to 0.

    Args:
        batch: the episodes.
        discount: g in [0, 1].
        weight: w.
        low: lower clip of rho, in [0, inf).
        high: upper clip of rho, in [0, inf) and not below ``low``.

    Returns:
        (S,) float64, in standard deviations.

    Raises:
        OptionError: ``low`` is above ``high``.
    """
    if low > high:
        raise OptionError(f"The option low of hcapo must not be above high, as {low:g} is above {high:g}.")
    episode = batch.episode
    hindsight = filtered_bc(batch)
    usual = group_mean(hindsight, episode, batch.num_episodes)[episode]
    ratio = np.divide(hindsight, usual, out=np.ones(batch.num_steps), where=usual > 0)
    to_end = batch.lengths[episode] - 1 - batch.step
    value = np.clip(ratio, low, high) * discount**to_end * batch.episode_return[episode]
    refined = standardise(value, batch.step_group, batch.num_groups)
    refined = np.where(batch.success[episode], np.maximum(refined, 0.0), refined)
    return grpo(batch) + weight * refined
