"""What an info says whatever the environment: how many steps are left, and the same of copies as of one."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from credit_gym.registration import ENVIRONMENTS
from credit_gym.wrappers.vector import split_infos

IDS = [spec.id for spec in ENVIRONMENTS]
NATIVE = [spec.id for spec in ENVIRONMENTS if spec.vector_entry_point]
ONE_STEP_EACH = set(IDS) - {"credit/FunctionCalls-v0", "credit/Tau2-v0", "credit/WhoAndWhen-v0"}  # others use more up


@pytest.mark.parametrize("env_id", IDS)
def test_steps_left_fall_to_the_end_and_a_clone_knows_them(env_id: str) -> None:
    env: Any = gym.make(env_id)
    _, info = env.reset(seed=2)
    limit, left, over = info["step_limit"], info["steps_left"], False
    assert left == limit - (env_id == "credit/Tau2-v0")  # where the customer's first message counts
    while not over:
        offered = info["admissible_actions"]
        _, _, terminated, truncated, info = env.step(offered[-1] if offered else "Good day.")
        over = terminated or truncated
        assert info["step_limit"] == limit
        assert info["steps_left"] == left - 1 if env_id in ONE_STEP_EACH else 0 <= info["steps_left"] < left
        left = info["steps_left"]
        assert over or left > 0
        assert env.unwrapped.restore_state(env.unwrapped.clone_state())[1]["steps_left"] == left


@pytest.mark.parametrize("env_id", sorted(ONE_STEP_EACH))
def test_a_time_limit_around_it_counts(env_id: str) -> None:
    env = gym.make(env_id, max_episode_steps=2)
    _, info = env.reset(seed=2)
    told = [(info["step_limit"], info["steps_left"])]
    *_, truncated, info = env.step((info["admissible_actions"] or ["Good day."])[0])
    told.append((info["step_limit"], info["steps_left"]))
    assert told == [(2, 2), (2, 1)]
    assert not truncated


@pytest.mark.parametrize("limit", [None, 4])
@pytest.mark.parametrize("env_id", NATIVE)
def test_a_native_vector_environment_says_what_single_ones_say(env_id: str, limit: int | None) -> None:
    arguments: dict[str, Any] = {} if limit is None else {"max_episode_steps": limit}
    native: Any = gym.make_vec(env_id, num_envs=3, vectorization_mode="vector_entry_point", **arguments)
    singles = [gym.make(env_id, **arguments) for _ in range(3)]
    _, infos = native.reset(seed=5)
    expected = [env.reset(seed=5 + number)[1] for number, env in enumerate(singles)]
    over = [False] * 3
    draws = np.random.default_rng(0)
    for _ in range(60):
        assert list(map(plain, split_infos(infos, 3))) == list(map(plain, expected))
        choices = [info["admissible_actions"] for info in expected]
        actions = [offered[draws.integers(len(offered))] if offered else "sing" for offered in choices]
        *_, infos = native.step(actions)
        for number, env in enumerate(singles):
            if over[number]:
                expected[number], over[number] = env.reset()[1], False
            else:
                *_, terminated, truncated, expected[number] = env.step(actions[number])
                over[number] = terminated or truncated


def plain(value: Any) -> Any:
    """Lists for tuples."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return list(value) if isinstance(value, (list, tuple)) else value
