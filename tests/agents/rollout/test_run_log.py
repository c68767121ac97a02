"""What a run logs is what it stored: JSON lines, TensorBoard, Weights & Biases."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builders.episodes import HOSTILE, walk

from credit_gym.agents.rollout.run_log import episode_log, open_logs
from credit_gym.errors import CreditGymError, MissingExtraError, UnknownNameError

PLAYED = [
    walk("7-0", steps=2, usage={"prompt_tokens": 10.0, "completion_tokens": 5.0, "dollars": 0.25}),
    walk("7-1", steps=1, success=False, rewards=(-1.0,)),
    walk(HOSTILE[3], success=False, terminated=False, error="TimeoutError: no answer"),
]


def log(spec: str, folder: Path, **options: Any) -> None:
    with open_logs([spec], folder, name="run_0", config={"seed": 7}) as write:
        note = episode_log(write, **options)
        for episode in PLAYED:
            note(episode)


def test_json_lines_say_what_each_episode_came_to_and_a_failure_has_no_outcome(tmp_path: Path) -> None:
    log("jsonl", tmp_path)
    first, second, third = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    spent = {"tokens": 15.0, "dollars": 0.25}
    assert first == {"step": 1, "episode": "7-0", "failed": 0.0, "success": 1.0, "return": 1.0, "steps": 2, **spent}
    assert (second["success"], second["return"], second["tokens"]) == (0.0, -1.0, 0.0)
    assert (third["step"], third["episode"], third["failed"]) == (3, HOSTILE[3], 1.0)
    assert "success" not in third


def test_a_resumed_run_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "own.jsonl"
    log(f"jsonl:{path}", tmp_path)
    log(f"jsonl:{path}", tmp_path, done=3)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3, 4, 5, 6]


def test_numbers_that_do_not_exist_are_null(tmp_path: Path) -> None:
    with open_logs(["jsonl"], tmp_path, name="run_0", config={}) as write:
        write(1, {"a": math.nan, "b": math.inf, "c": None, "d": 1})
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"step": 1, "a": None, "b": None, "c": None, "d": 1}


@pytest.mark.slow
def test_tensorboard_reads_the_numbers_back(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log("tensorboard", tmp_path)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    read = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert read["success"] == [(1, 1.0), (2, 0.0)]
    assert read["failed"] == [(1, 0.0), (2, 0.0), (3, 1.0)]
    assert read["dollars"] == [(1, 0.25), (2, 0.0), (3, 0.0)]


_WANDB = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_run_log import log
log("wandb:credits", Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_weights_and_biases_needs_no_account(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    command = [sys.executable, "-c", _WANDB, str(tmp_path), os.path.dirname(__file__)]  # its exit makes the file whole
    subprocess.run(command, env=quiet, check=True, capture_output=True)
    (kept,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"success" in kept.read_bytes()


def test_an_unknown_or_impossible_log_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="no log called 'json'; did you mean jsonl"):
        log("json", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(CreditGymError, match="cannot be written"):
        log(f"jsonl:{tmp_path / 'file' / 'log'}", tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match=r"wandb is not installed: pip install \"credit-gym\[log\]\""):
        log("wandb", tmp_path)
