"""Does a score tell success from failure? AUROC, average precision and rank correlation, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from credit_gym.data.grouping import BoolArray, FloatArray
from credit_gym.errors import BatchError
from credit_gym.metrics.statistics import Estimate, average_ranks, bootstrap, spearman

Statistic = Callable[[FloatArray, BoolArray], float]


class Discrimination(NamedTuple):
    """How well a score tells success from failure.

    Attributes:
        estimate: the statistic with its 95 % interval; NaN where all labels are equal.
        pairs: how many scored episodes it rests on.
        missing: how many scores were missing and ranked worst.
    """

    estimate: Estimate
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
    ranks = average_ranks(score)
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


STATISTICS: dict[str, Statistic] = {"auroc": auroc, "auprc": auprc, "spearman": spearman}


def estimate(
    score: FloatArray, success: BoolArray, statistic: Statistic = auroc, *, resamples: int = 2000, seed: int = 0
) -> Discrimination:
    """Return a statistic with its stratified percentile bootstrap interval.

    Successes and failures are resampled separately (successes first, which fixes the draws), so that every resample
    has as many of each as the data. A missing score (NaN) ranks worst and is counted.

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
    found = bootstrap(
        lambda rows: statistic(filled[rows], success[rows]), ~success, stratified=True, resamples=resamples, seed=seed
    )
    return Discrimination(found, success.size, int(np.isnan(score).sum()))


def margin(
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
    return bootstrap(
        lambda rows: statistic(first[rows], success[rows]) - statistic(second[rows], success[rows]),
        ~success,
        stratified=True,
        resamples=resamples,
        seed=seed,
    )


def ranked_worst(score: FloatArray) -> FloatArray:
    """Return the scores with missing ones below all others."""
    known = score[np.isfinite(score)]
    floor = float(known.min()) - 1.0 if known.size else 0.0
    return np.where(np.isnan(score), floor, score)
