"""What an environment declares of its info, its reward, its ends and its data is what it gives."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import gymnasium as gym
import pytest
from builders import ROOT
from gymnasium.envs.registration import load_env_creator

from credit_gym.data.action_format import declaring_class
from credit_gym.data.declarations import INFO_KEYS, RULES, declaration
from credit_gym.registration import ENVIRONMENTS

IDS = [spec.id for spec in ENVIRONMENTS]
DATA_ARGUMENTS = {"data", "folder", "levels", "problems", "scenarios", "words"}
"""Arguments that name data of somebody's own, whatever the environment."""


def episodes(env_id: str) -> Iterator[list[tuple[dict[str, Any], bool, bool]]]:
    """The infos of an episode by its expert and of one at random, with what ended it."""
    env = gym.make(env_id)
    choose = random.Random(0).choice
    for expert in (True, False):
        _, info = env.reset(seed=0)
        moments = [(info, False, False)]
        for _ in range(200):
            offered = info.get("admissible_actions") or ["look"]
            best = info.get("expert_actions") if expert else None
            *_, terminated, truncated, info = env.step(best[0] if best else choose(list(offered)))
            moments.append((info, terminated, truncated))
            if terminated or truncated:
                break
        yield moments
    env.close()


@pytest.mark.parametrize("env_id", IDS)
def test_every_key_of_info_is_declared_and_every_end_is(env_id: str) -> None:
    played = list(episodes(env_id))
    seen = {key for moments in played for info, _, _ in moments for key in info}
    assert seen <= set(declaration(env_id).info_keys)
    assert {"task", "state_key", "verifier", "invalid"} <= seen
    rule = declaration(env_id).rules["Ends"]
    for *_, (_, terminated, truncated) in played:
        assert terminated or truncated
        assert not terminated or "Terminates" in rule
        assert not truncated or "truncated" in rule.replace("never truncated", "")


@pytest.mark.parametrize("env_id", IDS)
def test_every_environment_says_all_rules_in_sentences(env_id: str) -> None:
    declared = declaration(env_id)
    assert list(declared.rules) == list(RULES)
    assert all(rule.endswith(".") and "  " not in rule for rule in declared.rules.values())
    assert set(INFO_KEYS) <= set(declared.info_keys)
    assert all(meaning and not meaning.endswith(".") for meaning in declared.info_keys.values())
    assert not declared.page or (ROOT / "docs" / f"{declared.page}.md").exists()


@pytest.mark.parametrize("env_id", IDS)
def test_what_sets_the_limit_is_named_where_it_is_said_what_ends_an_episode(env_id: str) -> None:
    rule = declaration(env_id).rules["Ends"]
    argument = getattr(declaring_class(env_id), "limit_argument", "")
    named = set(re.findall(r"`(\w+)`", rule)) - {"max_episode_steps"}
    assert named <= set(parameters(env_id))
    if argument in parameters(env_id):
        assert argument in named


@pytest.mark.parametrize("env_id", IDS)
def test_data_of_ones_own_are_named_by_what_the_code_reads(env_id: str) -> None:
    rules = declaration(env_id).rules
    arguments = set(re.findall(r"`(\w+)=", rules["Tasks"] + rules["Published"]))
    assert arguments <= set(parameters(env_id))
    assert DATA_ARGUMENTS & set(parameters(env_id)) <= arguments
    for variable in re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z_]+\b", rules["Tasks"]):
        assert f'"{variable}"' in sources()


def test_every_variable_that_names_data_is_declared_by_some_environment() -> None:
    read = set(re.findall(r'(?:environ\.get\(|VARIABLE = )"(\w+_(?:DATA|DATA_DIR|DIR))"', sources()))
    assert read
    assert read <= set(re.findall(r"\w+", " ".join(declaration(env_id).rules["Tasks"] for env_id in IDS)))


@pytest.mark.parametrize("env_id", IDS)
def test_what_is_declared_forkable_is_forked(env_id: str) -> None:
    assert declaration(env_id).forkable
    env = gym.make(env_id).unwrapped
    env.reset(seed=0)
    assert env.clone_state() is not None


def test_an_environment_of_somebody_else_declares_the_least() -> None:
    assert declaration("CartPole-v1").rules == {}
    assert not declaration("CartPole-v1").forkable
    assert declaration("no/such-v0").info_keys == INFO_KEYS


def parameters(env_id: str) -> tuple[str, ...]:
    """The arguments that an id takes."""
    entry_point = gym.spec(env_id).entry_point
    return tuple(inspect.signature(load_env_creator(entry_point) if isinstance(entry_point, str) else dict).parameters)


@cache
def sources() -> str:
    """The code of all environments."""
    return "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "envs").rglob("*.py")))
