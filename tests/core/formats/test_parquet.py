from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders.episodes import HOSTILE, episodes, walk
from hypothesis import given, settings

from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError, StoreError
from credit_gym.formats.jsonl import write_jsonl
from credit_gym.formats.parquet import SCHEMA_VERSION, read_parquet, write_parquet


@pytest.mark.parametrize("kind", ["pipe", "folder", "garbage", "version"])
def test_what_is_no_table_of_ours_is_refused_in_a_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "turns.parquet"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "garbage":
        path.write_bytes(b"PAR1" + b"\xff" * 100 + b"PAR1")
    else:
        pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({"credit_gym.schema": "9" * 5000}), path)
    with pytest.raises(StoreError, match=r"Parquet|exported"):
        read_parquet(path)


def test_a_table_of_more_rows_than_its_bytes_can_hold_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "turns.parquet"
    metadata = {"credit_gym.schema": str(SCHEMA_VERSION)}
    pq.write_table(pa.table({"action": pa.nulls(3_000_000)}).replace_schema_metadata(metadata), path)
    assert path.stat().st_size < 30_000
    with pytest.raises(StoreError, match="states 3000000 rows"):
        read_parquet(path)


def test_a_table_that_unpacks_beyond_the_bound_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "turns.parquet"
    write_parquet(path, [walk(f"{number}-0") for number in range(4)], {})
    monkeypatch.setattr("credit_gym.formats.parquet.LARGEST", 100)
    with pytest.raises(StoreError, match="unpacks to more than 100 bytes"):
        read_parquet(path)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(episode=episodes())
def test_parquet_keeps_every_turn_of_any_episode(episode: Episode) -> None:
    credit = [None if t % 2 else t / 3 for t in range(len(episode))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out" / "targets.parquet"
        write_parquet(path, [episode, walk("7-1")], {"mc": [credit, None], "grpo": [None, (0.5, math.nan, -1.0)]})
        turns, runs = read_parquet(path)
    steps = len(episode)
    assert turns["step"].to_pylist() == [*range(steps), 0, 1, 2]
    assert turns["credit_mc"].to_pylist() == [*credit, None, None, None]
    assert turns["credit_grpo"].to_pylist() == [None] * steps + [0.5, None, -1.0]
    assert turns["reward"].to_pylist()[:steps] == list(episode.rewards)
    assert turns["action"].to_pylist()[:steps] == [a.encode("utf-8", "replace").decode() for a in episode.actions]
    verifier = episode.verifier or (math.nan,) * steps
    assert turns["verifier"].to_pylist()[:steps] == [None if math.isnan(v) else v for v in verifier]
    assert runs["steps"].to_pylist() == [steps, 3]
    assert runs["seed"].to_pylist() == [episode.seed, None]
    assert runs["success"].to_pylist() == [episode.success, True]


def test_the_schema_is_versioned_and_only_what_may_be_missing_is_nullable(tmp_path: Path) -> None:
    beside = write_parquet(tmp_path / "t.parquet", [walk()], {"mc": [(1.0, 2.0, 3.0)]})
    assert beside.name == "t.episodes.parquet"
    turns, runs = pq.read_schema(tmp_path / "t.parquet"), pq.read_schema(beside)
    assert {turns.metadata[b"credit_gym.schema"], runs.metadata[b"credit_gym.schema"]} == {str(SCHEMA_VERSION).encode()}
    nullable = {field.name for field in turns if field.nullable}
    answered = {"messages", "prompt_token_ids", "token_ids", "logprobs", "decoding"}
    answered |= {"reply", "thought", "finish_reason", "tool_calls", "segment"}
    assert nullable == {"verifier", "advantage", "role", "admissible", "credit_mc", *answered}
    assert turns.field("credit_mc").type == pa.float64()
    assert {field.name for field in runs if field.nullable} == {"seed", "error"}


def test_messages_keep_their_texts_and_whatever_else_they_hold(tmp_path: Path) -> None:
    chat = ({"role": "assistant", "content": HOSTILE[0]}, {"role": "tool", "content": [1], "id": "x"})
    write_parquet(tmp_path / "t.parquet", [walk(steps=1, messages=(chat,))], {})
    (messages,) = read_parquet(tmp_path / "t.parquet").turns["messages"].to_pylist()
    assert messages[0] == {"role": "assistant", "content": HOSTILE[0], "rest": None}
    assert (messages[1]["role"], messages[1]["content"]) == ("tool", None)
    assert json.loads(messages[1]["rest"]) == {"content": [1], "id": "x"}


def test_tokens_are_exported_and_a_step_without_them_has_null(tmp_path: Path) -> None:
    tokens = {"token_ids": ((5, 0), (), (7,)), "prompt_token_ids": ((1,), (), (1, 5, 0, 2))}
    sampled = walk(**tokens, policy_logprobs=((-0.5, 0.0), (), (math.nan,)), decodings=("free", "", "exact"))
    write_parquet(tmp_path / "t.parquet", [sampled, walk("7-1", steps=1)], {})
    turns = read_parquet(tmp_path / "t.parquet").turns
    assert turns["token_ids"].to_pylist() == [[5, 0], None, [7], None]
    assert turns["prompt_token_ids"].to_pylist() == [[1], None, [1, 5, 0, 2], None]
    assert turns["logprobs"].to_pylist() == [[-0.5, 0.0], None, [None], None]
    assert turns["decoding"].to_pylist() == ["free", None, "exact", None]


def test_json_lines_have_the_same_rows_as_parquet(tmp_path: Path) -> None:
    tokens = {"token_ids": ((1, 2), (), (3,)), "policy_logprobs": ((-1.0, math.nan), (), (0.0,))}
    played = [
        walk("7-0", verifier=(1.0, math.nan, -1.0), **tokens),
        walk("7-1", actions=(HOSTILE[0], HOSTILE[6], "\ud800")),
    ]
    credits = {"mc": [(1.0, None, math.nan), None]}
    write_jsonl(tmp_path / "t.jsonl", played, credits)
    write_parquet(tmp_path / "t.parquet", played, credits)
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert lines == read_parquet(tmp_path / "t.parquet").turns.to_pylist()


def test_credits_must_fit_the_episodes(tmp_path: Path) -> None:
    for wrong in ([], [(1.0, 2.0)], [(1.0, 2.0, 3.0), None]):
        with pytest.raises(BatchError, match="'mc' must be one row per episode"):
            write_parquet(tmp_path / "t.parquet", [walk()], {"mc": wrong})


def test_a_file_that_is_no_export_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_parquet(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(StoreError, match="cannot be read"):
        read_parquet(tmp_path / "text.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(StoreError, match="not exported by credit_gym"):
        read_parquet(tmp_path / "other.parquet")
    newer = pa.table({"a": [1]}).replace_schema_metadata({"credit_gym.schema": "99"})
    pq.write_table(newer, tmp_path / "newer.parquet")
    with pytest.raises(StoreError, match="newer credit_gym"):
        read_parquet(tmp_path / "newer.parquet")
    with pytest.raises(StoreError, match="cannot be written"):
        write_parquet(tmp_path / "text.parquet" / "t.parquet", [walk()], {})
