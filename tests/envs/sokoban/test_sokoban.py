"""The environment: what an action does, what is told of it, and that n copies are n single ones."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from credit_gym import rng
from credit_gym.envs.sokoban.env import SokobanEnv
from credit_gym.envs.sokoban.moves import read_move, read_moves
from credit_gym.testing import check_env, check_fork, check_no_leak

VARIANTS: list[dict[str, Any]] = [
    {"form": "list"},
    {"width": 10, "height": 9, "boxes": 5},
    {"reward": "published", "boxes": 2},
]


@pytest.fixture
def corridor(tmp_path) -> str:
    path = tmp_path / "corridor.txt"
    path.write_text("########\n#P_X__O#\n#______#\n########\n")
    return str(path)


@pytest.mark.parametrize("arguments", VARIANTS)
def test_every_variant_keeps_the_common_promises(arguments: dict[str, Any]) -> None:
    check_env(SokobanEnv(**arguments))
    check_fork(SokobanEnv(**arguments), seed=2)
    check_no_leak(SokobanEnv(**arguments), episodes=5)


@pytest.mark.parametrize(
    ("text", "move"), [("Up", 0), (" down\n", 1), ("LEFT", 2), ("Right", 3), ("go up", None), ("", None), ("0", None)]
)
def test_one_move_is_read(text: str, move: int | None) -> None:
    assert read_move(text) == move


def test_lists_are_read_in_both_published_forms() -> None:
    assert read_moves("Up, left ,DOWN", 5) == ([0, 2, 1], False)
    assert read_moves("Up || Left || Down", 5) == ([0, 2, 1], False)
    assert read_moves("Up", 5) == ([0], False)
    assert read_moves("Up, Up, Up", 2) == ([0, 0], True)
    assert read_moves("Up, Up, nonsense", 2) == ([0, 0], True)
    for text in ("Up, jump", "", "Up Up", "Up,,Down", "," * 1_000_000):
        assert read_moves(text, 5)[0] == []


def test_a_game_by_hand(corridor: str) -> None:
    env = SokobanEnv(levels=corridor, max_steps=9)
    observation, info = env.reset(seed=0)
    assert observation == "########\n#P_X__O#\n#______#\n########"
    assert (info["distance"], info["exact_verifier"], info["expert_actions"]) == (4.0, True, ["Right"])
    assert info["admissible_actions"] == ["Down", "Right"]
    observation, reward, *_, info = env.step("Up")
    assert observation == "Nothing moves.\n########\n#P_X__O#\n#______#\n########"
    assert (info["invalid"], info["verifier"], reward) == (False, 0.0, 0.0)
    observation, *_, info = env.step("jump")
    assert observation.startswith("That is no move.\n")
    assert info["invalid"]
    for left in (3, 2, 1):
        _, reward, terminated, truncated, info = env.step("right")
        assert (info["distance"], info["verifier"], reward, terminated, truncated) == (left, 1.0, 0.0, False, False)
    observation, reward, terminated, truncated, info = env.step("Right")
    assert observation.splitlines()[1] == "#____P√#"
    assert (reward, terminated, truncated, info["success"]) == (1.0, True, False, True)
    with pytest.raises(gym.error.ResetNeeded):
        env.step("Up")


def test_a_deadlock_is_told_and_as_far_as_an_episode_is_long(tmp_path) -> None:
    path = tmp_path / "level.txt"
    path.write_text("######\n#__O_#\n#_X__#\n#P___#\n######\n")
    env = SokobanEnv(levels=path, max_steps=10)
    env.reset()
    assert env.step("Up")[-1]["deadlock"] is False
    _, _, terminated, _, info = env.step("Down")
    assert not terminated
    env.step("Right")
    before = env.clone_state()
    *_, info = env.step("Up")  # against the wall, along which there is a target
    assert info["deadlock"] is False
    env.restore_state(before)
    assert env.step("Down")[0].startswith("Nothing moves.")
    env.reset()
    *_, info = env.step("Up")
    left = info["distance"]
    *_, info = env.step("Right")
    assert info["distance"] < left
    *_, info = env.step("Right")  # into the corner of the right wall's column
    assert info["deadlock"] is True
    assert info["distance"] == math.inf
    assert info["expert_actions"] == []
    assert info["verifier"] < -5.0


def test_a_list_is_made_up_to_its_limit_and_bumps_are_passed_over(corridor: str) -> None:
    env = SokobanEnv(levels=corridor, form="list", most_moves=3)
    _, info = env.reset()
    assert info["expert_actions"] == ["Right, Right, Right"]
    observation, _, terminated, _, info = env.step("Up || Right || Right || Right || Right")
    assert observation.splitlines()[:3] == ["Only the first 3 moves were made.", "########", "#__PX_O#"]
    assert (info["verifier"], info["invalid"], terminated) == (2.0, False, False)
    assert info["expert_actions"] == ["Right, Right"]
    observation, reward, terminated, _, info = env.step(info["expert_actions"][0])
    assert (reward, terminated, info["verifier"]) == (1.0, True, 2.0)


def test_the_published_reward_counts_moves_boxes_and_the_end(corridor: str) -> None:
    env = SokobanEnv(levels=corridor, reward="published", form="list", most_moves=9)
    env.reset()
    assert env.step("Up, Right")[1] == pytest.approx(-0.2)
    assert env.step("what")[1] == 0.0
    assert env.step("Right, Right, Right")[1] == pytest.approx(-0.3 + 1.0 + 10.0)


def test_optimal_advantages_are_those_of_the_distance() -> None:
    env = SokobanEnv(boxes=2)
    for seed in range(20):
        _, info = env.reset(seed=seed)
        values, advantages = env.optimal_values(0.9), env.optimal_advantages(0.9)
        assert sorted(values) == sorted(info["admissible_actions"])
        assert {move for move, advantage in advantages.items() if advantage == 0.0} == set(info["expert_actions"])
        for move, value in values.items():
            fork = env.clone_state()
            distance = env.step(move)[-1]["distance"]
            assert value == pytest.approx(0.9**distance)
            env.restore_state(fork)
    large = SokobanEnv(width=10, height=10, boxes=5)
    large.reset(seed=1)
    with pytest.raises(NotImplementedError, match="too large"):
        large.optimal_values()


def test_a_large_room_has_a_bound_in_the_place_of_a_distance() -> None:
    env = SokobanEnv(width=10, height=10, boxes=5)
    _, info = env.reset(seed=1)
    assert info["exact_verifier"] is False
    assert "distance" not in info
    assert "expert_actions" not in info
    told = [env.step(info["admissible_actions"][k % len(info["admissible_actions"])])[-1]["verifier"] for k in range(9)]
    assert all(math.isfinite(each) for each in told)


@pytest.mark.parametrize("arguments", [{}, *VARIANTS])
@pytest.mark.parametrize("texts", [True, False])
def test_n_copies_are_n_single_ones(arguments: dict[str, Any], texts: bool) -> None:
    many = gym.make_vec(
        "credit/Sokoban-v0", 4, vectorization_mode="vector_entry_point", max_steps=9, num_tasks=5, **arguments
    )
    singles = [SokobanEnv(max_steps=9, num_tasks=5, **arguments) for _ in range(4)]
    observations, infos = many.reset(seed=7)
    told = [env.reset(seed=7 + copy) for copy, env in enumerate(singles)]
    over = [False] * 4
    for step in range(40):
        assert list(observations) == [observation for observation, *_ in told]
        for copy, (*_, info) in enumerate(told):
            for name, value in info.items():
                assert infos[f"_{name}"][copy], name
                shown = infos[name]
                got = {key: shown[key][copy] for key in value} if isinstance(value, dict) else shown[copy]
                assert got == (tuple(value) if isinstance(value, list) else value), name
        offered = [info["admissible_actions"] for *_, info in told]
        chosen = [rng.derive(step, copy) % (len(moves) + 1) for copy, moves in enumerate(offered)]
        written = [(*moves, "nonsense")[each] for each, moves in zip(chosen, offered, strict=True)]
        observations, rewards, terminated, truncated, infos = many.step(written if texts else np.array(chosen))
        told = [
            env.reset() if ended else env.step(action)
            for env, action, ended in zip(singles, written, over, strict=True)
        ]
        steps = [each if len(each) == 5 else (each[0], 0.0, False, False, each[1]) for each in told]
        assert [tuple(row) for row in zip(rewards, terminated, truncated, strict=True)] == [each[1:4] for each in steps]
        over = [each[2] or each[3] for each in steps]
    assert many.reset(seed=1, options={"task": 3})[1]["task"]["id"][0].endswith("/3")
