"""A fresh environment without a compiler: a plain install plays every environment, and `make run` runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from builders import ROOT
from builders.checkout import copy_of_the_project

from credit_gym.envs.alfworld.generate import generate_game
from credit_gym.registration import ENVIRONMENTS

pytestmark = pytest.mark.slow

COMPILERS = ("c++", "cc", "clang", "g++", "gcc")
TOOLS = ("make", "rm", "touch")  # of which `make run` has need
FIFTY_STEPS = """
import random
import sys

import gymnasium
from credit_gym.registration import ENVIRONMENTS, register_environments

register_environments()
for spec in ENVIRONMENTS:
    env, choose = gymnasium.make(spec.id), random.Random(0).choice
    observation, info = env.reset(seed=0)
    for step in range(50):
        assert isinstance(observation, str)
        listed = info.get("admissible_actions")
        observation, _, terminated, truncated, info = env.step(choose(listed) if listed else "look")
        if terminated or truncated:
            observation, info = env.reset()
    env.close()
    print(spec.id)
assert not {"alfworld", "textworld", "fast_downward", "jericho", "tatsu"} & set(sys.modules)
"""
A_FILE = """
import random
import sys

import gymnasium
from credit_gym.registration import register_environments

register_environments()
env, choose = gymnasium.make("credit/ALFWorld-v0", data=sys.argv[1]), random.Random(0).choice
_, info = env.reset(seed=0)
print(info["task"]["id"])
while "success" not in info:
    assert info["invalid"] is False
    info = env.step(choose(info["admissible_actions"]))[4]
"""


def run(command: list[str], place: Path, path: Path) -> str:
    """Run a command with nothing but ``path`` to find programs in; return what it prints."""
    assert not any(shutil.which(name, path=str(path)) for name in COMPILERS)
    plain = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV", "CC", "CXX")
    }
    done = subprocess.run(
        command, cwd=place, env={**plain, "PATH": str(path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the core alone, installed as users do."""
    folder = tmp_path_factory.mktemp("core")
    programs = folder / "venv" / "bin"
    subprocess.run([sys._base_executable, "-m", "venv", str(programs.parent)], check=True)
    source = copy_of_the_project(folder / "source")
    run([str(programs / "pip"), "install", "-q", "-c", str(ROOT / "constraints.txt"), str(source)], folder, programs)
    shutil.rmtree(source)
    return programs


def test_every_environment_plays_fifty_steps_after_an_install_of_the_core(core: Path, tmp_path: Path) -> None:
    played = run([str(core / "python"), "-c", FIFTY_STEPS], tmp_path, core)
    assert played.split() == [spec.id for spec in ENVIRONMENTS]


def test_published_files_are_played_after_an_install_of_the_core(core: Path, tmp_path: Path) -> None:
    if find_spec("alfworld") is None:
        pytest.skip("the files need the domain and the grammar of the alfworld extra")
    from credit_gym.envs.alfworld.games import write_game

    game = generate_game("train", 0)
    write_game(game, tmp_path)
    assert run([str(core / "python"), "-c", A_FILE, str(tmp_path)], tmp_path, core).strip() == game.id


def test_what_needs_the_extra_says_so_in_one_sentence(core: Path, tmp_path: Path) -> None:
    command = [str(core / "credit-gym"), "alfworld-generate", str(tmp_path)]
    done = subprocess.run(command, env={"PATH": str(core)}, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert 'pip install "credit-gym[alfworld]"' in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_make_run_needs_no_compiler(tmp_path: Path) -> None:
    source, tools = copy_of_the_project(tmp_path / "source"), tmp_path / "tools"
    tools.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    few = "RUN_ARGS=--episodes 8 --group-size 4"
    shown = run([str(tools / "make"), "run", f"PYTHON={sys._base_executable}", few], source, tools)
    (folder,) = (source / "runs").iterdir()
    assert {"store.sqlite", "targets.parquet", "report.html"} <= {path.name for path in folder.iterdir()}
    assert folder.name in shown
