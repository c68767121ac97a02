"""pass^k and pass@k against enumeration and against each other."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError
from credit_gym.metrics.pass_at_k import attempts_per_task, pass_every, pass_once, pass_rate, pass_table

outcomes = st.lists(st.lists(st.booleans(), min_size=3, max_size=6), min_size=1, max_size=5)


@settings(deadline=None)
@given(outcomes, st.integers(1, 3))
def test_the_estimates_are_the_mean_over_all_choices_of_k_attempts(games: list[list[bool]], k: int) -> None:
    n = np.array([len(game) for game in games])
    c = np.array([sum(game) for game in games])
    every = [np.mean([all(some) for some in combinations(game, k)]) for game in games]
    once = [np.mean([any(some) for some in combinations(game, k)]) for game in games]
    np.testing.assert_allclose(pass_every(n, c, k), every, atol=1e-12)
    np.testing.assert_allclose(pass_once(n, c, k), once, atol=1e-12)


def test_pass_at_k_of_two_wins_in_eight_games() -> None:
    expected = [0.25, 0.4643, 0.6429, 0.7857, 0.8929, 0.9643, 1.0, 1.0]
    found = [pass_once(np.array([8]), np.array([2]), k)[0] for k in range(1, 9)]
    assert found == pytest.approx(expected, abs=5e-5)


def test_tasks_with_too_few_attempts_are_left_out_and_counted() -> None:
    n, c = np.array([4, 4, 1]), np.array([4, 2, 0])
    rate = pass_rate(n, c, 2)
    assert rate.value == pytest.approx((1 + 1 / 6) / 2)
    assert rate.tasks == 2
    assert rate.low <= rate.value <= rate.high
    assert np.isnan(pass_rate(n, c, 5).value)
    assert pass_rate(n, c, 5).tasks == 0
    assert pass_rate(n, c, 1).tasks == 3


@pytest.mark.parametrize(
    ("n", "c", "k"), [([2], [1], 3), ([2], [3], 1), ([2], [-1], 1), ([2], [1], 0), ([2], [1, 1], 1)]
)
def test_counts_that_make_no_sense_are_refused(n: list[int], c: list[int], k: int) -> None:
    for estimator in (pass_every, pass_once):
        with pytest.raises(BatchError):
            estimator(np.array(n), np.array(c), k)


def episode(task: str, success: bool, error: str | None = None) -> Episode:
    return Episode(
        env_id="e",
        task_id=task,
        group_id="g",
        episode_id="0",
        observations=("o",),
        state_keys=("s",),
        actions=(),
        rewards=(),
        success=success,
        terminated=error is None,
        truncated=False,
        error=error,
    )


def test_episodes_are_counted_by_task_without_those_that_failed_to_complete() -> None:
    played = [episode("a", True), episode("b", False), episode("a", False), episode("b", True, "server")]
    attempts, successes = attempts_per_task(played)
    assert (attempts.tolist(), successes.tolist()) == ([2, 1], [1, 0])
    table = pass_table(played)
    assert {name: (rate.value, rate.tasks) for name, rate in table.items()} == {
        "pass^1": (0.25, 2),
        "pass^2": (0.0, 1),
        "pass@1": (0.25, 2),
        "pass@2": (1.0, 1),
    }
    assert pass_table([]) == {}
