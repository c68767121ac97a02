"""The exact advantage of the policy in training: what it is, and that no scorer trains a policy better on average."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.agents.learning.policy_gradient import softmax
from credit_gym.agents.learning.tabular import policy_gradient_curve
from credit_gym.baselines.protocol.controlled import all_rows, load_model
from credit_gym.baselines.studies.creditbench import SUITES
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel

NAMES = [row.scorer for row in all_rows() if row.scorer != "oracle"]


def drawn_policy(model: TabularModel, seed: int) -> FloatArray:
    logits = 2.0 * np.random.default_rng(seed).normal(size=model.admissible.shape)
    return softmax(logits[model.key], model.admissible)


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["ring", "rejoin", "lucky"])
@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 99))
def test_it_is_the_gain_of_one_deviation_at_its_own_time(suite: str, seed: int) -> None:
    """Where no two states look alike: A_t(s, a) from the definition, for the success within the evaluation horizon."""
    env_id, arguments = SUITES[suite]
    model = load_model(env_id, suite_seed=seed % 3, arguments=arguments)
    policy = drawn_policy(model, seed)
    batch = sample_batch(model, episodes_per_task=1, seed=seed, policy=policy)
    found, slot = oracle.step_advantage(model, policy, batch), oracle.slots(model, batch)
    exact = oracle.policy_values(model, policy, int(model.evaluation_horizon.max()))
    left = model.evaluation_horizon[model.task[batch.state]] - batch.step
    now = np.maximum(left, 0)
    expected = exact.q[now, batch.state, slot] - exact.v[now, batch.state]
    np.testing.assert_allclose(found, np.where(left > 0, expected, 0.0), atol=1e-12)


def test_one_deviation_worked_by_brute_force() -> None:
    env_id, arguments = SUITES["ring"]
    model = load_model(env_id, suite_seed=0, arguments=arguments)
    policy = drawn_policy(model, 1)
    batch = sample_batch(model, episodes_per_task=1, seed=1, policy=policy)
    found, slot = oracle.step_advantage(model, policy, batch), oracle.slots(model, batch)
    short = np.flatnonzero(batch.step < 3)
    for row in short:
        state, time = int(batch.state[row]), int(batch.step[row])
        choice = np.where(np.arange(model.num_states) == state, slot[row], policy.argmax(axis=1))
        deviated, plain = (value_from(model, policy, time, forced) for forced in (choice, None))
        assert found[row] == pytest.approx(deviated[state] - plain[state], abs=1e-12)


def value_from(model: TabularModel, policy: FloatArray, time: int, choice: IntArray | None) -> FloatArray:
    """Success from each state at a time, the chosen slots taken there once; then the policy to the end."""
    left = model.evaluation_horizon[model.task] - time
    value = np.zeros(model.num_states)
    history = [value]
    for _ in range(int(left.max()) - 1):
        value = (policy * oracle.backup(model, value)).sum(axis=1)
        history.append(value)
    q = oracle.backup(model, np.asarray(history)[left - 1, np.arange(model.num_states)])
    return (policy * q).sum(axis=1) if choice is None else q[np.arange(model.num_states), choice]


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["alias", "ring", "stochastic"])
def test_a_policy_has_no_advantage_over_itself(suite: str) -> None:
    """The mean over the policy's own actions is 0 at every key and time, so many samples average to 0."""
    env_id, arguments = SUITES[suite]
    model = load_model(env_id, suite_seed=1, arguments=arguments)
    policy = drawn_policy(model, 2)
    batch = sample_batch(model, episodes_per_task=2000, seed=1, policy=policy)
    credit = oracle.step_advantage(model, policy, batch)
    assert abs(credit.mean()) < 4 * credit.std() / np.sqrt(batch.num_steps)


def test_the_last_policy_is_credited_and_not_the_first() -> None:
    env_id, arguments = SUITES["alias"]
    model = load_model(env_id, suite_seed=0, arguments=arguments)
    policy = drawn_policy(model, 3)
    batch = sample_batch(model, episodes_per_task=16, seed=1, policy=policy)
    first = oracle.step_advantage(model, softmax(np.zeros_like(policy), model.admissible), batch)
    assert not np.allclose(first, oracle.step_advantage(model, policy, batch))
    assert not np.allclose(oracle.annotate(batch, model).advantage, oracle.step_advantage(model, policy, batch))


def final(suite: str, scorer: str, seeds: int) -> float:
    env_id, arguments = SUITES[suite]
    curves = [
        policy_gradient_curve(load_model(env_id, suite_seed=seed, arguments=arguments), scorer, seed=seed)
        for seed in range(seeds)
    ]
    return float(np.mean([curve[-1].mean() for curve in curves]))


def test_it_trains_better_than_the_advantage_of_the_first_behaviour_does() -> None:
    """States of `alias` look alike and `allfail` is hardly ever solved at first: there the behaviour must move on."""
    assert final("alias", "oracle", 1) > 0.9
    assert final("allfail", "oracle", 1) > final("allfail", "td_error", 1)


@pytest.mark.slow
def test_it_is_a_ceiling() -> None:
    """On the mean over all suites no scorer reaches it; on each of them none leaves it far behind."""
    ceiling = {suite: final(suite, "oracle", 2) for suite in SUITES}
    for scorer in NAMES:
        found = {suite: final(suite, scorer, 2) for suite in SUITES}
        assert np.mean(list(found.values())) < np.mean(list(ceiling.values())), scorer
        assert all(found[suite] < ceiling[suite] + 0.06 for suite in SUITES), scorer
