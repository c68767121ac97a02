"""The native vector environment is n single ones."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import credit_gym  # noqa: F401 - registers the ids
from credit_gym.envs.tabular.diagnostic import diagnostic_model
from credit_gym.envs.tabular.env import TabularEnv
from credit_gym.envs.tabular.stochastic import stochastic_model
from credit_gym.envs.tabular.vector import TabularVectorEnv
from credit_gym.errors import UnknownNameError

MODELS = {
    "climbs": stochastic_model(5, 0, 0.5, 0.3),
    "two starts": diagnostic_model("alias"),
    "manifest": gym.make("credit/WebShopManifest-v0").unwrapped.model,
}
SEEDS = [3, 3, 2**80 + 1, 0, 17]


def mixed_actions(generator, infos):
    """Some expert, some random, some refused actions."""
    return [
        "sing" if kind == 0 or not admissible else expert[0] if kind < 5 else admissible[kind % len(admissible)]
        for kind, admissible, expert in zip(
            generator.integers(0, 9, len(SEEDS)), infos["admissible_actions"], infos["expert_actions"], strict=True
        )
    ]


@pytest.mark.parametrize("name", MODELS)
def test_text_mode_equals_gymnasiums_own_vectorisation_of_single_environments(name):
    model = MODELS[name]
    native = TabularVectorEnv(model, len(SEEDS))
    singles = SyncVectorEnv([lambda: TabularEnv(model)] * len(SEEDS))
    observation, infos = native.reset(seed=SEEDS)
    expected, expected_infos = singles.reset(seed=SEEDS)
    generator = np.random.default_rng(0)
    for _ in range(300):
        assert observation == expected
        for name in ("state_key", "verifier", "invalid"):
            assert infos[name].tolist() == expected_infos[name].tolist()
            assert infos[f"_{name}"].all()
        for name in ("admissible_actions", "expert_actions"):
            assert [list(texts) for texts in infos[name]] == [list(texts) for texts in expected_infos[name]]
        for name in ("id", "split", "goal"):
            assert infos["task"][name].tolist() == [*expected_infos["task"][name]]
        over = expected_infos.get("_success", np.zeros(len(SEEDS), dtype=bool))
        assert np.array_equal(infos["_success"], over)
        assert not over.any() or np.array_equal(infos["success"][over], expected_infos["success"][over])
        actions = mixed_actions(generator, infos)
        observation, *outcome, infos = native.step(actions)
        expected, *expected_outcome, expected_infos = singles.step(tuple(actions))
        for ours, theirs in zip(outcome, expected_outcome, strict=True):
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("name", MODELS)
def test_index_mode_shows_the_keys_of_the_texts_and_takes_positions(name):
    model = MODELS[name]
    text, index = TabularVectorEnv(model, 4), TabularVectorEnv(model, 4, observation="index")
    words, _ = text.reset(seed=9)
    keys, _ = index.reset(seed=9)
    generator = np.random.default_rng(1)
    for _ in range(200):
        assert words == tuple(model.observations[key] for key in keys)
        position = generator.integers(0, model.admissible.shape[1], 4)
        infos = index.step(position)[-1]
        keys = model.key[infos["state"]]
        words = text.step(position)[0]
        words = tuple(word.removeprefix("There is no such action here. ") for word in words)


def test_positions_out_of_range_are_refused():
    env = TabularVectorEnv(MODELS["climbs"], 3, observation="index")
    before, _ = env.reset(seed=0)
    after, reward, terminated, _, infos = env.step([-1, 99, 10**12])
    assert np.array_equal(before, after)
    assert infos["invalid"].all()
    assert not reward.any()
    assert not terminated.any()


def test_an_integer_seed_counts_up_over_the_copies():
    env = TabularVectorEnv(MODELS["climbs"], 6)
    assert env.reset(seed=40)[0] == env.reset(seed=[40, 41, 42, 43, 44, 45])[0]


def test_tasks_can_be_chosen_for_all_or_for_each():
    env = TabularVectorEnv(MODELS["climbs"], 3)
    names = MODELS["climbs"].task_names
    assert env.reset(seed=0, options={"task": 2})[1]["task"]["id"].tolist() == [names[2]] * 3
    assert env.reset(options={"task": [4, 0, 1]})[1]["task"]["id"].tolist() == [names[4], names[0], names[1]]


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("Stochastic", {}),
        ("StochasticNoisy", {}),
        ("Diagnostic", {"task": "lucky"}),
        ("WebShopManifest", {}),
        ("ALFWorldManifest", {}),
    ],
)
def test_make_vec_finds_the_native_environment(env_id, kwargs):
    env = gym.make_vec(f"credit/{env_id}-v0", num_envs=7, **kwargs)
    assert isinstance(env.unwrapped, TabularVectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert env.unwrapped.model is gym.make(f"credit/{env_id}-v0", **kwargs).unwrapped.model


def test_index_spaces_contain_what_is_shown():
    env = gym.make_vec("credit/Stochastic-v0", num_envs=4, observation="index")
    keys, _ = env.reset(seed=0)
    assert keys in env.observation_space
    assert env.step(env.action_space.sample())[0] in env.observation_space


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda env: env.step(["a", "b", "c"]), "call reset"),
        (lambda env: env.reset(seed=[1, 2]), "3 of them"),
        (lambda env: env.reset(seed=[1, 2, -3]), "non-negative"),
        (lambda env: env.reset(seed=[1, 2, "3"]), "non-negative"),
        (lambda env: env.reset(options={"task": 77}), "from 0 to 4"),
        (lambda env: (env.reset(seed=0), env.step(["a"])), "needs 3 actions"),
    ],
)
def test_misuse_is_answered_in_one_sentence(call, message):
    with pytest.raises(gym.error.Error, match=message):
        call(TabularVectorEnv(MODELS["climbs"], 3))


def test_an_unknown_observation_mode_is_refused():
    with pytest.raises(UnknownNameError, match="known: index, text"):
        TabularVectorEnv(MODELS["climbs"], 3, observation="pixels")
