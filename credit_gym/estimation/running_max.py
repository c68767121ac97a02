"""The highest point so far, of every episode at once."""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray


def running_max(points: FloatArray, batch: EpisodeBatch) -> FloatArray:
    """Return the highest point of the episode so far, the present one included, by pointer doubling.

    Args:
        points: (S+E,) float64.
        batch: the S steps of E episodes that lie between them.

    Returns:
        (S+E,) float64.
    """
    sizes = batch.lengths + 1
    firsts = batch.offsets[:-1] + np.arange(batch.num_episodes)
    earlier = np.arange(points.size) - np.repeat(firsts, sizes)  # points of the episode before this one
    highest, shift, longest = points.copy(), 1, int(sizes.max(initial=0))
    while shift < longest:
        np.maximum(highest[shift:], highest[:-shift], out=highest[shift:], where=earlier[shift:] >= shift)
        shift *= 2
    return highest
