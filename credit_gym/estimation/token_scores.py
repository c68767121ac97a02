"""From token values to step scores to one score per trajectory: the aggregations of Progress Advantage and DeepConf.

A reading that is missing (NaN: a token that a length cap cut away) makes its step missing, and a missing step is left
out of its trajectory's score; neither ever turns into 0. A probability that is too small to be told from 0 has a floor,
:data:`LOG_FLOOR`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, group_mean, group_size
from credit_gym.errors import ReadingError, unknown

Aggregate = Callable[[FloatArray, IntArray], FloatArray]
Aggregation = Literal["mean", "sum", "last", "min", "max", "median", "q10", "q90", "bottom10"]

LOG_FLOOR = float(np.log(float(np.finfo(np.float32).smallest_subnormal)))
"""Least log-probability of a token, -103.3 nats: that of the smallest probability a float32 can hold.

Whatever lies below counts as this, -inf and the -9999 of some servers included: they say "too unlikely to tell". So no
mean of log-probabilities, entropy, divergence or log-ratio of a token is larger than its magnitude either.
"""

_HAIR = 0.01  # by which rounding may lift a log-probability above 0


def token_column(batch: EpisodeBatch, name: str, *, most: float = 0.0) -> FloatArray:
    """Return a column of tokens, what lies beyond the floor brought up to it; (L,) float64, NaN where missing.

    Args:
        batch: the episodes.
        name: the column.
        most: the largest value that it can hold; 0 for log-probabilities, ``-LOG_FLOOR`` for entropies and divergences,
            where infinity counts as that.

    Raises:
        MissingColumnError: the batch does not have it.
        ReadingError: a value is too large for what the column holds, or -inf where no log-probability is.
    """
    column: FloatArray = np.asarray(batch.require(name), dtype=np.float64)
    wrong = column > most + _HAIR if most == 0.0 else np.isneginf(column)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        row = int(np.searchsorted(batch.require("logprob_offsets"), at, side="right")) - 1
        kind = "a log-probability" if most == 0.0 else "an entropy or divergence"
        raise ReadingError(
            f"Column {name!r} holds {column[at]:g} at {{where}}, which is not {kind}: record it anew, or NaN in its "
            "place.",
            episode=int(batch.episode[row]),
            step=int(batch.step[row]),
        )
    return np.clip(column, LOG_FLOOR, -LOG_FLOOR)


def complete(batch: EpisodeBatch, scores: FloatArray) -> FloatArray:
    """Give the steps that have no score one that tells nothing: the mean over the scored steps of their group.

    Any fixed number would be a verdict: 0 is the best log-probability there is. Where the group has no score at all,
    it is the mean over the batch, and 0 where nothing has one.

    Args:
        batch: the episodes.
        scores: (S,) float64, NaN where missing.

    Returns:
        (S,) float64 without NaN.
    """
    known = ~np.isnan(scores)
    group = batch.step_group[known]
    overall = float(scores[known].mean()) if known.any() else 0.0
    scored = group_size(group, batch.num_groups) > 0
    usual = np.where(scored, group_mean(scores[known], group, batch.num_groups), overall)
    return np.where(known, scores, usual[batch.step_group])


def aggregate_tokens(values: FloatArray, offsets: IntArray, how: str = "mean") -> FloatArray:
    """Return one score per step.

    Args:
        values: (L,) float64 of the action tokens; what lies beyond ``LOG_FLOOR`` or ``-LOG_FLOOR`` counts as that.
        offsets: (S+1,) int64; step i owns ``offsets[i]:offsets[i+1]``.
        how: a key of :data:`AGGREGATIONS`.

    Returns:
        (S,) float64; NaN for a step without tokens or with a missing one.

    Raises:
        UnknownNameError: there is no such aggregation.
    """
    missing = np.concatenate([[0], np.cumsum(np.isnan(values))])[offsets]
    bounded = np.clip(np.where(np.isnan(values), 0.0, values), LOG_FLOOR, -LOG_FLOOR)
    return np.where(np.diff(missing) > 0, np.nan, _aggregate(bounded, offsets, how))


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
