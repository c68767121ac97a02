"""The study of keys: chats keep the steps and lose the states, stamps let nothing recur but what looks through them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.episodes import walk

from credit_gym.baselines.studies.key_recurrence import as_chats, measure, stamped
from credit_gym.data.keys import measure_keys

PLAYED = [walk(f"7-{number}", group_id=f"g{number % 2}", log_belief=(-2.0, -1.0, 0.0, 0.0)) for number in range(4)]


def test_chats_come_back_with_the_same_steps_and_without_states_and_beliefs() -> None:
    back = as_chats(PLAYED)
    assert [episode.actions for episode in back] == [episode.actions for episode in PLAYED]
    assert [episode.group_id for episode in back] == ["g0", "g1", "g0", "g1"]
    assert {(episode.observations == episode.state_keys, episode.log_belief) for episode in back} == {(True, None)}
    calling = as_chats([walk("7-0", steps=1, actions=("find(a=1)",))])
    assert [dict(call)["name"] for call in (calling[0].tool_calls or ((),))[0]] == ["find"]


def test_stamps_hide_states_from_the_words_and_not_from_the_normal_text() -> None:
    plain, hidden = (measure_keys(as_chats(each)) for each in (PLAYED, stamped(PLAYED)))
    assert (plain["observation"].share, plain["text"].share) == (1, 1)
    assert (hidden["observation"].share, hidden["text"].share) == (0, 1)


def test_what_recurs_and_is_known_is_measured_by_key() -> None:
    """By hand: the two walk through the same states, and part at the last step; their first calls differ."""
    lost = walk("7-4", success=False, rewards=(0.0,) * 3, actions=("wait 0", "go 1", "go 2"))
    found = measure([walk("7-0"), lost], np.array([True, True, True, False, True, True]))
    assert found.auto == "state"
    assert (found.recurs["state"], found.recurs["calls"]) == (1, 1 / 3)
    assert found.grpo == pytest.approx(0.2**0.5)  # 1, 1, 1, -1, -1, -1
    assert found.knows["state"] == pytest.approx(0)  # 0, 0, .5, 0, 0, -.5
    assert found.knows["calls"] == pytest.approx(0.6**0.5)  # .5, 0, 0, -.5, 0, 0
    assert "belief" not in found.recurs


@pytest.mark.slow
def test_the_study_writes_a_table_and_the_numbers_behind_it(tmp_path: Path) -> None:
    files = {kind: tmp_path / f"found.{kind}" for kind in ("json", "markdown")}
    options = [text for kind, file in files.items() for text in (f"--{kind}", str(file))]
    command = [sys.executable, "-m", "credit_gym.baselines.studies.key_recurrence", "--tasks", "2", "--seeds", "1"]
    subprocess.run([*command, *options], check=True, capture_output=True, cwd=tmp_path)
    found = json.loads(files["json"].read_text())
    assert found["config"]["baseline"] == "key_recurrence"
    assert len(found["results"]) == 12
    assert found["results"]["20 Questions"][0]["auto"] == "belief"
    assert files["markdown"].read_text().count("\n") == 2 + 2 + 12
