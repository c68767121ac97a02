"""What somebody has in a file of their own, commands in its folder find by the name of the file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from builders import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")


@pytest.fixture
def at_home(tmp_path: Path) -> Path:
    """A folder with the first three blocks of the page in one file, as the page says."""
    scorer, env, agent = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[:3]
    (tmp_path / "mine.py").write_text("\n".join((scorer, env, agent.split("\n\n\nepisodes = ")[0])))
    return tmp_path


def said(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "credit_gym.cli", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_commands_of_the_page_of_extending_run_as_they_stand(at_home: Path) -> None:
    for line in re.findall(r"^credit-gym (.*?)(?: +#.*)?$", PAGE.split("```\n")[1], re.MULTILINE):
        done = said(at_home, *line.split())
        assert done.returncode == 0, done.stderr
    assert "Guess a coin." in done.stdout


@pytest.mark.slow
def test_a_scorer_of_a_module_is_called_by_its_own_name(at_home: Path) -> None:
    run = said(at_home, "run", "--env", "mine:mine/Coin-v0", "--episodes", "4", "--scorer", "mine:state_mean")
    assert run.returncode == 0, run.stderr
    assert "state_mean" in run.stdout
    for unknown in ("mine:no_such", "no_such:state_mean"):
        done = said(at_home, "run", "--env", "credit/Stochastic-v0", "--episodes", "4", "--scorer", unknown)
        assert done.returncode == 2
        assert done.stderr.startswith("Error: ")
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_an_id_of_a_module_that_was_not_named_is_told_how_to_be(at_home: Path) -> None:
    assert "MODULE:ID" in said(at_home, "run", "--env", "mine/Coin-v0", "--episodes", "4").stderr
