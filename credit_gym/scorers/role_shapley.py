"""Role-level Shapley values: how the outcome divides among the roles of a team.

``phi_r = sum over C without r of |C|! (R - |C| - 1)! / R! (v(C + r) - v(C))``, v(C) the mean return of the episodes in
which the roles of C said the same (Shapley 1953; SHARP 2026, arXiv:2602.08335).
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, compact, group_sum
from credit_gym.errors import BatchError
from credit_gym.estimation.coalitions import shapley_values
from credit_gym.estimation.scaling import Scale, scaled
from credit_gym.estimation.siblings import siblings
from credit_gym.scorers.registry import register

_MOST_ROLES = 12


@register("role_shapley", needs={"role"}, reference="Shapley 1953; SHARP 2026, arXiv:2602.08335 (from its abstract)")
def role_shapley(batch: EpisodeBatch, *, scale: Scale = "none") -> FloatArray:
    """Every step gets its role's Shapley value in the game of its episode, divided by the role's number of steps.

    The players are the roles of the group. A coalition C is worth ``v(C) = mean return of the group's episodes in which
    the roles of C said exactly what they say here``, so v() is the group's mean and
    ``phi_r = sum over C without r of |C|! (R - |C| - 1)! / R! (v(C + r) - v(C))``, exactly, over all 2^R coalitions.
    An episode's credits sum to v(all) - v(): what its whole transcript is worth against the group's mean.

    Coalitions are read off the episodes, not played: where roles listen to each other, v of a late role alone also
    credits it with what usually precedes its message. On a replay tree the episodes are weighed as the policy would
    have drawn them.

    Args:
        batch: teams' episodes with a column ``role``; ``parent`` is used where there is one.
        scale: see :func:`~credit_gym.estimation.scaling.scaled`.

    Returns:
        (S,) float64, in reward units.

    Raises:
        BatchError: the batch has more than 12 roles.
    """
    role, roles = compact(batch.require("role"))
    if roles > _MOST_ROLES:
        raise BatchError(f"The batch has {roles} roles; exact Shapley values are affordable for {_MOST_ROLES} at most.")
    weight = _policy_weight(batch)
    said = [_said(batch, role == r) for r in range(roles)]
    phi = shapley_values(roles, lambda coalition: _conditional_mean(batch, weight, [said[r] for r in coalition]))
    turn, turns = compact(batch.episode, role)
    steps = np.bincount(turn, minlength=turns)[turn]
    return scaled(phi[role, batch.episode] / steps, batch, scale)


def _said(batch: EpisodeBatch, mine: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> IntArray:
    """(E,) id of all that a role said in each episode: equal where the sequences are equal."""
    ids = np.zeros(batch.num_episodes, dtype=np.int64)
    order = np.cumsum(mine) - 1
    rank = order - np.concatenate([[0], np.cumsum(mine)])[batch.offsets[:-1]][batch.episode]
    for position in range(int(rank[mine].max(initial=-1)) + 1):
        rows = np.flatnonzero(mine & (rank == position))
        word = np.zeros(batch.num_episodes, dtype=np.int64)
        word[batch.episode[rows]] = batch.action[rows] + 1
        ids, _ = compact(ids, word)
    return ids


def _conditional_mean(batch: EpisodeBatch, weight: FloatArray, said: list[IntArray]) -> FloatArray:
    """(E,) mean return of the group's episodes that agree with each one on what some roles said."""
    ids, count = compact(batch.group, *said)
    total = group_sum(weight * batch.episode_return, ids, count) / group_sum(weight, ids, count)
    return total[ids]


def _policy_weight(batch: EpisodeBatch) -> FloatArray:
    """(E,) chance of each leaf when every context's plays are equally likely; 1 without a tree."""
    if batch.parent is None:
        return np.ones(batch.num_episodes)
    tree = siblings(batch)
    return np.exp(-group_sum(np.log(tree.size)[tree.context], batch.episode, batch.num_episodes))
