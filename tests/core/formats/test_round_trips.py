"""A transcript goes through the store and every export, and back where a reader exists, and loses nothing."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from builders.episodes import episodes, walk
from builders.transcripts import chats
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.formats.json_values import to_json
from credit_gym.formats.jsonl import write_lines
from credit_gym.formats.messages import calls_of, plain_message
from credit_gym.formats.readers import read_episodes
from credit_gym.formats.verifiers import verifiers_rows
from credit_gym.formats.writers import FORMATS, write_targets
from credit_gym.store.folders import new_run


def imported(source: str, path: Path, rows: Any) -> list[Episode]:
    write_lines(path, rows)
    found = read_episodes(source, path)
    assert found.damaged == []
    return found.episodes


def stored(folder: Path, played: list[Episode]) -> list[Episode]:
    store, run = new_run(folder, env_id="e", agent_id="a", config={}, seed=None)
    for episode in played:
        store.add_episode(run, episode)
    return store.load_episodes(run)


def written(to: str, folder: Path, played: list[Episode]) -> list[dict[str, Any]]:
    """The rows of an export in which every turn has a credit of its own."""
    path = folder / f"targets.{to}"
    credit = [[1.0 + t + e / 8 for t in range(len(episode))] for e, episode in enumerate(played)]
    write_targets(to, path, played, {"s": credit})
    if FORMATS[to].suffix == "parquet":
        return list(pq.read_table(path).to_pylist())
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


def columns(episode: Episode) -> dict[str, Any]:
    """An episode as JSON, legal unicode, in which NaN is null."""
    values = {column: getattr(episode, column.name) for column in COLUMNS}
    return {column.name: None if value is None else to_json(column, value) for column, value in values.items()}


def answer(episode: Episode, step: int) -> dict[str, Any]:
    """What is owed to whoever trains on a turn: its text or calls, and its thought."""
    calls = episode.tool_calls[step] if episode.tool_calls is not None else ()
    thought = episode.thoughts[step] if episode.thoughts is not None else ""
    return {"calls": list(calls), "thought": thought, **({} if calls else {"content": episode.actions[step]})}


def understood(message: dict[str, Any]) -> dict[str, Any]:
    calls = list(calls_of(message))
    return {
        "calls": calls,
        "thought": message.get("reasoning_content") or "",
        **({} if calls else {"content": message["content"]}),
    }


@pytest.mark.slow
@given(st.lists(chats(), min_size=1, max_size=2))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_transcript_survives_the_store_and_every_export(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("trip")
    played = stored(folder / "runs", imported("chat", folder / "chat.jsonl", rows))
    assert [columns(episode) for episode in played] == [
        columns(episode) for episode in imported("chat", folder / "chat.jsonl", rows)
    ]
    turns = [(episode, step) for episode in played for step in range(len(episode))]

    traces = written("verifiers", folder, played)
    back = imported("verifiers", folder / "back.jsonl", traces)
    assert [columns(episode) for episode in back] == [columns(episode) for episode in played]
    assert written("verifiers", folder, back) == traces

    for to in ("trl-sft", "trl-kto"):
        found = written(to, folder, played)
        assert [understood(row["completion"][0]) for row in found] == [answer(*turn) for turn in turns]
        for row, (episode, step) in zip(found, turns, strict=True):
            if episode.messages is not None and episode.messages[step]:
                assert row["prompt"] == list(episode.messages[step])
    for row, (episode, step) in zip(written("verl", folder, played), turns, strict=True):
        assert [plain_message(message) for message in row["prompt"]] == [
            plain_message(message) for message in (episode.messages or ())[step] or row["prompt"]
        ]
        assert [call["function"]["name"] for call in row["extra_info"]["tool_calls"] or ()] == [
            call["name"] for call in answer(episode, step)["calls"]
        ]
    for to in ("jsonl", "parquet"):
        for row, (episode, step) in zip(written(to, folder, played), turns, strict=True):
            assert row["action"] == episode.actions[step]
            calls = [{**call, "arguments": json.loads(call["arguments"])} for call in row["tool_calls"] or ()]
            assert calls == answer(episode, step)["calls"]
            assert (row["thought"] or "") == answer(episode, step)["thought"]
            for column, name in (("finish_reasons", "finish_reason"), ("replies", "reply")):
                values = getattr(episode, column)
                assert (row[name] or "") == (values[step] if values is not None else "")


@pytest.mark.slow
@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_trace_brings_back_every_column_of_any_episode(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    episode = data.draw(episodes())
    if not len(episode):
        return
    folder = tmp_path_factory.mktemp("trace")
    credit = [tuple(float(t) for t in range(len(episode)))]
    rows = list(verifiers_rows([episode], credit))
    (back,) = imported("verifiers", folder / "t.jsonl", rows)
    assert {**columns(back), "messages": 0} == {**columns(episode), "messages": 0}
    assert list(verifiers_rows([back], credit)) == rows


def test_what_only_the_game_knows_of_a_run_comes_back_from_a_trace(tmp_path: Path) -> None:
    played = walk(
        steps=2,
        rewards=(0.25, 0.5),
        verifier=(1.0, math.nan),
        terminated=False,
        truncated=True,
        success=False,
        goal="win",
        finish_reasons=("length", "content_filter"),
        log_belief=(-2.0, -1.0, -0.5),
    )
    rows = list(verifiers_rows([played], [(0.5, None)]))
    assert rows[0]["stop_condition"] == "max_turns"
    (back,) = imported("verifiers", tmp_path / "t.jsonl", rows)
    assert columns(replace(back, messages=None)) == columns(played)
