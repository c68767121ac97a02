from __future__ import annotations

import tracemalloc
from dataclasses import fields, replace

import numpy as np
import pytest

from credit_gym.baselines.speed.__main__ import synthetic_batch
from credit_gym.data.batch import EpisodeBatch
from credit_gym.scorers import score


@pytest.mark.parametrize("scorer", ["adaptive", "adaptive_q", "crbc", "emp_qstar", "graphhca", "hgpo", "hiper", "loo"])
def test_a_batch_is_scored_in_three_times_the_size_of_its_columns(scorer: str) -> None:
    batch = synthetic_batch(300_000)
    columns = (getattr(batch, field.name) for field in fields(EpisodeBatch))
    size = sum(column.nbytes for column in columns if isinstance(column, np.ndarray))
    score(replace(batch), scorer)  # what is loaded or kept for good is no part of it
    tracemalloc.start()
    try:
        score(replace(batch), scorer)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size + peak < 3.0 * size
