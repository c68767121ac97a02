"""Real processes that are asked to end: they say so in their store, keep what they had, and are taken up again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from builders.commands import good, opened

SLOW_RUN = ("run", "--env", "credit/Stochastic-v0", "--agent", "random", "--episodes", "3000", "--seed", "1")
SLOW_BENCH = ("bench", "--env", "credit/Stochastic-v0", "--agent", "random", "--episodes", "3000", "--seed", "1")
SLOW_SWEEP = """
name: long
environments: [credit/Stochastic-v0]
scorers: [outcome_only, grpo]
seeds: 200
"""


def begun(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start a command that is not ended by Ctrl-C alone where the suite itself ignores that; return its id too."""
    command = [sys.executable, "-m", "credit_gym.cli", *arguments, "--out", "stopped"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def wait_for_episodes(name: str, count: int) -> None:
    deadline = time.monotonic() + 60
    with opened(name, "stopped") as store:
        while sum(len(store.episode_ids(run.run_id)) for run in store.runs()) < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "status"), [(signal.SIGTERM, 143, "stopped"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_run_that_is_asked_to_end_says_so_and_keeps_what_it_played(
    folder: Path, number: signal.Signals, code: int, status: str
) -> None:
    process, run_id = begun(folder, *SLOW_RUN)
    wait_for_episodes(run_id, 5)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert said == f"Interrupted; go on with: credit-gym run --out stopped --resume {run_id}\n"
    with opened(run_id, "stopped") as store:
        kept = store.load_episodes(run_id)
        assert store.run(run_id).status == status
    assert 5 <= len(kept) < 3000
    assert f"| {status} |" in good("runs", "--runs-dir", "stopped", "--to", "markdown")


@pytest.mark.slow
def test_a_run_that_was_asked_to_end_goes_on_to_the_episodes_of_one_that_was_not(folder: Path) -> None:
    process, run_id = begun(folder, *SLOW_RUN)
    wait_for_episodes(run_id, 5)
    process.terminate()
    process.communicate(timeout=60)
    good("run", "--resume", run_id, "--out", "stopped")
    assert good(*SLOW_RUN, "--out", "whole").split()[0] == run_id
    assert opened(run_id, "stopped").load_episodes(run_id) == opened(run_id, "whole").load_episodes(run_id)


@pytest.mark.slow
def test_an_import_that_is_asked_to_end_by_sigterm_ends_as_other_commands_do(folder: Path) -> None:
    chat = [{"role": role, "content": f"{role} " * 20} for _ in range(40) for role in ("user", "assistant")]
    record = json.dumps({"messages": chat, "reward": 1.0, "task_id": "t"})
    (folder / "many.jsonl").write_text(f"{record}\n" * 3000)
    command = [sys.executable, "-m", "credit_gym.cli", "import", "many.jsonl", "--out", "stopped"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((folder / "stopped").glob("run_*/store.sqlite")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.5)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in said) == (143, False)


@pytest.mark.slow
def test_a_benchmark_that_is_asked_to_end_by_sigterm_is_marked_as_stopped(folder: Path) -> None:
    process, group_id = begun(folder, *SLOW_BENCH)
    wait_for_episodes(group_id, 5)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in said
    with opened(group_id, "stopped") as store:
        assert [run.status for run in store.runs()] == ["stopped"]


@pytest.mark.slow
def test_a_sweep_that_is_asked_to_end_by_sigterm_says_how_to_go_on(folder: Path) -> None:
    (folder / "long.yaml").write_text(SLOW_SWEEP)
    process, group_id = begun(folder, "sweep", "--config", "long.yaml")
    with opened(group_id, "stopped") as store:
        deadline = time.monotonic() + 60
        while not store.results(group_id):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.terminate()
        _, said = process.communicate(timeout=60)
        assert (process.returncode, len(store.results(group_id)) < 200) == (143, True)
    assert said == f"Interrupted; go on with: credit-gym sweep --out stopped --resume {group_id}\n"
    assert "| running |" not in good("runs", "--runs-dir", "stopped", "--to", "markdown")
