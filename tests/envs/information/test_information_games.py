"""What every questioning game promises: the checks of the house, small clones, exact beliefs."""

from __future__ import annotations

import pickle

import gymnasium as gym
import pytest
from builders.question_games import (
    CANDIDATE_GAMES,
    SCENARIO_GAMES,
    play_expert,
)

from credit_gym import rng
from credit_gym.envs.information.personalization import PersonalizationEnv
from credit_gym.errors import ManifestError, UnknownNameError
from credit_gym.testing import check_env, check_fork, check_no_leak, check_seeds

ENVS = [*CANDIDATE_GAMES, *SCENARIO_GAMES]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*render")
@pytest.mark.parametrize("make", ENVS)
def test_the_house_checks_pass(make):
    check_env(make())
    for seed in range(3):
        check_fork(make(), seed=seed)
    check_no_leak(make(), episodes=5)
    check_seeds(make, seeds=5)


@pytest.mark.parametrize("make", ENVS)
def test_clones_are_small_and_fit_another_environment(make):
    env, other = make(), make()
    _, info = env.reset(seed=3)
    chosen = [rng.derive(number) % 100 for number in range(4)] if make in CANDIDATE_GAMES else [1]
    for number in chosen:
        env.step(info["admissible_actions"][number])
    state = env.clone_state()
    assert len(pickle.dumps(state)) < 2000
    observation, info = other.restore_state(pickle.loads(pickle.dumps(state)))
    assert observation == state.turns[-1].text
    assert info == env.restore_state(state)[1]
    action = info["expert_actions"][0]
    assert other.step(action) == env.step(action)


@pytest.mark.parametrize("make", ENVS)
def test_bad_options_are_refused_in_a_sentence(make):
    if make is not PersonalizationEnv:
        with pytest.raises(UnknownNameError, match="did you mean default"):
            make(mode="defualt")
    with pytest.raises(UnknownNameError, match="did you mean upstream"):
        make(reward="upstraem")
    with pytest.raises(ManifestError, match="choose among all, eval, test, train"):
        make("validation")
    with pytest.raises(gym.error.ResetNeeded):
        make().step("Is it alive?")


@pytest.mark.parametrize("make", ENVS)
def test_verifier_readings_telescope_to_the_rise_of_the_log_posterior(make):
    env = make("all")
    for seed in range(20):
        _, info = env.reset(seed=seed)
        start = env.log_belief()
        _, verifiers, info = play_expert(env, info)
        assert info["success"]
        assert sum(verifiers) == pytest.approx(env.log_belief() - start)
        assert env.log_belief() == 0.0
        assert env.remaining() == (env.target,)
