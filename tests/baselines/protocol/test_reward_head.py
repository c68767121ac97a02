"""A reward model trained here: it learns the outcome, and is read as the published ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from builders.episodes import walk
from builders.tiny_critics import BAD, GOOD, one_step
from builders.tiny_models import tiny_model

from credit_gym.agents.likelihood.wild_reward import WildReward
from credit_gym.baselines.protocol.recorded_episodes import unfinished
from credit_gym.baselines.protocol.reward_head import train_head
from credit_gym.errors import BackendError, CreditGymError

torch.set_num_threads(1)

RUNS = [one_step(action, task, float(action == GOOD)) for task in range(4) for action in (GOOD, BAD)]


@pytest.mark.slow
def test_a_head_trained_on_outcomes_grades_runs_of_other_tasks(tmp_path: Path) -> None:
    base = str(tiny_model(tmp_path / "base", layers=1, hidden=32))
    taught: Any = {"epochs": 20, "batch": 4, "learning_rate": 2e-2}
    losses = train_head(RUNS, base, tmp_path / "judge", **taught)
    assert losses[-1] < 0.1 < losses[0]
    good, bad = WildReward(str(tmp_path / "judge")).grade([one_step(GOOD, 9), one_step(BAD, 9)])
    assert 1.0 <= bad < 2.0
    assert 4.0 < good <= 5.0
    assert train_head(RUNS, base, tmp_path / "again", **taught) == losses


def test_one_outcome_teaches_nothing(tmp_path: Path) -> None:
    with pytest.raises(CreditGymError, match="give both"):
        train_head(RUNS[::2], str(tmp_path), tmp_path)


def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"^The language model '.*' cannot be loaded: .*$"):
        train_head(RUNS, str(tmp_path), tmp_path / "out")


def test_what_is_said_after_the_last_action_is_not_graded() -> None:
    episode = walk()
    shown = unfinished(episode)
    assert shown.turns[-1].content == episode.actions[-1]
    assert sum(shown.actions()) == len(episode)
