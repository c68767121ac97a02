"""The vectorised metrics equal SciPy's on each state, and their edge cases are what the docstrings say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from credit_gym.metrics import fidelity as metrics

small = st.integers(-3, 3).map(float)
rows = st.lists(
    st.tuples(
        st.lists(small, min_size=5, max_size=5),
        st.lists(small, min_size=5, max_size=5),
        st.lists(st.booleans(), min_size=5, max_size=5),
    ),
    min_size=1,
    max_size=6,
)


def unpack(drawn: list) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    credit, exact, mask = (np.asarray(part) for part in zip(*drawn, strict=True))
    return credit, exact, mask.astype(bool)


@pytest.mark.slow
@given(rows)
def test_rank_correlations_equal_scipy_on_each_state(drawn: list) -> None:
    credit, exact, mask = unpack(drawn)
    for name, reference in (("spearman", stats.spearmanr), ("kendall", stats.kendalltau)):
        values = getattr(metrics, name)(credit, exact, mask)
        for s in range(len(credit)):
            x, y = credit[s, mask[s]], exact[s, mask[s]]
            if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
                assert values[s] == 0.0
            else:
                assert values[s] == pytest.approx(reference(x, y).statistic, abs=1e-9)


def test_sign_accuracy_weighs_by_magnitude_and_halves_zeros() -> None:
    exact = np.asarray([[3.0, -1.0, -2.0]])
    mask = np.ones_like(exact, dtype=bool)
    # Right on 3, silent on -1, wrong on -2: (3 + 0.5) / 6.
    assert metrics.sign_accuracy(np.asarray([[1.0, 0.0, 1.0]]), exact, mask)[0] == pytest.approx(3.5 / 6)


def test_top1_breaks_ties_evenly() -> None:
    exact = np.asarray([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    credit = np.asarray([[2.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
    assert metrics.top1(credit, exact, np.ones((2, 3), dtype=bool)).tolist() == [0.5, 0.5]


def test_loop_rate_counts_wrong_choices_that_lead_back() -> None:
    exact, credit = np.asarray([[1.0, 0.0, 0.0]]), np.asarray([[0.0, 1.0, 1.0]])
    returning = np.asarray([[True, True, False]])
    assert metrics.loop_rate(credit, exact, np.ones((1, 3), dtype=bool), returning).tolist() == [0.5]


def test_nrmse_is_zero_for_any_rescaling_and_one_without_signal() -> None:
    exact = np.asarray([[1.0, -1.0], [2.0, -2.0]])
    mask, owner = np.ones((2, 2), dtype=bool), np.asarray([0, 1])
    assert metrics.nrmse(7.0 * exact, exact, mask, owner, 3)[:2].tolist() == [0.0, 0.0]
    assert metrics.nrmse(np.zeros((2, 2)), exact, mask, owner, 3)[:2].tolist() == [1.0, 1.0]
    assert np.isnan(metrics.nrmse(exact, exact, mask, owner, 3)[2])


def test_bias_and_variance_by_hand() -> None:
    exact, mask = np.asarray([[1.0, -1.0]]), np.ones((1, 2), dtype=bool)
    # c = (2 + 2) / (4 + 4) = 1/2: scaled replicates (1, 0) and (0, -1), mean (1/2, -1/2), each 1/2 away in energy.
    credits = np.asarray([[[2.0, 0.0]], [[0.0, -2.0]]])
    assert metrics.bias_variance(credits, exact, mask) == pytest.approx((0.25, 0.25))
    assert metrics.bias_variance(np.stack([exact, exact]), exact, mask) == pytest.approx((0.0, 0.0))


def test_decision_states_have_two_observed_actions_that_differ() -> None:
    exact = np.asarray([[1.0, 0.0, 5.0], [1.0, 1.0, 5.0], [1.0, 0.0, 5.0]])
    observed = np.asarray([[True, True, False], [True, True, False], [True, False, False]])
    assert metrics.decision_mask(exact, observed).any(axis=1).tolist() == [True, False, False]


def test_differentiation_compares_mean_credits_of_observed_actions() -> None:
    credit = np.asarray([[0.0, 0.02, 9.0], [0.0, 0.005, 9.0]])
    observed = np.asarray([[True, True, False], [True, True, False]])
    assert metrics.differentiated(credit, observed).tolist() == [True, False]
