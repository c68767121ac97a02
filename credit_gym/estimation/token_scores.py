"""From token values to step scores to one score per trajectory: the aggregations of Progress Advantage and DeepConf.

A reading that is missing (NaN: a token that a length cap cut away) makes its step missing, and a missing step is left
out of its trajectory's score; neither ever turns into 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.errors import unknown

Aggregate = Callable[[FloatArray, IntArray], FloatArray]


def aggregate_tokens(values: FloatArray, offsets: IntArray, how: str = "mean") -> FloatArray:
    """Return one score per step.

    Args:
        values: (L,) float64 of the action tokens.
        offsets: (S+1,) int64; step i owns ``offsets[i]:offsets[i+1]``.
        how: a key of :data:`AGGREGATIONS`.

    Returns:
        (S,) float64; NaN for a step without tokens or with a missing one.

    Raises:
        UnknownNameError: there is no such aggregation.
    """
    missing = np.concatenate([[0], np.cumsum(np.isnan(values))])[offsets]
    return np.where(np.diff(missing) > 0, np.nan, _aggregate(np.nan_to_num(values), offsets, how))


def aggregate_steps(values: FloatArray, offsets: IntArray, how: str = "mean") -> FloatArray:
    """Return one score per trajectory from the scores of its steps; missing steps are left out.

    Args:
        values: (S,) float64.
        offsets: (E+1,) int64; trajectory e owns ``offsets[e]:offsets[e+1]``.
        how: a key of :data:`AGGREGATIONS`.

    Returns:
        (E,) float64; NaN for a trajectory without a reading.

    Raises:
        UnknownNameError: there is no such aggregation.
    """
    known = ~np.isnan(values)
    kept = np.concatenate([[0], np.cumsum(known)])[offsets]
    return _aggregate(values[known], kept, how)


def _aggregate(values: FloatArray, offsets: IntArray, how: str) -> FloatArray:
    if how not in AGGREGATIONS:
        raise unknown("aggregation", how, AGGREGATIONS)
    sizes = np.diff(offsets)
    result = np.full(sizes.size, np.nan)
    filled = np.flatnonzero(sizes)
    if filled.size:
        ends = np.cumsum(sizes[filled])
        result[filled] = AGGREGATIONS[how](np.asarray(values, dtype=np.float64), ends)
    return result


def _sum(values: FloatArray, ends: IntArray) -> FloatArray:
    return np.add.reduceat(values, _starts(ends))


def _mean(values: FloatArray, ends: IntArray) -> FloatArray:
    return _sum(values, ends) / np.diff(ends, prepend=0)


def _last(values: FloatArray, ends: IntArray) -> FloatArray:
    return values[ends - 1]


def _min(values: FloatArray, ends: IntArray) -> FloatArray:
    return np.minimum.reduceat(values, _starts(ends))


def _max(values: FloatArray, ends: IntArray) -> FloatArray:
    return np.maximum.reduceat(values, _starts(ends))


def _quantile(values: FloatArray, ends: IntArray, *, q: float) -> FloatArray:
    """Linear interpolation between the order statistics, as ``numpy.quantile``."""
    ordered = _sorted(values, ends)
    place = q * (np.diff(ends, prepend=0) - 1)
    below = np.floor(place).astype(np.int64)
    low = ordered[_starts(ends) + below]
    high = ordered[np.minimum(_starts(ends) + below + 1, ends - 1)]
    return np.asarray(low + (place - below) * (high - low))


def _bottom_tenth(values: FloatArray, ends: IntArray) -> FloatArray:
    """Mean of the k smallest, ``k = max(1, ceil(n / 10))``."""
    ordered = _sorted(values, ends)
    k = np.maximum(1, -(-np.diff(ends, prepend=0) // 10))
    rank = np.arange(values.size) - np.repeat(_starts(ends), np.diff(ends, prepend=0))
    chosen = rank < np.repeat(k, np.diff(ends, prepend=0))
    return np.asarray(_sum(np.where(chosen, ordered, 0.0), ends) / k)


AGGREGATIONS: dict[str, Aggregate] = {
    "mean": _mean,
    "sum": _sum,
    "last": _last,
    "min": _min,
    "max": _max,
    "median": partial(_quantile, q=0.5),
    "q10": partial(_quantile, q=0.1),
    "q90": partial(_quantile, q=0.9),
    "bottom10": _bottom_tenth,
}


def _starts(ends: IntArray) -> IntArray:
    return np.concatenate([[0], ends[:-1]])


def _sorted(values: FloatArray, ends: IntArray) -> FloatArray:
    """Each segment in rising order."""
    segment = np.repeat(np.arange(ends.size), np.diff(ends, prepend=0))
    return values[np.lexsort((values, segment))]
