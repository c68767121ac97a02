"""TeamGame: an environment like the others, whose exact values are those of the game it says it is."""

from __future__ import annotations

import numpy as np
import pytest

from credit_gym.agents.replay.behaviour import BehaviourAgent
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.envs.team.game import GAMES, TeamGame, influence, team_model
from credit_gym.errors import ManifestError, OptionError, UnknownNameError
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel
from credit_gym.testing import check_env, check_fork, check_no_leak, check_seeds


def state(model: TabularModel, name: str) -> int:
    return next(s for s, full in enumerate(model.state_names) if full.partition("/")[2] == name)


def advantage(model: TabularModel, name: str) -> np.ndarray:
    """Exact advantage of each message in one state of the first task under the behaviour."""
    return oracle.behaviour_advantage(model)[state(model, name)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*render")
@pytest.mark.parametrize("game", GAMES)
def test_it_keeps_the_promises_of_every_environment(game: str) -> None:
    check_env(TeamGame(game=game))
    check_no_leak(TeamGame(game=game), episodes=5)
    check_seeds(lambda: TeamGame(game=game), seeds=20)
    for seed in range(3):
        check_fork(TeamGame(game=game, roles=4), seed=seed, before=2)


def test_the_role_whose_turn_it_is_is_said_and_a_refusal_changes_it_not() -> None:
    env = TeamGame(roles=3, num_tasks=1)
    _, info = env.reset(seed=0)
    assert info["role"] == "agent 1"
    _, _, _, _, info = env.step("sing")
    assert info["role"] == "agent 1"
    assert info["invalid"]
    observation, _, _, _, info = env.step("say black")
    assert info["role"] == "agent 2"
    assert "agent 1 said black" in observation


def test_xor_credits_nobody_until_the_last_message_decides() -> None:
    model = team_model("xor", 1, roles=2, messages=2, coupling=0.0)
    np.testing.assert_allclose(advantage(model, "said"), [0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(advantage(model, "said-amber"), [-0.5, 0.5])
    np.testing.assert_allclose(advantage(model, "said-black"), [0.5, -0.5])


def test_the_dictator_has_all_the_advantage() -> None:
    model = team_model("dictator", 1, roles=3, messages=2, coupling=0.0)
    np.testing.assert_allclose(advantage(model, "said"), [-0.5, 0.5])
    for name in ("said-amber", "said-black", "said-black-amber"):
        np.testing.assert_allclose(advantage(model, name), [0.0, 0.0], atol=1e-12)


def test_of_a_redundant_pair_the_second_matters_only_if_the_first_failed() -> None:
    model = team_model("redundant", 1, roles=2, messages=2, coupling=0.0)
    np.testing.assert_allclose(advantage(model, "said"), [-0.25, 0.25])
    np.testing.assert_allclose(advantage(model, "said-black"), [0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(advantage(model, "said-amber"), [-0.5, 0.5])


@pytest.mark.slow
def test_the_exact_success_is_what_playing_gives() -> None:
    model = team_model(num_tasks=3, roles=3, messages=3)
    agent = BehaviourAgent(model)
    played = run_episodes(
        lambda: TeamGame(num_tasks=3, roles=3, messages=3), agent, episodes=3000, seed=2, group_size=1000
    )
    rates = np.array([e.success for e in played]).reshape(3, 1000).mean(axis=1)
    np.testing.assert_allclose(rates, oracle.behaviour_success(model), atol=4 * 0.5 / np.sqrt(1000))
    assert {e.roles for e in played} == {("agent 1", "agent 2", "agent 3")}


def test_the_oracle_annotates_its_batches() -> None:
    model = team_model(num_tasks=4)
    batch = oracle.annotate(sample_batch(model, episodes_per_task=8, seed=0), model)
    assert batch.num_steps == 64
    assert np.isfinite(batch.advantage).all()
    assert np.abs(batch.advantage).max() > 0.05


def test_influence_is_zero_without_coupling_and_ln_2_for_a_copier() -> None:
    silent = team_model(num_tasks=3, coupling=0.0)
    found = influence(silent)
    assert np.isnan(found).sum() == silent.num_states - 3  # only the first of two roles is followed
    np.testing.assert_allclose(found[np.isfinite(found)], 0.0, atol=1e-12)
    model = team_model("xor", 1, roles=2, messages=2, coupling=0.0)
    copier = model.behaviour.copy()
    for said, word in (("said-amber", 0), ("said-black", 1)):
        copier[0, state(model, said)] = np.eye(2)[word]
    object.__setattr__(model, "mean_behaviour", copier[0])
    try:
        np.testing.assert_allclose(influence(model)[state(model, "said")], np.log(2.0))
    finally:
        del model.__dict__["mean_behaviour"]


def test_a_wrong_argument_is_one_sentence() -> None:
    with pytest.raises(UnknownNameError, match="did you mean xor"):
        TeamGame(game="xorr")
    for wrong in ({"roles": 0}, {"num_tasks": 0}):
        with pytest.raises(OptionError, match=r"\.$"):
            TeamGame(**wrong)
    for unplayable in ({"messages": 1}, {"messages": 11}, {"roles": 9}):
        with pytest.raises(ManifestError, match=r"\.$"):
            TeamGame(**unplayable)
