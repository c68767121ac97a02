"""Potential-based reward shaping: a step gets its reward plus the rise of a potential.

``c_t = r_t + g Phi(s_{t+1}) - Phi(s_t)`` (Ng, Harada and Russell 1999, ICML), Phi the progress that the verifier saw
(TIPS 2026, arXiv:2603.22293) or a critic's value.
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, discounted_sum
from credit_gym.estimation.critic import point_before
from credit_gym.estimation.ranges import Share
from credit_gym.scorers.registry import register


@register("pbrs", needs={"verifier"}, scope="episode", reference="Ng et al. 1999; TIPS 2026, arXiv:2603.22293")
def pbrs(batch: EpisodeBatch, *, discount: Share = 0.99) -> FloatArray:
    """A step gets its reward plus the discounted rise of the progress that the verifier has seen so far.

    ``c_t = r_t + g Phi_{t+1} - Phi_t`` with ``Phi_t = v_0 + ... + v_{t-1}``, a missing reading adding nothing. Phi is a
    function of the history, so the shaping telescopes: ``sum_t g^t (c_t - r_t) = g^T Phi_T``. Phi_T is kept, because a
    per-step target wants the last reading too; dropping it would make the shaping strictly policy-invariant.

    Args:
        batch: the episodes, with verifier readings.
        discount: g in [0, 1]; below 1, standing still at a high potential costs a little.

    Returns:
        (S,) float64, in reward and verifier units.
    """
    verifier: FloatArray = batch.require("verifier")
    readings = np.nan_to_num(verifier)
    remaining = discounted_sum(readings, batch.offsets, 1.0)
    whole = remaining[batch.offsets[batch.episode]]
    progress = whole - remaining
    return batch.reward + discount * (progress + readings) - progress


@register("pbrs_value", needs={"value"}, scope="episode", reference="Ng et al. 1999")
def pbrs_value(batch: EpisodeBatch, *, discount: Share = 0.99) -> FloatArray:
    """A step gets its reward plus the discounted rise of the critic's value.

    ``c_t = r_t + g V(s_{t+1}) - V(s_t)`` with V the column ``value``, the last state's included (``td_error`` takes it
    to be 0 after a termination); where either value is missing (NaN) the step keeps its bare reward.

    Args:
        batch: the episodes, with critic values.
        discount: g in [0, 1].

    Returns:
        (S,) float64, in reward units.
    """
    value: FloatArray = batch.require("value")
    before = point_before(batch)
    return batch.reward + np.nan_to_num(discount * value[before + 1] - value[before])
