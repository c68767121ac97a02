"""Progress advantage and confidence: aggregations against numpy, identities, and the published procedure."""

from __future__ import annotations

import numpy as np
import pytest
from builders.batches import Run, batch_of
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import UnknownNameError
from credit_gym.estimation.token_scores import AGGREGATIONS, aggregate_steps, aggregate_tokens
from credit_gym.scorers import score

numbers = st.floats(-20.0, 0.0, width=32)
ragged = st.lists(st.lists(numbers, max_size=25), min_size=1, max_size=6)

PLAIN = {
    "mean": np.mean,
    "sum": np.sum,
    "last": lambda v: v[-1],
    "min": np.min,
    "max": np.max,
    "median": np.median,
    "q10": lambda v: np.quantile(v, 0.1),
    "q90": lambda v: np.quantile(v, 0.9),
    "bottom10": lambda v: np.mean(np.sort(v)[: max(1, int(np.ceil(0.1 * len(v))))]),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", AGGREGATIONS)
@given(rows=ragged)
def test_aggregations_equal_plain_loops(how: str, rows: list[list[float]]) -> None:
    values, offsets = np.array([v for row in rows for v in row]), np.cumsum([0, *map(len, rows)])
    expected = [PLAIN[how](np.array(row)) if row else np.nan for row in rows]
    np.testing.assert_allclose(aggregate_tokens(values, offsets, how), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(aggregate_steps(values, offsets, how), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("steps", "k"), [(1, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_the_bottom_tenth_is_rounded_up(steps: int, k: int) -> None:
    values = np.arange(steps, dtype=float)
    assert aggregate_steps(values, np.array([0, steps]), "bottom10")[0] == values[:k].mean()


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_a_missing_token_makes_its_step_missing_and_a_missing_step_is_left_out(how: str) -> None:
    values, offsets = np.array([-1.0, np.nan, -2.0, -3.0]), np.array([0, 2, 2, 4])
    steps = aggregate_tokens(values, offsets, how)
    expected = PLAIN[how](np.array([-2.0, -3.0]))
    assert np.isnan(steps[0])
    assert np.isnan(steps[1])
    assert steps[2] == pytest.approx(expected)
    assert aggregate_steps(np.array([np.nan, -2.0, -3.0]), np.array([0, 3]), how)[0] == pytest.approx(expected)
    assert np.isnan(aggregate_steps(np.array([np.nan]), np.array([0, 1]), how)[0])


def tokens(policy: list[list[float]], reference: list[list[float]], **columns: list[list[float]]) -> EpisodeBatch:
    flat = {name: np.array([v for row in rows for v in row]) for name, rows in columns.items()}
    return batch_of(
        [Run(path=[0] * (len(policy) + 1), actions=[0] * len(policy))],
        policy_logprob=np.array([v for row in policy for v in row]),
        reference_logprob=np.array([v for row in reference for v in row]),
        logprob_offsets=np.cumsum([0, *map(len, policy)]),
        **flat,
    )


def published(policy: list[list[float]], reference: list[list[float]], how: str) -> list[float]:
    """The published procedure, step by step: aggregate each model, empty steps give 0, subtract."""
    rules = {"mean": np.mean, "sum": np.sum, "last": lambda v: v[-1], "min": np.min, "max": np.max}
    return [
        (rules[how](p) if p else 0.0) - (rules[how](r) if r else 0.0) for p, r in zip(policy, reference, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["mean", "sum", "last", "min", "max"])
@given(rows=st.lists(st.lists(st.tuples(numbers, numbers), max_size=5), min_size=1, max_size=5))
def test_the_upstream_mode_is_the_published_procedure(how: str, rows: list[list[tuple[float, float]]]) -> None:
    policy, reference = ([[pair[i] for pair in row] for row in rows] for i in (0, 1))
    if not any(policy):
        return
    batch = tokens(policy, reference)
    credit = score(batch, "progress_advantage", tokens=how, mode="upstream")
    np.testing.assert_allclose(credit, published(policy, reference, how), atol=1e-6)
    if how in ("mean", "sum", "last"):
        read = np.array([len(row) > 0 for row in rows])
        default = score(batch, "progress_advantage", tokens=how)
        np.testing.assert_allclose(default[read], credit[read], atol=1e-4)
        np.testing.assert_allclose(default[~read], default[read].mean(), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("how", AGGREGATIONS)
@given(rows=st.lists(st.lists(numbers, min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_policy_has_no_advantage_over_itself(how: str, rows: list[list[float]]) -> None:
    assert not score(tokens(rows, rows), "progress_advantage", tokens=how).any()


def test_min_of_each_model_compares_different_tokens() -> None:
    batch = tokens([[-3.0, -1.0]], [[-1.0, -3.0]])
    assert score(batch, "progress_advantage", tokens="min").tolist() == [-2.0]
    assert score(batch, "progress_advantage", tokens="min", agg_order="model_first").tolist() == [0.0]


def test_beta_scales_and_never_ranks() -> None:
    batch = tokens([[-1.0], [-2.0]], [[-2.0], [-1.0]])
    assert score(batch, "progress_advantage", beta=0.1).tolist() == pytest.approx([0.1, -0.1])


def test_centring_takes_out_what_the_policy_scores_on_average() -> None:
    """Two tokens of probability 0.9 / 0.1 under the policy, 0.5 / 0.5 under the reference."""
    p, r = np.array([0.9, 0.1]), np.array([0.5, 0.5])
    kl = float((p * np.log(p / r)).sum())
    batch = tokens(np.log(p)[:, None].tolist(), np.log(r)[:, None].tolist(), policy_kl=[[kl], [kl]])
    assert float(p @ score(batch, "progress_advantage")) == pytest.approx(kl, abs=1e-6)
    assert float(p @ score(batch, "progress_advantage_centred")) == pytest.approx(0.0, abs=1e-6)


def test_confidence_has_the_published_sign_and_upstream_the_opposite() -> None:
    peaked, flat = -13.1, -3.1  # mean of the 20 largest log-probabilities
    batch = tokens([[0.0], [0.0]], [[0.0], [0.0]], policy_top_logprob=[[peaked], [flat]])
    assert score(batch, "self_certainty").tolist() == pytest.approx([13.1, 3.1], abs=1e-5)
    assert score(batch, "self_certainty", mode="upstream").tolist() == pytest.approx([-13.1, -3.1], abs=1e-5)


def test_the_other_baselines() -> None:
    batch = tokens([[-1.0, -3.0], [-0.5]], [[-2.0, -2.0], [-1.0]], policy_entropy=[[0.2, 0.4], [1.0]])
    assert score(batch, "policy_logprob").tolist() == [-2.0, -0.5]
    assert score(batch, "reference_logprob", tokens="sum").tolist() == [-4.0, -1.0]
    assert score(batch, "negative_entropy").tolist() == pytest.approx([-0.3, -1.0])
    assert score(batch, "negative_perplexity").tolist() == pytest.approx([-np.exp(2.0), -np.exp(0.5)])
    assert score(batch, "brevity").tolist() == [-2.0, -1.0]


def test_unknown_options_are_named() -> None:
    batch = tokens([[-1.0]], [[-1.0]])
    with pytest.raises(UnknownNameError, match="bottom10"):
        score(batch, "progress_advantage", tokens="bottom")
    with pytest.raises(UnknownNameError, match="ratio_first"):
        score(batch, "progress_advantage", agg_order="first")
