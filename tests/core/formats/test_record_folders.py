"""Trajectories in other holders: a file each in a folder, and the rows of a Parquet file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from credit_gym.errors import StoreError
from credit_gym.formats.readers import read_episodes


def chat(action: str, reward: float | None = 1.0, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Where to?"}, {"role": "assistant", "content": action}]
    return {"messages": messages, "reward": reward, **more}


def test_a_trajectory_a_file_is_an_episode_each_called_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps(chat("south"), indent=1))
    (tmp_path / "a.json").write_text(json.dumps(chat("north")))
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(json.dumps(chat("up", episode_id="own")).encode()))
    (tmp_path / "notes.txt").write_text("no record")
    (tmp_path / "within").mkdir()
    (tmp_path / "link.json").symlink_to("/etc/passwd")
    found = read_episodes("auto", tmp_path)
    assert not found.damaged
    assert [(each.episode_id, each.actions) for each in found.episodes] == [
        ("a-1", ("north",)),
        ("b-1", ("south",)),
        ("own", ("up",)),
    ]


def test_a_damaged_file_costs_itself_and_a_repeated_id_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "b.json").write_text('{"messages": [')
    (tmp_path / "c.json").write_text(json.dumps(chat("north", episode_id="x")))
    (tmp_path / "d.json").write_text(json.dumps(chat("south", episode_id="x")))
    found = read_episodes("auto", tmp_path)
    assert [each.actions for each in found.episodes] == [("north",)]
    assert len(found.damaged) == 3
    assert all("\n" not in sentence for sentence in found.damaged)
    assert any("repeats the episode id 'x'" in sentence for sentence in found.damaged)


def test_documents_of_atif_in_a_folder_are_read_by_their_format(tmp_path: Path) -> None:
    agent = {"name": "x", "version": "1"}
    steps = [{"step_id": 1, "source": "user", "message": "Go."}, {"step_id": 2, "source": "agent", "message": "north"}]
    for name in ("a", "b"):
        row = {
            "schema_version": "ATIF-v1.7",
            "session_id": name,
            "agent": agent,
            "steps": steps,
        }
        (tmp_path / f"{name}.json").write_text(json.dumps({**row, "extra": {"reward": 1.0}}))
    found = read_episodes("auto", tmp_path)
    assert [(each.episode_id, each.env_id) for each in found.episodes] == [
        ("a", "imported/atif"),
        ("b", "imported/atif"),
    ]


def test_a_folder_without_records_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"holds no file of records \(\.json"):
        read_episodes("auto", tmp_path)


def test_rows_of_a_parquet_file_are_the_chats_that_json_lines_are(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "go", "arguments": '{"to": "hall"}'}}
    rows = [chat("north"), chat("south", 0.0, episode_id="own", model="m"), chat("up", None)]
    rows[1]["messages"].insert(1, {"role": "assistant", "content": "", "tool_calls": [call]})
    table = pa.Table.from_pylist([{"episode_id": None, "model": None, **row} for row in rows])
    pq.write_table(table, tmp_path / "a.parquet")  # what a message or a row lacks is null
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found, same = (read_episodes("auto", tmp_path / name) for name in ("a.parquet", "a.jsonl"))
    assert len(found.episodes) == 3
    assert found == same


@pytest.mark.parametrize("size", [4, 50, 300])
def test_a_cut_parquet_file_is_one_sentence(size: int, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([chat("north")] * 3), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:size])
    with pytest.raises(StoreError, match="cannot be read") as refused:
        read_episodes("auto", tmp_path / "b.parquet")
    assert "\n" not in str(refused.value)


def test_a_parquet_file_of_other_columns_says_what_a_row_lacks(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2], "when": pa.array([0, 1], pa.timestamp("s"))}), tmp_path / "a.parquet")
    found = read_episodes("auto", tmp_path / "a.parquet")
    assert len(found.damaged) == 2
    assert found.damaged[0].startswith(f"Row 1 of {tmp_path / 'a.parquet'} cannot be imported: it has no 'messages'")
