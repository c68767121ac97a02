"""A bucket: one context, the actions that were drawn there, and what followed each of them.

Replays fill it; :mod:`credit_gym.metrics.replay_fidelity` and :mod:`credit_gym.metrics.influence` read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from credit_gym.data.grouping import FloatArray
from credit_gym.errors import BatchError


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """One context and what followed each action drawn in it.

    Attributes:
        question: the question it belongs to; buckets of one question are one cluster.
        context: id of the context.
        step: number of actions taken before.
        role: whose turn it is, empty if there are no roles.
        state_key: hash of the true state.
        actions: (n,) the draws, equal ones included.
        returns: n tuples of returns to come, one per replay.
        answers: n tuples of what the next role said in each replay, as the symbol that influence is measured on.
    """

    question: str
    context: str
    step: int = 0
    role: str = ""
    state_key: str = ""
    actions: tuple[str, ...]
    returns: tuple[tuple[float, ...], ...]
    answers: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if len(self.actions) != len(self.returns) or not all(self.returns):
            raise BatchError(f"Bucket {self.context!r} must have at least one return for each of its actions.")
        if not all(np.isfinite(row).all() for row in self.returns):
            raise BatchError(f"Bucket {self.context!r} holds a return that is not a finite number.")
        if self.answers and tuple(map(len, self.answers)) != tuple(map(len, self.returns)):
            raise BatchError(f"Bucket {self.context!r} must have one answer for each return, or none at all.")

    @property
    def values(self) -> FloatArray:
        """(n,) mean return of each draw."""
        return np.array([np.mean(row) for row in self.returns])

    @property
    def table(self) -> FloatArray:
        """(n, c) returns, cut to the smallest number of replays."""
        replays = min(map(len, self.returns), default=0)
        return np.array([row[:replays] for row in self.returns], dtype=np.float64).reshape(len(self.returns), replays)

    def part(self, replays: slice) -> Bucket:
        """Return the bucket with some of its replays, such as ``slice(0, None, 2)``."""
        return replace(
            self,
            returns=tuple(row[replays] for row in self.returns),
            answers=tuple(row[replays] for row in self.answers),
        )

    def first(self, draws: int) -> Bucket:
        """Return the bucket with its first draws only."""
        return replace(self, actions=self.actions[:draws], returns=self.returns[:draws], answers=self.answers[:draws])


def duplicate_rate(bucket: Bucket, *, jaccard: float = 1.0) -> float:
    """Share of draws that repeat an earlier one.

    Args:
        bucket: the draws.
        jaccard: two texts are the same from this overlap of their sets of words on; 1 asks for equal texts.
    """
    words = [frozenset(action.split()) for action in bucket.actions]

    def same(i: int, j: int) -> bool:
        if jaccard >= 1.0:
            return bucket.actions[i] == bucket.actions[j]
        union = len(words[i] | words[j])
        return union == 0 or len(words[i] & words[j]) / union >= jaccard

    repeated = {j for i, j in combinations(range(len(words)), 2) if same(i, j)}
    return len(repeated) / max(len(words), 1)


def dead_rate(buckets: Sequence[Bucket]) -> float:
    """Share of buckets in which everything earned the same, so that every credit is 0; NaN without buckets."""
    dead = [np.ptp(np.concatenate([np.asarray(row) for row in bucket.returns])) == 0.0 for bucket in buckets]
    return float(np.mean(dead)) if dead else float("nan")
