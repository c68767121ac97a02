"""Two agents on the same tasks and seeds: by how much one is better, how surely, and where two plays of a task part.

An episode is paired with the other agent's of the same task and seed, the first with the first where there are several.
Differences are taken per task (the mean of its pairs), because episodes of one task are not independent: their mean has
Student's t interval, and p is the exact two-sided sign test of the tasks won against the tasks lost, which for one
attempt at each task is McNemar's exact test (McNemar 1947, "Note on the sampling error of the difference between
correlated proportions or percentages").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from credit_gym.data.episode import Episode
from credit_gym.metrics.statistics import Estimate, t_interval

Pair: TypeAlias = tuple[Episode, Episode]


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
    """

    step: int
    what: str


MEASURES: dict[str, Callable[[Episode], float]] = {
    "success": lambda episode: float(episode.success),
    "return": lambda episode: episode.episode_return,
}
"""What agents are compared by."""


def pair_episodes(first: Iterable[Episode], second: Iterable[Episode]) -> list[Pair]:
    """Return the pairs of episodes of the same task and seed, in the order of the first; an ``error`` is not paired."""
    others = dict(_numbered(second))
    return [(episode, others[key]) for key, episode in _numbered(first) if key in others]


def compare_pairs(pairs: Sequence[Pair], measure: Callable[[Episode], float]) -> Comparison:
    """Compare two agents by a measure.

    Args:
        pairs: at least one.
        measure: of an episode; more is better.
    """
    from scipy.stats import binomtest

    by_task: dict[str, list[float]] = {}
    for one, other in pairs:
        by_task.setdefault(one.task_id, []).append(measure(one) - measure(other))
    differences = [sum(each) / len(each) for each in by_task.values()]
    won, lost = sum(each > 0 for each in differences), sum(each < 0 for each in differences)
    p = float(binomtest(won, won + lost).pvalue) if won + lost else 1.0
    return Comparison(t_interval(differences), p, won, lost, len(differences))


def flips(pairs: Iterable[Pair]) -> list[Pair]:
    """Return the pairs of which one solved its task and the other did not."""
    return [(one, other) for one, other in pairs if one.success != other.success]


def parting(one: Episode, other: Episode) -> Parting | None:
    """Return where two plays part, None if they are the same to the end."""
    shared = min(len(one), len(other))
    for t in range(shared):
        if one.observations[t] != other.observations[t]:
            return Parting(t, "observation")
        if one.actions[t] != other.actions[t]:
            return Parting(t, "action")
    return None if len(one) == len(other) else Parting(shared, "end")


def _numbered(episodes: Iterable[Episode]) -> list[tuple[tuple[str, int | None, int], Episode]]:
    """Completed episodes with their task, their seed, and how many of both came before."""
    seen: Counter[tuple[str, int | None]] = Counter()
    found = []
    for episode in episodes:
        if episode.error is None:
            played = (episode.task_id, episode.seed)
            found.append(((*played, seen[played]), episode))
            seen[played] += 1
    return found
