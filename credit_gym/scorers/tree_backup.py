"""Outcomes carried back from the leaves of a replay tree to the points that they passed.

V of a point is the mean outcome of the leaves below it. TEMPO (Tran et al. 2025, arXiv:2509.18314) adds
``V(s_{t+1}) - V(s_t)`` to GRPO where the tree branches; AT2PO (Zong et al. 2026, arXiv:2601.04767) takes V itself;
Tree-GRPO (Ji et al. 2025, arXiv:2509.21240) compares a leaf with its tree and with all trees.

How a tree lies in a batch: :mod:`credit_gym.estimation.siblings`. A group is one prompt, a leaf one episode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, compact, group_mean
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.normalise import centre, standardise, standardise_upstream
from credit_gym.estimation.siblings import Siblings, context_mean, play_value, siblings
from credit_gym.scorers.outcome import grpo
from credit_gym.scorers.registry import register

Backup = Literal["plays", "leaves"]
Against = Literal["nothing", "parent", "root", "both"]

_UPSTREAM = partial(standardise_upstream, ddof=0)


@register("tempo", needs={"parent"}, reference="Tran et al. 2025, TEMPO, arXiv:2509.18314")
def tempo(batch: EpisodeBatch, *, weight: float = 1.0, scale: bool = True) -> FloatArray:
    """A step gets its episode's standing in the group, and where the tree branches the change of value that it made.

    ``A_t = z_i + w 1[s_t branches] (V(s_{t+1}) - V(s_t))``, ``z = (R - mean R) / sd R`` over the group, V(s) the mean z
    of the episodes that pass s, and z_i itself after the last step. A point branches where more than one play was taken
    at it; elsewhere the difference is 0 anyway. Without a tree it is GRPO.

    Args:
        batch: replay trees, one a group.
        weight: w of the temporal difference.
        scale: divide by the standard deviation.

    Returns:
        (S,) float64, in standard deviations (in reward units without ``scale``). Rows that list one play differ by
        their episodes' z.
    """
    tree = siblings(batch)
    standing = (standardise if scale else centre)(batch.episode_return, batch.group, batch.num_groups)
    after, before = _leaf_means(batch, tree, standing)
    branches = tree.size[tree.context] > 1.0
    return standing[batch.episode] + weight * np.where(branches, after - before, 0.0)


@register("at2po", needs={"parent"}, reference="Zong et al. 2026, AT2PO, arXiv:2601.04767; code zzfoutofspace/ATPO")
def at2po(
    batch: EpisodeBatch,
    *,
    backup: Backup = "plays",
    against: Against = "nothing",
    scale: bool = True,
    mode: Mode = "default",
) -> FloatArray:
    """A step gets the value of the point that it led to, outcomes being standardised within the tree.

    ``A = V(s_{t+1})``, V of a leaf ``z = (R - mean R) / sd R`` over the leaves of the group, and of any other point

    * ``plays``: the mean over the plays taken at it of what each led to, level by level;
    * ``leaves``: the mean over the leaves below it, so that a branch counts for as many leaves as it has.

    (A third backup of the published code, which weighs plays by their entropy, is left out.)

    What V is compared ``against``: ``nothing`` (published to work best), the point before (``parent``:
    ``V(s_{t+1}) - V(s_t)``, the gain of CARL), the first point (``root``), or ``both``, the sum of the two differences.

    Args:
        batch: replay trees, one a group.
        backup: see above.
        against: see above.
        scale: divide by the standard deviation.
        mode: "upstream" adds 1e-6 to the deviation, as the published code does.

    Returns:
        (S,) float64, in standard deviations (in reward units without ``scale``); rows that list one play get one
        number.
    """
    tree = siblings(batch)
    normalise = (_UPSTREAM if is_upstream(mode) else standardise) if scale else centre
    outcome = normalise(batch.episode_return, batch.group, batch.num_groups)
    after, before = _BACKUPS[backup](batch, tree, outcome)
    first = before[batch.offsets[batch.episode]]
    return _AGAINST[against](after, before, first)


@register(
    "tree_grpo", needs={"parent"}, reference="Ji et al. 2025, Tree-GRPO, arXiv:2509.21240; code AMAP-ML/Tree-GRPO"
)
def tree_grpo(batch: EpisodeBatch, *, scale: bool = True, mode: Mode = "default") -> FloatArray:
    """Every step gets the standing of its episode within its tree plus that within the group.

    ``A = (R - mean_tree R) / sd_tree R + (R - mean_all R) / sd_all R``. The trees of a group are what hangs at the
    plays of its root: episodes with one first play are leaves of one tree. (The published rollout may also branch a
    tree at the prompt; here such a branch is a tree of its own.)

    Args:
        batch: one group a prompt, its trees side by side.
        scale: divide by the standard deviations.
        mode: that of :func:`~credit_gym.scorers.outcome.grpo` in both terms: "upstream" takes sample deviations plus
            1e-6, and hands the raw return to a leaf that is alone in its tree, as the published code does.

    Returns:
        (S,) float64, in standard deviations (in reward units without ``scale``); rows that list one play differ.
    """
    tree = siblings(batch)
    of_leaf = tree.plays + np.arange(batch.num_episodes)  # an episode without a step is a tree of its own
    played = batch.lengths > 0
    of_leaf[played] = tree.play[batch.offsets[:-1][played]]
    within = replace(batch, group=compact(of_leaf)[0])
    return grpo(within, scale=scale, mode=mode) + grpo(batch, scale=scale, mode=mode)


def _play_means(batch: EpisodeBatch, tree: Siblings, outcome: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Value after and before each step from (E,) outcomes, every level averaged evenly over its plays; (S,) both."""
    at_the_end = np.where(batch.is_last, outcome[batch.episode], 0.0)
    after = play_value(batch, tree, at_the_end)
    return after, context_mean(after, tree)


def _leaf_means(batch: EpisodeBatch, tree: Siblings, outcome: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same, every leaf below a point counting once."""
    each = outcome[batch.episode]
    after = group_mean(each, tree.play, tree.plays)[tree.play]
    return after, group_mean(each, tree.context, tree.contexts)[tree.context]


_BACKUPS: dict[str, Callable[[EpisodeBatch, Siblings, FloatArray], tuple[FloatArray, FloatArray]]] = {
    "plays": _play_means,
    "leaves": _leaf_means,
}
_AGAINST: dict[str, Callable[[FloatArray, FloatArray, FloatArray], FloatArray]] = {
    "nothing": lambda after, before, first: after,
    "parent": lambda after, before, first: after - before,
    "root": lambda after, before, first: after - first,
    "both": lambda after, before, first: (after - first) + (after - before),
}
