"""Milestones: the steps that brought an episode further than it had been, as the verifier sees it.

A verifier's readings are changes; their sum is how far the episode has come. A step is a milestone if it takes that sum
above the highest it has had, the 0 of the start included. What was lost and regained is none.
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import BoolArray, FloatArray, discounted_sum
from credit_gym.estimation.critic import point_before
from credit_gym.estimation.running_max import running_max

LEAST_RISE = 1e-6
"""A rise by less, in verifier units, is taken for rounding."""


def milestones(batch: EpisodeBatch, least: float = LEAST_RISE) -> BoolArray:
    """Return which steps raised the verifier's progress to a new high of their episode.

    Args:
        batch: the episodes, with verifier readings; a missing one changes nothing.
        least: what a rise must be larger than, verifier units.

    Returns:
        (S,) bool.

    Raises:
        MissingColumnError: there are no readings.
    """
    verifier: FloatArray = batch.require("verifier")
    before = point_before(batch)
    progress = np.zeros(batch.num_steps + batch.num_episodes)
    backwards = batch.num_steps - batch.offsets[::-1]
    progress[before + 1] = discounted_sum(np.nan_to_num(verifier)[::-1], backwards, 1.0)[::-1]
    return np.asarray(progress[before + 1] > running_max(progress, batch)[before] + least)
