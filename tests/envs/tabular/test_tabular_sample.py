"""The sampler: exact in distribution, equal to the text environment draw for draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym import rng
from credit_gym.envs.tabular.diagnostic import diagnostic_model
from credit_gym.envs.tabular.dynamics import choose, thresholds
from credit_gym.envs.tabular.env import TabularEnv
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.envs.tabular.stochastic import stochastic_model
from credit_gym.exact import oracle

COLUMNS = ("offsets", "state", "next_state", "action", "reward", "verifier", "success", "terminated", "truncated")


@pytest.mark.parametrize(
    "model",
    [stochastic_model(8, 2), diagnostic_model("confound", 4), diagnostic_model("alias", 4)],
    ids=["climbs", "two priors", "two starts"],
)
def test_success_agrees_with_dynamic_programming(model):
    batch = sample_batch(model, episodes_per_task=4000, seed=11)
    exact = oracle.behaviour_success(model)
    observed = np.bincount(batch.task, weights=batch.success) / 4000
    z = (observed - exact) / np.sqrt(np.maximum(exact * (1 - exact), 1e-4) / 4000)
    assert abs(z).max() < 4


def test_actions_outcomes_and_readings_have_the_frequencies_of_the_model():
    model = stochastic_model(1, 7, 0.5, 0.1)
    batch = sample_batch(model, episodes_per_task=40_000, seed=3)
    start = int(model.start[0])
    here = batch.state == start
    for slot in np.flatnonzero(model.admissible[start]):
        taken = here & (batch.action == model.action_id[start, slot])
        share = model.behaviour[0, start, slot]
        assert abs(taken.sum() - share * here.sum()) < 4 * np.sqrt(here.sum() * share * (1 - share))
        for outcome in np.flatnonzero(model.probability[start, slot]):
            after = taken & (batch.next_state == model.successor[start, slot, outcome])
            p = model.probability[start, slot, outcome]
            assert abs(after.sum() - p * taken.sum()) <= 4 * np.sqrt(taken.sum() * p * (1 - p))
            readings = batch.verifier[after]
            for value in {-1.0, 0.0, 1.0} - {model.signal[start, slot, outcome]}:
                assert abs((readings == value).sum() - 0.05 * readings.size) < 4 * np.sqrt(readings.size * 0.05)


def test_an_episode_is_cut_by_its_own_horizon_and_never_both_cut_and_ended():
    model = stochastic_model(20, 0)
    batch = sample_batch(model, seed=0)
    assert (batch.terminated ^ batch.truncated).all()
    assert (batch.lengths[batch.truncated] == model.horizon[batch.task[batch.truncated]]).all()
    assert (batch.lengths <= model.horizon[batch.task]).all()
    assert np.array_equal(batch.episode_return == 1.0, batch.success)
    assert not batch.success[batch.truncated].any()


@given(seed=st.integers(0, 2**63), task=st.integers(0, 5), more=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_an_episode_depends_on_nothing_but_its_seed_task_and_number(seed, task, more):
    model = stochastic_model(6, 4)
    alone = sample_batch(model, episodes_per_task=2, seed=seed, task_indices=[task])
    among = sample_batch(model, episodes_per_task=2 + more, seed=seed)
    first = np.flatnonzero(among.task == task)[:2]
    for column in COLUMNS:
        assert np.array_equal(getattr(alone, column), getattr(among.select(first), column))


def test_the_text_environment_replays_a_sampled_episode():
    model = diagnostic_model("alias", 3)
    batch = sample_batch(model, episodes_per_task=5, seed=9)
    env = TabularEnv(model)
    for episode in range(batch.num_episodes):
        env.stream = rng.derive(9, 0, int(batch.task[episode]), episode % 5)
        env.reset(options={"task": int(batch.task[episode])})
        for i in range(batch.offsets[episode], batch.offsets[episode + 1]):
            assert env.render_mode is None
            text, reward, _, truncated, info = env.step(batch.action_vocabulary[batch.action[i]])
            assert text == batch.state_vocabulary[batch.next_state[i]]
            assert (reward, info["verifier"]) == (batch.reward[i], batch.verifier[i])
        assert (info["success"], truncated) == (batch.success[episode], batch.truncated[episode])


def test_a_given_policy_is_played_instead_of_the_behaviour():
    model = stochastic_model(10, 1)
    best = oracle.optimal_actions(model)
    policy = best / np.maximum(best.sum(axis=1, keepdims=True), 1)
    batch = sample_batch(model, seed=0, policy=policy)
    assert batch.success.all()
    assert best[batch.state, oracle.slots(model, batch)].all()


@given(
    weights=st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda w: sum(w) > 1e-3),
    bits=st.integers(0, 2**64 - 1),
)
def test_a_category_of_probability_zero_is_never_drawn(weights, bits):
    p = np.asarray(weights) / sum(weights)
    for draw in (bits, 0, 2**64 - 1):
        drawn = choose(thresholds(p)[None], np.array([draw], dtype=np.uint64))
        assert p[drawn[0]] > 0
