"""Counterfactual credit on replay trees: a message against the others that were drawn in exactly its context.

``A_i = q_i - mean_{j != i} q_j`` over the n siblings of a context, q the mean return of what followed (Chen et al.
2026, C3, arXiv:2603.06859); ``counterfactual`` pools equal actions and keeps magnitudes.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, compact, group_sum
from credit_gym.errors import BatchError
from credit_gym.estimation.critic import point_before
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.ranges import Range, Share
from credit_gym.estimation.scaling import Scale, scaled
from credit_gym.estimation.siblings import Siblings, context_mean, others_mean, play_value, siblings
from credit_gym.scorers.registry import register

Variant = Literal["reward_only", "value_only", "value_assisted"]
Baseline = Literal["loo", "mean"]


@register("c3", needs={"parent"}, reference="Chen et al. 2026, C3, arXiv:2603.06859")
def c3(
    batch: EpisodeBatch,
    *,
    variant: Variant = "reward_only",
    alpha: Share = 1.0,
    baseline: Baseline = "loo",
    replay: bool = True,
    scale: Scale = "none",
    mode: Mode = "default",
) -> FloatArray:
    """A step gets what it is worth minus what its siblings are worth: fixed context, leave-one-out baseline.

    With q_i the value of sibling i (:func:`~credit_gym.estimation.siblings.play_value`, the mean over the leaves below
    it on a tree of equal fan-out) and ``b(x)_i = mean_{j != i} x_j``, or the mean over all n siblings with
    ``baseline="mean"``:

    * ``reward_only``: ``A_i = q_i - b(q)_i = n / (n - 1) (q_i - mean_j q_j)``;
    * ``value_only``: ``A_i = c_i - b(c)_i``, c_i the critic's value of the point after step i;
    * ``value_assisted``: ``A_i = q_i - ((1 - alpha) b(q)_i + alpha b(c)_i)``.

    Where the siblings are independent draws from the policy, ``E[A_i | context, action] = Q - V`` for ``reward_only``
    with leave-one-out; the mean baseline shrinks that by (n - 1) / n. A play without siblings gets 0. Every play counts
    as a draw: where a draw was played c times, the credit shrinks by (n - 1) c / (n c - 1); see :func:`counterfactual`.

    Fails to show in training: at equal messages no difference to MAGRPO or MAPPO was established, though the credit is
    the closer one (``docs/team_training.md``).

    Args:
        batch: replay trees, one a group; columns as :mod:`~credit_gym.estimation.siblings` describes.
        variant: see above; those with a critic need the column ``value``.
        alpha: share of the critic in the baseline of ``value_assisted``, in [0, 1].
        baseline: "loo" or "mean" (the published ablation "no LOO"; after standardising over siblings the two are one).
        replay: False compares all plays of the tree at equal turn, whatever their context (the ablation "no replay").
        scale: see :func:`~credit_gym.estimation.scaling.scaled`.
        mode: "upstream" standardises over the siblings with the published epsilons, as the published code does unless
            told otherwise: two siblings then always get plus and minus 1. (Its command line also defaults to
            ``value_assisted`` with a learned critic; ask for that with ``variant``.)

    Returns:
        (S,) float64, in reward units; rows that list one play get one number.

    Raises:
        MissingColumnError: a critic is asked for and there is no column ``value``.
        BatchError: the critic has no reading somewhere.
    """
    upstream = is_upstream(mode)
    tree = siblings(batch)
    compared = tree if replay else siblings(batch, replay=False)
    mean = others_mean if baseline == "loo" else context_mean
    earned = play_value(batch, tree)
    if variant == "reward_only":
        credit = earned - mean(earned, compared)
    elif variant == "value_only":
        judged = _critic(batch, tree)
        credit = judged - mean(judged, compared)
    else:
        judged = _critic(batch, tree) if alpha > 0.0 else earned
        expected = (1.0 - alpha) * mean(earned, compared) + alpha * mean(judged, compared)
        credit = np.where(compared.size[compared.context] > 1.0, earned - expected, 0.0)
    return scaled(credit, batch, "context" if upstream else scale, tree=compared, upstream=upstream)


@register("counterfactual", needs={"parent"}, reference="credit_gym: C3 (2026, arXiv:2603.06859) with pooled values")
def counterfactual(
    batch: EpisodeBatch, *, draws: Annotated[int, Range("[1, inf)")] | None = None, scale: Scale = "shrunk"
) -> FloatArray:
    """C3 with the plays of one action pooled, several plays of one draw allowed, and a scale that keeps magnitudes.

    ``A(a) = n / (n - 1) (q_a - mean over plays of q)``, q_a the mean value of all plays of action a in the context, n
    the number of independent draws. An action that was drawn m times enters the mean m times, so the credit stays
    unbiased for Q - V while its noise falls; dropping the duplicates instead would bias both q and the mean.

    Fails to show in training: it trains a team as :func:`c3` does, for the plays of one action have one gradient
    (``docs/team_training.md``).

    Args:
        batch: replay trees, one a group; all draws of a context were played equally often.
        draws: n in [1, inf), where every draw was played several times; None takes every play for a draw of its own.
        scale: see :func:`~credit_gym.estimation.scaling.scaled`. "shrunk" divides by a deviation that leans on the
            whole group, so that of two siblings 3/4 against 2/4 counts for less than 4/4 against 0/4.

    Returns:
        (S,) float64; 0 for a play without siblings.
    """
    tree = siblings(batch)
    worth = _pooled(play_value(batch, tree), batch, tree)
    number = np.minimum(tree.size, np.inf if draws is None else draws)[tree.context]
    factor = np.where(number > 1.0, number / np.maximum(number - 1.0, 1.0), 0.0)
    return scaled(factor * (worth - context_mean(worth, tree)), batch, scale, tree=tree)


def _pooled(values: FloatArray, batch: EpisodeBatch, tree: Siblings) -> FloatArray:
    """Mean over the plays of one action in one context; (S,) -> (S,)."""
    action, actions = compact(tree.context, batch.action)
    return (group_sum(tree.share * values, action, actions) / group_sum(tree.share, action, actions))[action]


def _critic(batch: EpisodeBatch, tree: Siblings) -> FloatArray:
    """The critic's value of the point after each play, (S,)."""
    value: FloatArray = batch.require("value")
    after = value[point_before(batch) + 1]
    missing = np.flatnonzero(np.isnan(after))
    if missing.size:
        raise BatchError(f"Column 'value' has no reading after step {missing[0]}: the critic must judge every play.")
    return (group_sum(tree.share * after, tree.play, tree.plays))[tree.play]
