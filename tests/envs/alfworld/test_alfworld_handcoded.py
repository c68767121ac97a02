"""ALFWorld's own expert, asked through its own package."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import pytest

from credit_gym.envs.alfworld.env import ALFWorldEnv
from credit_gym.errors import UnknownNameError
from credit_gym.testing import check_fork

pytest.importorskip("alfworld")


def play(env: ALFWorldEnv, task: int, seed: int = 0) -> tuple[list[str], bool]:
    """The expert's own game: its actions, and whether it won."""
    _, info = env.reset(seed=seed, options={"task": task})
    actions, over = [], False
    while not over:
        (action,) = info["expert_actions"]
        assert action in info["admissible_actions"]
        _, _, terminated, truncated, info = env.step(action)
        actions.append(action)
        over = terminated or truncated
    return actions, info["success"]


def wins(expert: str, task_type: str, games: int) -> int:
    env = ALFWorldEnv(expert=expert, task_types=[task_type], num_tasks=games)
    return sum(play(env, task)[1] for task in range(games))


@pytest.mark.slow
def test_it_wins_most_games_but_not_by_the_shortest_way() -> None:
    handcoded, optimal = ALFWorldEnv(expert="handcoded"), ALFWorldEnv()
    games = [(play(handcoded, task), play_optimal(optimal, task)) for task in range(24)]
    assert sum(won for (_, won), _ in games) >= 20
    assert all(len(actions) >= best for (actions, won), best in games if won)
    assert sum(len(actions) for (actions, _), _ in games) > sum(best for _, best in games)


def play_optimal(env: ALFWorldEnv, task: int) -> int:
    _, info = env.reset(seed=0, options={"task": task})
    return int(info["distance"])


@pytest.mark.slow
def test_the_package_never_notices_that_its_hands_are_empty_and_we_tell_it() -> None:
    assert wins("handcoded", "pick_two_obj_and_place", 20) >= 18
    assert wins("handcoded_upstream", "pick_two_obj_and_place", 20) <= 6


def test_both_engines_ask_the_same_expert() -> None:
    native, real = ALFWorldEnv(expert="handcoded"), ALFWorldEnv(expert="handcoded", engine="textworld")
    for task in range(3):
        assert play(native, task) == play(real, task)
    real.close()


@pytest.mark.slow
def test_a_fork_remembers_what_the_expert_knew() -> None:
    env = ALFWorldEnv(expert="handcoded")
    check_fork(env)
    _, info = env.reset(seed=3, options={"task": 5})
    for _ in range(4):
        _, _, _, _, info = env.step(info["expert_actions"][0])
    saved = pickle.dumps(env.clone_state())
    rest = []
    for _ in range(6):
        rest.append(info["expert_actions"])
        _, _, _, _, info = env.step(info["expert_actions"][0])
    other = ALFWorldEnv(expert="handcoded")
    _, info = other.restore_state(pickle.loads(saved))
    for expected in rest:
        assert info["expert_actions"] == expected
        _, _, _, _, info = other.step(info["expert_actions"][0])


def test_asking_it_touches_neither_the_global_generator_nor_the_surroundings() -> None:
    before, data = random.getstate(), os.environ.get("ALFWORLD_DATA")
    env = ALFWorldEnv(expert="handcoded")
    assert play(env, 2, seed=1) == play(env, 2, seed=1)
    assert random.getstate() == before
    assert os.environ.get("ALFWORLD_DATA") == data


def test_an_unknown_expert_is_named() -> None:
    with pytest.raises(UnknownNameError, match="handcoded"):
        ALFWorldEnv(expert="hand-coded")


_UNTOUCHED = """
import os, random, sys
before = dict(os.environ)
from credit_gym.envs.alfworld.env import ALFWorldEnv
env = ALFWorldEnv(expert="handcoded", num_tasks=2)
_, info = env.reset(seed=0)
env.step(info["expert_actions"][0])
assert dict(os.environ) == before
assert not [name for name in sys.modules if name.split(".")[0] == "alfworld"]
from alfworld.agents.expert import handcoded_expert
import alfworld.info
assert handcoded_expert.random is random
assert alfworld.info.ALFWORLD_DATA == sys.argv[1]
print(handcoded_expert.random.choice([7]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("imported_before", [False, True])
def test_the_package_is_left_as_it_was_installed(imported_before: bool, tmp_path: Path) -> None:
    code = _UNTOUCHED
    if imported_before:
        code = "import alfworld.agents.expert.handcoded_expert\n" + code.replace("assert not [name", "assert [name")
    environment = {**os.environ, "ALFWORLD_DATA": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == "7\n"
