"""Whoever plays into a folder has it alone, until it ends or dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from builders.commands import call, good, opened

from credit_gym.errors import StoreError
from credit_gym.store import Store, sole_use

_HOLDER = """
import sys
from credit_gym.store import sole_use
with sole_use(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
RUN = ("run", "--env", "credit/Stochastic-v0", "--episodes", "6", "--group-size", "6", "--scorer", "grpo")


def hold(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _HOLDER, str(folder)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


@pytest.mark.slow
def test_a_second_holder_is_refused_in_this_process_and_in_another(tmp_path: Path) -> None:
    with sole_use(tmp_path), pytest.raises(StoreError, match="Somebody else"), sole_use(tmp_path):
        pass
    with sole_use(tmp_path):
        pass
    holder = hold(tmp_path)
    with pytest.raises(StoreError, match="Somebody else"), sole_use(tmp_path):
        pass
    holder.communicate("")
    with sole_use(tmp_path):
        pass


@pytest.mark.slow
def test_the_system_lets_go_of_it_when_the_holder_is_killed(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    holder.kill()
    holder.communicate()
    with sole_use(tmp_path):
        pass


def test_an_error_inside_is_raised_as_it_is_and_lets_go(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), sole_use(tmp_path):
        raise ZeroDivisionError
    with sole_use(tmp_path):
        pass


@pytest.mark.slow
def test_a_run_that_is_being_played_cannot_be_resumed_but_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_id = good(*RUN).split()[0]
    with opened(run_id) as store:
        whole = store.load_episodes(run_id)
    holder = hold(Path("runs") / run_id)
    refused = call("run", "--resume", run_id)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"Error: Somebody else is playing into runs/{run_id}: wait until that ends, or stop it, and go on then.\n"
    )
    good("score", run_id, "--scorer", "gae")
    good("report", run_id)
    assert good(*RUN).split()[0] != run_id  # another run in the same place is nobody's business
    holder.kill()
    holder.communicate()
    good("run", "--resume", run_id)
    with opened(run_id) as store:
        assert store.load_episodes(run_id) == whole


@pytest.mark.slow
def test_of_many_that_resume_one_run_at_once_one_plays_and_the_others_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    long = ("run", "--env", "credit/Stochastic-v0", "--episodes", "400", "--seed", "3")
    run_id = good(*long).split()[0]
    with opened(run_id) as store:
        whole = store.load_episodes(run_id)
    with Store.open(Path("runs") / run_id)._write() as database:
        database.execute("DELETE FROM episodes WHERE episode_id NOT IN ('3-0', '3-7')")
    command = [sys.executable, "-m", "credit_gym.cli", "run", "--resume", run_id]
    crowd = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [(*process.communicate(), process.returncode) for process in crowd]
    assert {code for *_, code in said} <= {0, 2}
    assert any(code == 0 for *_, code in said)
    assert all(err.startswith("Error: Somebody else") and err.count("\n") == 1 for _, err, code in said if code)
    with opened(run_id) as store:
        assert store.load_episodes(run_id) == whole


@pytest.mark.slow
def test_a_sweep_and_a_benchmark_are_resumed_by_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bench = good("bench", "--env", "credit/Stochastic-v0", "--agent", "random", "--episodes", "2").split()[0]
    with sole_use(Path("runs") / bench):
        assert "Somebody else" in call("bench", "--resume", bench).stderr
    Path("sweep.yaml").write_text(
        "name: small\nenvironments: [credit/Stochastic-v0]\nscorers: [grpo]\nseeds: 1\nepisodes_per_task: 2\n"
    )
    sweep = good("sweep", "--config", "sweep.yaml").split()[0]
    with sole_use(Path("runs") / sweep):
        assert "Somebody else" in call("sweep", "--resume", sweep).stderr
