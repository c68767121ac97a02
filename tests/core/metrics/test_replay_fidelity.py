"""Counterfactual estimates against exact values: unbiased where they claim it, biased where they are known to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import credit_gym.scorers.c3
import credit_gym.scorers.vine  # noqa: F401
from credit_gym.agents.replay.allocation import FanOut, PerDecision
from credit_gym.agents.replay.behaviour import BehaviourAgent
from credit_gym.agents.replay.points import Tree, as_batch
from credit_gym.agents.replay.tree import grow_trees
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.envs.tabular.board import state_key
from credit_gym.envs.team.game import TeamGame, team_model
from credit_gym.envs.team.game import influence as exact_influence
from credit_gym.errors import BatchError
from credit_gym.estimation.siblings import siblings
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel
from credit_gym.metrics import replay_fidelity as cf
from credit_gym.metrics.bucket import Bucket, dead_rate, duplicate_rate
from credit_gym.metrics.influence import influence
from credit_gym.metrics.statistics import spearman
from credit_gym.scorers import score

ONE: dict[str, Any] = {"num_tasks": 1, "roles": 2, "messages": 3, "suite_seed": 4, "coupling": 1.5}
quick = settings(max_examples=50, deadline=None, derandomize=True)


def trees_of(allocation: Any, questions: int, *, game: dict[str, Any] = ONE, **options: Any) -> list[Tree]:
    agent = BehaviourAgent(team_model(**game))
    return grow_trees(lambda: TeamGame(**game), agent, allocation, questions=questions, **options)


def exact(model: TabularModel) -> dict[tuple[str, str], tuple[float, float]]:
    """(state key, action) -> exact Q and V of the behaviour."""
    values = oracle.policy_values(model, model.mean_behaviour)
    found = {}
    for s in np.flatnonzero(~model.terminal):
        depth = model.state_names[s].rpartition("/")[2].count("-")
        left = int(model.horizon[model.task[s]]) - depth
        for a in np.flatnonzero(model.admissible[s]):
            text = model.action_names[model.action_id[s, a]]
            found[state_key(model.state_names[s]), text] = (values.q[left, s, a], values.v[left, s])
    return found


def bucket(*returns: tuple[float, ...], answers: tuple[tuple[str, ...], ...] = (), question: str = "q") -> Bucket:
    actions = tuple(f"a{j}" for j in range(len(returns)))
    return Bucket(question=question, context="h", actions=actions, returns=returns, answers=answers)


def binary_bucket(p: FloatArray, replays: int, draw: np.random.Generator, question: int = 0) -> Bucket:
    returns = (draw.random((p.size, replays)) < p[:, None]).astype(float)
    return bucket(*map(tuple, returns.tolist()), question=str(question))


def test_the_figure_of_the_paper() -> None:
    np.testing.assert_allclose(cf.leave_one_out(np.array([0.63, 0.80, 0.73])), [-0.135, 0.120, 0.015])


@quick
@given(st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=1, max_size=8))
def test_leave_one_out_sums_to_zero_and_is_a_scaled_mean(listed: list[float]) -> None:
    values = np.array(listed)
    credit, n = cf.leave_one_out(values), values.size
    np.testing.assert_allclose(credit.sum(), 0.0, atol=1e-12)
    factor = n / (n - 1) if n > 1 else 0.0
    np.testing.assert_allclose(credit, factor * cf.mean_centred(values), atol=1e-12)
    order = np.random.default_rng(0).permutation(n)
    np.testing.assert_allclose(cf.leave_one_out(values[order]), credit[order], atol=1e-12)


@quick
@given(st.lists(st.tuples(st.floats(-1, 1, allow_subnormal=False), st.integers(1, 4)), min_size=1, max_size=5))
def test_a_count_is_as_good_as_repeating_the_action(listed: list[tuple[float, int]]) -> None:
    values, counts = np.array([v for v, _ in listed]), np.array([c for _, c in listed], dtype=float)
    repeated = cf.leave_one_out(np.repeat(values, counts.astype(int)))
    np.testing.assert_allclose(np.repeat(cf.leave_one_out(values, counts), counts.astype(int)), repeated, atol=1e-12)


def test_upstream_sets_all_copies_aside_and_takes_bad_counts_for_equal_ones() -> None:
    values, counts = np.array([1.0, 0.0, 0.5]), np.array([2.0, 1.0, 1.0])
    np.testing.assert_allclose(cf.leave_one_out(values, counts, upstream=True), [0.75, -5 / 6, -1 / 6])
    for bad in (np.zeros(3), np.array([1.0, -1.0, 1.0]), np.array([np.nan, 1.0, 1.0])):
        np.testing.assert_allclose(cf.leave_one_out(values, bad, upstream=True), cf.leave_one_out(values))
    np.testing.assert_allclose(cf.leave_one_out(values[:1], counts[:1], upstream=True), [0.0])


# Unbiasedness, against exact values


Errors = list[tuple[str, str, float]]
"""(tree, action, estimate - exact advantage) of every draw."""


def deviation(errors: Errors) -> float:
    """Largest |bias| of an action in standard errors; the draws of one tree are added up, for they share a baseline."""
    sums: dict[str, dict[str, float]] = {}
    for tree, action, error in errors:
        of_action = sums.setdefault(action, {})
        of_action[tree] = of_action.get(tree, 0.0) + error
    found = [np.array([*of_action.values()]) for of_action in sums.values()]
    return max(abs(v.mean()) / (v.std() / np.sqrt(v.size)) for v in found if v.size >= 100)


def root_errors(credit: FloatArray, batch: EpisodeBatch) -> Errors:
    """The errors of the plays at the root."""
    truth, model = exact(team_model(**ONE)), team_model(**ONE)
    key = state_key(model.state_names[int(model.start[0])])
    rows = np.flatnonzero(batch.step == 0)
    _, first = np.unique(siblings(batch).play[rows], return_index=True)
    names = [(str(batch.step_group[row]), batch.action_vocabulary[batch.action[row]], row) for row in rows[first]]
    return [(tree, a, float(credit[row]) - (truth[key, a][0] - truth[key, a][1])) for tree, a, row in names]


@pytest.fixture(scope="module")
def product_batch() -> EpisodeBatch:
    return as_batch(trees_of(FanOut((3, 2)), 1500))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scorer", "options"), [("c3", {}), ("vine", {}), ("counterfactual", {"scale": "none"})], ids=lambda x: str(x)
)
def test_counterfactual_credit_is_unbiased_for_q_minus_v(
    scorer: str, options: dict[str, Any], product_batch: EpisodeBatch
) -> None:
    assert deviation(root_errors(score(product_batch, scorer, **options), product_batch)) < 4.0


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"baseline": "mean"}, {"replay": False, "baseline": "mean"}])
def test_the_mean_baseline_shrinks_the_credit(options: dict[str, Any], product_batch: EpisodeBatch) -> None:
    assert deviation(root_errors(score(product_batch, "c3", **options), product_batch)) > 6.0


@pytest.mark.slow
def test_dropping_duplicates_biases_the_credit_and_counting_them_does_not() -> None:
    game = ONE | {"game": "dictator"}
    truth = exact(team_model(**game))
    found: dict[str, Errors] = {"counted": [], "dropped": [], "upstream": []}
    for tree in trees_of(FanOut((4,)), 600, game=game):
        root = tree.buckets()[0]
        actions, inverse, counts = np.unique(root.actions, return_inverse=True, return_counts=True)
        values = np.bincount(inverse, weights=root.values) / counts
        estimates = {
            "counted": cf.leave_one_out(values, counts.astype(float)),
            "dropped": cf.leave_one_out(values),
            "upstream": cf.leave_one_out(values, counts.astype(float), upstream=True),
        }
        for name, credit in estimates.items():
            for j in inverse:
                q, v = truth[root.state_key, str(actions[j])]
                found[name].append((tree.tree_id, str(actions[j]), float(credit[j]) - (q - v)))
    assert deviation(found["counted"]) < 4.0
    assert deviation(found["dropped"]) > 5.0
    assert deviation(found["upstream"]) > 5.0


@pytest.mark.slow
def test_merged_duplicates_in_a_tree_stay_unbiased() -> None:
    batch = as_batch(trees_of(FanOut((3,)), 1500, merge_duplicates=True))
    assert deviation(root_errors(score(batch, "c3"), batch)) < 4.0


# The noise law


@pytest.fixture(scope="module")
def deep_buckets() -> tuple[list[Bucket], dict[tuple[str, str], tuple[float, float]]]:
    game = {"num_tasks": 50, "roles": 2, "messages": 6}
    trees = trees_of(PerDecision(8, 8, (0,)), 120, game=game)
    return [tree.buckets()[0] for tree in trees], exact(team_model(**game))


@pytest.mark.slow
@pytest.mark.parametrize("replays", [1, 2, 4])
@pytest.mark.parametrize("draws", [2, 3, 4, 8])
def test_the_noise_of_a_credit_follows_its_law(
    draws: int, replays: int, deep_buckets: tuple[list[Bucket], dict[tuple[str, str], tuple[float, float]]]
) -> None:
    buckets = [found.first(draws).part(slice(0, 2 * replays)) for found in deep_buckets[0]]
    measured, predicted = cf.noise_law(buckets)
    quality = [[deep_buckets[1][b.state_key, action][0] for action in b.actions] for b in buckets]
    law = [np.mean([q * (1 - q) for q in row]) / replays * draws / (draws - 1) for row in quality]
    error = np.std(measured - law) / np.sqrt(len(buckets))
    assert abs(np.mean(measured - law)) < 4 * error
    assert abs(np.mean(predicted - law)) < 4 * np.std(predicted - law) / np.sqrt(len(buckets)) + 1e-12
    interval = cf.mean_over_questions(measured - predicted, buckets, resamples=200)
    assert interval.low < 0.0 < interval.high or abs(interval.value) < 3 * error


def test_the_noise_law_needs_two_draws_and_two_replays() -> None:
    for lacking in (bucket((1.0, 0.0)), bucket((1.0,), (0.0,))):
        assert all(np.isnan(found[0]) for found in cf.noise_law([lacking]))
    measured, predicted = cf.noise_law([bucket((1.0, 0.0), (0.0, 0.0))])
    np.testing.assert_allclose(measured, [0.5])  # A1 = (1, -1), A2 = (0, 0)
    np.testing.assert_allclose(predicted, [0.25 * 2 / 1])


# Fidelity and reliability


def test_fidelity_rises_with_the_number_of_replays_and_stays_below_one() -> None:
    draw = np.random.default_rng(5)
    buckets = [binary_bucket(draw.random(6), 264, draw, i) for i in range(150)]
    found = [spearman(*cf.fidelity_to_replay(buckets, c)) for c in (1, 4, 8)]
    assert 0.2 < found[0] < found[1] < found[2] < 1.0


def test_a_truth_from_the_same_replays_would_agree_with_anything() -> None:
    """The published default: the credit against its own values is an affine function of them."""
    draw = np.random.default_rng(1)
    one = binary_bucket(draw.random(6), 1, draw)
    assert spearman(cf.leave_one_out(one.values), cf.mean_centred(one.values)) == pytest.approx(1.0)
    buckets = [binary_bucket(np.full(6, 0.5), 41, draw, i) for i in range(200)]  # nothing to be found
    assert abs(spearman(*cf.fidelity_to_replay(buckets, 1))) < 0.1


def test_both_estimators_have_one_fidelity_and_variances_in_a_fixed_ratio() -> None:
    draw = np.random.default_rng(2)
    buckets = [binary_bucket(draw.random(8), 20, draw, i) for i in range(50)]
    loo, mean = (spearman(*cf.fidelity_to_replay(buckets, 4, name)) for name in ("loo", "mean"))
    assert loo == pytest.approx(mean, abs=1e-2)  # ties across buckets are broken by rounding
    ratio = cf.within_context_variance(buckets) / cf.within_context_variance(buckets, "mean")
    np.testing.assert_allclose(ratio, (8 / 7) ** 2)


def test_reliability_is_zero_for_noise_and_grows_with_replays() -> None:
    draw = np.random.default_rng(3)
    noise = [binary_bucket(np.full(6, 0.5), 4, draw) for _ in range(300)]
    few = [binary_bucket(draw.random(6), 4, draw) for _ in range(300)]
    many = [binary_bucket(draw.random(6), 64, draw) for _ in range(300)]
    found = [float(np.nanmean(cf.split_half_reliability(buckets))) for buckets in (noise, few, many)]
    assert abs(found[0]) < 0.1 < found[1] < found[2]
    for useless in (bucket((1.0, 0.0), (0.0, 1.0)), bucket((1.0,), (0.0,), (1.0,)), bucket(*[(1.0, 0.0)] * 3)):
        assert np.isnan(cf.split_half_reliability([useless])[0])


def test_scale_and_error_of_a_credit() -> None:
    truth = np.array([1.0, -1.0, 0.5])
    assert cf.slope(2 * truth, truth) == pytest.approx(2.0)
    assert cf.error(np.zeros(3), truth) == pytest.approx(1.0)
    assert cf.error(truth, truth) == 0.0
    assert cf.nrmse(-3 * truth, truth) == pytest.approx(0.0)
    assert cf.nrmse(np.zeros(3), truth) == cf.nrmse(np.array([1.0, 1.0, 0.0]), truth) == 1.0
    assert np.isnan(cf.slope(truth, np.zeros(3)))
    assert np.isnan(spearman(np.zeros(3), truth))


# Influence


def answered(replays: int, choose: Any, draws: int = 4) -> Bucket:
    answers = tuple(tuple(str(choose(j)) for _ in range(replays)) for j in range(draws))
    return bucket(*[(0.0,) * replays] * draws, answers=answers)


def test_influence_of_a_deaf_team_is_zero_after_correction() -> None:
    draw = np.random.default_rng(0)
    found = [influence(answered(8, lambda j: draw.integers(3), 8), shuffles=50) for _ in range(60)]
    corrected, plug_in = np.mean([f.value for f in found]), np.mean([f.plug_in for f in found])
    assert abs(corrected) < 0.03
    assert plug_in > 0.08  # what the correction removes
    assert np.mean([f.p_value < 0.05 for f in found]) < 0.2
    np.testing.assert_allclose(np.mean([f.null_mean for f in found]), 0.0, atol=0.05)


def test_influence_of_a_copier_is_the_logarithm_of_the_number_of_messages() -> None:
    found = influence(answered(50, lambda j: j))
    assert found.value == pytest.approx(np.log(4), abs=0.02)
    assert found.plug_in == pytest.approx(np.log(4))
    assert found.p_value < 0.01
    assert found.null_high < 0.1


def test_unique_answers_look_like_influence_and_the_null_says_so() -> None:
    numbers = iter(range(1000))
    found = influence(answered(1, lambda j: next(numbers)))
    assert found.value > 1.0
    assert found.null_mean == pytest.approx(found.value)
    assert found.p_value == 1.0


@pytest.mark.slow
def test_influence_on_the_team_game_is_the_exact_one() -> None:
    game = {"num_tasks": 6, "roles": 2, "messages": 3, "coupling": 2.0}
    model = team_model(**game)
    truth = exact_influence(model)[model.start]
    trees = trees_of(PerDecision(30, 15, (0,)), 18, game=game)
    found = np.array([influence(tree.buckets()[0], shuffles=1).value for tree in trees]).reshape(3, 6)
    np.testing.assert_allclose(found.mean(axis=0), truth, atol=0.08)


# Rates, intervals, errors


def test_rates_of_duplicates_and_of_dead_buckets() -> None:
    repeated = Bucket(question="q", context="h", actions=("a b", "a b", "b c", "a b"), returns=((0.0,),) * 4)
    assert duplicate_rate(repeated) == 0.5
    assert duplicate_rate(repeated, jaccard=0.3) == 0.75
    assert dead_rate([repeated, bucket((1.0, 1.0), (1.0,)), bucket((0.0,), (1.0,))]) == pytest.approx(2 / 3)
    assert np.isnan(dead_rate([]))


def test_a_malformed_bucket_is_refused_by_name() -> None:
    with pytest.raises(BatchError, match="at least one return"):
        bucket((1.0,), ())
    with pytest.raises(BatchError, match="finite"):
        bucket((1.0,), (float("nan"),))
    with pytest.raises(BatchError, match="one answer"):
        bucket((1.0,), (0.0,), answers=(("x",),))
    with pytest.raises(BatchError, match="records no answers"):
        influence(bucket((1.0,), (0.0,)))
