"""MAPPO: advantage estimation over the turns of roles, with a critic that sees what the whole team has said.

``A_k = d_k + g lam A_{k+1}``, ``d_k = r_k + g V_{k+1} - V_k`` over turns k (Yu et al. 2022, MAPPO, arXiv:2103.01955).
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, discounted_sum, group_sum
from credit_gym.estimation.critic import monte_carlo_value, values_around
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.ranges import Share
from credit_gym.estimation.scaling import Scale, scaled
from credit_gym.scorers.registry import register


@register("mappo", needs={"value"}, reference="Yu et al. 2022, MAPPO, arXiv:2103.01955; as in arXiv:2603.06859")
def mappo(
    batch: EpisodeBatch,
    *,
    discount: Share = 1.0,
    lam: Share = 1.0,
    scale: Scale = "none",
    mode: Mode = "default",
) -> FloatArray:
    """Every step of a role's turn gets the turn's generalised advantage under a central critic.

    A turn is a maximal run of steps by one role (a step, where the batch has no column ``role``); r_k is what it
    earned, V_k the critic's value where it begins:
    ``A_k = d_k + g lam A_{k+1}``, ``d_k = r_k + g V_{k+1} - V_k``. V is 0 after a termination, the critic's last
    reading after a truncation. Where the critic has no reading, the mean return from the state stands in.

    Args:
        batch: teams' episodes, with the critic's column ``value``.
        discount: g in [0, 1], per turn.
        lam: lambda in [0, 1].
        scale: see :func:`~credit_gym.estimation.scaling.scaled`.
        mode: "upstream" standardises over the whole batch and then divides by the number of the step's action tokens
            (where tokens were recorded), as the published code does for this method alone.

    Returns:
        (S,) float64, in reward units.
    """
    upstream = is_upstream(mode)
    passed = True if batch.role is None else batch.role != np.roll(batch.role, 1)
    begins = (batch.step == 0) | passed
    first = np.flatnonzero(begins)
    turn = np.cumsum(begins) - 1
    offsets = np.concatenate([[0], np.cumsum(np.bincount(batch.episode[first], minlength=batch.num_episodes))])
    last = np.concatenate([first[1:], [batch.num_steps]])[: first.size] - 1

    now, then = values_around(batch, monte_carlo_value(batch, 1.0))
    earned = group_sum(batch.reward, turn, first.size)
    surprise = earned + discount * then[last] - now[first]
    credit = discounted_sum(surprise, offsets, discount * lam)[turn]
    if not upstream:
        return scaled(credit, batch, scale)
    credit = scaled(credit, batch, "batch", upstream=True)
    if batch.logprob_offsets is None:
        return credit
    return credit / np.maximum(np.diff(batch.logprob_offsets), 1)
