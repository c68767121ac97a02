"""Mean@k, success by budget, repeats and intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.errors import BatchError
from credit_gym.metrics.information import (
    interval_over_secrets,
    mean_at_k,
    repeated_fraction,
    success_by_budget,
)
from credit_gym.metrics.pass_at_k import pass_once

TABLES = st.integers(1, 6).flatmap(
    lambda games: st.lists(st.lists(st.booleans(), min_size=games, max_size=games), min_size=1, max_size=5)
)


@given(TABLES)
def test_pass_at_1_and_mean_at_k_agree(table):
    success = np.array(table)
    games = np.full(len(success), success.shape[1])
    assert pass_once(games, success.sum(axis=1), 1).mean() == pytest.approx(mean_at_k(success)[0])


def test_mean_at_k_spreads_over_repetitions_not_over_secrets():
    success = np.array([[True, True], [False, False]])
    assert mean_at_k(success) == (0.5, 0.0)
    assert mean_at_k(np.array([[True, False], [True, False]])) == (0.5, 0.5)


def test_a_win_on_the_last_turn_counts_for_the_whole_budget():
    won, turns = np.array([True, True, False, True]), np.array([50, 3, 50, 20])
    curve = success_by_budget(won, turns, 50)
    assert curve.shape == (50,)
    assert (curve[1], curve[2], curve[18], curve[19], curve[48], curve[49]) == (0, 0.25, 0.25, 0.5, 0.5, 0.75)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 60)), min_size=1, max_size=20), st.integers(1, 60))
def test_success_by_budget_never_falls_and_counts_each_budget(games, budget):
    won, turns = np.array([w for w, _ in games]), np.array([t for _, t in games])
    curve = success_by_budget(won, turns, budget)
    assert (np.diff(curve) >= 0).all()
    for t in range(1, budget + 1):
        assert curve[t - 1] == pytest.approx(np.mean([w and n <= t for w, n in games]))


def test_repeats_are_counted_among_the_answered_questions():
    repeated = np.array([False, True, True, False])
    assert repeated_fraction(repeated) == 0.5
    assert repeated_fraction(repeated, np.array([True, True, False, False])) == 0.5
    assert np.isnan(repeated_fraction(repeated[:0]))


def test_the_interval_resamples_secrets_with_all_their_games():
    success = np.repeat(np.array([[True], [False], [True], [False]] * 25), 64, axis=1)
    found = interval_over_secrets(success)
    _, low, high = found
    assert low < 0.5 < high
    width = 2 * 1.96 * 0.5 / np.sqrt(100)  # 100 secrets, however many games each
    assert high - low == pytest.approx(width, rel=0.2)
    assert interval_over_secrets(success[:, 0]) == found


def test_tables_without_games_are_refused():
    with pytest.raises(BatchError, match="table"):
        mean_at_k(np.zeros((0, 3), dtype=bool))
    with pytest.raises(BatchError, match="one outcome"):
        success_by_budget(np.array([True]), np.array([1, 2]), 3)
