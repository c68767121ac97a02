"""Gymnasium's own limits and seeds: what ``make`` and ``make_vec`` take holds, or is refused in one sentence."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from credit_gym.envs.text_vector_env import seed_list
from credit_gym.registration import ENVIRONMENTS
from credit_gym.wrappers.vector import RecordEpisodes

IDS = [spec.id for spec in ENVIRONMENTS]
NATIVE = [spec.id for spec in ENVIRONMENTS if spec.vector_entry_point]
MODES = ["vector_entry_point", "sync"]
NEVER_TRUNCATED = ("credit/MultiAgentMath-v0", "credit/MultiAgentCode-v0")
REFUSED = "cannot hold"


@pytest.mark.parametrize("env_id", IDS)
def test_a_larger_limit_holds_or_is_refused(env_id: str) -> None:
    env = gym.make(env_id, max_episode_steps=1000)
    if env_id not in NEVER_TRUNCATED:
        with pytest.raises(
            gym.error.Error, match=f"^{env_id} ends .* so max_episode_steps=1000 cannot hold: [^.]*[.]$"
        ):
            env.reset(seed=0)
        return
    env.reset(seed=0)
    terminated = truncated = False
    while not (terminated or truncated):
        _, _, terminated, truncated, _ = env.step("hm")
    assert terminated


@pytest.mark.parametrize(
    ("env_id", "argument"),
    [("credit/ALFWorld-v0", "max_steps"), ("credit/WebShop-v0", "max_steps"), ("credit/TwentyQuestions-v0", "turns")],
)
def test_the_refusal_names_the_argument_that_helps(env_id: str, argument: str) -> None:
    with pytest.raises(gym.error.Error, match=f"give {argument}=120 in its place"):
        gym.make(env_id, max_episode_steps=120).reset(seed=0)
    env = gym.make(env_id, max_episode_steps=120, **{argument: 120})
    env.reset(seed=0)
    ends = [env.step("hm")[3] for _ in range(120)]
    assert ends == [False] * 119 + [True]


@pytest.mark.parametrize("env_id", IDS)
def test_the_last_info_under_a_time_limit_says_that_the_task_is_not_solved(env_id: str) -> None:
    env = gym.make(env_id, max_episode_steps=1)
    for seed in range(2):
        _, info = env.reset(seed=seed)
        assert "success" not in info
        _, _, _, truncated, info = env.step("hm")
        assert truncated
        assert info["success"] is False


def test_a_time_limit_put_around_or_taken_away_later_is_noticed() -> None:
    bare = gym.make("credit/Stochastic-v0")
    bare.reset(seed=0)
    limited = gym.wrappers.TimeLimit(bare, 2)
    limited.reset(seed=0)
    assert [limited.step("hm")[4].get("success") for _ in range(2)] == [None, False]
    bare.reset(seed=0)
    assert [bare.step("hm")[4].get("success") for _ in range(3)] == [None, None, None]
    with pytest.raises(gym.error.Error, match=REFUSED):
        gym.wrappers.TimeLimit(bare, 10_000).reset(seed=0)


@pytest.mark.parametrize("env_id", NATIVE)
def test_a_native_vector_environment_takes_a_limit_as_the_others_do(env_id: str) -> None:
    native, sync = (gym.make_vec(env_id, 4, vectorization_mode=mode, max_episode_steps=3) for mode in MODES)
    observations, infos = native.reset(seed=2)
    assert observations == sync.reset(seed=2)[0]
    for number in range(12):
        actions = [(choices or ("hm",))[number % max(len(choices), 1)] for choices in infos["admissible_actions"]]
        ours, theirs = native.step(actions), sync.step(actions)
        for mine, other in zip(ours[:4], theirs[:4], strict=True):
            assert list(mine) == list(other)
        over, infos = ours[2] | ours[3], ours[4]
        assert ours[4]["_success"].tolist() == over.tolist()
        assert theirs[4].get("_success", np.zeros(4, bool)).tolist() == over.tolist()
        if over.any():
            assert ours[4]["success"][over].tolist() == theirs[4]["success"][over].tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", NATIVE)
def test_a_larger_limit_is_refused_in_every_vector_mode(env_id: str, mode: str) -> None:
    with pytest.raises(gym.error.Error, match=REFUSED):
        gym.make_vec(env_id, 2, vectorization_mode=mode, max_episode_steps=1000).reset(seed=0)


@pytest.mark.parametrize("limit", [0, -3, 2.5, True, "9"])
def test_a_limit_that_is_none_is_refused(limit: Any) -> None:
    with pytest.raises(gym.error.Error, match="max_episode_steps must be a positive integer"):
        gym.make_vec("credit/Stochastic-v0", 2, max_episode_steps=limit)


@pytest.mark.parametrize("env_id", NATIVE)
def test_a_seed_list_with_gaps_seeds_some_copies_and_lets_the_others_go_on(env_id: str) -> None:
    native, sync = (gym.make_vec(env_id, 3, vectorization_mode=mode) for mode in MODES)
    for seed in ([4, 5, 6], [None, 9, None], None, [1, None, 2], [None, None, None]):
        assert native.reset(seed=seed)[0] == sync.reset(seed=seed)[0]  # type: ignore[arg-type]
    fresh = gym.make_vec(env_id, 3, vectorization_mode="vector_entry_point")
    alone = gym.make_vec(env_id, 1, vectorization_mode="vector_entry_point")
    assert fresh.reset(seed=[None, 7, None])[0][1] == alone.reset(seed=[7])[0][0]  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (np.int64(3), [3, 4]),
        (np.array([3, 4]), [3, 4]),
        (np.array(3), [3, 4]),
        ([3, None], [3, None]),
        ((np.uint8(3), 2**70), [3, 2**70]),
        (None, [None, None]),
    ],
)
def test_seeds_may_be_numpys(mode: str, seed: Any, expected: list[int | None]) -> None:
    assert seed_list(seed, 2) == expected
    envs = RecordEpisodes(gym.make_vec("credit/Stochastic-v0", 2, vectorization_mode=mode))
    envs.reset(seed=seed)
    while len(envs.episodes) < 8:  # tasks have their own limits: one copy may end twice before the other ends once
        envs.step(["hm", "hm"])
    recorded = [episode.seed for episode in envs.episodes if episode.seed is not None]
    assert sorted(recorded) == sorted(each for each in expected if each is not None)


@pytest.mark.parametrize(
    "seed", [-1, [1], [1, 2, 3], [1, -1], True, [1, True], 2.0, "12", [1, "2"], np.array([1.0, 2.0])]
)
def test_what_is_no_seed_is_refused(seed: Any) -> None:
    with pytest.raises(gym.error.Error, match="non-negative"):
        gym.make_vec("credit/Stochastic-v0", 2).reset(seed=seed)
