"""Games on disk: the notes about them, tasks by id, ALFWorld's own tools, and a long life without growth."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("textworld")

from typer.testing import CliRunner

from credit_gym.cli import app
from credit_gym.envs.alfworld import solvable
from credit_gym.envs.alfworld.env import ALFWorldEnv
from credit_gym.envs.alfworld.games import find_games
from credit_gym.envs.alfworld.generate import generate_game, write_games
from credit_gym.envs.alfworld.tables import TASK_TYPES
from credit_gym.errors import UnknownNameError


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)


def names(root: Path) -> list[str]:
    return [path.parent.name for path in find_games(root, "train", TASK_TYPES)]


def test_files_are_looked_into_once_and_again_when_they_change(tmp_path, monkeypatch):
    files = write_games(tmp_path, "train", 4)
    assert len(names(tmp_path)) == 4
    looked = []
    monkeypatch.setattr(solvable, "_unsolvable", lambda path: looked.append(path) or True)
    assert len(names(tmp_path)) == 4
    assert looked == []
    os.utime(files[2], ns=(1, 1))
    assert len(names(tmp_path)) == 3
    assert looked == [files[2]]


@pytest.mark.parametrize("damage", [b"", b"[1]", b'{"a": 3, "b": [1, "x", 0]}', b"\xff\xfe", b"[" * 100_000])
def test_damaged_notes_are_made_again(tmp_path, damage):
    write_games(tmp_path, "train", 3)
    before = names(tmp_path)
    (notes,) = (Path(os.environ["XDG_CACHE_HOME"]) / "credit_gym").iterdir()
    good = notes.read_bytes()
    notes.write_bytes(damage)
    assert names(tmp_path) == before
    assert json.loads(notes.read_bytes()).items() >= json.loads(good).items()


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path, monkeypatch):
    write_games(tmp_path / "data", "train", 2)
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert len(names(tmp_path / "data")) == 2


def test_a_task_is_found_by_its_id(tmp_path):
    write_games(tmp_path, "train", 6)
    for env in (ALFWorldEnv(data=tmp_path), ALFWorldEnv(num_tasks=6)):
        wanted = generate_game("train", 4).id
        assert env.reset(options={"task": wanted})[1]["task"]["id"] == wanted
        with pytest.raises(UnknownNameError, match="task"):
            env.reset(options={"task": "pick_nothing/" + wanted.rpartition("/")[2]})
        env.close()


def test_the_command_line_writes_games_that_are_played_as_the_generated_ones(tmp_path):
    result = CliRunner().invoke(app, ["alfworld-generate", str(tmp_path), "--split", "valid_seen", "--games", "3"])
    assert result.exit_code == 0, result.output
    env, generated = ALFWorldEnv("valid_seen", data=tmp_path), ALFWorldEnv("valid_seen", num_tasks=3)
    assert env.num_tasks == 3
    for task in range(3):
        observation, info = generated.reset(options={"task": task})
        assert env.reset(options={"task": info["task"]["id"]})[0] == observation


@pytest.mark.slow
def test_alfworlds_own_environment_plays_the_written_games_alike(tmp_path):
    write_games(tmp_path, "train", 2)
    program = (
        "import sys; from pathlib import Path\n"
        "from credit_gym.baselines.speed.alfworld_speed import stock_environment\n"
        "from credit_gym.envs.alfworld.env import ALFWorldEnv\n"
        "root = Path(sys.argv[1]); theirs = stock_environment(root); ours = ALFWorldEnv(data=root)\n"
        "for _ in range(2):\n"
        "    texts, infos = theirs.reset()\n"
        "    file = Path(infos['extra.gamefile'][0])\n"
        "    text, info = ours.reset(options={'task': f'{file.parent.parent.name}/{file.parent.name}'})\n"
        "    assert text == texts[0]\n"
        "    while 'success' not in info:\n"
        "        assert info['admissible_actions'] == infos['admissible_commands'][0]\n"
        "        action = info['expert_actions'][0]\n"
        "        texts, scores, dones, infos = theirs.step([action])\n"
        "        text, reward, won, _, info = ours.step(action)\n"
        "        assert (text, reward, won) == (texts[0], scores[0], dones[0])\n"
        "print('alike')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "ALFWORLD_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.endswith("alike\n"), run.stderr[-2000:]


def rollout(env: ALFWorldEnv, task: int, steps: int = 8) -> tuple[str, float]:
    """Play one random episode; return where it ends."""
    random = Random(task)
    _, info = env.reset(options={"task": task})
    for _ in range(steps):
        _, _, over, _, info = env.step(random.choice(info["admissible_actions"]))
        if over:
            break
    return info["state_key"], info["distance"]


def test_eight_threads_do_not_disturb_each_other_and_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def all_tasks(_: int) -> list[tuple[str, float]]:
        env = ALFWorldEnv(num_tasks=16, expert="none")
        return [rollout(env, task) for task in range(16)]

    alone = all_tasks(0)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(all_tasks, range(24))) == [alone] * 24
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_hundred_games_do_not_grow():
    games = range(200)
    env = ALFWorldEnv(num_tasks=len(games), expert="none")
    tracemalloc.start()
    for task in games:
        rollout(env, task, steps=20)
    gc.collect()
    first = tracemalloc.get_traced_memory()[0]
    for _ in range(2):
        for task in games:
            rollout(env, task, steps=20)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - first
    tracemalloc.stop()
    assert first / len(games) < 100_000, "bytes of a game"
    assert grown < 0.02 * first
