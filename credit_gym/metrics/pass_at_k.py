"""How often an agent solves a task every time, and how often at least once: pass^k and pass@k.

Attempts are counted, so that tasks may have different numbers of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.errors import BatchError
from credit_gym.metrics.statistics import bootstrap_mean


class PassRate(NamedTuple):
    """A rate over tasks with its 95 % interval.

    Attributes:
        value: mean over the tasks.
        low: lower bound.
        high: upper bound.
        tasks: how many tasks it rests on: those with at least k attempts.
    """

    value: float
    low: float
    high: float
    tasks: int


def pass_every(attempts: IntArray, successes: IntArray, k: int) -> FloatArray:
    """Return the unbiased estimate of pass^k, the probability that all of k attempts succeed: ``C(c, k) / C(n, k)``.

    Source: Yao et al. (2024), "tau-bench", section 3.

    Args:
        attempts: (M,) n, the attempts at each task, at least k.
        successes: (M,) c, how many of them succeeded.
        k: how many attempts are asked of the agent.

    Returns:
        (M,) estimates in [0, 1].

    Raises:
        BatchError: a count makes no sense.
    """
    if attempts.shape != successes.shape or attempts.ndim != 1:
        raise BatchError("attempts and successes must be two columns of the same length.")
    if k < 1 or bool((attempts < k).any()):
        raise BatchError(f"k is {k}: it must be at least 1, and no task may have fewer attempts.")
    if bool(((successes < 0) | (successes > attempts)).any()):
        raise BatchError("A task cannot have more successes than attempts, or fewer than none.")
    drawn = np.arange(k)
    factors = np.maximum(successes[:, None] - drawn, 0) / (attempts[:, None] - drawn)
    result: FloatArray = factors.prod(axis=1)
    return result


def pass_once(attempts: IntArray, successes: IntArray, k: int) -> FloatArray:
    """Return the unbiased estimate of pass@k, that at least one of k attempts succeeds: ``1 - C(n-c, k) / C(n, k)``.

    Source: Chen et al. (2021), "Evaluating large language models trained on code", equation 1. Arguments, result and
    errors are those of :func:`pass_every`.
    """
    if attempts.shape != successes.shape:
        raise BatchError("attempts and successes must be two columns of the same length.")
    return 1.0 - pass_every(attempts, attempts - successes, k)


ESTIMATORS: Mapping[str, Callable[[IntArray, IntArray, int], FloatArray]] = {"pass^": pass_every, "pass@": pass_once}
"""The estimators by the name that tables give them."""


def pass_rate(attempts: IntArray, successes: IntArray, k: int, name: str = "pass^", *, seed: int = 0) -> PassRate:
    """Return the mean of pass^k or pass@k over tasks with its percentile bootstrap interval, tasks resampled.

    Args:
        attempts: (M,) attempts at each task; a task with fewer than k is left out.
        successes: (M,) how many of them succeeded.
        k: how many attempts.
        name: a key of :data:`ESTIMATORS`.
        seed: of the bootstrap.

    Returns:
        NaN where no task has k attempts.
    """
    enough = attempts >= k
    if not enough.any():
        return PassRate(float("nan"), float("nan"), float("nan"), 0)
    values = ESTIMATORS[name](attempts[enough], successes[enough], k)
    return PassRate(*bootstrap_mean(values, seed=seed), int(values.size))


def attempts_per_task(episodes: Iterable[Episode]) -> tuple[IntArray, IntArray]:
    """Return attempts and successes of each task, tasks in the order in which they first appear.

    Args:
        episodes: those with an ``error`` are no attempts: what failed there was not the agent.
    """
    counts: dict[str, list[int]] = {}
    for episode in episodes:
        if episode.error is None:
            count = counts.setdefault(episode.task_id, [0, 0])
            count[0] += 1
            count[1] += episode.success
    table = np.asarray(list(counts.values()), dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def pass_table(episodes: Iterable[Episode], ks: Iterable[int] = (1, 2, 4, 8)) -> dict[str, PassRate]:
    """Return ``pass^k`` and ``pass@k`` for every k that some task has the attempts for."""
    attempts, successes = attempts_per_task(episodes)
    possible = [k for k in ks if attempts.size and k <= int(attempts.max())]
    return {f"{name}{k}": pass_rate(attempts, successes, k, name) for name in ESTIMATORS for k in possible}
