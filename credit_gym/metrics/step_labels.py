"""Credits against what people said of each step: +1 (it helps), 0, -1 (it harms).

Step accuracy is the share of labelled steps whose label is met, all trajectories together (micro); first-error accuracy
the share of trajectories in which the first step labelled -1 is the right one, or there is rightly none
(AgentProcessBench 2026, arXiv:2603.14465). Intervals draw whole tasks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray, compact, group_sum
from credit_gym.errors import BatchError
from credit_gym.metrics.statistics import Estimate, bootstrap_ratio


class LabelAccuracy(NamedTuple):
    """How often predicted labels are the given ones, with 95 % intervals over tasks; NaN where there are none."""

    step: Estimate
    first_error: Estimate


def credit_labels(credit: FloatArray, *, threshold: float = 0.0) -> IntArray:
    """Return the label that a credit stands for: its sign, and 0 where it is no larger than a threshold.

    Args:
        credit: (S,) in any unit.
        threshold: in that unit, at least 0.

    Returns:
        (S,) int64 of -1, 0 and 1.

    Raises:
        BatchError: the threshold is below 0, or no number.
    """
    if not threshold >= 0.0:
        raise BatchError(f"The threshold between 0 and a sign must be at least 0, not {threshold:g}.")
    return np.where(np.abs(credit) > threshold, np.sign(credit), 0.0).astype(np.int64)


def label_accuracy(
    predicted: IntArray, labels: IntArray, labelled: BoolArray, offsets: IntArray, task: IntArray
) -> LabelAccuracy:
    """Compare labels of steps; steps without a given one count nowhere.

    Args:
        predicted: (S,) of -1, 0 and 1.
        labels: (S,) the given ones.
        labelled: (S,) which steps have one.
        offsets: (E+1,) trajectory e owns ``offsets[e]:offsets[e+1]``.
        task: (E,) which trajectories are drawn together.
    """
    owner = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
    met = first_errors(predicted, labelled, offsets) == first_errors(labels, labelled, offsets)
    return LabelAccuracy(
        _share(((predicted == labels) & labelled).astype(np.float64), labelled.astype(np.float64), task[owner]),
        _share(met.astype(np.float64), np.ones(met.size), task),
    )


def first_errors(labels: IntArray, labelled: BoolArray, offsets: IntArray) -> IntArray:
    """Return the first step labelled -1 of each trajectory, as a row of the batch, and -1 where there is none; (E,)."""
    wrong = np.append(np.flatnonzero((labels == -1) & labelled), labels.size)
    first = wrong[np.searchsorted(wrong, offsets[:-1])]
    return np.where(first < offsets[1:], first, -1)


def _share(met: FloatArray, asked: FloatArray, task: IntArray) -> Estimate:
    """``sum met / sum asked``, whole tasks drawn."""
    ids, count = compact(task)
    return bootstrap_ratio(group_sum(met, ids, count), group_sum(asked, ids, count))
