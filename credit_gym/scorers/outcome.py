"""Credit from the outcome alone: every step of an episode gets the same number.

``c_t = R`` (Williams 1992, REINFORCE), ``(R_i - mean R) / sd R`` over the group (Shao et al. 2024, GRPO,
arXiv:2402.03300), or ``R_i - mean_{j != i} R_j`` (Ahmadian et al. 2024, RLOO, arXiv:2402.14740).
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, group_size
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.normalise import centre, leave_one_out, standardise, standardise_upstream
from credit_gym.scorers.explanation import Explanation, explains, outcome_terms
from credit_gym.scorers.registry import register


@register("outcome_only", scope="episode", reference="Williams 1992, REINFORCE, doi:10.1007/BF00992696")
def outcome_only(batch: EpisodeBatch) -> FloatArray:
    """Every step gets the return of its episode.

    ``c_t = R``, with R the undiscounted sum of the episode's rewards.

    Args:
        batch: the episodes.

    Returns:
        (S,) float64, in reward units.
    """
    return batch.episode_return[batch.episode]


@register("grpo", reference="Shao et al. 2024, DeepSeekMath, arXiv:2402.03300; Liu et al. 2025, arXiv:2503.20783")
def grpo(batch: EpisodeBatch, *, scale: bool = True, mode: Mode = "default") -> FloatArray:
    """Every step gets the standardised return of its episode within its group.

    ``c_t = (R_i - mean_j R_j) / sd_j R_j`` over the episodes j of the group of i.

    Args:
        batch: the episodes.
        scale: divide by the standard deviation; False is Dr. GRPO (2503.20783).
        mode: "default" takes the population deviation, and a group without variance gives 0. "upstream" takes the
            sample deviation plus 1e-6 and hands the raw return to a lone episode, as the widely copied verl code does.

    Returns:
        (S,) float64, in standard deviations (in reward units without ``scale``).
    """
    returns, group, count = batch.episode_return, batch.group, batch.num_groups
    if not is_upstream(mode):
        return (standardise if scale else centre)(returns, group, count)[batch.episode]
    advantage = (standardise_upstream if scale else centre)(returns, group, count)
    return np.where(group_size(group, count)[group] == 1, returns, advantage)[batch.episode]


@register("rloo", reference="Kool et al. 2019; Ahmadian et al. 2024, arXiv:2402.14740; LOOP 2025, arXiv:2502.01600")
def rloo(batch: EpisodeBatch) -> FloatArray:
    """Every step gets the return of its episode minus the mean return of the others of its group.

    ``c_t = R_i - mean_{j != i} R_j``; the baseline does not see episode i, so the policy gradient stays unbiased.

    Args:
        batch: the episodes.

    Returns:
        (S,) float64, in reward units; 0 for an episode that is alone in its group.
    """
    return leave_one_out(batch.episode_return, batch.group, batch.num_groups)[batch.episode]


@explains("grpo")
def _explain_grpo(batch: EpisodeBatch, *, scale: bool, mode: Mode) -> Explanation | None:
    if is_upstream(mode):
        return None
    return Explanation((f"c = {'(R - mean_R) / sd_R' if scale else 'R - mean_R'}",), outcome_terms(batch, scale=scale))
