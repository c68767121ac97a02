"""The commands that compare training-free scores, on tiny models and files made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from credit_gym.agents.engine.transcripts import METHODS
from credit_gym.baselines import best_of_n, failure_attribution, uncertainty
from credit_gym.baselines.failure_attribution import grid, model_scores, played_by, positional_prior, zero_model_rows
from credit_gym.baselines.trajectory_scores import TOKENS, language_model, recorded_batch
from credit_gym.envs.who_and_when.logs import columns
from credit_gym.envs.who_and_when.planted import generate_log
from credit_gym.errors import CreditGymError
from credit_gym.failure_attribution import Logs
from credit_gym.store.folders import new_run
from tests.episodes import walk
from tests.tiny_models import tiny_model

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("pair")
    policy, reference = (tiny_model(folder / str(seed), seed=seed, max_position_embeddings=4096) for seed in (1, 2))
    return f"hf:{policy}", f"hf:{reference}"


@pytest.fixture
def trials(tmp_path: Path) -> Path:
    """Three tasks, two candidates each; the second of every task succeeds."""
    for trial in range(2):
        simulations = [
            {
                "id": f"{trial}{task}",
                "task_id": task,
                "messages": [{"role": "user", "content": "go"}, {"role": "assistant", "content": f"go {task} {trial}"}],
                "reward_info": {"reward": float(trial)},
            }
            for task in range(3)
        ]
        simulations.append({**simulations[0], "id": "x", "task_id": 9, "reward_info": None})
        place = tmp_path / f"trial_{trial}" / "webshop.json"
        place.parent.mkdir()
        place.write_text(json.dumps({"simulations": simulations}))
    return tmp_path


@pytest.mark.parametrize("form", ["plain", "chat", "upstream"])
def test_candidates_are_scored_and_ungraded_ones_left_out(pair: Any, trials: Path, form: str) -> None:
    batch = recorded_batch(*pair, trials=trials, form=form)
    assert batch.num_episodes == 6
    assert batch.success.sum() == 3
    assert batch.policy_kl is not None
    assert (batch.policy_kl > 0).all()
    one = recorded_batch(pair[0], pair[0], trials=trials, form=form)
    np.testing.assert_array_equal(one.require("policy_logprob"), one.require("reference_logprob"))


@pytest.mark.slow
def test_commands_write_their_tables(pair: Any, trials: Path, tmp_path: Path) -> None:
    for command in (uncertainty, best_of_n):
        command.main(trials=trials, policy=pair[0], reference=pair[1], markdown=tmp_path / "out.md")
        assert "progress_advantage" in (tmp_path / "out.md").read_text()


def test_what_is_missing_is_said_in_one_sentence(pair: Any, tmp_path: Path) -> None:
    with pytest.raises(CreditGymError, match="--policy"):
        recorded_batch("", "", tau2=tmp_path / "a.json")
    with pytest.raises(CreditGymError, match="not several"):
        recorded_batch(*pair, tau2=tmp_path / "a.json", trials=tmp_path)
    with pytest.raises(CreditGymError, match="hf:PATH"):
        language_model("openai:x")
    with pytest.raises(CreditGymError, match="or neither"):
        failure_attribution.main(policy=pair[0])
    with pytest.raises(CreditGymError, match="--data"):
        failure_attribution.main(split="Hand-Crafted")


@pytest.mark.parametrize("form", ["plain", "upstream"])
def test_every_combination_predicts_a_step_of_every_log(pair: Any, form: str, tmp_path: Path) -> None:
    logs = [generate_log("test", index) for index in range(4)]
    table = columns(logs)
    found = list(grid(model_scores(logs, *pair, form=form, cache=tmp_path), table))
    assert len(found) == len(METHODS) * len(TOKENS) * 3
    lengths = np.diff(table.offsets)
    for method, tokens, rule, prediction, _ in found:
        assert (prediction < lengths).all()
        if method == "policy_logprob" and rule == "min_cumulative" and tokens != "max":
            assert (prediction == lengths - 1).all()  # all negative: the last valid step


def test_a_policy_that_is_its_reference_attributes_nothing(pair: Any) -> None:
    logs = [generate_log("test", index) for index in range(3)]
    score = model_scores(logs, pair[0], pair[0])("progress_advantage", "sum")
    assert (score == 0.0).all()


def test_the_positional_prior_never_sees_its_own_label() -> None:
    logs = Logs(np.array([0, 5, 10, 15]), np.ones(15, dtype=bool), np.ones(15, dtype=np.int64), np.array([3, 3, 1]))
    assert positional_prior(logs).tolist() == [1, 1, 3]  # a tie of 1 and 3, the same, and both others


def test_uniform_accuracy_is_one_over_the_steps() -> None:
    logs = Logs(np.array([0, 4, 8]), np.ones(8, dtype=bool), np.ones(8, dtype=np.int64), np.array([0, 2]))
    assert str(zero_model_rows(logs)[0][1]).startswith("25.0 ")


def test_an_expert_attributes_every_log_right() -> None:
    table = played_by("expert", "all_at_once", {"split": "test", "num_tasks": 4}, episodes=4)
    assert str(table.rows[0][1]).startswith("100.0")
    assert table.rows[0][-1] == 1.0


@pytest.mark.slow
def test_the_tiny_pair_is_made_once(tmp_path: Path) -> None:
    first = failure_attribution.make_pair(tmp_path, steps=2, further=1)
    stamp = (Path(first[0].removeprefix("hf:")) / "config.json").stat().st_mtime_ns
    assert failure_attribution.make_pair(tmp_path, steps=2, further=1) == first
    assert (Path(first[0].removeprefix("hf:")) / "config.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("recorded", [True, False])
def test_stored_runs_are_scored_on_their_tokens_else_on_their_text(pair: Any, tmp_path: Path, recorded: bool) -> None:
    store, run = new_run(tmp_path, env_id="credit/Test-v0", agent_id="a", config={}, seed=0)
    kept: dict[str, Any] = {"prompt_token_ids": ((5, 6),) * 3, "token_ids": ((7, 8),) * 3} if recorded else {}
    failed = walk("7-2", error="a server", success=False, **kept)
    store.add_episodes(run, [walk("7-0", **kept), walk("7-1", success=False, **kept), failed])
    batch = recorded_batch(*pair, run=str(tmp_path / run))
    assert batch.success.tolist() == [True, False]
    assert batch.num_steps == 6
    tokens = np.diff(batch.require("logprob_offsets"))
    assert (tokens == 2).all() if recorded else (tokens > 0).all()
