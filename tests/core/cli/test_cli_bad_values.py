"""A run whose environment paid nonsense once goes on, and is scored, reported, exported and resumed."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import pytest
from builders.commands import call, good, opened
from builders.corridor import Corridor
from builders.misbehaving import BAD, Misbehaving
from builders.older_stores import as_version_4

ID = "test/Misbehaving-v0"
RUN = ("run", "--env", ID, "--episodes", "12", "--seed", "7", "--scorer", "adaptive_q")


@pytest.fixture
def nonsense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """A folder to work in, and what is wrong with the third task."""
    monkeypatch.chdir(tmp_path)
    wrong: dict[str, object] = {"name": None}

    def make() -> gym.Env[str, str]:
        name = wrong["name"]
        return Corridor() if name is None else Misbehaving(BAD[str(name)].change)

    gym.register(ID, entry_point=make, disable_env_checker=True, order_enforce=False)
    yield wrong
    del gym.registry[ID]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reward nan", "reward text", "state key", "verifier text", "success text"])
def test_a_bad_value_costs_its_episodes_and_resume_plays_them_again(nonsense: dict[str, object], name: str) -> None:
    nonsense["name"] = name
    output = call(*RUN)
    assert output.exit_code == 0
    assert "did not complete" in output.stdout
    run_id = output.stdout.split()[0]
    with opened(run_id) as store:
        errors = [episode.error for episode in store.load_episodes(run_id) if episode.error]
    assert errors
    assert all(BAD[name].says in error for error in errors)
    assert call("score", run_id, "--scorer", "grpo").exit_code == 0
    assert Path(call("report", run_id, "--scorer", "grpo").stdout.strip()).exists()
    for to in ("jsonl", "parquet", "trl-sft", "verifiers"):
        call("targets", run_id, "--scorer", "adaptive_q", "--to", to, "--out", to)
        assert Path(to).exists()
    for line in Path("jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    nonsense["name"] = None
    assert "12 episodes" in good("run", "--resume", run_id)
    with opened(run_id) as store:
        assert all(episode.error is None for episode in store.load_episodes(run_id))


@pytest.mark.parametrize("value", [None, math.inf])
def test_a_store_of_an_older_version_that_holds_nonsense_can_be_scored(
    nonsense: dict[str, object], value: float | None
) -> None:
    run_id = good(*RUN).split()[0]
    with opened(run_id) as store:
        whole = store.load_episodes(run_id)
    file = Path("runs") / run_id / "store.sqlite"
    as_version_4(file.parent)
    with sqlite3.connect(file) as database:  # as an environment's NaN lay in a store before rewards were looked at
        database.execute(
            "UPDATE steps SET rewards = ? WHERE step = 0 AND episode ="
            " (SELECT key FROM episodes WHERE episode_id = '7-4')",
            (value,),
        )
        database.execute("PRAGMA user_version = 3")
    assert call("score", run_id, "--scorer", "grpo").exit_code == 0
    with opened(run_id) as store:
        (failed,) = (episode for episode in store.load_episodes(run_id) if episode.error)
    assert failed.episode_id == "7-4"
    shown = "nan" if value is None else "inf"
    assert failed.error == f"BatchError: rewards at step 0 is {shown}: it must be a finite number."
    good("run", "--resume", run_id)
    with opened(run_id) as store:
        assert store.load_episodes(run_id) == whole
