"""What an environment declares of its verifier stays with the episodes, whoever plays them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from builders.corridor import Corridor
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from credit_gym.agents.replay.tree import ReplayTree
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.agents.scripted import RandomAgent
from credit_gym.data.action_format import declaring_class
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.formats.parquet import read_parquet, write_parquet
from credit_gym.registration import ENVIRONMENTS
from credit_gym.wrappers import RecordEpisodes, RecordVerifier
from credit_gym.wrappers.vector import RecordEpisodes as VectorRecordEpisodes

EXACT = ("credit/ALFWorld-v0", "credit/WebShop-v0")


def make(env_id: str) -> gym.Env[str, str]:
    return gym.make(env_id, max_steps=4)


def unread(*_: object) -> float | None:
    return None


def single(env: gym.Env[str, str]) -> list[Episode]:
    recording = RecordEpisodes(env)
    _, info = recording.reset(seed=0)
    over = False
    while not over:
        _, _, terminated, truncated, info = recording.step(info["admissible_actions"][0])
        over = terminated or truncated
    return recording.episodes


def runner(env: gym.Env[str, str]) -> list[Episode]:
    return run_episodes(lambda: env, RandomAgent(), episodes=2, seed=0)


def tree(env: gym.Env[str, str]) -> list[Episode]:
    return ReplayTree(env, RandomAgent()).grow(0).episodes()


WAYS = (single, runner, tree)


@pytest.mark.parametrize("env_id", EXACT)
@pytest.mark.parametrize("played", WAYS)
def test_what_is_declared_is_recorded_with_the_verifier_and_with_no_other(
    env_id: str, played: Callable[[gym.Env[str, str]], list[Episode]]
) -> None:
    assert all(episode.exact_verifier for episode in played(RecordVerifier(make(env_id))))
    assert not any(episode.exact_verifier for episode in played(make(env_id)))
    assert not any(episode.exact_verifier for episode in played(RecordVerifier(make(env_id), unread)))


@pytest.mark.parametrize("played", WAYS)
def test_an_environment_that_declares_nothing_has_a_verifier_of_which_nothing_is_known(
    played: Callable[[gym.Env[str, str]], list[Episode]],
) -> None:
    env = RecordVerifier(gym.make("credit/Stochastic-v0"))
    assert not any(episode.exact_verifier for episode in played(env))


class Declaring(gym.Wrapper[str, str, str, str]):
    def __init__(self, env: gym.Env[str, str], declared: object) -> None:
        super().__init__(env)
        self.declared = declared

    def reset(self, **options: object) -> tuple[str, dict[str, object]]:
        observation, info = self.env.reset(**options)  # type: ignore[arg-type]
        return observation, {**info, "exact_verifier": self.declared, "admissible_actions": ["forward"]}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, object]]:
        *seen, info = self.env.step(action)
        return *seen, {**info, "admissible_actions": ["forward"]}  # type: ignore[return-value]


def test_any_environment_may_declare_it_and_what_is_no_truth_value_costs_the_episode() -> None:
    (said,) = single(RecordVerifier(Declaring(Corridor(), True)))
    assert said.exact_verifier
    assert said.error is None
    recording = RecordEpisodes(RecordVerifier(Declaring(Corridor(), "yes")))
    recording.reset(seed=0)
    for _ in range(8):
        _, _, terminated, truncated, info = recording.step("forward")
        if terminated or truncated:
            break
    wrong = info["episode"]
    assert not wrong.exact_verifier
    assert "info[\"exact_verifier\"] of reset is 'yes': it must be True or False." in wrong.error


@pytest.mark.parametrize("vector", ["native", "sync"])
def test_copies_in_a_vector_declare_what_a_single_one_does(vector: str) -> None:
    modes = {"native": "vector_entry_point", "sync": "sync"}
    arguments = {"max_steps": 3, "num_tasks": 4}
    env = gym.make_vec("credit/ALFWorld-v0", num_envs=2, vectorization_mode=modes[vector], **arguments)
    for verifier in (True, False):
        recording = VectorRecordEpisodes(env, verifier=verifier)
        recording.reset(seed=0)
        for _ in range(8):  # a second episode begins by itself
            recording.step(["look", "look"])
        assert [episode.exact_verifier for episode in recording.episodes] == [verifier] * 4


@pytest.mark.parametrize("env_id", EXACT)
@given(detour=st.lists(st.integers(0, 9), max_size=4), seed=st.integers(0, 5))
@settings(max_examples=8, deadline=None)
def test_readings_sum_to_what_lies_between_the_ends_whatever_the_way(env_id: str, detour: list[int], seed: int) -> None:
    env = games(env_id)
    _, info = env.reset(seed=seed)
    start = env.clone_state()
    straight, won = followed(env, info)
    _, info = env.restore_state(start)
    readings = []
    for choice in detour:
        offered = ["dance", *(action for action in info["admissible_actions"] if action != "click[buy now]")]
        _, _, terminated, _, info = env.step(offered[choice % len(offered)])
        readings.append(info["verifier"])
        assume(not terminated)
    rest, won_too = followed(env, info)
    assume(won and won_too)
    assert sum(readings) + sum(rest) == pytest.approx(sum(straight), abs=1e-9)


@cache
def games(env_id: str) -> Any:
    return gym.make(env_id).unwrapped


def followed(env: Any, info: Mapping[str, Any]) -> tuple[list[float], bool]:
    """The readings along the expert's way, and whether it won."""
    readings, over = [], False
    while not over:
        _, _, terminated, truncated, info = env.step(info["expert_actions"][0])
        readings.append(info["verifier"])
        over = terminated or truncated
    return readings, info["success"]


def test_what_is_declared_goes_to_the_batch_and_to_the_exported_table(tmp_path: Path) -> None:
    episodes = single(RecordVerifier(make("credit/ALFWorld-v0")))
    exact = EpisodeBatch.from_episodes(episodes).select([0, 0]).exact_verifier
    assert exact is not None
    assert exact.tolist() == [True, True]
    write_parquet(tmp_path / "turns.parquet", episodes, {})
    assert read_parquet(tmp_path / "turns.parquet").episodes["exact_verifier"].to_pylist() == [True]


def test_who_declares_it_can_be_read_without_playing() -> None:
    declared = [spec.id for spec in ENVIRONMENTS if getattr(declaring_class(spec.id), "exact_verifier", False)]
    assert declared == list(EXACT)
