"""The stress trials find what is planted, each kind holds on the real commands, and a loss shows in the exit code."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders.commands import call

from credit_gym.baselines.stress import kinds, rounds, stress_page, trial
from credit_gym.baselines.stress.growth import allowed
from credit_gym.baselines.stress.jobs import run_job
from credit_gym.baselines.stress.kills import kill_job
from credit_gym.baselines.stress.launching import Launched
from credit_gym.baselines.stress.rounds import Tally, go_round
from credit_gym.baselines.stress.trial import Found, Outcome, Skipped, Trial, tried

pytestmark = pytest.mark.skipif(os.uname().sysname != "Linux", reason="the trials are made of Linux's processes")


def holds(rng: random.Random, folder: Path) -> Outcome:
    return Outcome("fine")


def loses(rng: random.Random, folder: Path) -> Outcome:
    raise Found("lost", "an episode is gone")


def waits_for_ever(rng: random.Random, folder: Path) -> Outcome:
    subprocess.Popen(["sleep", "1000"])
    time.sleep(1000)
    return Outcome()


def leaves_a_process(rng: random.Random, folder: Path) -> Outcome:
    subprocess.Popen(["sh", "-c", "sleep 1001 & exit"])
    return Outcome()


def leaves_a_file(rng: random.Random, folder: Path) -> Outcome:
    (Path(os.environ["TMPDIR"]) / "forgotten").touch()
    return Outcome()


def dies(rng: random.Random, folder: Path) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    return Outcome()


def raises(rng: random.Random, folder: Path) -> Outcome:
    raise ValueError("unheard of")


def cannot(rng: random.Random, folder: Path) -> Outcome:
    raise Skipped("nothing to try it with")


def sleeping() -> list[str]:
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [text for text in (line.read_bytes().decode(errors="replace"),) if "sleep\x00100" in text]
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("planted", "flaw"),
    [
        (holds, None),
        (loses, "lost"),
        (waits_for_ever, "hang"),
        (leaves_a_process, "leaked"),
        (leaves_a_file, "leaked"),
        (dies, "wrong"),
        (raises, "wrong"),
    ],
)
def test_a_trial_says_what_is_wrong_and_nothing_of_it_goes_on(
    planted: Trial, flaw: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_GRACE", 0.3)
    outcome = tried(planted, 1, tmp_path / "trial", 1.0)
    assert (outcome.flaw, outcome.skipped) == (flaw, False)
    assert sleeping() == []


@pytest.fixture
def _time_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials are made in this process, and a clock goes by what they say that they took."""
    now = 0.0

    def made(planted: Trial, seed: int, folder: Path, seconds: float) -> Outcome:
        nonlocal now
        outcome = trial._outcome(planted, seed, folder)
        now += outcome.seconds
        return outcome

    monkeypatch.setattr(rounds, "tried", made)
    monkeypatch.setattr(rounds, "time", SimpleNamespace(monotonic=lambda: now))


def lasting(name: str, seconds: float) -> Trial:
    return lambda rng, folder: Outcome(f"{name} {rng.random()}", seconds=seconds)


@pytest.mark.usefixtures("_time_of_their_own")
def test_what_a_machine_lacks_is_no_trial_and_is_not_tried_again() -> None:
    tallies = go_round({"cannot": cannot, "holds": lasting("holds", 1.0)}, minutes=0.1, seed=0)
    assert (tallies["cannot"].tried, len(tallies["cannot"].outcomes)) == (0, 1)
    assert tallies["holds"].tried == tallies["holds"].survived == 7  # the last is begun as the sixth second ends


@pytest.mark.usefixtures("_time_of_their_own")
def test_draws_are_fixed_by_the_seed_and_the_kind_that_had_the_least_time_goes_next() -> None:
    named = {"long": lasting("long", 4.0), "short": lasting("short", 1.0)}
    first, second, other = (go_round(named, minutes=0.2, seed=seed) for seed in (5, 5, 6))
    assert first == second != other
    assert (first["long"].tried, first["short"].tried) == (2, 5)
    notes = [outcome.note for outcome in first["short"].outcomes]
    assert len(set(notes)) == len(notes)


def planted(*trials: Trial) -> Callable[[float], dict[str, Trial]]:
    return lambda minutes: {each.__name__: each for each in trials}


def test_a_kind_that_loses_is_reported_and_shows_in_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "kinds", planted(holds, loses))
    page, kept = tmp_path / "page.md", tmp_path / "kept.json"
    page.write_text(f"# Before\n\n{stress_page.BEGIN}\nan earlier table\n{stress_page.END}\n\nAfter\n")
    result = call("stress", "--minutes", "0", "--json", str(kept), "--markdown", str(page))
    assert result.exit_code == 1
    assert "loses, 0: lost after" in result.stderr
    assert "an episode is gone" in result.stderr
    written = page.read_text()
    assert written.startswith(f"# Before\n\n{stress_page.BEGIN}\n")
    assert written.endswith(f"{stress_page.END}\n\nAfter\n")
    assert "an earlier table" not in written
    assert "| loses | 1 | 0 | 1 | 0 | 0 | 0 | 0 |" in written
    assert "| all | 2 | 1 | 1 | 0 | 0 | 0 | 0 |" in written
    assert allowed() in written
    assert json.loads(kept.read_text())["results"]["loses"][0]["flaw"] == "lost"


def test_where_everything_holds_the_exit_code_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "kinds", planted(holds, cannot))
    assert call("stress", "--minutes", "0").exit_code == 0
    refused = call("stress", "--minutes", "0", "--only", "hold", "--only", "nothing")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("DELETE FROM episodes WHERE key = (SELECT min(key) FROM episodes)", "lost"),
        ("UPDATE columns SET texts = texts || '.' WHERE episode = (SELECT min(key) FROM episodes)", "lost"),
    ],
)
@pytest.mark.slow
def test_a_kill_that_costs_a_recorded_episode_is_found(
    statement: str, flaw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(launched: Launched) -> None:
        launched.send(signal.SIGKILL)
        launched.process.wait()
        (store,) = (tmp_path / "trial").glob("runs/*/store.sqlite")
        with closing(sqlite3.connect(store, isolation_level=None)) as database:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute(statement)

    monkeypatch.setattr(Launched, "killed", killed)
    monkeypatch.setattr("credit_gym.baselines.stress.kills.wait_a_moment", lambda *_: time.sleep(0.5))
    outcome = tried(lambda rng, folder: kill_job(run_job, rng, folder), 3, tmp_path / "trial", 120.0)
    assert outcome.flaw == flaw


def test_every_trial_that_is_over_is_counted_once() -> None:
    tally = Tally([Outcome(), Outcome(flaw="lost"), Outcome(skipped=True), Outcome(flaw="hang")])
    assert (tally.tried, tally.survived, tally.count("lost"), tally.count("hang")) == (3, 1, 1, 1)
    assert rounds.flawed({"kind": tally})


LEFT_TO_MAKE_STRESS = {  # which does every fault to every command; here each fault meets one, and each command a fault
    *("kill -9: run", "kill -9: bench", "kill -9: sweep"),
    *("SIGTERM: run", "SIGTERM: sweep", "SIGTERM: import"),
    *("disk full: run", "disk full: bench", "disk full: import"),
    *("clock jumps: bench", "clock jumps: sweep"),
}


@pytest.mark.slow
def test_every_kind_of_fault_is_survived_once() -> None:
    every = kinds.kinds(0.0).keys()
    chosen = every - LEFT_TO_MAKE_STRESS
    assert every > LEFT_TO_MAKE_STRESS
    for part in (0, 2):  # the fault, and the command
        assert {name.partition(": ")[part] for name in chosen} == {name.partition(": ")[part] for name in every}
    only = [argument for name in sorted(chosen) for argument in ("--only", name)]
    result = call("stress", "--minutes", "0", "--seed", "11", *only)
    assert result.exit_code == 0, result.stderr
