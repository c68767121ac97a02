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
REFUSED = "cannot hold"
NAMED = {
    "credit/ALFWorld-v0": ("max_steps", 0),
    "credit/WebShop-v0": ("max_steps", 0),
    "credit/TwentyQuestions-v0": ("turns", 0),
    "credit/GuessMyCity-v0": ("turns", 0),
    "credit/MurderMystery-v0": ("turns", 0),
    "credit/CustomerService-v0": ("turns", 0),
    "credit/Personalization-v0": ("questions", -1),  # the recommendation is a turn too
}
"""The argument of an environment that limits its steps, and what to add to the steps for it."""


@pytest.mark.parametrize("steps", [1, 7, 150])
@pytest.mark.parametrize("env_id", IDS)
def test_a_limit_means_what_it_says(env_id: str, steps: int) -> None:
    env = gym.make(env_id, max_episode_steps=steps)
    for task in (0, 1):
        _, info = env.reset(seed=3, options={"task": task})
        told, taken, terminated, truncated = info["step_limit"], 0, False, False
        while not (terminated or truncated):
            _, _, terminated, truncated, info = env.step("hm")
            taken += 1
        assert taken == told == steps or (terminated and taken <= told <= steps)  # some games end by their own rules
        assert info["success"] is False


@pytest.mark.parametrize("steps", [2, 41])
@pytest.mark.parametrize("env_id", NAMED)
def test_a_limit_is_the_argument_of_its_name(env_id: str, steps: int) -> None:
    argument, more = NAMED[env_id]
    given: dict[str, Any] = {argument: steps + more}
    ours, theirs = gym.make(env_id, max_episode_steps=steps), gym.make(env_id, **given)
    for seed in (5, None, 6):
        answers: list[Any] = [env.reset(seed=seed) for env in (ours, theirs)]
        over = False
        while not over:
            assert answers[0] == answers[1]
            *_, info = answers[0]
            action = (info.get("expert_actions") or info["admissible_actions"])[-1]
            answers = [env.step(action) for env in (ours, theirs)]
            over = bool(answers[0][2] or answers[0][3])
        ended = [(*answer[:3], answer[4]) for answer in answers]
        assert ended[0] == ended[1]  # TimeLimit truncates also what terminates at that step


@pytest.mark.parametrize("env_id", [*NAMED, "credit/Tau2-v0"])
def test_a_limit_that_an_argument_forbids_is_refused_and_a_smaller_one_holds(env_id: str) -> None:
    argument, more = NAMED.get(env_id, ("max_steps", 0))
    given: dict[str, Any] = {argument: 9}
    env = gym.make(env_id, max_episode_steps=120, **given)
    with pytest.raises(
        gym.error.Error, match=f"^{env_id} ends .* so max_episode_steps=120 cannot hold: leave .* out[.]$"
    ):
        env.reset(seed=0)
    for equal in (120, 500):
        env = gym.make(env_id, max_episode_steps=120, **{**given, argument: equal + more})
        assert env.reset(seed=0)[1]["step_limit"] == 120


@pytest.mark.parametrize("env_id", IDS)
def test_without_a_limit_around_it_an_environment_is_as_it_was_made(env_id: str) -> None:
    limited = gym.make(env_id, max_episode_steps=90)
    limited.reset(seed=4)
    bare = limited.unwrapped
    assert bare.reset(seed=4) == gym.make(env_id).reset(seed=4)


def test_an_exact_model_tells_of_the_limit() -> None:
    env: Any = gym.make("credit/Diagnostic-v0", max_episode_steps=30)
    env.reset(seed=0)
    model, own = env.unwrapped.model, gym.make("credit/Diagnostic-v0").unwrapped.model  # type: ignore[attr-defined]
    assert set(model.horizon) == {30}
    assert set(own.horizon) != {30}
    assert (model.evaluation_horizon[own.evaluation_horizon == own.horizon] == 30).all()
    assert (model.evaluation_horizon <= 30).all()
    native: Any = gym.make_vec("credit/Diagnostic-v0", 2, max_episode_steps=30)
    assert (native.model.horizon == model.horizon).all()


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
    assert gym.wrappers.TimeLimit(bare, 10_000).reset(seed=0)[1]["step_limit"] == 10_000


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


@pytest.mark.parametrize("steps", [2, 110])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", NATIVE)
def test_a_limit_means_what_it_says_in_every_vector_mode(env_id: str, mode: str, steps: int) -> None:
    envs = gym.make_vec(env_id, 2, vectorization_mode=mode, max_episode_steps=steps)
    _, infos = envs.reset(seed=0)
    assert infos["step_limit"].tolist() == [steps, steps]
    ends = [envs.step(["hm", "hm"])[3].all() for _ in range(steps)]
    assert ends == [False] * (steps - 1) + [True]


@pytest.mark.parametrize("mode", MODES)
def test_a_limit_that_an_argument_forbids_is_refused_in_every_vector_mode(mode: str) -> None:
    with pytest.raises(gym.error.Error, match=REFUSED):
        gym.make_vec("credit/ALFWorld-v0", 2, vectorization_mode=mode, max_episode_steps=9, max_steps=8).reset(seed=0)
    envs = gym.make_vec("credit/ALFWorld-v0", 2, vectorization_mode=mode, max_episode_steps=9, max_steps=80)
    assert envs.reset(seed=0)[1]["step_limit"].tolist() == [9, 9]


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
