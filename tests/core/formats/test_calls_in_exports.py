"""Exports of turns that call tools, think or were cut, and exports in which there would be nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from builders.episodes import walk
from typer.testing import CliRunner

import credit_gym.cli.targets  # noqa: F401 - registers its command
from credit_gym.cli import app
from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError, CreditGymError, NothingToWriteError
from credit_gym.formats.credited_turns import without_cut
from credit_gym.formats.openrlhf import openrlhf_rows
from credit_gym.formats.trl import dpo_rows, kto_rows, sft_rows
from credit_gym.formats.verifiers import verifiers_rows
from credit_gym.formats.verl import verl_rows
from credit_gym.formats.writers import FORMATS, write_targets
from credit_gym.store.folders import new_run

CALL = {"id": "c1", "name": "look", "arguments": {"b": 1, "a": "é"}}
WRITTEN = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": "é", "b": 1}'}}
ACTION = '{"name": "look", "arguments": {"a": "é", "b": 1}}'
ANSWER = {"role": "assistant", "content": "I look.", "reasoning_content": "Where?", "tool_calls": [WRITTEN]}
ASKED = {"role": "user", "content": "find it"}
RESULT = {"role": "tool", "content": "a key", "tool_call_id": "c1"}
CHAT = ((ASKED,), (ASKED, ANSWER, RESULT))


def calling(**changes: Any) -> Episode:
    """Two turns: a call with a thought and some words, and an answer that ran out of tokens."""
    fields: dict[str, Any] = {
        "steps": 2,
        "actions": (ACTION, "It is"),
        "tool_calls": ((CALL,), ()),
        "replies": ("I look.", ""),
        "thoughts": ("Where?", ""),
        "finish_reasons": ("tool_calls", "length"),
        "messages": CHAT,
    }
    return walk(**{**fields, **changes})


def test_trl_gets_a_call_as_a_call_and_the_thought_beside_it() -> None:
    first, second = sft_rows([calling()], [(1.0, 1.0)])
    assert first["completion"] == [ANSWER]
    assert second["completion"] == [{"role": "assistant", "content": "It is"}]
    assert second["prompt"] == list(CHAT[1])
    assert [row["completion"] for row in kto_rows([calling()], [(1.0, -1.0)])] == [
        first["completion"],
        second["completion"],
    ]
    other = walk("b", steps=1, messages=((ASKED,),), actions=("wait",))
    (pair,) = dpo_rows([calling(), other], [(1.0, None), (-1.0,)])
    assert (pair["chosen"], pair["rejected"]) == ([ANSWER], [{"role": "assistant", "content": "wait"}])


def test_datasets_reads_rows_with_and_without_calls(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    write_targets("trl-sft", tmp_path / "sft.jsonl", [walk("b", steps=1), calling()], {"s": [(1.0,), (1.0, 1.0)]})
    rows = datasets.load_dataset("json", data_files=str(tmp_path / "sft.jsonl"), cache_dir=str(tmp_path / "cache"))
    found = [row[0].get("tool_calls") for row in rows["train"]["completion"]]
    assert found == [None, [WRITTEN], None]


def test_verl_keeps_calls_thoughts_and_reasons_and_adds_no_field_where_there_is_none(tmp_path: Path) -> None:
    write_targets("verl", tmp_path / "v.parquet", [calling()], {"s": [(1.0, 1.0)]})
    first, second = pq.read_table(tmp_path / "v.parquet").to_pylist()
    assert first["extra_info"]["tool_calls"] == [WRITTEN]
    assert [row["extra_info"]["thought"] for row in (first, second)] == ["Where?", None]
    assert [row["extra_info"]["finish_reason"] for row in (first, second)] == ["tool_calls", "length"]
    assert [message["tool_calls"] for message in second["prompt"]] == [None, [WRITTEN], None]
    assert [message["tool_call_id"] for message in second["prompt"]] == [None, None, "c1"]
    write_targets("verl", tmp_path / "plain.parquet", [walk()], {"s": [(1.0,) * 3]})
    assert pq.read_table(tmp_path / "plain.parquet").to_pylist()[0]["prompt"] == [
        {"role": "user", "content": "You are in room 0."}
    ]


def test_openrlhf_and_verifiers_show_the_call_in_the_chat() -> None:
    rows = list(openrlhf_rows([calling()], [(1.0, 0.5)]))
    assert rows[1]["input"] == list(CHAT[1])
    assert json.loads(rows[0]["label"]) == {ACTION: 1.0}
    (trace,) = verifiers_rows([calling()], [(1.0, 0.5)])
    flat = {"id": "c1", "type": "function", "name": "look", "arguments": '{"a": "é", "b": 1}'}
    assert trace["nodes"][1]["message"] == {**ANSWER, "tool_calls": [flat]}
    assert trace["nodes"][2]["message"] == RESULT
    assert trace["calls"] == [{"node": 1, "finish_reason": "tool_calls"}, {"node": 3, "finish_reason": "length"}]


def test_a_history_without_a_chat_answers_every_call() -> None:
    twice = (CALL, {**CALL, "id": "c2"})
    rows = list(sft_rows([calling(messages=None, tool_calls=(twice, ()))], [(None, 1.0)]))
    roles = [(message["role"], message["content"], message.get("tool_call_id")) for message in rows[0]["prompt"]]
    assert roles == [
        ("user", "You are in room 0.", None),
        ("assistant", "I look.", None),
        ("tool", "", "c1"),
        ("tool", "You are in room 1.", "c2"),
    ]


def test_what_a_server_calls_its_own_never_reaches_a_trainer() -> None:
    odd = {**ASKED, "weight": 0, "annotations": [1], "tool_calls": None}
    (row,) = sft_rows([walk(steps=1, messages=((odd,),))], [(1.0,)])
    assert row["prompt"] == [ASKED]


@pytest.mark.parametrize("reason", ["length", "content_filter", "refusal", "max_tokens", "SAFETY"])
def test_a_cut_reply_gets_no_credit_in_any_format(tmp_path: Path, reason: str) -> None:
    episode = calling(finish_reasons=("stop", reason))
    assert without_cut([episode, walk(steps=1), episode], [(1.0, 2.0), (3.0,), None]) == [[1.0, None], (3.0,), None]
    for to, form in FORMATS.items():
        if to in ("datasets", "trl-dpo"):
            continue
        path = tmp_path / f"t.{to}"
        write_targets(to, path, [episode], {"s": [(1.0, 2.0)]}, drop_cut=True)
        if form.suffix == "parquet":
            rows = pq.read_table(path).to_pylist()
        else:
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        if to in ("parquet", "jsonl"):
            assert [row["credit_s"] for row in rows] == [1.0, None]
        elif to == "verifiers":
            assert rows[0]["info"]["credits"] == [1.0, None]
        else:
            assert len(rows) == 1


EMPTY: dict[str, tuple[list[Episode], list[Any], float | None]] = {
    "trl-sft": ([walk()], [(0.0, -1.0, None)], None),
    "trl-dpo": ([walk()], [(1.0, 1.0, 1.0)], None),
    "trl-kto": ([walk()], [(0.0, 0.0, 0.0)], None),
    "verl": ([walk()], [(0.1, 0.1, 0.1)], 0.5),
    "openrlhf": ([walk()], [(0.1, 0.1, 0.1)], 0.5),
    "verifiers": ([], [], None),
    "atif": ([], [], None),
    "parquet": ([walk(steps=0)], [()], None),
    "jsonl": ([], [], None),
    "datasets": ([], [], None),
}


@pytest.mark.parametrize("to", EMPTY)
def test_an_export_that_would_be_empty_is_a_sentence_and_no_file(tmp_path: Path, to: str) -> None:
    played, credit, threshold = EMPTY[to]
    with pytest.raises(NothingToWriteError, match=f"Nothing of mc can be written as {to}: .*; .*play"):
        write_targets(to, tmp_path / "x", played, {"mc": credit}, threshold=threshold)
    assert EMPTY.keys() == FORMATS.keys()
    assert list(tmp_path.iterdir()) == []


def test_from_the_command_line_too(tmp_path: Path) -> None:
    store, run = new_run(tmp_path, env_id="e", agent_id="a", config={}, seed=None)
    store.add_episode(run, calling(rewards=(1.0, 1.0)))
    call = ("targets", run, "--runs-dir", str(tmp_path), "--scorer", "outcome_only", "--to")
    result = CliRunner().invoke(app, (*call, "trl-dpo"))
    assert result.exit_code == 2
    assert "Nothing of outcome_only can be written as trl-dpo" in " ".join(result.stderr.split())
    result = CliRunner().invoke(app, (*call, "trl-sft", "--drop-cut"))
    assert result.exit_code == 0, result.output
    assert len(Path(result.stdout.strip()).read_text().splitlines()) == 1
    assert issubclass(NothingToWriteError, CreditGymError)


def test_a_turn_that_was_cut_is_still_in_the_chat_of_the_next(tmp_path: Path) -> None:
    first_cut = calling(finish_reasons=("length", "stop"))
    (row,) = list(verl_rows([first_cut], without_cut([first_cut], [(1.0, 1.0)])))
    assert row["prompt"] == list(CHAT[1])


def test_a_message_that_cannot_be_written_is_a_sentence() -> None:
    nameless = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    with pytest.raises(BatchError, match="before step 0 of episode '7-0' cannot be written"):
        list(sft_rows([walk(steps=1, messages=((nameless,),))], [(1.0,)]))
