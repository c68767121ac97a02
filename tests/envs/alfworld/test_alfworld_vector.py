"""The vector environment against single ones, copy by copy."""

from __future__ import annotations

from random import Random

import gymnasium as gym
import numpy as np
import pytest

import credit_gym  # noqa: F401 - registers the environments
from credit_gym.envs.alfworld.env import ALFWorldEnv
from credit_gym.envs.alfworld.vector import ALFWorldVectorEnv

COLUMNS = ("state_key", "verifier", "distance", "invalid")


@pytest.fixture(autouse=True)
def _generated_games(monkeypatch):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)


@pytest.mark.parametrize("by_position", [False, True])
def test_copies_play_as_single_environments_do(by_position):
    count, random = 5, Random(0)
    vector = ALFWorldVectorEnv(count, num_tasks=9, max_steps=12)
    singles = [ALFWorldEnv(num_tasks=9, max_steps=12) for _ in range(count)]
    observations, infos = vector.reset(seed=3)
    expected = [env.reset(seed=3 + i) for i, env in enumerate(singles)]
    over = [False] * count
    for _ in range(60):
        for i, (observation, info) in enumerate(expected):
            assert observations[i] == observation
            assert [infos[name][i] for name in COLUMNS] == [info[name] for name in COLUMNS]
            assert list(infos["admissible_actions"][i]) == info["admissible_actions"]
            assert {name: infos["task"][name][i] for name in info["task"]} == info["task"]
            assert infos["_success"][i] == ("success" in info)
            assert infos["success"][i] == info.get("success", False)
        options = [
            info["expert_actions"] if random.random() < 0.6 else info["admissible_actions"] for _, info in expected
        ]
        texts = [random.choice(option or ["fly"]) for option in options]
        if by_position:
            listed = [info["admissible_actions"] for _, info in expected]
            actions = np.array([here.index(a) if a in here else 99 for here, a in zip(listed, texts, strict=True)])
        else:
            actions = texts
        observations, rewards, terminated, truncated, infos = vector.step(actions)
        for i, env in enumerate(singles):
            if over[i]:
                expected[i], over[i] = env.reset(), False
                assert (rewards[i], terminated[i], truncated[i]) == (0.0, False, False)
            else:
                observation, reward, won, late, info = env.step(texts[i])
                assert (rewards[i], terminated[i], truncated[i]) == (reward, won, late)
                expected[i], over[i] = (observation, info), won or late
    assert not any(env.close() for env in singles)


def test_it_is_what_make_vec_makes():
    env = gym.make_vec("credit/ALFWorld-v0", num_envs=3, vectorization_mode="vector_entry_point", num_tasks=6)
    observations, infos = env.reset(seed=0, options={"task": [0, 1, 0]})
    assert observations[0] == observations[2] != observations[1]
    assert env.observation_space.contains(observations)
    assert infos["task"]["id"][0] == infos["task"]["id"][2]
    assert env.reset(seed=5)[0] == env.reset(seed=[5, 6, 7])[0]
    with pytest.raises(gym.error.Error, match="0 to 5"):
        env.reset(options={"task": 6})
    with pytest.raises(gym.error.Error, match="seed"):
        env.reset(seed=[1, 2])
    with pytest.raises(gym.error.InvalidAction, match="3 actions"):
        env.step(["look"])


def test_it_must_be_reset_first():
    with pytest.raises(gym.error.ResetNeeded):
        ALFWorldVectorEnv(2, num_tasks=2).step(["look", "look"])


def test_what_is_not_asked_for_is_left_out_and_changes_nothing_else():
    full = ALFWorldVectorEnv(4, num_tasks=6, max_steps=9)
    bare = ALFWorldVectorEnv(4, num_tasks=6, max_steps=9, admissible=False, verifier=False)
    draws = np.random.default_rng(0)
    played, quick = full.reset(seed=1), bare.reset(seed=1)
    for _ in range(30):
        infos, kept = played[-1], quick[-1]
        assert quick[0] == played[0]
        for mine, theirs in zip(quick[1:-1], played[1:-1], strict=True):
            np.testing.assert_array_equal(mine, theirs)
        left_out = {"admissible_actions", "verifier", "exact_verifier", "distance"}
        assert {len(column) for name, column in infos.items() if name.startswith("_")} == {4}
        assert infos.keys() - kept.keys() == left_out | {f"_{name}" for name in left_out}
        assert list(kept["state_key"]) == list(infos["state_key"])
        assert [bare.admissible_actions(i) for i in range(4)] == list(infos["admissible_actions"])
        actions = draws.integers([len(here) for here in infos["admissible_actions"]])
        played, quick = full.step(actions), bare.step(actions)
