"""Training targets in trainers' formats: what each row holds, and that the trainers' own code reads it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from builders.episodes import CHAT, episodes, played, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.errors import BatchError, CreditGymError, NothingToWriteError, StoreError, UnknownNameError
from credit_gym.formats.credited_turns import credited_turns
from credit_gym.formats.openrlhf import openrlhf_rows
from credit_gym.formats.trl import dpo_rows, kto_rows, sft_rows
from credit_gym.formats.verifiers import verifiers_rows
from credit_gym.formats.verl import verl_rows, write_tasks
from credit_gym.formats.writers import FORMATS, write_targets
from credit_gym.store.folders import new_run


@pytest.mark.slow
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_every_format_writes_any_legal_episode(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    drawn = [data.draw(episodes(episode_id=f"7-{index}")) for index in range(2)]
    values = st.sampled_from((None, -1.0, 0.0, 2.5, math.nan))
    rows = [st.lists(values, min_size=len(episode), max_size=len(episode)) for episode in drawn]
    credit = [data.draw(st.none() | row) for row in rows]
    folder = tmp_path_factory.mktemp("any")
    for name in FORMATS.keys() - {"datasets"}:
        path = folder / f"targets.{name}"
        path.unlink(missing_ok=True)
        try:
            write_targets(name, path, drawn, {"s": credit})
        except NothingToWriteError:
            assert not path.exists()
            continue
        assert path.stat().st_size
        if FORMATS[name].suffix == "jsonl":
            for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
                json.loads(line)
        else:
            pq.read_table(path)


def test_sft_keeps_the_turns_above_the_threshold_with_the_chat_that_they_answered() -> None:
    rows = list(sft_rows([played()], [(0.0, 0.5)]))
    assert [row["step"] for row in rows] == [1]
    assert rows[0]["prompt"] == list(CHAT[1])
    assert rows[0]["completion"] == [{"role": "assistant", "content": "go 1"}]
    assert not list(sft_rows([played()], [(0.0, 0.5)], threshold=0.5))


def test_an_episode_without_a_chat_becomes_one_of_its_goal_and_history() -> None:
    (row,) = sft_rows([walk(goal="win", steps=2)], [(None, 1.0)])
    assert row["prompt"] == [
        {"role": "system", "content": "win"},
        {"role": "user", "content": "You are in room 0."},
        {"role": "assistant", "content": "go 0"},
        {"role": "user", "content": "You are in room 1."},
    ]


def test_dpo_pairs_two_actions_of_one_state_and_never_of_two_tasks() -> None:
    one, other = walk("a", steps=1), walk("b", steps=1, actions=("stay",))
    elsewhere = walk("c", steps=1, actions=("jump",), task_id="another")
    rows = list(dpo_rows([one, other, elsewhere], [(1.0,), (-1.0,), (-5.0,)]))
    assert [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows] == [("go 0", "stay")]
    assert (rows[0]["credit_chosen"], rows[0]["credit_rejected"]) == (1.0, -1.0)
    assert not list(dpo_rows([one, other], [(1.0,), (-1.0,)], threshold=2.0))


def test_dpo_averages_the_credits_of_an_action_before_it_compares() -> None:
    seen = [walk("a", steps=1), walk("b", steps=1), walk("c", steps=1, actions=("stay",))]
    (row,) = dpo_rows(seen, [(3.0,), (-3.0,), (1.0,)])
    assert row["chosen"][0]["content"] == "stay"
    assert row["credit_rejected"] == 0.0


def test_kto_labels_by_sign_and_leaves_out_a_credit_of_zero_and_none() -> None:
    rows = list(kto_rows([walk(steps=4)], [(1.0, 0.0, None, -0.5)]))
    assert [row["label"] for row in rows] == [True, False]


def test_verl_rows_keep_null_tokens_apart_from_none_sampled(tmp_path: Path) -> None:
    write_targets("verl", tmp_path / "v.parquet", [played(), walk("b", steps=1)], {"s": [(0.5, None), (0.0,)]})
    infos = [row["extra_info"] for row in pq.read_table(tmp_path / "v.parquet").to_pylist()]
    assert infos[0]["token_ids"] == [3, 4]
    assert infos[0]["logprobs"] == [-0.5, -0.25]
    assert infos[1]["token_ids"] is None
    assert [info["credit"] for info in infos] == [0.5, 0.0]  # the turn without a credit has no row
    assert [info["index"] for info in infos] == [0, 1]


def test_the_labels_of_verl_and_openrlhf_hold_the_mean_credit_of_every_action_of_the_state() -> None:
    seen = [walk("a", steps=1), walk("b", steps=1), walk("c", steps=1, actions=("stay",))]
    credit = [(1.0,), (0.0,), (-1.0,)]
    expected = {"go 0": 0.5, "stay": -1.0}
    (row,) = openrlhf_rows(seen, credit)
    assert json.loads(row["label"]) == expected
    assert row["input"] == [{"role": "user", "content": "You are in room 0."}]
    assert [json.loads(row["reward_model"]["ground_truth"]) for row in verl_rows(seen, credit)] == [expected] * 3


def test_verl_tasks_name_the_agent_loop_that_plays_them(tmp_path: Path) -> None:
    write_tasks(tmp_path / "tasks.parquet", "credit/Stochastic-v0", range(3))
    rows = pq.read_table(tmp_path / "tasks.parquet").to_pylist()
    assert [row["extra_info"] for row in rows] == [{"index": i, "env_id": "credit/Stochastic-v0"} for i in range(3)]
    assert {row["agent_name"] for row in rows} == {"credit_gym"}


def path_of(nodes: list[dict[str, Any]], leaf: int | None) -> list[dict[str, Any]]:
    found = []
    while leaf is not None:
        found.append(nodes[leaf])
        leaf = nodes[leaf]["parent"]
    return found[::-1]


def test_a_trace_is_one_path_whose_tokens_are_those_that_the_model_saw() -> None:
    (trace,) = verifiers_rows([played()], [(0.5, None)])
    path = path_of(trace["nodes"], len(trace["nodes"]) - 1)
    assert [token for node in path for token in node.get("token_ids", ())] == [1, 2, 3, 4, 5, 6, 7]
    assert [flag for node in path for flag in node.get("mask", ())] == [False, False, True, True, False, False, True]
    sampled = [node for node in path if node.get("sampled")]
    assert [node["advantages"] for node in sampled] == [[0.5, 0.5], None]
    assert [node["logprobs"] for node in sampled] == [[-0.5, -0.25], [-1.0]]
    assert sampled[0]["message"]["content"] == "Action: go 0"  # as the next turn shows it


def test_a_trace_branches_where_a_chat_was_tokenised_otherwise() -> None:
    (trace,) = verifiers_rows([played(prompt_token_ids=((1, 2), (1, 9, 9, 6)))], [(0.5, 0.5)])
    path = path_of(trace["nodes"], len(trace["nodes"]) - 1)
    assert [token for node in path for token in node.get("token_ids", ())] == [1, 9, 9, 6, 7]
    assert sum(node["parent"] is None for node in trace["nodes"]) == 2


@pytest.mark.slow
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_trace_is_a_forest_whose_advantages_lie_on_the_sampled_tokens(data: st.DataObject) -> None:
    episode = data.draw(episodes())
    (trace,) = verifiers_rows([episode], [tuple(float(t) for t in range(len(episode)))])
    sampled = [node for node in trace["nodes"] if node.get("sampled")]
    assert len(sampled) == len(episode)
    for index, node in enumerate(trace["nodes"]):
        assert node["parent"] is None or 0 <= node["parent"] < index
    for step, node in enumerate(sampled):
        assert len(node["mask"]) == len(node["token_ids"])
        assert node["advantages"] == [float(step)] * sum(node["mask"])
        assert len(node["logprobs"]) in (0, sum(node["mask"]))


def test_datasets_reads_the_tables_and_the_rows_for_trl(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    credits = {"s": [(0.5, None)]}
    write_targets("datasets", tmp_path / "saved", [played()], credits)
    saved = datasets.load_from_disk(str(tmp_path / "saved"))
    assert saved["turns"]["credit_s"][:] == [0.5, None]
    assert saved["episodes"]["success"][:] == [True]
    write_targets("trl-sft", tmp_path / "sft.jsonl", [played()], credits)
    rows = datasets.load_dataset("json", data_files=str(tmp_path / "sft.jsonl"), cache_dir=str(tmp_path / "cache"))
    assert rows["train"]["completion"][0] == [{"role": "assistant", "content": "go 0"}]


def test_credits_that_do_not_match_are_refused() -> None:
    for credit in ([], [(1.0,)], [(1.0, 2.0, 3.0), None]):
        with pytest.raises(BatchError, match="one row per episode"):
            list(credited_turns([walk(steps=3)], credit))


def test_wrong_requests_are_one_sentence(tmp_path: Path) -> None:
    credits = {"a": [(1.0,) * 3], "b": [(1.0,) * 3]}
    with pytest.raises(UnknownNameError, match="did you mean trl-sft"):
        write_targets("trl-sfd", tmp_path / "x", [walk()], credits)
    with pytest.raises(CreditGymError, match="room for one scorer, not 2"):
        write_targets("trl-sft", tmp_path / "x", [walk()], credits)
    with pytest.raises(CreditGymError, match="takes no threshold"):
        write_targets("jsonl", tmp_path / "x", [walk()], credits, threshold=0.5)
    (tmp_path / "file").touch()
    for name in ("trl-sft", "verl"):
        with pytest.raises(StoreError, match="cannot be written"):
            write_targets(name, tmp_path / "file" / "x", [walk()], {"a": [(1.0,) * 3]})


@pytest.mark.parametrize("to", ["verifiers", "atif"])
def test_a_stored_run_has_every_credit_of_its_steps_in_a_file_of_episodes(to: str, tmp_path: Path) -> None:
    store, run = new_run(tmp_path, env_id="e", agent_id="a", config={}, seed=None)
    store.add_episodes(run, [walk(f"7-{number}") for number in range(5)])
    credit = [[10.0 * number + step for step in range(3)] for number in range(5)]
    write_targets(to, tmp_path / "targets", store.episodes(run), {"s": credit})
    rows = [json.loads(line) for line in (tmp_path / "targets").read_text("utf-8").splitlines()]
    assert [list(map(float, CREDITS_OF[to](row))) for row in rows] == credit


CREDITS_OF: dict[str, Callable[[Any], list[float]]] = {
    "verifiers": lambda trace: trace["info"]["credits"],
    "atif": lambda document: [step["extra"]["credit"] for step in document["steps"] if step["source"] == "agent"],
}
