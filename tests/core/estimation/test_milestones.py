"""Milestones: new highs of the sum of a verifier's readings."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from builders.batches import NAN, Run, batch_of, batches
from hypothesis import given, settings

from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import MissingColumnError
from credit_gym.estimation.milestones import milestones
from credit_gym.estimation.running_max import running_max


def read(*episodes: list[float]) -> EpisodeBatch:
    runs = [Run([0] * (len(readings) + 1), [0] * len(readings)) for readings in episodes]
    return batch_of(runs, verifier=[reading for readings in episodes for reading in readings])


def test_a_new_high_counts_and_a_regained_one_does_not() -> None:
    batch = read([1.0, 0.0, 2.0, -3.0, 3.0, 0.5], [-1.0, 1.0, NAN, 1.0])
    expected = [True, False, True, False, False, True, False, False, False, True]
    assert milestones(batch).tolist() == expected


def test_rounding_is_no_progress() -> None:
    """0.1 + 0.2 is not 0.3, whichever way it is summed."""
    batch = read([0.1, 0.2, -0.3] * 100)
    assert np.flatnonzero(milestones(batch)).tolist() == [0, 1]


def test_what_is_too_small_to_count_can_be_said() -> None:
    batch = read([0.25, 0.25, 2.0])
    assert milestones(batch, 1.0).tolist() == [False, False, True]
    assert milestones(batch, 0.0).all()


def test_without_readings_there_are_none() -> None:
    with pytest.raises(MissingColumnError, match="verifier"):
        milestones(batch_of([Run([0, 1], [0])]))


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True)
@given(batch=batches(require={"log_belief"}))
def test_the_running_maximum_is_that_of_each_episode(batch: EpisodeBatch) -> None:
    points = np.nan_to_num(batch.log_belief, nan=-7.0)
    firsts = batch.offsets + np.arange(batch.offsets.size)
    expected = [np.maximum.accumulate(points[a:b]) for a, b in pairwise(firsts)]
    np.testing.assert_array_equal(running_max(points, batch), np.concatenate([np.zeros(0), *expected]))
