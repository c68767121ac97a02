"""How sure a number is: rank correlation, bootstrap intervals and paired differences, the same for every table.

- Spearman's correlation is Pearson's of average ranks.
- Bootstrap intervals are percentile intervals (Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter
  13) that draw whole clusters, or within strata, with a seed of their own: equal inputs give equal intervals.
- A paired difference is taken seed by seed, with Student's t interval of its mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from credit_gym.data.grouping import FloatArray, IntArray

Method = Literal["linear", "nearest"]


class Estimate(NamedTuple):
    """A statistic with its interval; ``f"{estimate:.3f}"`` is ``value [low, high]``."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """Return value and bounds, each in the given format."""
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def average_ranks(values: npt.ArrayLike) -> FloatArray:
    """Rank of each value from 1, equal values sharing the mean of their ranks; (M,) -> (M,)."""
    _, place, count = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ranks: FloatArray = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks


def spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Spearman's rank correlation with average ranks for ties.

    Args:
        first: (M,) numbers.
        second: (M,) numbers.

    Returns:
        In [-1, 1]; NaN where a side is constant or has a NaN, or with fewer than two pairs.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.size < 2 or not (np.ptp(one) > 0.0 and np.ptp(other) > 0.0):
        return float("nan")
    return float(np.corrcoef(average_ranks(one), average_ranks(other))[0, 1])


def bootstrap(
    statistic: Callable[[IntArray], float],
    labels: Sequence[str] | npt.NDArray[np.generic],
    *,
    stratified: bool = False,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    method: Method = "linear",
) -> Estimate:
    """Percentile bootstrap of any statistic of rows.

    Args:
        statistic: of the chosen rows, given as indices (repeats included).
        labels: (M,) label of each row. Labels are clusters, drawn whole with replacement; distinct ones draw rows.
        stratified: labels are strata instead: each keeps its size, and its rows are drawn with replacement.
        level: of the interval.
        resamples: how many; those where the statistic is NaN are left out.
        seed: of the draws.
        method: how a percentile is read off; "nearest" where the statistic may be infinite.

    Returns:
        The statistic on all rows with its interval; NaN without rows.
    """
    names, owner = np.unique(np.asarray(labels), return_inverse=True)
    if not names.size:
        return Estimate(float("nan"), float("nan"), float("nan"))
    members = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    generator = np.random.default_rng(seed)

    def draw() -> IntArray:
        if stratified:
            return np.concatenate([rows[generator.integers(rows.size, size=rows.size)] for rows in members])
        return np.concatenate([members[c] for c in generator.integers(names.size, size=names.size)])

    values = np.array([statistic(draw()) for _ in range(resamples)], dtype=np.float64)
    return Estimate(statistic(np.arange(owner.size)), *_percentiles(values[~np.isnan(values)], level, method))


def bootstrap_mean(values: npt.ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Mean of some values with its percentile bootstrap interval, all draws at once.

    Args:
        values: (M,) one value a unit that is resampled; those that are not finite are left out.
        level: of the interval.
        resamples: how many.
        seed: of the draws.

    Returns:
        The mean with its interval; NaN where there is nothing to resample.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not known.size:
        return Estimate(float("nan"), float("nan"), float("nan"))
    if np.ptp(known) == 0.0:
        return Estimate(float(known[0]), float(known[0]), float(known[0]))
    draws = np.random.default_rng(seed).integers(known.size, size=(resamples, known.size))
    return Estimate(float(known.mean()), *_percentiles(known[draws].mean(axis=1), level, "linear"))


def bootstrap_ratio(
    parts: npt.ArrayLike, wholes: npt.ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """``sum parts / sum wholes`` with its percentile bootstrap interval over units, all draws at once.

    Args:
        parts: (M,) numerator of each unit that is resampled.
        wholes: (M,) its denominator.
        level: of the interval.
        resamples: how many; those without a denominator are left out.
        seed: of the draws.

    Returns:
        The ratio with its interval; NaN where all denominators are 0.
    """
    above, below = np.asarray(parts, dtype=np.float64), np.asarray(wholes, dtype=np.float64)
    if not below.any():
        return Estimate(float("nan"), float("nan"), float("nan"))
    draws = np.random.default_rng(seed).integers(below.size, size=(resamples, below.size))
    total = below[draws].sum(axis=1)
    drawn = above[draws].sum(axis=1)[total != 0.0] / total[total != 0.0]
    return Estimate(float(above.sum() / below.sum()), *_percentiles(drawn, level, "linear"))


def t_interval(values: npt.ArrayLike, *, level: float = 0.95) -> Estimate:
    """Mean of some values with Student's t interval; no width where they are all equal, or there is only one."""
    from scipy import stats

    each = np.asarray(values, dtype=np.float64)
    mean = float(each.mean())
    if each.size < 2 or np.ptp(each) == 0.0:
        return Estimate(mean, mean, mean)
    half = float(stats.t.ppf((1.0 + level) / 2.0, each.size - 1) * stats.sem(each))
    return Estimate(mean, mean - half, mean + half)


def paired_difference(first: npt.ArrayLike, second: npt.ArrayLike, *, level: float = 0.95) -> Estimate:
    """Mean of ``first - second`` over pairs (seeds), with its :func:`t_interval`."""
    return t_interval(np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64), level=level)


def _percentiles(values: FloatArray, level: float, method: Method) -> tuple[float, float]:
    if not values.size:
        return float("nan"), float("nan")
    tail = (100.0 - 100.0 * level) / 2.0
    low, high = np.percentile(values, [tail, 100.0 - tail], method=method)
    return float(low), float(high)
