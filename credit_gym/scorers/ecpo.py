"""Evidence-calibrated credit: what an action returned on average, as far as the visits to its state are evidence of it.

``c_t = A^E + w rho(s) n_a / (n_a + k) (mean_a G - mean_s G) / sd_s G``, ``rho(s) = tanh(n_s / tau) B / (B + W)``, B and
W the variances of G between and within the actions of s (Li et al. 2026, ECPO, arXiv:2606.05885).
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, compact, discounted_sum, group_mean, group_size, group_std
from credit_gym.estimation.critic import state_nodes
from credit_gym.estimation.normalise import centre, standardise
from credit_gym.estimation.ranges import NonNegative, Positive, Share
from credit_gym.scorers.outcome import grpo
from credit_gym.scorers.registry import register


@register("ecpo", reference="Li et al. 2026, ECPO, arXiv:2606.05885 (from readings of it)", stand_in=True)
def ecpo(
    batch: EpisodeBatch,
    *,
    discount: Share = 0.95,
    weight: float = 1.0,
    shrinkage: NonNegative = 2.0,
    evidence: Positive = 2.0,
    scale: bool = True,
) -> FloatArray:
    """A step gets its episode's advantage plus that of its action, shrunk and gated by the evidence for it.

    ``c_t = A^E + w rho(s) (m_a - mean_s G) / F(G)``: A^E as in GRPO, G_t the discounted return from step t,
    ``m_a = (n_a mean_a G + k mean_s G) / (n_a + k)`` the mean over the n_a visits to s that took a, drawn to that over
    all n_s visits, and ``rho(s) = tanh(n_s / tau) B / (B + W)``, ``B = mean_s (mean_a G - mean_s G)^2``,
    ``W = mean_s (G - mean_a G)^2``. One lucky try of a rare action is so worth little, where GiGPO pays it in full; and
    where what followed varies more within actions than between them, little is left but A^E. The published
    method maps actions to canonical ones first; here they are the texts that the environment got.

    Args:
        batch: the episodes.
        discount: g in [0, 1].
        weight: w.
        shrinkage: k in [0, inf), visits' worth of doubt; 2 is the published value.
        evidence: tau in (0, inf), visits until a state counts; its published value is not known to us.
        scale: F is the standard deviation over the visits to s, and A^E is scaled too; False sets F = 1 in both. That
            of the shrunk means, the other reading, would undo the shrinkage where all n_a are equal.

    Returns:
        (S,) float64, in standard deviations (in reward units without ``scale``).
    """
    state, states = state_nodes(batch)
    action, actions = compact(state, batch.action)
    returns = (standardise if scale else centre)(discounted_sum(batch.reward, batch.offsets, discount), state, states)
    tries = group_size(action, actions)
    advantage = group_mean(returns, action, actions)
    calibrated = advantage * tries / (tries + shrinkage)
    certainty = np.tanh(group_size(state, states) / evidence) * _explained(returns, advantage[action], state, states)
    return grpo(batch, scale=scale) + weight * certainty[state] * calibrated[action]


def _explained(returns: FloatArray, advantage: FloatArray, state: IntArray, states: int) -> FloatArray:
    """Share of the variance of the returns from each state that its actions explain, B / (B + W); (states,)."""
    whole = group_std(returns, state, states)
    ratio = np.divide(group_std(advantage, state, states), whole, out=np.zeros(states), where=whole > 0.0)
    return np.minimum(ratio, 1.0) ** 2
