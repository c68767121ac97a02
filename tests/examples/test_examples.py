"""The examples run as they stand, say what they promise, and are short enough to copy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from builders import ROOT

EXAMPLES = ROOT / "examples"
SAYS = {
    "play_and_credit.py": ("16 episodes", "report.html"),
    "score_your_own_transcripts.py": ("chat 1, step 0", "What is your order number?"),
    "train_with_credit.py": ("outcome_only", "evidence_lambda"),
    "your_own_environment.py": ("keeps its promises", "episode 0-0"),
    "your_own_scorer.py": ("keeps its promises", "state_mean: correlation"),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """What an example prints; each is run once."""
    return cache(lambda name: run(name, tmp_path_factory.mktemp("example")))


def run(name: str, folder: Path, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_it_runs_and_says_little(name: str, said: Callable[[str], str]) -> None:
    printed = said(name)
    assert all(part in printed for part in SAYS[name]), printed
    assert len(printed.splitlines()) <= 25


@pytest.mark.slow
def test_credit_trains_faster_than_outcomes_in_the_example(said: Callable[[str], str]) -> None:
    outcome, credit = (line.split()[1:] for line in said("train_with_credit.py").splitlines()[1:])
    assert outcome[0] == credit[0]
    assert sum(map(float, credit)) > sum(map(float, outcome))


def test_the_transcripts_name_the_step_that_earned_the_refund(said: Callable[[str], str]) -> None:
    lines = said("score_your_own_transcripts.py").splitlines()
    credit = {(line.split(":")[0], line.split("  ")[1]): float(line.split(": ")[1].split()[0]) for line in lines}
    first = {action: value for (step, action), value in credit.items() if step.endswith("step 0")}
    assert first["What is your order number?"] > first["I cannot help you."]


@pytest.mark.slow
def test_the_store_of_the_example_opens_again(tmp_path: Path) -> None:
    import credit_gym as cg

    run("play_and_credit.py", tmp_path, "here")
    (folder,) = (tmp_path / "here").iterdir()
    store, run_id = cg.open_run(folder.name, tmp_path / "here")
    assert len(store.load_episodes(run_id)) == 16
