"""Two-level GAE: steps are judged within their sub-goal's segment, the choice of a sub-goal across segments.

``c_t = A^low_t + w A^high_k`` (the latter at a segment's first step): ``A^low_t = d_t + g l A^low_{t+1}`` within the
segment, ``A^high_k = D_k + g^{T_k} L A^high_{k+1}``, ``D_k = sum_{i<T_k} g^i r + g^{T_k} V(s_{k+1}) - V(s_k)`` over its
T_k steps (Peng et al. 2026, HiPER's hierarchical advantage estimation, arXiv:2602.16165).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import BoolArray, FloatArray, discounted_sum
from credit_gym.estimation.critic import monte_carlo_value, temporal_differences
from credit_gym.estimation.milestones import milestones
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.ranges import NonNegative, Share
from credit_gym.scorers.registry import register


@register("hiper", reference="Peng et al. 2026, HiPER, arXiv:2602.16165, and JonP07/HiPER-agent", stand_in=True)
def hiper(
    batch: EpisodeBatch,
    *,
    discount: Share = 0.95,
    lam: Share = 0.95,
    lam_high: Share = 0.95,
    weight: float = 1.0,
    keep_penalty: NonNegative = 0.0,
    invalid_penalty: NonNegative = 0.0,
    mode: Mode = "default",
) -> FloatArray:
    """A step gets its GAE within its segment; the first one gets the segment's GAE over the episode's segments too.

    With ``d_t = r_t + g V(s_{t+1}) - V(s_t)``: ``A^low_t = sum g^l lam^l d_{t+l}`` over the rest of the segment, which
    ends by looking at the value of where the next one starts; ``D_k = sum_{i<T_k} g^i d_{t_k+i}`` is what the whole
    segment k, of T_k steps from t_k, brought, and ``A^high_k = D_k + g^{T_k} lam_high A^high_{k+1}``. The published
    method gives A^low to the tokens of the action and A^high to those that name the sub-goal; a step holds both.

    Segments begin where the column ``segment`` changes (a step without one goes on with its predecessor's); in an
    episode without any, after each milestone (:mod:`credit_gym.estimation.milestones`), where the batch has a verifier;
    else the episode is one segment, and A^low is ``gae``. V is the column ``value`` where the batch has it, else the
    mean discounted return from each state of the group: one value for both levels, as the published code has without
    its second head.

    Args:
        batch: the episodes.
        discount: g in [0, 1].
        lam: lambda within a segment, in [0, 1].
        lam_high: lambda across segments, in [0, 1].
        weight: w, of A^high.
        keep_penalty: taken from the reward of each step that begins no segment, in [0, inf), reward units.
        invalid_penalty: taken from that of each action that was refused (column ``invalid``), in [0, inf).
        mode: "default" values the state in which a truncated episode stopped, where ``value`` knows it. "upstream"
            takes it to be worth 0, as the published code does unless told to repeat the value of the state before.

    Returns:
        (S,) float64, in reward units.
    """
    begins = _begins(replace(batch))  # whose indices of steps go with it
    penalty = keep_penalty * ~begins
    if batch.invalid is not None:
        penalty = penalty + invalid_penalty * batch.invalid
    batch = replace(batch, reward=batch.reward - penalty)
    del penalty
    over = replace(batch, terminated=np.ones_like(batch.terminated), truncated=np.zeros_like(batch.truncated))
    fitted = monte_carlo_value(batch, discount)
    surprises = temporal_differences(over if is_upstream(mode) else batch, fitted, discount)
    del fitted
    starts = np.flatnonzero(begins)
    segments = np.append(starts, batch.num_steps)
    credit = discounted_sum(surprises, segments, discount * lam)
    brought = discounted_sum(surprises, segments, discount)[starts]
    goes_on = ~batch.is_last[segments[1:] - 1]
    credit[starts] += weight * _chained(brought, np.where(goes_on, lam_high * discount ** np.diff(segments), 0.0))
    return credit


def _begins(batch: EpisodeBatch) -> BoolArray:
    """Which steps begin a segment; (S,)."""
    first: BoolArray = batch.step == 0
    recorded = np.zeros(batch.num_episodes, dtype=np.bool_)
    begins = first
    if batch.segment is not None:
        told = batch.segment >= 0
        recorded[batch.episode[told]] = True
        known = batch.segment[np.maximum.accumulate(np.where(told | first, np.arange(batch.num_steps), 0))]
        begins = first | ((known != np.roll(known, 1)) & (np.roll(known, 1) >= 0))
    unsaid = ~recorded[batch.episode]
    if batch.verifier is not None and not np.isnan(batch.verifier[unsaid]).all():
        begins = np.where(unsaid, first | np.roll(milestones(batch), 1), begins)
    return begins


def _chained(values: FloatArray, factors: FloatArray) -> FloatArray:
    """``x_k = values_k + factors_k x_{k+1}``, by pointer doubling: log2(longest run of factors that are not 0) passes.

    Args:
        values: (K,) float64.
        factors: (K,) float64 in [0, 1], the last one 0.

    Returns:
        (K,) float64.
    """
    total, factors, shift = values.copy(), factors.copy(), 1
    while factors.any():
        total[:-shift] += np.where(factors[:-shift] > 0.0, factors[:-shift] * total[shift:], 0.0)
        factors[:-shift] *= factors[shift:]
        shift *= 2
    return total
