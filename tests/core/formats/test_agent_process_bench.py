"""AgentProcessBench: labels stay with their messages, scorers do not see them, and a damaged line costs itself."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import StoreError
from credit_gym.formats.agent_process_bench import read_labels, read_process_bench
from credit_gym.formats.readers import AUTO, read_episodes
from credit_gym.formats.recognise import recognise


def call(name: str) -> dict[str, Any]:
    arguments = json.dumps({"query_list": [name]})
    return {"id": f"call-{name}", "type": "function", "function": {"name": "search", "arguments": arguments}}


def line(total: int, labels: dict[str, Any], final: Any = 1, **fields: Any) -> dict[str, Any]:
    """A trajectory of the published form: two searches and an answer, messages 2, 4 and 6."""
    messages = [
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "content": f"Question {total // 2}?"},
        {"role": "assistant", "content": "", "tool_calls": [call("a")]},
        {"role": "tool", "name": "search", "content": "{}", "tool_call_id": "call-a"},
        {"role": "assistant", "content": "", "tool_calls": [call("b")]},
        {"role": "tool", "name": "search", "content": "{}", "tool_call_id": "call-b"},
        {"role": "assistant", "content": "<answer>Adelaide</answer>"},
    ]
    row = {
        "total_index": total,
        "query_index": total // 2,
        "sample_index": total % 2,
        "question": f"Question {total // 2}?",
        "data_source": "searchR1_hotpotqa",
        "ground_truth": {"target": ["Adelaide"]},
        "messages": messages,
        "tools": [{"type": "function", "function": {"name": "search", "parameters": {}}}],
        "step_labels": labels,
        "final_label": final,
    }
    return row | fields


def written(folder: Path, rows: list[Any], name: str = "hotpotqa") -> Path:
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def test_a_line_is_an_episode_of_its_task_with_a_label_for_each_step(tmp_path: Path) -> None:
    rows = [line(0, {"2": 1, "4": 0, "6": -1}, -1), line(1, {"2": 1, "4": 1, "6": 1}), line(2, {"4": -1}, 0)]
    (subset,) = read_process_bench(written(tmp_path, rows))
    assert (subset.name, subset.damaged) == ("hotpotqa", [])
    assert [each.labels for each in subset.trajectories] == [(1, 0, -1), (1, 1, 1), (None, -1, None)]
    episodes = [each.episode for each in subset.trajectories]
    assert [e.group_id for e in episodes] == ["hotpotqa/0", "hotpotqa/0", "hotpotqa/1"]
    assert [e.success for e in episodes] == [False, True, False]
    assert [e.rewards for e in episodes] == [(0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)]
    assert episodes[0].actions[2] == "<answer>Adelaide</answer>"
    assert "search" in episodes[0].actions[0]
    assert episodes[0].episode_id == "hotpotqa/0"
    assert not any("step_labels" in repr(e) or "final_label" in repr(e) for e in episodes)


def test_labels_may_stand_in_a_list_or_as_text(tmp_path: Path) -> None:
    listed = [None, None, 1, None, "-1", None, 0.0]
    (subset,) = read_process_bench(written(tmp_path, [line(0, {}, step_labels=listed), line(1, {"2": "1", "6": True})]))
    assert [each.labels for each in subset.trajectories] == [(1, -1, 0), (1, None, 1)]


def test_a_file_is_imported_with_its_labels_and_scorers_see_none(tmp_path: Path) -> None:
    file = written(tmp_path, [line(0, {"2": 1, "6": -1}), "{", line(1, {})]) / "hotpotqa.jsonl"
    assert recognise(file) == "process-bench"
    found = read_episodes(AUTO, file)
    assert len(found.damaged) == 1
    assert found.episodes[0].human_labels == pytest.approx((1, math.nan, -1), nan_ok=True)
    assert found.episodes[1].human_labels is None
    batch = EpisodeBatch.from_episodes(found.episodes)
    bare = EpisodeBatch.from_episodes(replace(e, human_labels=None) for e in found.episodes)
    assert str(batch) == str(bare)
    assert not [each.name for each in fields(EpisodeBatch) if "label" in each.name]


def test_labels_name_the_episode_and_the_run_that_they_are_of(tmp_path: Path) -> None:
    rows = [line(0, {"2": 1}), line(1, {"4": 0}, run_id="run_a", episode_id="7-0"), line(2, {"3": 1})]
    found = list(read_labels(written(tmp_path, rows) / "hotpotqa.jsonl"))
    assert found[:2] == [(None, "0", (1, None, None)), ("run_a", "7-0", (None, 0, None))]
    assert isinstance(found[2], StoreError)


def test_columns_beside_the_chat_are_read(tmp_path: Path) -> None:
    row = line(0, {"2": 1}, policy_logprobs=[[-1.0], [-2.0, -0.5], [-3.0]])
    (subset,) = read_process_bench(written(tmp_path, [row]))
    assert subset.trajectories[0].episode.policy_logprobs == ((-1.0,), (-2.0, -0.5), (-3.0,))


GOOD = {"2": 1, "4": 1, "6": 1}
DAMAGED: dict[str, Any] = {
    "no JSON": "{",
    "an array": "[1]",
    "no messages": {k: v for k, v in line(7, GOOD).items() if k != "messages"},
    "no step labels": {k: v for k, v in line(7, GOOD).items() if k != "step_labels"},
    "no final label": {k: v for k, v in line(7, GOOD).items() if k != "final_label"},
    "a label of 2": line(7, {"2": 2}),
    "a label of 1/2": line(7, {"2": 0.5}),
    "a label that is no number": line(7, {"2": [1]}),
    "a label of NaN": line(7, {"2": float("nan")}),
    "a final label of null": line(7, GOOD, None),
    "the label of a tool's message": line(7, {"3": 1}),
    "the label of no message": line(7, {"99": 1}),
    "the label of a negative message": line(7, {"-1": 1}),
    "the label of a word": line(7, {"two": 1}),
    "messages that are none": line(7, GOOD, messages=[1, 2]),
    "messages of nobody": line(7, GOOD, messages=[{"role": "user", "content": "hi"}]),
    "labels that are a text": line(7, GOOD, step_labels="good"),
    "an id given twice": line(0, GOOD),
    "deep nesting": "[" * 100_000,
}


@pytest.mark.parametrize("damage", list(DAMAGED))
def test_a_damaged_line_costs_itself(tmp_path: Path, damage: str) -> None:
    (subset,) = read_process_bench(written(tmp_path, [line(0, GOOD), DAMAGED[damage], line(1, GOOD)]))
    assert [each.episode.episode_id for each in subset.trajectories] == ["hotpotqa/0", "hotpotqa/1"]
    (sentence,) = subset.damaged
    assert "hotpotqa.jsonl" in sentence
    assert "\n" not in sentence


values = st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=3)
anything = st.recursive(
    values, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3), max_leaves=6
)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(sorted(line(0, {}))), value=anything)
def test_any_value_in_any_field_is_read_or_named(tmp_path: Path, field: str, value: Any) -> None:
    (subset,) = read_process_bench(written(tmp_path, [line(4, GOOD), line(0, GOOD) | {field: value}]))
    assert len(subset.trajectories) + len(subset.damaged) == 2
    assert subset.trajectories[0].labels == (1, 1, 1)


def test_a_folder_without_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no \*\.jsonl"):
        read_process_bench(tmp_path)


def test_every_file_is_a_subset(tmp_path: Path) -> None:
    written(written(tmp_path, [line(0, GOOD)], "tau2"), [line(0, GOOD)], "bfcl")
    subsets = read_process_bench(tmp_path)
    assert [subset.name for subset in subsets] == ["bfcl", "tau2"]
    assert subsets[1].trajectories[0].episode.group_id == "tau2/0"
