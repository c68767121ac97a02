"""Recorded log-beliefs as scorers compute with them: a belief of 0 has a logarithm too."""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray

BELIEF_FLOOR = float(np.log(np.finfo(np.float64).smallest_subnormal))
"""Log of the smallest number that a float64 can hold, -744.4 nats: what -inf, a belief of exactly 0, counts as."""


def log_beliefs(batch: EpisodeBatch, name: str = "log_belief") -> FloatArray:
    """Return a column of log-beliefs; (S+E,) float64, NaN where missing, never infinite.

    -inf counts as :data:`BELIEF_FLOOR`, or as the lowest finite belief of the episode where that is lower still (long
    targets have such beliefs): losing all belief is never less of a loss than losing some.

    Raises:
        MissingColumnError: the batch does not have it.
    """
    column: FloatArray = batch.require(name)
    episode = np.repeat(np.arange(batch.num_episodes), batch.lengths + 1)
    finite = np.isfinite(column)
    least = np.full(batch.num_episodes, BELIEF_FLOOR)
    np.minimum.at(least, episode[finite], column[finite])
    return np.where(np.isneginf(column), least[episode], column)
