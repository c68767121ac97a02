"""What an environment declares of its info and its reward is what it gives."""

from __future__ import annotations

import random

import gymnasium as gym
import pytest

from credit_gym.data.declarations import INFO_KEYS, declaration
from credit_gym.registration import ENVIRONMENTS

IDS = [spec.id for spec in ENVIRONMENTS]


@pytest.mark.parametrize("env_id", IDS)
def test_every_key_of_info_is_declared(env_id: str) -> None:
    env = gym.make(env_id)
    choose = random.Random(0).choice
    seen: set[str] = set()
    for expert in (True, False):
        _, info = env.reset(seed=0)
        seen |= set(info)
        for _ in range(30):
            offered = info.get("admissible_actions") or ["look"]
            best = info.get("expert_actions") if expert else None
            *_, terminated, truncated, info = env.step(best[0] if best else choose(list(offered)))
            seen |= set(info)
            if terminated or truncated:
                break
    env.close()
    assert seen <= set(declaration(env_id).info_keys)
    assert {"task", "state_key", "verifier", "invalid"} <= seen


@pytest.mark.parametrize("env_id", IDS)
def test_every_environment_says_what_it_rewards_and_verifies(env_id: str) -> None:
    declared = declaration(env_id)
    assert declared.reward_rule.endswith(".")
    assert declared.verifier_rule.endswith(".")
    assert set(INFO_KEYS) <= set(declared.info_keys)
    assert all(meaning and not meaning.endswith(".") for meaning in declared.info_keys.values())


def test_an_environment_of_somebody_else_declares_the_least() -> None:
    assert declaration("CartPole-v1").reward_rule == ""
    assert declaration("no/such-v0").info_keys == INFO_KEYS
