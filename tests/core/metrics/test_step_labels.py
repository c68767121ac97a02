"""Credits as labels of steps, and how often labels are met: the published counting, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.errors import BatchError
from credit_gym.metrics.statistics import bootstrap_ratio
from credit_gym.metrics.step_labels import credit_labels, first_errors, label_accuracy

OFFSETS = np.array([0, 3, 5, 5, 7])
LABELS = np.array([1, -1, -1, 1, 1, 0, -1])
PREDICTED = np.array([1, 1, -1, 1, -1, 0, -1])
TASK = np.array([0, 0, 1, 1])
ALL = np.ones(7, dtype=np.bool_)


def test_accuracies_are_counted_over_all_steps_and_over_trajectories() -> None:
    """Steps: 5 of 7. First errors: 1 for 2, none for 4, none for none (no steps), 6 for 6: two of four are right."""
    assert first_errors(LABELS, ALL, OFFSETS).tolist() == [1, -1, -1, 6]
    assert first_errors(PREDICTED, ALL, OFFSETS).tolist() == [2, 4, -1, 6]
    found = label_accuracy(PREDICTED, LABELS, ALL, OFFSETS, TASK)
    assert found.step.value == pytest.approx(5 / 7)
    assert found.first_error.value == pytest.approx(2 / 4)
    # task 0 has 3 of 5 steps and neither first error, task 1 has 2 of 2 and both: so far the draws can reach
    assert (found.step.low, found.step.high) == pytest.approx((3 / 5, 1.0))
    assert (found.first_error.low, found.first_error.high) == pytest.approx((0.0, 1.0))


def test_a_step_without_a_label_counts_nowhere() -> None:
    known = np.array([1, 0, 1, 1, 0, 1, 1], dtype=np.bool_)  # without the two that differ
    found = label_accuracy(PREDICTED, LABELS, known, OFFSETS, TASK)
    assert found.step == (1.0, 1.0, 1.0)
    assert found.first_error == (1.0, 1.0, 1.0)
    nothing = label_accuracy(PREDICTED, LABELS, ~ALL, OFFSETS, TASK)
    assert np.isnan(nothing.step.value)
    assert nothing.first_error.value == 1.0  # there is no error, and none is named


def published(predicted: list[dict[str, int]], labels: list[dict[str, int]]) -> tuple[float, float]:
    """The counting of the published comparison: dictionaries of labels by message, -1 where nothing is wrong."""

    def first(steps: dict[str, int]) -> int:
        return min((int(k) for k, v in steps.items() if v == -1), default=-1)

    pairs = list(zip(predicted, labels, strict=True))
    met = sum(p.get(k) == v for p, r in pairs for k, v in r.items())
    return met / sum(len(r) for r in labels), sum(first(p) == first(r) for p, r in pairs) / len(labels)


three = st.integers(-1, 1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(runs=st.lists(st.lists(st.tuples(three, three), min_size=1, max_size=5), min_size=1, max_size=5))
def test_it_is_the_published_counting(runs: list[list[tuple[int, int]]]) -> None:
    flat = np.array([pair for run in runs for pair in run])
    offsets = np.cumsum([0, *map(len, runs)])
    found = label_accuracy(
        flat[:, 0], flat[:, 1], np.ones(len(flat), dtype=np.bool_), offsets, np.arange(len(runs)) * 3
    )
    sides = [[{str(2 * i): pair[side] for i, pair in enumerate(run)} for run in runs] for side in (0, 1)]
    assert (found.step.value, found.first_error.value) == pytest.approx(published(*sides))


def test_a_credit_says_its_sign_and_below_the_threshold_nothing() -> None:
    credit = np.array([-2.0, -0.1, -0.0, 0.0, 0.1, 5e-324, 2.0])
    assert credit_labels(credit).tolist() == [-1, -1, 0, 0, 1, 1, 1]
    assert credit_labels(credit, threshold=0.1).tolist() == [-1, 0, 0, 0, 0, 0, 1]
    for wrong in (-0.1, float("nan")):
        with pytest.raises(BatchError, match="at least 0"):
            credit_labels(credit, threshold=wrong)


def test_a_ratio_of_equal_units_has_no_width_and_units_without_a_denominator_no_say() -> None:
    assert bootstrap_ratio([1, 2], [2, 4]) == (0.5, 0.5, 0.5)
    assert bootstrap_ratio([1, 0], [2, 0]) == (0.5, 0.5, 0.5)
    assert all(map(np.isnan, bootstrap_ratio([0, 0], [0, 0])))
    spread = bootstrap_ratio([0, 4], [4, 4])
    assert (spread.value, spread.low, spread.high) == (0.5, 0.0, 1.0)
