"""One treatment of the scale of credits for every multi-agent method: over what to standardise, if at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, compact, group_mean, group_power, group_sum
from credit_gym.errors import unknown
from credit_gym.estimation.normalise import RELATIVE_FLOOR
from credit_gym.estimation.siblings import Siblings, siblings

Scale = Literal["none", "context", "role", "group", "batch", "shrunk"]

PRIOR_FREEDOM = 4.0
UPSTREAM_EPSILON = 1e-8
_TINY = np.finfo(np.float64).tiny


def scaled(
    credit: FloatArray, batch: EpisodeBatch, scale: Scale, *, tree: Siblings | None = None, upstream: bool = False
) -> FloatArray:
    """Standardise credits, each play of a replay tree counted once however many rows list it.

    ``(c - mean c) / sd c`` over the plays of

    * ``context``: the siblings. Two siblings become exactly 1 and -1 whatever their gap was, or 0;
    * ``role``: the plays of one role in the group; ``group``: all of the group; ``batch``: all of the batch;
    * ``shrunk``: not centred, over a deviation of the siblings that is shrunk towards that of the whole group,
      ``sd^2 = (4 s_0^2 + (n - 1) s^2) / (4 + n - 1)``: s over the context's n plays (divisor n - 1), s_0^2 the mean of
      s^2 over the group's contexts. A small gap between two siblings stays a small credit;
    * ``none``: as it is, in reward units.

    Args:
        credit: (S,) float64.
        batch: what it credits.
        scale: see above.
        tree: the batch's siblings; found if None.
        upstream: the published ``max(sqrt(var + 1e-8), 1e-8)`` for the deviation.

    Returns:
        (S,) float64; 0 where there is no deviation.

    Raises:
        UnknownNameError: there is no such scale.
        MissingColumnError: ``role`` without a column of that name.
    """
    if scale == "none":
        return credit
    tree = siblings(batch) if tree is None else tree
    if scale == "shrunk":
        return _shrunk(credit, batch, tree)
    if scale not in SCOPES:
        raise unknown("scale", scale, ["none", "shrunk", *SCOPES])
    ids, count = SCOPES[scale](batch, tree)
    total = group_sum(tree.share, ids, count)
    power = group_power(credit, ids, count)
    power = np.maximum(power, 1.0) if upstream else power  # the published epsilon rules below 1
    credit = credit / power[ids]
    centred = credit - (group_sum(tree.share * credit, ids, count) / np.maximum(total, _TINY))[ids]
    variance = group_sum(tree.share * centred * centred, ids, count) / np.maximum(total, _TINY)
    if upstream:
        epsilon = UPSTREAM_EPSILON / power
        return centred / np.maximum(np.sqrt(variance + epsilon / power), epsilon)[ids]
    rounding = group_sum(tree.share * _rounding(batch, power[ids]), ids, count) / np.maximum(total, _TINY)
    return centred * _inverse_root(variance, rounding)[ids]


def _shrunk(credit: FloatArray, batch: EpisodeBatch, tree: Siblings) -> FloatArray:
    power = group_power(credit, batch.step_group, batch.num_groups)[batch.step_group]
    credit = credit / power
    freedom = np.maximum(tree.size - 1.0, 0.0)
    squares = group_sum(tree.share * credit * credit, tree.context, tree.contexts)
    variance = squares / np.maximum(freedom, 1.0)
    owner = np.zeros(tree.contexts, dtype=np.int64)
    owner[tree.context] = batch.step_group
    compared = tree.size > 1.0
    pooled = group_mean(variance[compared], owner[compared], batch.num_groups)[owner]
    blend = (PRIOR_FREEDOM * pooled + freedom * variance) / (PRIOR_FREEDOM + freedom)
    rounding = group_mean(_rounding(batch, power), tree.context, tree.contexts)
    return credit * _inverse_root(blend, rounding)[tree.context]


def _rounding(batch: EpisodeBatch, power: FloatArray) -> FloatArray:
    """Variance that rounding alone can leave, given the largest sum of absolute rewards in the group.

    (S,) in units of the squared (S,) ``power``.
    """
    lost = group_sum(RELATIVE_FLOOR * np.abs(batch.reward), batch.episode, batch.num_episodes)
    largest = np.zeros(batch.num_groups)
    np.maximum.at(largest, batch.group, lost)
    return np.square(largest[batch.step_group] / power)


def _inverse_root(variance: FloatArray, floor: FloatArray) -> FloatArray:
    deviates = variance > np.maximum(floor, _TINY)
    return np.divide(1.0, np.sqrt(variance), out=np.zeros_like(variance), where=deviates)


SCOPES: dict[str, Callable[[EpisodeBatch, Siblings], tuple[IntArray, int]]] = {
    "context": lambda batch, tree: (tree.context, tree.contexts),
    "role": lambda batch, tree: compact(batch.step_group, batch.require("role")),
    "group": lambda batch, tree: (batch.step_group, batch.num_groups),
    "batch": lambda batch, tree: (np.zeros(batch.num_steps, dtype=np.int64), 1),
}
"""Scale -> the scope of each row and the number of scopes."""
