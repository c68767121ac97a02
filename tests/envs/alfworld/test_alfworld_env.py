"""The environment: contract, seeds, forks, limits, and the real data's folder layout."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from random import Random

import gymnasium as gym
import pytest
from builders import TESTS
from builders.alfworld_games import published
from gymnasium.utils.env_checker import check_env

import credit_gym  # noqa: F401 - registers the environments
from credit_gym.envs.alfworld import handcoded
from credit_gym.envs.alfworld.env import ALFWorldEnv
from credit_gym.envs.alfworld.games import write_game
from credit_gym.envs.alfworld.generate import generate_game
from credit_gym.envs.alfworld.tables import TASK_TYPES
from credit_gym.errors import ManifestError, MissingExtraError, UnknownNameError

EXTRA = ("alfworld", "fast_downward", "jericho", "tatsu", "textworld")
PATHS = {"PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), str(TESTS)))}
needs_extra = pytest.mark.skipif(find_spec("alfworld") is None, reason="files need the published domain and grammar")


@pytest.fixture(autouse=True)
def _generated_games(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)


@pytest.fixture(params=["native", "textworld"])
def env(request) -> Iterator[ALFWorldEnv]:
    if request.param == "textworld":
        pytest.importorskip("fast_downward")
    env = ALFWorldEnv(num_tasks=12, engine=request.param)
    yield env
    env.close()


def play(env: ALFWorldEnv, random: Random, steps: int) -> list[tuple[str, float, bool, bool, str]]:
    """Play random admissible commands until the episode ends; return what each step answered."""
    _, info = env.restore_state(env.clone_state())
    trace = []
    for _ in range(steps):
        observation, reward, terminated, truncated, info = env.step(random.choice(info["admissible_actions"]))
        trace.append((observation, reward, terminated, truncated, info["state_key"]))
        if terminated or truncated:
            break
    return trace


@pytest.mark.filterwarnings("ignore:.*render")
def test_it_is_a_gymnasium_environment():
    env = gym.make("credit/ALFWorld-v0", num_tasks=2)
    check_env(env.unwrapped)
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("task", range(6))
def test_expert_actions_earn_one_step_of_progress_each_and_win(env, task):
    _, info = env.reset(options={"task": task})
    assert info["task"]["type"] == TASK_TYPES[task]
    assert info["verifier"] == 0.0
    for left in range(int(info["distance"]) - 1, -1, -1):
        _, reward, terminated, truncated, info = env.step(info["expert_actions"][-1])
        assert info["verifier"] == 1.0
        assert info["distance"] == left
        assert reward == float(terminated)
    assert terminated
    assert not truncated
    assert info["success"] is True
    assert info["expert_actions"] == []


@pytest.mark.slow
def test_progress_sums_to_the_distance_covered(env):
    _, info = env.reset(seed=5)
    start, random, total = info["distance"], Random(5), 0.0
    for _ in range(40):
        _, _, terminated, _, info = env.step(random.choice(info["admissible_actions"]))
        total += info["verifier"]
        if terminated:
            break
    assert total == start - info["distance"]


@pytest.mark.slow
def test_a_refused_action_changes_nothing_but_the_clock(env):
    _, info = env.reset(seed=1)
    for action in ("go to the moon", "", "LOOK", "open [bold]drawer 1"):
        observation, reward, terminated, truncated, after = env.step(action)
        assert observation == "Nothing happens."
        assert (reward, terminated, truncated) == (0.0, False, False)
        assert after["invalid"] is True
        assert after["state_key"] == info["state_key"]
        assert after["verifier"] == 0.0
    assert env.step("  look ")[4]["invalid"] is False


def test_the_step_limit_truncates_and_a_finished_episode_cannot_be_stepped():
    env = ALFWorldEnv(num_tasks=6, max_steps=3)
    env.reset(seed=0)
    ends = [env.step(action)[2:4] for action in ("look", "nonsense", "look")]
    assert ends == [(False, False), (False, False), (False, True)]
    with pytest.raises(gym.error.ResetNeeded):
        env.step("look")
    env.close()
    with pytest.raises(gym.error.ClosedEnvironmentError):
        env.reset()


@pytest.mark.slow
@pytest.mark.parametrize("task", [0, 1, 5])
def test_a_fork_plays_like_its_parent_and_leaves_it_untouched(env, task):
    env.reset(options={"task": task})
    play(env, Random(1), 10)
    moment = env.clone_state()
    first = play(env, Random(2), 15)
    env.restore_state(moment)
    assert play(env, Random(2), 15) == first
    env.reset(options={"task": task + 6})
    env.restore_state(pickle.loads(pickle.dumps(moment)))
    assert play(env, Random(2), 15) == first
    other = ALFWorldEnv(num_tasks=12)
    other.restore_state(pickle.loads(pickle.dumps(moment)))
    assert play(other, Random(2), 15) == first
    other.close()


@pytest.mark.slow
def test_one_seed_is_one_episode_in_every_process():
    program = (
        "from random import Random\n"
        "from test_alfworld_env import *\n"
        "env = ALFWorldEnv(num_tasks=12)\n"
        "print(repr((env.reset(seed=4)[1], play(env, Random(0), 8), env.reset()[1]['task'])))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**PATHS, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]


def test_engines_leave_no_folders_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    env = ALFWorldEnv(num_tasks=3)
    for _ in range(50):
        env.reset()
        env.step("look")
    env.close()
    assert list(tmp_path.iterdir()) == []


def test_task_types_can_be_chosen():
    wanted = ("pick_two_obj_and_place", "look_at_obj_in_light")
    env = ALFWorldEnv(num_tasks=5, task_types=wanted)
    assert {task().task_type for task in env.tasks} == set(wanted)
    assert len(env.tasks) == 5
    env.close()


def test_without_the_extra_the_native_engine_plays_and_what_needs_it_says_so(monkeypatch, tmp_path):
    for module in EXTRA:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(handcoded, "_loaded", handcoded._loaded.__wrapped__)  # another test may have loaded it
    for engine, expert in (("textworld", "optimal"), ("native", "handcoded")):
        with pytest.raises(MissingExtraError, match=r"credit-gym\[alfworld\]"):
            ALFWorldEnv(engine=engine, expert=expert).reset(seed=0)
    with pytest.raises(MissingExtraError, match=r"credit-gym\[alfworld\]"):
        write_game(generate_game("train", 0), tmp_path)
    assert list(tmp_path.iterdir()) == []
    env = ALFWorldEnv("valid_unseen", num_tasks=200)
    assert "Your task is to:" in env.reset(options={"task": 199})[0]
    env.close()


@pytest.mark.slow
@needs_extra
def test_files_are_played_natively_where_nothing_of_the_extra_is_installed(tmp_path):
    games = [generate_game("train", index) for index in range(6)]
    for game in games:
        write_game(game, tmp_path)
    program = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({EXTRA}))\n"
        "from random import Random\n"
        "from test_alfworld_env import *\n"
        f"env = ALFWorldEnv(data={str(tmp_path)!r})\n"
        "for task in range(6):\n"
        "    _, info = env.reset(options={'task': task})\n"
        "    print(info['task']['id'], repr(play(env, Random(task), 50)))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=PATHS, capture_output=True, text=True, check=True)
    env, expected = ALFWorldEnv(num_tasks=6), []
    for task, name in enumerate(sorted(game.id for game in games)):
        env.reset(options={"task": name})
        expected.append(f"{name} {play(env, Random(task), 50)!r}")
    assert done.stdout.splitlines() == expected


def test_unknown_names_are_answered_with_the_nearest_known_one():
    with pytest.raises(UnknownNameError, match="valid_seen"):
        ALFWorldEnv("valid_sen")
    with pytest.raises(UnknownNameError, match="pick_two_obj_and_place"):
        ALFWorldEnv(task_types=["pick_two_objects_and_place"])


@needs_extra
@pytest.mark.parametrize("below", ["json_2.1.1", "."])
def test_games_in_the_published_layout_are_played(tmp_path, monkeypatch, below):
    games = [generate_game("valid_seen", i) for i in range(3)]
    for game in games:
        write_game(game, tmp_path / below)
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    env = ALFWorldEnv("valid_seen")
    assert [task() for task in env.tasks] == sorted(map(published, games), key=lambda game: game.id)
    _, info = env.reset(options={"task": 0})
    assert info["task"]["id"] == min(game.id for game in games)
    env.close()
    assert len(ALFWorldEnv("valid_seen", task_types=[games[1].task_type]).tasks) == 1


@needs_extra
def test_unsolvable_and_unsupported_games_are_left_out(tmp_path):
    kept = write_game(generate_game("train", 0), tmp_path)
    unsolvable = write_game(generate_game("train", 6), tmp_path)
    unsolvable.write_text(json.dumps({**json.loads(unsolvable.read_text()), "solvable": False}))
    for name in (
        "pick_and_place_with_movable_recep-Egg-Mug-Fridge-7",
        "pick_and_place_simple-AppleSliced-None-Fridge-7",
    ):
        folder = tmp_path / "train" / name / "trial"
        folder.mkdir(parents=True)
        (folder / "game.tw-pddl").write_bytes(kept.read_bytes())
    env = ALFWorldEnv(data=tmp_path)
    assert len(env.tasks) == 1
    env.close()


def damaged(path: Path, damage: str) -> None:
    """Damage a game file, or the file beside it."""
    text, content = path.read_text(), json.loads(path.read_text())
    beside = path.with_name("traj_data.json")
    changes = {
        "truncated": lambda: path.write_text(text[: len(text) // 2]),
        "not an object": lambda: path.write_text('["solvable": true]'),
        "no grammar": lambda: path.write_text(json.dumps({**content, "grammar": None})),
        "broken goal": lambda: path.write_text(text.replace("Your task is to: ", r"Your task is to: \\q ")),
        "broken grammar": lambda: path.write_text(json.dumps({**content, "grammar": "grammar :: oops"})),
        "broken problem": lambda: path.write_text(json.dumps({**content, "pddl_problem": "(define"})),
        "no trajectory": lambda: beside.unlink(),
        "wrong task": lambda: beside.write_text(beside.read_text().replace("pick_and_place_simple", "fly")),
    }
    changes[damage]()


@needs_extra
@pytest.mark.parametrize(
    "damage",
    [
        "truncated",
        "not an object",
        "no grammar",
        "broken goal",
        "broken grammar",
        "broken problem",
        "no trajectory",
        "wrong task",
    ],
)
def test_a_damaged_game_is_named_in_one_sentence_and_the_others_still_play(tmp_path, damage):
    games = [generate_game("train", i) for i in (0, 6)]
    broken, _ = sorted(write_game(game, tmp_path) for game in games)
    damaged(broken, damage)
    env = ALFWorldEnv(data=tmp_path)
    with pytest.raises(ManifestError, match=broken.parent.name) as caught:
        env.reset(options={"task": 0})
    assert "\n" not in str(caught.value)
    observation, _ = env.reset(options={"task": 1})
    assert "Your task is to:" in observation
    env.close()


def test_a_folder_without_games_is_an_error_but_an_empty_one_in_the_variable_means_none(tmp_path, monkeypatch):
    with pytest.raises(ManifestError, match="train"):
        ALFWorldEnv(data=tmp_path)
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    env = ALFWorldEnv(num_tasks=2)
    assert len(env.tasks) == 2
    env.close()
    assert os.listdir(tmp_path) == []


def test_environments_in_threads_do_not_disturb_each_other():
    def rollout(task: int) -> list[tuple[str, float, bool, bool, str]]:
        env = ALFWorldEnv(num_tasks=12)
        env.reset(options={"task": task})
        trace = play(env, Random(task), 40)
        env.close()
        return trace

    alone = [rollout(task) for task in range(12)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(rollout, range(12))) == alone
