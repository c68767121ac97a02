"""Best-of-n and rank statistics, against enumeration, scipy and closed forms."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from credit_gym.errors import BatchError
from credit_gym.metrics.best_of_n import best_of
from credit_gym.metrics.discrimination import auprc, auroc, estimate, margin
from credit_gym.metrics.statistics import spearman

scores = st.sampled_from((-2.0, -0.5, 0.0, 0.5, 3.0))
candidates = st.lists(st.tuples(scores, st.booleans()), min_size=1, max_size=6)


def enumerated(task: list[tuple[float, bool]], k: int) -> tuple[float, float]:
    """Mean over all k-subsets: success of a best-scored one, and whether any succeeds."""
    subsets = list(combinations(task, min(k, len(task))))
    best = [[w for s, w in subset if s == max(s for s, _ in subset)] for subset in subsets]
    return float(np.mean([np.mean(b) for b in best])), float(np.mean([any(w for _, w in s) for s in subsets]))


@given(st.lists(candidates, min_size=1, max_size=3))
def test_best_of_k_is_the_mean_over_all_subsets(tasks: list[list[tuple[float, bool]]]) -> None:
    flat = [(s, w, t) for t, task in enumerate(tasks) for s, w in task]
    score, won, owner = (np.array(column) for column in zip(*flat, strict=True))
    found = best_of(score.astype(float), won.astype(float), owner)
    for t, task in enumerate(tasks):
        assert found.chance[t] == pytest.approx(np.mean([w for _, w in task]))
        for k in range(1, max(map(len, tasks)) + 1):
            chosen, oracle = enumerated(task, k)
            assert found.chosen[t, k - 1] == pytest.approx(chosen)
            assert found.oracle[t, k - 1] == pytest.approx(oracle)


def test_a_score_that_knows_recovers_the_gap_and_a_constant_one_nothing_of_it() -> None:
    won = np.array([1.0, 0.0, 0.0, 0.0, 1.0, 1.0])
    task = np.array([0, 0, 0, 1, 1, 1])
    assert best_of(won, won, task).gap_recovered[1:] == pytest.approx([1.0, 1.0])
    assert best_of(np.zeros(6), won, task).gap_recovered[1:] == pytest.approx([0.0, 0.0])
    assert np.isnan(best_of(won, won, task).gap_recovered[0])


def test_a_candidate_without_a_score_is_taken_last() -> None:
    found = best_of(np.array([np.nan, -50.0]), np.array([1.0, 0.0]), np.array([4, 4]))
    assert found.chosen.tolist() == [[0.5, 0.0]]


def test_columns_must_agree() -> None:
    with pytest.raises(BatchError, match="one value per candidate"):
        best_of(np.zeros(2), np.zeros(3), np.zeros(2, dtype=np.int64))
    with pytest.raises(BatchError, match="2 scores but 3 outcomes"):
        estimate(np.zeros(2), np.zeros(3, dtype=bool))


labelled = st.lists(st.tuples(scores, st.booleans()), min_size=2, max_size=12).filter(
    lambda rows: 0 < sum(w for _, w in rows) < len(rows)
)


@given(labelled)
def test_auroc_counts_pairs_and_turns_around_with_the_sign(rows: list[tuple[float, bool]]) -> None:
    score, won = np.array([s for s, _ in rows]), np.array([w for _, w in rows])
    pairs = [(a > b) + 0.5 * (a == b) for a in score[won] for b in score[~won]]
    assert auroc(score, won) == pytest.approx(np.mean(pairs))
    assert auroc(-score, won) == pytest.approx(1.0 - auroc(score, won))
    assert auroc(3.0 * score, won) == auroc(score, won)
    if np.ptp(score):
        assert spearman(score, won) == pytest.approx(stats.spearmanr(score, won).statistic)


@given(labelled)
def test_average_precision_is_the_sum_over_thresholds(rows: list[tuple[float, bool]]) -> None:
    score, won = np.array([s for s, _ in rows]), np.array([w for _, w in rows])
    total, before = 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        chosen = score >= threshold
        recall = won[chosen].sum() / won.sum()
        total += (recall - before) * won[chosen].mean()
        before = recall
    assert auprc(score, won) == pytest.approx(total)
    assert auprc(np.zeros(len(rows)), won) == pytest.approx(won.mean())


def test_equal_labels_give_no_statistic() -> None:
    assert np.isnan(estimate(np.arange(3.0), np.ones(3, dtype=bool)).estimate.value)


@pytest.mark.slow
def test_the_interval_covers_the_value_and_counts_missing_scores() -> None:
    generator = np.random.default_rng(1)
    won = generator.random(200) < 0.4
    score = won + generator.normal(size=200)
    found = estimate(np.where(np.arange(200) < 5, np.nan, score), won)
    assert found.estimate.low < found.estimate.value < found.estimate.high
    assert found.estimate.low > 0.5
    assert (found.pairs, found.missing) == (200, 5)
    better = margin(score, generator.normal(size=200), won)
    assert better.low > 0.0
    assert margin(score, score, won) == (0.0, 0.0, 0.0)
