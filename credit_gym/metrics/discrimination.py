"""Does a score tell success from failure? Rank statistics with stratified bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray
from credit_gym.errors import BatchError

Statistic = Callable[[FloatArray, BoolArray], float]


class Estimate(NamedTuple):
    """A statistic with its 95 % interval.

    Attributes:
        value: on the data; NaN where all labels are equal.
        low, high: bounds.
        pairs: how many scored episodes it rests on.
        missing: how many scores were missing and ranked worst.
    """

    value: float
    low: float
    high: float
    pairs: int
    missing: int


def auroc(score: FloatArray, success: BoolArray) -> float:
    """Probability that a success scores above a failure, ties counting one half (Mann-Whitney U / (n+ n-)).

    Returns:
        In [0, 1]; NaN where all labels are equal.
    """
    positives = int(success.sum())
    negatives = success.size - positives
    if not positives or not negatives:
        return float("nan")
    ranks = stats.rankdata(score)
    return float((ranks[success].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auprc(score: FloatArray, success: BoolArray) -> float:
    """Average precision: ``sum_n (R_n - R_{n-1}) P_n`` over the distinct thresholds, highest score first.

    Returns:
        In [0, 1]; NaN where all labels are equal. A score that says nothing has the share of successes.
    """
    if success.all() or not success.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.concatenate([np.diff(score[order]) != 0, [True]]))
    found = np.cumsum(success[order])[last]
    precision, recall = found / (last + 1), found / found[-1]
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def spearman(score: FloatArray, success: BoolArray) -> float:
    """Spearman's rank correlation with the label, average ranks for ties.

    Returns:
        In [-1, 1]; NaN where the labels or the scores are all equal.
    """
    if success.all() or not success.any() or np.ptp(score) == 0.0:
        return float("nan")
    return float(np.corrcoef(stats.rankdata(score), success)[0, 1])  # two label values: their ranks are linear in them


STATISTICS: dict[str, Statistic] = {"auroc": auroc, "auprc": auprc, "spearman": spearman}


def estimate(
    score: FloatArray, success: BoolArray, statistic: Statistic = auroc, *, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Return a statistic with its stratified percentile bootstrap interval.

    Successes and failures are resampled separately, so that every resample has as many of each as the data. A missing
    score (NaN) ranks worst and is counted.

    Args:
        score: (M,) float64, higher should mean success.
        success: (M,) bool.
        statistic: one of :data:`STATISTICS`, or a function like them.
        resamples: of the bootstrap.
        seed: of its draws.

    Raises:
        BatchError: the columns differ in length.
    """
    filled = ranked_worst(score)
    if filled.shape != success.shape:
        raise BatchError(f"There are {filled.size} scores but {success.size} outcomes.")
    missing = int(np.isnan(score).sum())
    value = statistic(filled, success)
    if np.isnan(value):
        return Estimate(value, float("nan"), float("nan"), success.size, missing)
    values = [statistic(filled[i], success[i]) for i in stratified(success, resamples, seed)]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Estimate(value, float(low), float(high), success.size, missing)


def paired_difference(
    score: FloatArray,
    other: FloatArray,
    success: BoolArray,
    statistic: Statistic = auroc,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Return by how much one score beats another on the same episodes, each resample scored by both."""
    first, second = ranked_worst(score), ranked_worst(other)
    value = statistic(first, success) - statistic(second, success)
    differences = [
        statistic(first[i], success[i]) - statistic(second[i], success[i]) for i in stratified(success, resamples, seed)
    ]
    low, high = np.nanpercentile(differences, [2.5, 97.5]) if not np.isnan(value) else (np.nan, np.nan)
    return Estimate(value, float(low), float(high), success.size, int(np.isnan(score).sum()))


def stratified(success: BoolArray, resamples: int, seed: int) -> list[IntArray]:
    """Return indices of bootstrap resamples that keep the number of successes and failures."""
    generator = np.random.default_rng(seed)
    strata = [np.flatnonzero(success == value) for value in (True, False)]
    return [np.concatenate([generator.choice(s, s.size) for s in strata if s.size]) for _ in range(resamples)]


def ranked_worst(score: FloatArray) -> FloatArray:
    """Return the scores with missing ones below all others."""
    known = score[np.isfinite(score)]
    floor = float(known.min()) - 1.0 if known.size else 0.0
    return np.where(np.isnan(score), floor, score)
