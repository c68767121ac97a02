"""Rank correlation and intervals, against SciPy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from credit_gym.metrics.statistics import (
    Estimate,
    average_ranks,
    bootstrap,
    bootstrap_mean,
    paired_difference,
    spearman,
    t_interval,
)

numbers = st.integers(-3, 3).map(float)
pairs = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=12)


@given(pairs)
def test_spearman_is_scipys_and_nan_where_a_side_is_constant(drawn: list[tuple[float, float]]) -> None:
    x, y = np.array(drawn).T
    np.testing.assert_array_equal(average_ranks(x), stats.rankdata(x))
    if np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        assert np.isnan(spearman(x, y))
    else:
        assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


def test_spearman_of_a_missing_number_is_missing() -> None:
    assert np.isnan(spearman([1.0, float("nan"), 2.0], [1.0, 2.0, 3.0]))


@pytest.mark.slow
@given(st.lists(numbers, min_size=2, max_size=12), st.integers(0, 5))
def test_the_interval_of_a_mean_is_scipys(drawn: list[float], seed: int) -> None:
    values = np.array(drawn)
    found = bootstrap_mean(values, resamples=99, seed=seed)
    assert found.value == pytest.approx(values.mean())
    if np.ptp(values):
        bounds = stats.bootstrap(
            (values,), np.mean, n_resamples=99, method="percentile", rng=np.random.default_rng(seed)
        ).confidence_interval
        assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high))
        plain = bootstrap(lambda rows: float(values[rows].mean()), np.arange(values.size), resamples=99, seed=seed)
        assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


def test_what_is_not_finite_has_no_part_in_a_mean() -> None:
    assert bootstrap_mean([2.0, 2.0, float("nan")]) == (2.0, 2.0, 2.0)
    assert np.isnan(bootstrap_mean([float("nan")])).all()


@pytest.mark.slow
def test_clusters_are_drawn_whole() -> None:
    clusters = np.repeat(np.arange(20), 50)
    values = np.random.default_rng(0).normal(size=20)[clusters]
    found = bootstrap(lambda rows: float(values[rows].mean()), clusters, resamples=1000)
    naive = bootstrap(lambda rows: float(values[rows].mean()), np.arange(1000), resamples=1000)
    assert found.value == naive.value == pytest.approx(values.mean())
    assert (found.high - found.low) > 4 * (naive.high - naive.low)
    width = 2 * 1.96 * values[::50].std() / np.sqrt(20)
    assert found.high - found.low == pytest.approx(width, rel=0.2)
    assert np.isnan(bootstrap(lambda rows: 0.0, []).value)


def test_strata_keep_their_sizes() -> None:
    stratum = np.array([True, False, False, True, False])
    found = bootstrap(lambda rows: float(stratum[rows].sum()), stratum, stratified=True, resamples=50)
    assert found == (2.0, 2.0, 2.0)


def test_infinite_draws_are_read_off_and_missing_ones_left_out() -> None:
    def statistic(rows: np.ndarray) -> float:
        return float("inf") if (rows == 0).all() else float("nan") if (rows == 1).all() else 1.0

    found = bootstrap(statistic, np.arange(2), method="nearest")
    assert (found.value, found.low, found.high) == (1.0, 1.0, float("inf"))


@given(pairs.filter(lambda drawn: len(drawn) > 1))
def test_a_paired_difference_has_students_interval(drawn: list[tuple[float, float]]) -> None:
    x, y = np.array(drawn).T
    found = paired_difference(x, y)
    assert found.value == pytest.approx((x - y).mean())
    if np.ptp(x - y):
        expected = stats.ttest_rel(x, y).confidence_interval()
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert t_interval(x[:1]) == (x[0], x[0], x[0])


def test_an_estimate_shows_its_interval() -> None:
    assert f"{Estimate(0.5, -0.25, 1.0):+.2f}" == "+0.50 [-0.25, +1.00]"
