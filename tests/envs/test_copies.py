"""A copy of an environment, however it was made, plays the same future and leaves the original alone."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest

import credit_gym  # noqa: F401 - registers the ids
from credit_gym.envs.alfworld.env import ALFWorldEnv
from credit_gym.envs.tabular.env import stochastic
from credit_gym.envs.text_env import TextEnv
from credit_gym.registration import ENVIRONMENTS
from credit_gym.testing import play
from credit_gym.wrappers import RecordVerifier

IDS = [spec.id for spec in ENVIRONMENTS]
NATIVE = [spec.id for spec in ENVIRONMENTS if spec.vector_entry_point]
WAYS: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
}

every_id = pytest.mark.parametrize("env_id", IDS)
every_way = pytest.mark.parametrize("way", WAYS)


def future(env: gym.Env[Any, Any], *, begun: bool) -> str:
    """What happens from here: the rest of the episode, the next one of the same stream, and a seeded one."""
    seen: list[object] = []
    if begun:
        for _ in range(6):
            try:
                seen.append(env.step("look"))
            except gym.error.ResetNeeded:
                seen.append("over")
        observation, info = env.reset()
        seen += [observation, info, play(env, info, 6, 2)]
    observation, info = env.reset(seed=5)
    return repr([*seen, observation, info, play(env, info, 6, 1), env.np_random.integers(1 << 40)])


@every_way
@every_id
def test_a_copy_made_before_any_reset_plays(env_id: str, way: str) -> None:
    env = gym.make(env_id)
    twin = WAYS[way](env)
    assert twin.spec == env.spec
    assert future(twin, begun=False) == future(env, begun=False)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 2, 60])
@every_way
@every_id
def test_a_copy_plays_the_same_future_from_any_moment(env_id: str, way: str, steps: int) -> None:
    env = gym.make(env_id)
    _, info = env.reset(seed=3)
    play(env, info, steps, 3)
    first, second = WAYS[way](env), WAYS[way](env)
    expected = future(first, begun=True)
    assert future(second, begun=True) == expected
    assert future(env, begun=True) == expected  # neither copy moved it


@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_a_copy_inside_wrappers_keeps_its_time_limit(way: str) -> None:
    env = RecordVerifier(gym.make("credit/Stochastic-v0", max_episode_steps=4))
    env.reset(seed=0)
    env.step("look")
    ends = [[twin.step("look")[3:] for _ in range(3)] for twin in (WAYS[way](env), env)]
    assert ends[0] == ends[1]
    assert [truncated for truncated, _ in ends[0]] == [False, False, True]
    assert [info.get("success") for _, info in ends[0]] == [None, None, False]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
@pytest.mark.parametrize("env_id", NATIVE)
def test_a_copy_of_a_native_vector_environment_plays_the_same_future(env_id: str, way: str) -> None:
    envs = gym.make_vec(env_id, num_envs=3)
    assert repr(WAYS[way](envs).reset(seed=1)) == repr(envs.reset(seed=1))
    envs.step(["look"] * 3)
    twin = WAYS[way](envs)
    ours, theirs = ([repr(each.step(["look"] * 3)) for _ in range(60)] for each in (twin, envs))
    assert ours == theirs


def test_copies_share_the_judge_that_they_were_made_with() -> None:
    class Judge:
        def __call__(self, chat: object) -> str:
            return "Yes."

        def __deepcopy__(self, _: object) -> Judge:
            raise AssertionError("a connection cannot be copied")

    env = gym.make("credit/TwentyQuestions-v0", answerer=Judge())
    env.reset(seed=0)
    twin: Any = copy.deepcopy(env)
    assert twin.step("Is it alive?")[0] == env.step("Is it alive?")[0]


def test_what_cannot_be_forked_is_copied_attribute_by_attribute() -> None:
    class Counter(TextEnv):
        def __init__(self, start: int) -> None:
            super().__init__()
            self.count = [start]

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            self.seed_episode(seed)
            return "0", {}

        def step(self, action: str) -> Any:
            self.count[0] += 1
            return str(self.count[0]), 0.0, False, False, {}

    env = Counter(5)
    env.reset(seed=1)
    env.step("on")
    twin = copy.deepcopy(env)
    assert (twin.step("on")[0], env.step("on")[0]) == ("7", "7")
    assert twin.draw() == env.draw()


def test_the_handcoded_expert_travels_with_its_memory() -> None:
    pytest.importorskip("alfworld")
    env = ALFWorldEnv(expert="handcoded", num_tasks=4, task_types=["pick_two_obj_and_place"])  # eight steps at least
    _, info = env.reset(seed=2)
    for _ in range(7):
        _, _, _, _, info = env.step(info["expert_actions"][0])
    twins = [env, *(way(env) for way in WAYS.values())]
    seen = []
    for twin in twins:
        advice, actions = info, []
        while "success" not in advice:
            (action,) = advice["expert_actions"]
            actions.append(action)
            advice = twin.step(action)[4]
        seen.append(actions)
    assert all(actions == seen[0] for actions in seen)


def test_a_copy_of_a_model_environment_shares_the_model() -> None:
    env = stochastic(num_tasks=2)
    assert copy.deepcopy(env).model is env.model
