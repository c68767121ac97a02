"""MAGRPO: the group advantage of a team's joint answer, or of each role on its own.

``A_e = R_e - mean_j R_j`` over the group's episodes j, or the same over the plays of one role (Liu et al. 2025, MAGRPO,
arXiv:2508.04652).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, compact, group_mean
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.scaling import Scale, scaled
from credit_gym.estimation.siblings import Siblings, compared, context_mean, others_mean, siblings
from credit_gym.scorers.registry import register

Level = Literal["joint", "role"]
Baseline = Literal["mean", "loo"]


@register("magrpo", needs={"role"}, reference="Liu et al. 2025, MAGRPO, arXiv:2508.04652; baseline of arXiv:2603.06859")
def magrpo(
    batch: EpisodeBatch,
    *,
    level: Level = "joint",
    baseline: Baseline = "mean",
    scale: Scale = "none",
    mode: Mode = "default",
) -> FloatArray:
    """All roles get the advantage of the team's return within its group, or each role that of its own plays.

    * ``joint``: ``A_e = R_e - mean_j R_j`` over the episodes j of the group (the others with ``baseline="loo"``), the
      same for every step of episode e;
    * ``role``: the same over the plays of one role in the group, a play being worth the mean return of the episodes
      through it. Without a replay tree a play is a step, and both levels agree for roles that act once an episode.

    Args:
        batch: teams' episodes; a column ``parent`` is used where there is one.
        level: see above.
        baseline: "mean" or "loo".
        scale: see :func:`~credit_gym.estimation.scaling.scaled`; at the joint level every episode counts once.
        mode: "upstream" divides by the published ``sqrt(var + 1e-8)`` of the returns that are compared, so that
            ``loo`` keeps its n / (n - 1): a pair gets plus and minus 2. Under ``loo`` it hands the raw return to who is
            alone.

    Returns:
        (S,) float64, in reward units; 0 where there is nothing to compare with.
    """
    upstream = is_upstream(mode)
    tree = _trajectories(batch) if level == "joint" else _roles(batch)
    returns = batch.episode_return[batch.episode]
    worth = group_mean(returns, tree.play, tree.plays)[tree.play]
    if upstream:
        return _published(worth, batch, tree, baseline)
    mean = others_mean if baseline == "loo" else context_mean
    return scaled(worth - mean(worth, tree), batch, scale, tree=tree)


def _published(worth: FloatArray, batch: EpisodeBatch, tree: Siblings, baseline: Baseline) -> FloatArray:
    """Standard scores of the returns; the leave-one-out baseline is farther away by n / (n - 1)."""
    score = scaled(worth, batch, "context", tree=tree, upstream=True)
    if baseline == "mean":
        return score
    size = tree.size[tree.context]
    return np.where(size > 1.0, score * size / np.maximum(size - 1.0, 1.0), worth)


def _trajectories(batch: EpisodeBatch) -> Siblings:
    """Whole episodes as plays, compared within their group."""
    return compared(*compact(batch.episode), *compact(batch.step_group))


def _roles(batch: EpisodeBatch) -> Siblings:
    """Plays, compared within their role and group."""
    tree = siblings(batch)
    return compared(tree.play, tree.plays, *compact(batch.step_group, batch.require("role")))
