"""Groups within groups: episodes are compared within their task, steps within their state.

``c_t = A^E + w A^S``, ``A^E = (R_i - mean R) / F(R)`` over the group, ``A^S = (G_t - mean G) / F(G)`` over the visits
to s_t (Feng et al. 2025, GiGPO, arXiv:2505.10978); HGPO (2026, arXiv:2602.22817) nests the groups by history.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, compact, discounted_sum, group_mean, group_size
from credit_gym.estimation.critic import state_nodes
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.normalise import centre, standardise, standardise_upstream
from credit_gym.estimation.ranges import NonNegative, Range, Share
from credit_gym.scorers.explanation import Explanation, Term, deviation, explains, outcome_terms
from credit_gym.scorers.outcome import grpo
from credit_gym.scorers.registry import register


@register("gigpo", reference="Feng et al. 2025, GiGPO, arXiv:2505.10978, equations 3-8")
def gigpo(
    batch: EpisodeBatch, *, discount: Share = 0.95, weight: float = 1.0, scale: bool = True, mode: Mode = "default"
) -> FloatArray:
    """A step gets its episode's advantage in the group plus its own advantage among the visits to its state.

    ``c_t = A^E + w A^S``; ``A^E = (R_i - mean R) / F(R)`` over the group's episodes,
    ``A^S = (G_t - mean G) / F(G)`` over the group's visits to s_t, ``G_t = sum_{k>=0} g^k r_{t+k}``.

    Args:
        batch: the episodes.
        discount: g in [0, 1].
        weight: w.
        scale: F is the standard deviation; False sets F = 1.
        mode: "default" takes population deviations and counts each episode once in A^E. "upstream" follows the
            published code: sample deviations plus 1e-6, A^E's mean and deviation over all *steps* of the group (long
            episodes weigh more), and no centring of A^E in a group of a single step.

    Returns:
        (S,) float64, in standard deviations (in reward units without ``scale``).
    """
    upstream = is_upstream(mode)
    normalise = (standardise_upstream if upstream else standardise) if scale else centre
    returns = discounted_sum(batch.reward, batch.offsets, discount)
    step_advantage = normalise(returns, *state_nodes(batch))
    if not upstream:
        return grpo(batch, scale=scale) + weight * step_advantage
    outcome, group, count = batch.episode_return[batch.episode], batch.step_group, batch.num_groups
    lone = group_size(group, count)[group] == 1
    return np.where(lone, outcome, normalise(outcome, group, count)) + weight * step_advantage


@register("hgpo", reference="HGPO 2026, arXiv:2602.22817 (from its abstract)", stand_in=True)
def hgpo(
    batch: EpisodeBatch,
    *,
    discount: Share = 0.95,
    weight: float = 1.0,
    history: Annotated[int, Range("[0, inf)")] = 2,
    sharpness: NonNegative = 1.0,
    scale: bool = True,
) -> FloatArray:
    """As GiGPO, but the state's group is refined by the states before it, and finer groups weigh more.

    ``c_t = A^E + w sum_k u_k A^S_k / sum_k u_k``, ``u_k = (k+1)^sharpness``. ``A^S_k`` compares G_t among the steps of
    the group that share s_t and the k states before it (an episode's start counts as a state); levels at which the
    step has no company are left out of both sums.

    Args:
        batch: the episodes.
        discount: g in [0, 1].
        weight: w.
        history: the largest k, in [0, inf).
        sharpness: growth of the weights with k, in [0, inf); 0 weighs all levels alike.
        scale: divide by standard deviations.

    Returns:
        (S,) float64, in standard deviations (in reward units without ``scale``).
    """
    normalise = standardise if scale else centre
    returns = discounted_sum(batch.reward, batch.offsets, discount)
    total, mass = np.zeros(batch.num_steps), np.zeros(batch.num_steps)
    ids, count = state_nodes(replace(batch))  # whose indices of steps go with it
    state = ids
    for level in range(history + 1):
        importance = np.power(level + 1.0, sharpness)  # infinite, not an exception, where no float holds it
        total += importance * normalise(returns, ids, count)
        mass += importance * (group_size(ids, count) > 1)[ids]
        if level < history:
            ids = _of_previous_step(batch, ids)
            ids, count = compact(ids, state)
    del returns, ids, state
    step_advantage = np.divide(total, mass, out=np.zeros_like(total), where=mass > 0)
    return grpo(batch, scale=scale) + weight * step_advantage


def _of_previous_step(batch: EpisodeBatch, ids: IntArray) -> IntArray:
    """1 + the id of the step before, 0 at the first step of an episode; (S,)."""
    previous = np.roll(ids, 1)
    previous += 1
    previous[batch.offsets[:-1][batch.lengths > 0]] = 0
    return previous


@explains("gigpo")
def _explain_gigpo(
    batch: EpisodeBatch, *, discount: float, weight: float, scale: bool, mode: Mode
) -> Explanation | None:
    if is_upstream(mode):
        return None
    returns = discounted_sum(batch.reward, batch.offsets, discount)
    node, count = state_nodes(batch)
    terms = {
        **outcome_terms(batch, scale=scale),
        "G": Term("discounted return from here on", returns),
        "mean_G": Term("mean of G over the visits to the state", group_mean(returns, node, count)[node]),
    }
    if scale:
        terms["sd_G"] = Term("standard deviation of G over them", deviation(returns, node, count)[node])
    over_r, over_g = (" / sd_R", " / sd_G") if scale else ("", "")
    equations = (f"A_E = (R - mean_R){over_r}", f"A_S = (G - mean_G){over_g}", "c = A_E + weight * A_S")
    return Explanation(equations, terms, {"discount": discount, "weight": weight})
