"""Two agents on the same tasks and seeds: by how much one is better, how surely, and where two plays of a task part.

An episode is paired with the other agent's of the same task and seed, the first with the first where there are several.
Differences are taken per task (the mean of its pairs), because episodes of one task are not independent: their mean has
Student's t interval, and p is the exact two-sided sign test of the tasks won against the tasks lost, which for one
attempt at each task is McNemar's exact test (McNemar 1947, "Note on the sampling error of the difference between
correlated proportions or percentages").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from credit_gym.data.episode import Episode
from credit_gym.data.grouping import IntArray
from credit_gym.metrics.statistics import Estimate, t_interval
from credit_gym.store.stored_episodes import chosen


class Comparison(NamedTuple):
    """By how much the first agent is better than the second in one measure.

    Attributes:
        difference: mean over tasks of first minus second, with its 95 % interval.
        p: of the sign test; 1 where no task was won or lost.
        won: tasks at which the first was better.
        lost: tasks at which the second was.
        tasks: how many tasks there were.
    """

    difference: Estimate
    p: float
    won: int
    lost: int
    tasks: int


class Parting(NamedTuple):
    """Where two plays part.

    Attributes:
        step: number of the first step that is not the same.
        what: ``observation`` (the world differed before the agents did), ``action``, or ``end`` (one play goes on).
        actions: what the first and the second did at it, None where a play had ended.
    """

    step: int
    what: str
    actions: tuple[str | None, str | None]


class Pair(NamedTuple):
    """What is compared of two plays of a task and seed, without the plays themselves.

    Attributes:
        task_id: the task.
        seed: of both.
        success: whether the first solved it, and the second.
        returns: of the first and the second.
        parting: where they part, None if they are the same to the end.
    """

    task_id: str
    seed: int | None
    success: tuple[bool, bool]
    returns: tuple[float, float]
    parting: Parting | None


MEASURES: dict[str, Callable[[Pair], tuple[float, float]]] = {
    "success": lambda pair: pair.success,
    "return": lambda pair: pair.returns,
}
"""What agents are compared by: the first one's and the second one's value in a pair."""


class Matched(NamedTuple):
    """Pairs, and where their episodes are.

    Attributes:
        first: (P,) place of each pair's first episode among the first agent's.
        second: (P,) that of the second among the second's.
        repetition: (P,) how many episodes of its task and seed came before it.
        pairs: (P,) what is compared of them.
    """

    first: IntArray
    second: IntArray
    repetition: list[int]
    pairs: list[Pair]


def pair_episodes(first: Sequence[Episode], second: Sequence[Episode]) -> list[Pair]:
    """Return the pairs of episodes of the same task and seed, in the order of the first; an ``error`` is not paired.

    Stored runs (:class:`credit_gym.store.StoredEpisodes`) are read twice, a few episodes in memory at a time.
    """
    return match_episodes(first, second).pairs


def match_episodes(first: Sequence[Episode], second: Sequence[Episode]) -> Matched:
    """Return the same pairs, and where their episodes are."""
    others = dict(_numbered(second))
    found = [(place, others[key], key[2]) for key, place in _numbered(first) if key in others]
    mine, theirs, repetition = np.asarray(found, dtype=np.int64).reshape(-1, 3).T
    plays = zip(chosen(first, mine), chosen(second, theirs), strict=True)
    return Matched(mine, theirs, repetition.tolist(), [pair(*each) for each in plays])


def pair(one: Episode, other: Episode) -> Pair:
    """Return what is compared of two plays of a task and seed."""
    success, returns = (one.success, other.success), (one.episode_return, other.episode_return)
    return Pair(one.task_id, one.seed, success, returns, parting(one, other))


def compare_pairs(pairs: Sequence[Pair], measure: Callable[[Pair], tuple[float, float]]) -> Comparison:
    """Compare two agents by a measure.

    Args:
        pairs: at least one.
        measure: of a pair, see :data:`MEASURES`; more is better.
    """
    from scipy.stats import binomtest

    by_task: dict[str, list[float]] = {}
    for each in pairs:
        mine, theirs = measure(each)
        by_task.setdefault(each.task_id, []).append(float(mine) - float(theirs))
    differences = [sum(found) / len(found) for found in by_task.values()]
    won, lost = sum(each > 0 for each in differences), sum(each < 0 for each in differences)
    p = float(binomtest(won, won + lost).pvalue) if won + lost else 1.0
    return Comparison(t_interval(differences), p, won, lost, len(differences))


def flips(pairs: Iterable[Pair]) -> list[Pair]:
    """Return the pairs of which one solved its task and the other did not."""
    return [each for each in pairs if each.success[0] != each.success[1]]


def parting(one: Episode, other: Episode) -> Parting | None:
    """Return where two plays part, None if they are the same to the end."""
    shared = min(len(one), len(other))
    for t in range(shared):
        if one.observations[t] != other.observations[t]:
            return Parting(t, "observation", (one.actions[t], other.actions[t]))
        if one.actions[t] != other.actions[t]:
            return Parting(t, "action", (one.actions[t], other.actions[t]))
    if len(one) == len(other):
        return None
    first, second = (play.actions[shared] if shared < len(play) else None for play in (one, other))
    return Parting(shared, "end", (first, second))


def _numbered(episodes: Iterable[Episode]) -> Iterator[tuple[tuple[str, int | None, int], int]]:
    """Yield of the completed episodes task, seed and how many of both came before; and the place."""
    seen: Counter[tuple[str, int | None]] = Counter()
    for place, episode in enumerate(episodes):
        if episode.error is None:
            played = (episode.task_id, episode.seed)
            yield (*played, seen[played]), place
            seen[played] += 1
