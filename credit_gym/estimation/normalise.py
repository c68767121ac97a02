"""Centring and scaling within groups; a group without variance gives 0, never NaN."""

from __future__ import annotations

import numpy as np

from credit_gym.data.grouping import (
    FloatArray,
    IntArray,
    group_mean,
    group_power,
    group_size,
    group_sum,
    squares_safely,
)

RELATIVE_FLOOR = 1e-9
"""A standard deviation below this share of the group's root mean square is rounding, and counts as 0."""


def centre(values: FloatArray, ids: IntArray, count: int) -> FloatArray:
    """Value minus the mean of its group; (M,), (M,) ids in ``0..count-1`` -> (M,)."""
    centred = group_mean(values, ids, count)[ids]
    return np.subtract(values, centred, out=centred)


def standardise(values: FloatArray, ids: IntArray, count: int) -> FloatArray:
    """Value minus the mean of its group, over the group's population standard deviation.

    Args:
        values: (M,) float64.
        ids: (M,) int64 in ``0..count-1``.
        count: number of groups.

    Returns:
        (M,) float64; 0 throughout a group whose deviation is below :data:`RELATIVE_FLOOR` of its root mean square.
    """
    if not squares_safely(values):
        values = values / group_power(values, ids, count)[ids]  # a standard score has no unit
    centred = centre(values, ids, count)
    deviation = np.sqrt(group_mean(centred * centred, ids, count))
    floor = RELATIVE_FLOOR * np.sqrt(group_mean(values * values, ids, count))
    scale = np.divide(1.0, deviation, out=np.zeros(count), where=deviation > floor)
    centred *= scale[ids]
    return centred


def standardise_upstream(
    values: FloatArray, ids: IntArray, count: int, *, epsilon: float = 1e-6, ddof: int = 1
) -> FloatArray:
    """The common published form: the sample standard deviation (n - 1), plus an epsilon; a lone value gives 0.

    Args:
        values: (M,) float64.
        ids: (M,) int64 in ``0..count-1``.
        count: number of groups.
        epsilon: added to the deviation, in the unit of ``values``.
        ddof: what is taken from n in the deviation; 0 where the published code takes the population's.

    Returns:
        (M,) float64.
    """
    if squares_safely(values):
        power = np.ones(count)
    else:
        power = group_power(values, ids, count)
        values = values / power[ids]
    centred = centre(values, ids, count)
    freedom = np.maximum(group_size(ids, count) - ddof, 1)
    deviation = np.sqrt(group_sum(centred * centred, ids, count) / freedom)
    return centred / (deviation + epsilon / power)[ids]


def leave_one_out(values: FloatArray, ids: IntArray, count: int) -> FloatArray:
    """Value minus the mean of the others of its group, 0 where there are no others; (M,) -> (M,).

    ``x_i - mean_{j != i} x_j = n / (n - 1) (x_i - mean_j x_j)``.
    """
    size = group_size(ids, count)
    factor = np.where(size > 1, size / np.maximum(size - 1, 1), 0.0)
    return centre(values, ids, count) * factor[ids]
