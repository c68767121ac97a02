"""Best-of-n selection: what choosing by a score is worth, exactly, for every n from one scoring."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from credit_gym.data.grouping import FloatArray, IntArray, compact
from credit_gym.errors import BatchError


class Selection(NamedTuple):
    """Expected success of one candidate out of k drawn without replacement, per task.

    Attributes:
        chosen: (T, K) success of the candidate with the highest score, ties broken evenly.
        chance: (T,) success of a random candidate.
        oracle: (T, K) probability that at least one of the k succeeds.
    """

    chosen: FloatArray
    chance: FloatArray
    oracle: FloatArray

    @property
    def gap_recovered(self) -> FloatArray:
        """(K,) share of the way from chance to the oracle, NaN where there is no gap."""
        gap = self.oracle.mean(axis=0) - self.chance.mean()
        gained = self.chosen.mean(axis=0) - self.chance.mean()
        return np.asarray(np.divide(gained, gap, out=np.full(gap.shape, np.nan), where=gap > 1e-12))


def best_of(score: FloatArray, success: FloatArray, task: IntArray, *, most: int | None = None) -> Selection:
    """Return the expected success of best-of-k for every k.

    A task's N candidates are sorted by score; the j-th best (from 1) is the one chosen from k random ones with
    probability ``C(N-j, k-1) / C(N, k)``, averaged within ties. A candidate without a score (NaN) ranks last. Where a
    task has fewer than k candidates, all of them are taken.

    Args:
        score: (M,) float64, higher is better.
        success: (M,) float64 in [0, 1].
        task: (M,) int64 task of each candidate.
        most: the largest k; the largest task's size by default.

    Returns:
        The selection; tasks in sorted order of their ids, column k - 1 for k.

    Raises:
        BatchError: the columns differ in length or are empty.
    """
    if not score.size or score.shape != success.shape or score.shape != task.shape:
        raise BatchError("score, success and task must have one value per candidate, and there must be some.")
    owner, tasks = compact(task)
    ranked = np.where(np.isnan(score), -np.inf, score)
    order = np.lexsort((-ranked, owner))
    owner, ranked, won = owner[order], ranked[order], success[order]
    size = np.bincount(owner, minlength=tasks)
    start = np.cumsum(size) - size
    place = np.arange(owner.size) - start[owner] + 1
    ks = np.arange(1, (most or int(size.max())) + 1)
    k = np.minimum(ks[None, :], size[owner][:, None])
    weight = _ratio(size[owner][:, None] - place[:, None], k - 1, size[owner][:, None], k)
    new = np.concatenate([[True], (owner[1:] != owner[:-1]) | (ranked[1:] != ranked[:-1])])
    tie = np.cumsum(new) - 1
    count = np.bincount(tie)[:, None]
    weight = (_sums(weight, tie, count.size) / count)[tie]
    chosen = _sums(weight * won[:, None], owner, tasks)
    failures = np.bincount(owner, weights=(won < 1.0), minlength=tasks)[:, None]
    per_task = np.minimum(ks[None, :], size[:, None])
    none = _ratio(failures, per_task, size[:, None], per_task)
    return Selection(chosen, np.bincount(owner, weights=won, minlength=tasks) / size, 1.0 - none)


def _ratio(n: FloatArray | IntArray, k: IntArray, m: IntArray, j: IntArray) -> FloatArray:
    """``C(n, k) / C(m, j)``, 0 where n < k."""
    return np.where(n >= k, np.exp(_log_choose(np.maximum(n, k), k) - _log_choose(m, j)), 0.0)


def _log_choose(n: FloatArray | IntArray, k: IntArray) -> FloatArray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def _sums(rows: FloatArray, ids: IntArray, count: int) -> FloatArray:
    total = np.zeros((count, rows.shape[1]))
    np.add.at(total, ids, rows)
    return total
