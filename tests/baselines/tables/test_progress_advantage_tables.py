"""The commands that compare training-free scores, on tiny models and files made here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.episodes import walk
from builders.model_servers import OVERFLOW, Reply, Seen, chat_completion, openai_server, serving
from builders.tiny_critics import wild_reward
from builders.tiny_models import tiny_model

from credit_gym.agents.learning.tiny_lm import train_tiny_lm
from credit_gym.agents.likelihood.message_scores import METHODS
from credit_gym.baselines.protocol.recorded_episodes import language_model, recorded_episodes
from credit_gym.baselines.protocol.trajectory_scores import TOKENS
from credit_gym.baselines.tables import failure_attribution, uncertainty
from credit_gym.baselines.tables import test_time_scaling as best_of_n
from credit_gym.baselines.tables.failure_attribution import (
    critic_table,
    grid,
    model_scores,
    played_by,
    zero_model_table,
)
from credit_gym.envs.who_and_when.logs import FailureLog, columns, write_log
from credit_gym.envs.who_and_when.planted import generate_log
from credit_gym.envs.who_and_when.zero_model import ZERO_MODEL, positional_prior
from credit_gym.errors import CreditGymError
from credit_gym.metrics.attribution import Logs
from credit_gym.store.folders import new_run

torch.set_num_threads(1)

LOGS = [generate_log("test", index) for index in range(4)]


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


@pytest.mark.slow
@pytest.mark.parametrize("form", ["plain", "chat", "upstream"])
def test_candidates_are_scored_and_ungraded_ones_left_out(pair: Any, trials: Path, form: str) -> None:
    batch = recorded_episodes(*pair, trials=trials, form=form).batch
    assert batch.num_episodes == 6
    assert batch.success.sum() == 3
    assert batch.policy_kl is not None
    assert (batch.policy_kl > 0).all()
    one = recorded_episodes(pair[0], pair[0], trials=trials, form=form).batch
    np.testing.assert_array_equal(one.require("policy_logprob"), one.require("reference_logprob"))


@pytest.mark.slow
def test_commands_write_their_tables(pair: Any, trials: Path, tmp_path: Path) -> None:
    for command in (uncertainty, best_of_n):
        command.main(trials=trials, policy=pair[0], reference=pair[1], markdown=tmp_path / "out.md")
        assert "progress_advantage" in (tmp_path / "out.md").read_text()


def test_what_is_missing_is_said_in_one_sentence(pair: Any, tmp_path: Path) -> None:
    with pytest.raises(CreditGymError, match="--policy"):
        recorded_episodes("", "", tau2=tmp_path / "a.json")
    with pytest.raises(CreditGymError, match="exactly one"):
        recorded_episodes(*pair, tau2=tmp_path / "a.json", trials=tmp_path)
    for command in (uncertainty, best_of_n):
        with pytest.raises(CreditGymError, match="exactly one"):
            command.main(policy=pair[0], reference=pair[1])
    with pytest.raises(CreditGymError, match="With --agent nothing else"):
        failure_attribution.main(agent="random", reward_model=["think_prm:hf:x"])
    with pytest.raises(CreditGymError, match="hf:PATH"):
        language_model("openai:x")
    with pytest.raises(CreditGymError, match="or neither"):
        failure_attribution.main(policy=pair[0])
    with pytest.raises(CreditGymError, match="--data"):
        failure_attribution.main(split="Hand-Crafted")


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_policy_that_is_its_reference_attributes_nothing(pair: Any) -> None:
    logs = [generate_log("test", index) for index in range(3)]
    score = model_scores(logs, pair[0], pair[0])("progress_advantage", "sum")
    assert (score == 0.0).all()


def test_the_positional_prior_never_sees_its_own_label() -> None:
    logs = Logs(np.array([0, 5, 10, 15]), np.ones(15, dtype=bool), np.ones(15, dtype=np.int64), np.array([3, 3, 1]))
    assert positional_prior(logs).tolist() == [1, 1, 3]  # a tie of 1 and 3, the same, and both others


def test_uniform_accuracy_is_one_over_the_steps() -> None:
    logs = Logs(np.array([0, 4, 8]), np.ones(8, dtype=bool), np.ones(8, dtype=np.int64), np.array([0, 2]))
    assert str(zero_model_table("test", logs).rows[0][1]).startswith("25.0 ")


def test_an_expert_attributes_every_log_right() -> None:
    table = played_by("expert", "all_at_once", {"split": "test", "num_tasks": 4}, LOGS)
    assert str(table.rows[0][1]).startswith("100.0")
    assert table.rows[0][-1] == 1.0


def hand_crafted(folder: Path) -> Path:
    """Three logs in the schema of the hand-crafted split: agents in roles, steps as text, no names."""
    (folder / "Hand-Crafted").mkdir(parents=True)
    said = ("human", "Orchestrator (thought)", "WebSurfer", "Orchestrator (-> WebSurfer)", "WebSurfer", "Assistant")
    for number, step in enumerate((4, 4, 1)):
        log = {
            "history": [{"content": f"{'x' * i} {role}", "role": role} for i, role in enumerate(said)],
            "question": "q",
            "ground_truth": "a",
            "is_corrected": False,
            "question_ID": f"id-{number}",
            "mistake_agent": "WebSurfer" if step == 4 else "Orchestrator",
            "mistake_step": str(step),
            "mistake_reason": "r",
            **({"level": 1} if number else {"mistake_type": "t"}),
        }
        (folder / "Hand-Crafted" / f"{number}.json").write_text(json.dumps(log))
    return folder


def written(path: Path) -> dict[str, dict[str, str]]:
    """Step accuracy by row name, for every table of a Markdown file by its title."""
    parts = path.read_text().replace("\\", "").split("**")[1:]
    tables = {}
    for title, block in zip(parts[::2], parts[1::2], strict=True):
        rows = [[cell.strip() for cell in line.split("|")] for line in block.splitlines() if line]
        tables[title] = {row[1]: row[2] for row in rows[2:]}
    return tables


def test_every_split_at_hand_is_tabulated_and_a_missing_one_is_named(tmp_path: Path) -> None:
    failure_attribution.main(data=hand_crafted(tmp_path), markdown=tmp_path / "out.md")
    found = written(tmp_path / "out.md")
    (absent,) = (rows for title, rows in found.items() if "Algorithm-Generated: not at hand" in title)
    rows = found["Hand-Crafted: 3 logs, no model"]
    assert set(absent.values()) == {"–"}
    assert absent.keys() == rows.keys() == ZERO_MODEL.keys()
    accuracy = {name: cell.split(" ")[0] for name, cell in rows.items()}
    assert accuracy == {
        "uniform over valid steps": "20.0",
        "uniform, no terminal": "–",
        "first valid step": "33.3",
        "last step": "0.0",
        "longest step": "0.0",
        "constant step 1": "33.3",
        "constant step 8": "0.0",
        "constant step 12": "0.0",
        "longest step, no terminal": "–",
        "second WebSurfer turn": "66.7",
        "positional prior, leave-one-out": "0.0",
    }


def test_bare_files_are_one_split(tmp_path: Path) -> None:
    for number, log in enumerate(LOGS):
        write_log(tmp_path / f"{number}.json", log)
    failure_attribution.main(data=tmp_path, markdown=tmp_path / "out.md")
    assert list(written(tmp_path / "out.md")) == ["Algorithm-Generated: 4 logs, no model"]


def test_bare_files_are_called_by_what_they_hold(tmp_path: Path) -> None:
    folder = hand_crafted(tmp_path / "data") / "Hand-Crafted"
    failure_attribution.main(data=folder, markdown=tmp_path / "out.md")
    assert list(written(tmp_path / "out.md")) == ["Hand-Crafted: 3 logs, no model"]
    write_log(folder / "9.json", LOGS[0])
    failure_attribution.main(data=folder, markdown=tmp_path / "out.md")
    assert list(written(tmp_path / "out.md")) == ["Hand-Crafted and Algorithm-Generated: 4 logs, no model"]


def knowing(answer: Callable[[str, FailureLog], str]) -> Callable[[Seen], Reply]:
    """Return a server whose model is given, with each question, the log that it is about."""

    def serve(seen: Seen) -> Reply:
        if seen.method == "GET":
            return openai_server(seen)
        text = seen.body["messages"][-1]["content"]
        (log,) = (log for log in LOGS if log.question in text)
        return Reply(chat_completion(answer(text, log)))

    return serve


def verdicts(text: str, log: FailureLog) -> str:
    """Find fault with exactly the step that the label blames, by its text."""
    steps = re.findall(r"Step (\d+) \[[^]]*\]:\n(.*)", text)
    blamed = log.messages[log.step].content
    return "\n".join(f"Step {n} is \\boxed{{{'in' if said == blamed else ''}correct}}" for n, said in steps)


def test_the_rules_of_a_process_reward_model_name_the_step_that_it_finds_wrong() -> None:
    with serving(knowing(verdicts)) as server:
        table = critic_table("test", f"think_prm:openai:m@{server.root}/v1", LOGS)
    assert [str(row[0]).rpartition(" ")[2] for row in table.rows] == ["threshold", "min_step", "sharpest_abs_drop"]
    assert [str(row[1]).split(" ")[0] for row in table.rows[:2]] == ["100.0", "100.0"]
    assert "no verdict on 0 of 4 logs" in table.title


def test_a_grade_of_whole_runs_names_no_step(tmp_path: Path) -> None:
    judge = wild_reward(tmp_path)
    with pytest.raises(CreditGymError, match="can name no step"):
        critic_table("test", f"wild_reward:{judge}", LOGS)


# Agents


def attribution(text: str, log: FailureLog) -> str:
    """Answer by the label, whichever question of a protocol is asked."""
    half = re.search(r"upper half \(steps \d+ to (\d+)\)", text)
    newest = re.search(r"Is step (\d+) the decisive", text)
    if newest:
        return "1. Yes, that is it." if int(newest[1]) == log.step else "1. No."
    if half:
        return "upper half" if log.step <= int(half[1]) else "lower half"
    return f"{log.agent}, step {log.step}"


@pytest.mark.parametrize("protocol", ["all_at_once", "step_by_step", "binary_search"])
def test_a_model_behind_a_server_attributes_every_log_by_every_protocol(protocol: str, tmp_path: Path) -> None:
    with serving(knowing(attribution)) as server:
        failure_attribution.main(
            agent=f"openai:m@{server.root}/v1", protocol=protocol, logs=len(LOGS), markdown=tmp_path / "out.md"
        )
    (rows,) = written(tmp_path / "out.md").values()
    assert list(rows.values()) == ["100.0 [100.0, 100.0]"]
    asked = [post.body["messages"] for post in server.posts()]
    assert {tuple(message["role"] for message in chat) for chat in asked} == {("system", "user")}
    expected = {"all_at_once": len(LOGS), "step_by_step": sum(log.step + 1 for log in LOGS)}
    assert len(asked) == expected.get(protocol, len(asked))


def test_a_log_that_cannot_be_put_to_the_model_counts_as_wrong_and_is_named() -> None:
    def answer(seen: Seen) -> Reply:
        too_long = seen.method == "POST" and LOGS[0].question in seen.body["messages"][-1]["content"]
        return Reply(OVERFLOW, 400) if too_long else knowing(attribution)(seen)

    with serving(answer) as server:
        table = played_by(f"openai:m@{server.root}/v1", "all_at_once", {"split": "test", "num_tasks": 4}, LOGS)
    assert str(table.rows[0][1]).startswith("75.0 ")
    assert "1 of them counted as wrong" in table.title
    with serving(lambda seen: Reply(OVERFLOW, 400)) as server, pytest.raises(CreditGymError, match="a single log"):
        played_by(f"openai:m@{server.root}/v1", "all_at_once", {"split": "test", "num_tasks": 4}, LOGS)


@pytest.mark.slow
def test_a_tiny_language_model_attributes_logs_by_every_protocol(tmp_path: Path) -> None:
    shape: dict[str, Any] = {"episodes": 8, "steps": 3, "hidden": 32, "layers": 1, "vocabulary": 400}
    train_tiny_lm(tmp_path, env_ids=["credit/WhoAndWhen-v0"], **shape)
    for protocol in ("all_at_once", "step_by_step", "binary_search"):
        table = played_by(f"hf:{tmp_path}", protocol, {"split": "test", "num_tasks": 2}, LOGS[:2])
        assert table.title == f"hf:{tmp_path} by {protocol}, 2 logs"  # no failure
        assert 0.0 <= float(str(table.rows[0][1]).split(" ")[0]) <= 100.0


@pytest.mark.slow
def test_the_tiny_pair_is_made_once(tmp_path: Path) -> None:
    first = failure_attribution.make_pair(tmp_path, steps=2, further=1)
    stamp = (Path(first[0].removeprefix("hf:")) / "config.json").stat().st_mtime_ns
    assert failure_attribution.make_pair(tmp_path, steps=2, further=1) == first
    assert (Path(first[0].removeprefix("hf:")) / "config.json").stat().st_mtime_ns == stamp


@pytest.mark.slow
@pytest.mark.parametrize("recorded", [True, False])
def test_stored_runs_are_scored_on_their_tokens_else_on_their_text(pair: Any, tmp_path: Path, recorded: bool) -> None:
    store, run = new_run(tmp_path, env_id="credit/Test-v0", agent_id="a", config={}, seed=0)
    kept: dict[str, Any] = {"prompt_token_ids": ((5, 6),) * 3, "token_ids": ((7, 8),) * 3} if recorded else {}
    failed = walk("7-2", error="a server", success=False, **kept)
    store.add_episodes(run, [walk("7-0", **kept), walk("7-1", success=False, **kept), failed])
    batch = recorded_episodes(*pair, run=str(tmp_path / run)).batch
    assert batch.success.tolist() == [True, False]
    assert batch.num_steps == 6
    tokens = np.diff(batch.require("logprob_offsets"))
    assert (tokens == 2).all() if recorded else (tokens > 0).all()
