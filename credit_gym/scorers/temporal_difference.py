"""Credit against a critic: Monte-Carlo returns, one-step surprises, and everything between.

``c_t = sum_{l>=0} (g lam)^l d_{t+l}``, ``d_t = r_t + g V(s_{t+1}) - V(s_t)`` (Schulman et al. 2016, GAE,
arXiv:1506.02438): ``lam=0`` is the TD error (Sutton 1988), ``lam=1`` the return less its baseline.
"""

from __future__ import annotations

from typing import Literal

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, discounted_sum
from credit_gym.estimation.critic import (
    certainty_equivalent_value,
    monte_carlo_value,
    temporal_differences,
    values_around,
)
from credit_gym.estimation.normalise import standardise
from credit_gym.estimation.ranges import Share
from credit_gym.scorers.explanation import Explanation, Term, explains
from credit_gym.scorers.registry import register

Baseline = Literal["state", "none"]


@register("mc", reference="Sutton & Barto 2018, section 13.4 (REINFORCE with baseline)")
def mc(batch: EpisodeBatch, *, discount: Share = 0.95, baseline: Baseline = "state") -> FloatArray:
    """A step gets the discounted return that followed it, minus the mean of that return at its state.

    ``c_t = G_t - b(s_t)``, ``G_t = sum_{k>=0} g^k r_{t+k}``, b the mean of G over the group's visits to s_t.

    Args:
        batch: the episodes.
        discount: g in [0, 1].
        baseline: "state", or "none" for the bare return.

    Returns:
        (S,) float64, in reward units.
    """
    returns = discounted_sum(batch.reward, batch.offsets, discount)
    if baseline == "none":
        return returns
    return returns - monte_carlo_value(batch, discount)


@register("gae", reference="Schulman et al. 2016, arXiv:1506.02438; Turn-PPO 2025, arXiv:2512.17008")
def gae(batch: EpisodeBatch, *, discount: Share = 0.95, lam: Share = 0.95) -> FloatArray:
    """A step gets the exponentially weighted sum of the surprises that followed it.

    ``c_t = sum_{l>=0} (g lam)^l d_{t+l}``, ``d_t = r_t + g V(s_{t+1}) - V(s_t)``. V is the column ``value`` where the
    batch has it, else the mean discounted return from each state of the group. ``lam=1`` without a column is ``mc``.

    Args:
        batch: the episodes.
        discount: g in [0, 1].
        lam: lambda in [0, 1].

    Returns:
        (S,) float64, in reward units.
    """
    surprises = temporal_differences(batch, monte_carlo_value(batch, discount), discount)
    return discounted_sum(surprises, batch.offsets, discount * lam)


@register("gagpo", reference="GAGPO 2026, arXiv:2605.13217 (from its abstract)", stand_in=True)
def gagpo(batch: EpisodeBatch, *, discount: Share = 0.95, lam: Share = 0.95) -> FloatArray:
    """A step gets its GAE on the grouped tabular value, standardised over the steps of its group.

    ``c_t = (A_t - mean_G A) / sd_G A``, A the ``gae`` of the batch, G all steps of the group.

    Args:
        batch: the episodes.
        discount: g in [0, 1].
        lam: lambda in [0, 1].

    Returns:
        (S,) float64, in standard deviations.
    """
    return standardise(gae(batch, discount=discount, lam=lam), batch.step_group, batch.num_groups)


@register("td_error", reference="Sutton 1988, doi:10.1007/BF00115009; G2PO's one-step edge error")
def td_error(batch: EpisodeBatch, *, discount: Share = 0.95) -> FloatArray:
    """A step gets its one-step surprise: what it earned and led to, minus what its state promised.

    ``c_t = r_t + g V(s_{t+1}) - V(s_t)``. V is the column ``value`` where the batch has it, else the certainty-
    equivalent critic: the exact TD(0) fixed point of the group's pooled transitions.

    Args:
        batch: the episodes.
        discount: g in [0, 1].

    Returns:
        (S,) float64, in reward units.
    """
    return temporal_differences(batch, certainty_equivalent_value(batch, discount), discount)


@explains("td_error")
def _explain_td_error(batch: EpisodeBatch, *, discount: float) -> Explanation:
    current, following = values_around(batch, certainty_equivalent_value(batch, discount))
    terms = {
        "r": Term("reward of the step", batch.reward),
        "V": Term("value of the state before the step", current),
        "V_next": Term("value of the state after it", following),
    }
    return Explanation(("c = r + discount * V_next - V",), terms, {"discount": discount})
