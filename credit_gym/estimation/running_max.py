"""The highest point so far, of every episode at once."""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray


def running_max(points: FloatArray, batch: EpisodeBatch) -> FloatArray:
    """Return the highest point of the episode so far, the present one included.

    Ranks make the points of later episodes start above all earlier ones, so that one pass serves them all.

    Args:
        points: (S+E,) float64, no NaN.
        batch: the S steps of E episodes that lie between them.

    Returns:
        (S+E,) float64.
    """
    episode = np.repeat(np.arange(batch.num_episodes, dtype=np.int64), batch.lengths + 1)
    levels, rank = np.unique(points, return_inverse=True)
    highest = np.maximum.accumulate(episode * levels.size + rank) - episode * levels.size
    return np.asarray(levels[highest]) if levels.size else points
