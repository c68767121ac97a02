"""Records within records: read where they mean one thing, refused in a sentence where they may mean two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from credit_gym.formats.json_records import records
from credit_gym.formats.readers import Imported, read_episodes


def chat(action: str, reward: float = 1.0, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Where to?"}, {"role": "assistant", "content": action}]
    return {"messages": messages, "reward": reward, **more}


def read(path: Path, *rows: Any) -> Imported:
    path.write_text("\n".join(map(json.dumps, rows)))
    return read_episodes("auto", path)


STEPS = [
    {"observation": "a hall", "action": "north", "reward": 0.0},
    {"observation": "end", "action": "x", "reward": 1},
]


@pytest.mark.parametrize("name", ["data", "episodes", "trajectories", "rollouts", "samples", "results"])
def test_the_records_of_an_envelope_are_its_records(name: str, tmp_path: Path) -> None:
    found = read(
        tmp_path / "a.json", {"version": 1, "metadata": {"by": "x"}, name: [chat("north"), chat("south", 0.0)]}
    )
    assert not found.damaged
    assert [(each.actions, each.rewards) for each in found.episodes] == [(("north",), (1.0,)), (("south",), (0.0,))]
    assert [each.episode_id for each in found.episodes] == ["1", "2"]


def test_envelopes_a_line_have_records_of_distinct_numbers(tmp_path: Path) -> None:
    rows = [{"task_id": f"t{k}", "model": "m", "rollouts": [chat("north"), chat("south"), chat("x", task_id="own")]}
            for k in range(2)]  # fmt: skip
    found = read(tmp_path / "a.jsonl", *rows, chat("last"))
    assert not found.damaged
    assert [each.episode_id for each in found.episodes] == ["1", "2", "3", "4", "5", "6", "7"]
    assert [each.task_id for each in found.episodes][:6] == ["t0", "t0", "own", "t1", "t1", "own"]
    assert {each.agent_id for each in found.episodes[:6]} == {"m"}


def test_a_damaged_entry_of_an_envelope_costs_itself_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    found = read(path, {"data": [chat("north"), {"messages": 3, "reward": 1}, chat("south")]})
    assert len(found.episodes) == 2
    (said,) = found.damaged
    assert said.startswith(f"Line 1 of {path}, entry 2 of 'data' cannot be imported: ")


def test_trajectories_by_their_ids_have_these_ids(tmp_path: Path) -> None:
    found = read(tmp_path / "a.json", {"ep-a": chat("north"), "ep-b": {**chat("south"), "episode_id": "own"}})
    assert [each.episode_id for each in found.episodes] == ["ep-a", "own"]
    found = read(tmp_path / "a.json", {"ep-a": STEPS, "ep-b": STEPS})
    assert [(each.episode_id, len(each)) for each in found.episodes] == [("ep-a", 2), ("ep-b", 2)]


@pytest.mark.parametrize(("answers", "rewards"), [("responses", "rewards"), ("completions", "scores")])
@pytest.mark.parametrize("prompt", ["Where to?", [{"role": "user", "content": "Where to?"}]])
def test_answers_to_one_prompt_are_a_group_of_episodes(answers: str, rewards: str, prompt: Any, tmp_path: Path) -> None:
    row = {"id": "q", "prompt": prompt, answers: ["north", "south"], rewards: [1.0, 0.0], "model": "m"}
    found = read(tmp_path / "a.jsonl", row, {**row, "id": "r"})
    assert not found.damaged
    assert [(each.episode_id, each.group_id, each.actions, each.rewards) for each in found.episodes] == [
        ("q-1", "q", ("north",), (1.0,)),
        ("q-2", "q", ("south",), (0.0,)),
        ("r-1", "r", ("north",), (1.0,)),
        ("r-2", "r", ("south",), (0.0,)),
    ]
    assert {(each.observations[0], each.agent_id) for each in found.episodes} == {("Where to?", "m")}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"responses": ["a", "b"], "rewards": [1, 0]}, "its 'responses' answer no 'prompt'"),
        ({"prompt": "p", "responses": ["a", "b"]}, "it has 2 'responses' and no 'rewards'"),
        ({"prompt": "p", "responses": ["a", "b"], "rewards": [1]}, "it has 2 'responses' and 1 rewards"),
        ({"prompt": 3, "responses": ["a"], "rewards": [1]}, "neither a text nor a list"),
        ({"prompt": "p", "responses": ["a"], "rewards": [None]}, None),
        ({"prompt": "p", "responses": ["a"], "rewards": ["much"]}, "must be"),
        ({"prompt": "p", "responses": ["a"], "rewards": [float("nan")]}, "no finite number"),
        ({"messages": [{"role": "user"}] * 2000, "responses": ["a"] * 2000, "rewards": [1] * 2000}, "write each as"),
        ({"data": [3, 4]}, "only data"),
        ({"data": []}, "only data"),
        ({"data": [[chat("x")]]}, "only data"),
        ({"messages": {"0": [], "1": []}, "reward": {"0": 1, "1": 0}}, "messages"),
        ({"messages": [chat("x")["messages"]] * 2, "reward": [1, 0]}, ""),
        ({"chosen": [{"role": "user"}], "rejected": []}, "only chosen"),
    ],
)
def test_what_may_mean_two_things_is_a_sentence(row: Any, said: str | None, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    found = read_episodes("auto", tmp_path / "a.jsonl")
    if said is None:  # a reward that is not known
        assert found.episodes[0].error
        return
    assert not found.episodes
    (sentence,) = found.damaged
    assert said in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    "row",
    [
        {"eval": {"task": "t"}, "status": "success", "samples": [{"id": 1}]},
        {"info": {}, "tasks": [{}], "simulations": [{}]},
        {"prompt": "p", "samples": [{"completion": "a"}]},
        {"messages": [{"role": "user", "content": "x"}], "data": [{"a": 1}]},
        {"schema_version": "ATIF-v1.7", "agent": {}, "steps": [{"message": "a"}]},
        {"a": {"b": 1}},
    ],
)
def test_a_record_that_is_one_stays_one(row: Any, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(row))
    assert [found for _, found in records(tmp_path / "a.json")] == [row]


def test_objects_on_one_line_are_records_each(tmp_path: Path) -> None:
    line = json.dumps(chat("north")) + json.dumps(chat("south")) + ", " + json.dumps(chat("up"))
    (tmp_path / "a.jsonl").write_text(f"{line}\n{json.dumps(chat('down'))}\n")
    found = read_episodes("auto", tmp_path / "a.jsonl")
    assert [each.actions for each in found.episodes] == [("north",), ("south",), ("up",), ("down",)]
    assert len({each.episode_id for each in found.episodes}) == 4


def test_a_line_that_is_cut_off_behind_an_object_costs_its_line(tmp_path: Path) -> None:
    line = json.dumps(chat("north"))
    (tmp_path / "a.jsonl").write_text(f"{line}\n{line}{line[:20]}\n")
    found = read_episodes("auto", tmp_path / "a.jsonl")
    assert (len(found.episodes), len(found.damaged)) == (1, 1)
