"""What a command holds of an episode that it is done with is its numbers, never its texts."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_PEAK = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "credit_gym.cli", *sys.argv[1:]], capture_output=True, text=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.stdout.split()[0])
sys.exit(done.returncode and done.stderr)
"""
FEW, MANY = 10_000, 30_000
KEPT = 1.5  # kilobytes, as Linux counts in; an episode with its texts takes more than 3
COMMANDS = (
    "score {run} --scorer grpo",
    "score {run}",
    "targets {run}",
    "targets {run} --to jsonl",
    "report {run}",
    "advise {run}",
    "compare {run} {run}",
    "runs",
)


def peak(command: str, folder: Path) -> tuple[int, str]:
    """The most memory that a command takes, in kilobytes, and the first word that it prints."""
    arguments = [sys.executable, "-c", _PEAK, *command.split()]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=True)
    kilobytes, word = done.stdout.split()
    return int(kilobytes), word


@pytest.fixture(scope="module")
def peaks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int]]:
    """The peaks of playing, and of what is done with a run afterwards, of two runs that are longer than a part is."""

    @cache
    def of(episodes: int) -> dict[str, int]:
        folder = tmp_path_factory.mktemp(str(episodes))
        play = f"run --env credit/Stochastic-v0 --agent noisy:0.3 --group-size 8 --scorer grpo --episodes {episodes}"
        played, run_id = peak(play, folder)
        return {"run": played, **{name: peak(name.format(run=run_id), folder)[0] for name in COMMANDS}}

    few, many = of(FEW), of(MANY)
    return {name: (few[name], many[name]) for name in few}


@pytest.mark.parametrize("command", ["run", *COMMANDS])
def test_an_episode_more_takes_a_fraction_of_what_it_takes_whole(
    peaks: dict[str, tuple[int, int]], command: str
) -> None:
    few, many = peaks[command]
    assert many - few < KEPT * (MANY - FEW)
