"""Lines of chats as people write them: what a text, a null or a number in a field says, and what is refused."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.episodes import walk
from typer.testing import CliRunner

import credit_gym.cli.imports  # noqa: F401 - registers its command
from credit_gym.cli import app
from credit_gym.credit.assign import build_targets
from credit_gym.data.episode import Episode
from credit_gym.formats.jsonl import write_lines
from credit_gym.formats.readers import read_episodes
from credit_gym.formats.verifiers import verifiers_rows

CHAT = {"messages": [{"role": "user", "content": "where?"}, {"role": "assistant", "content": "go"}], "reward": 1.0}
TOOLS = [
    {"role": "user", "content": "drop it"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "drop_table", "arguments": "{}"}}],
        "finish_reason": "tool_calls",
    },
    {"role": "tool", "tool_call_id": "1", "content": "dropped"},
    {"role": "assistant", "content": "Done", "finish_reason": "length"},
]


def read(tmp_path: Path, *rows: Any, source: str = "chat") -> tuple[list[Episode], list[str]]:
    write_lines(tmp_path / "x.jsonl", rows)
    found = read_episodes(source, tmp_path / "x.jsonl")
    return found.episodes, found.damaged


def one(tmp_path: Path, **fields: Any) -> Episode:
    ((episode,), damaged) = read(tmp_path, {**CHAT, **fields})
    assert damaged == []
    return episode


def sentence(tmp_path: Path, **fields: Any) -> str:
    (episodes, (said,)) = read(tmp_path, {**CHAT, **fields})
    assert episodes == []
    return said


def test_a_call_is_an_action_its_result_an_observation_and_why_each_reply_ended_is_kept(tmp_path: Path) -> None:
    episode = one(tmp_path, messages=TOOLS)
    assert episode.actions == ('{"name": "drop_table", "arguments": {}}', "Done")
    assert episode.observations == ("drop it", "dropped", "")
    assert episode.tool_calls == (({"id": "1", "name": "drop_table", "arguments": {}},), ())
    assert episode.finish_reasons == ("tool_calls", "length")
    assert episode.messages is not None
    assert [message["role"] for message in episode.messages[1]] == ["user", "assistant", "tool"]


@pytest.mark.parametrize("field", ["success", "truncated", "exact_verifier"])
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *((said, False) for said in ("false", "False", "no", "0", 0, 0.0, False)),
        *((said, True) for said in ("true", " TRUE ", "yes", "1", 1, 1.0, True)),
    ],
)
def test_a_truth_value_is_what_it_says(tmp_path: Path, field: str, written: Any, meant: bool) -> None:
    assert getattr(one(tmp_path, **{field: written}), field) is meant


@pytest.mark.parametrize("field", ["success", "truncated", "exact_verifier"])
@pytest.mark.parametrize("written", ["maybe", "", 2, 0.5, [], {}])
def test_what_is_no_truth_value_is_refused(tmp_path: Path, field: str, written: Any) -> None:
    assert f"{field} must be true or false" in sentence(tmp_path, **{field: written})


def test_a_flag_of_a_step_is_what_it_says(tmp_path: Path) -> None:
    assert one(tmp_path, invalid=["false"]).invalid == (False,)
    assert "invalid must be true or false" in sentence(tmp_path, invalid=["perhaps"])
    assert "invalid must be a list" in sentence(tmp_path, invalid="0")


def test_null_is_not_given(tmp_path: Path) -> None:
    nulls = ("episode_id", "group_id", "task_id", "agent_id", "env_id", "success", "truncated", "rewards", "verifier")
    assert one(tmp_path, **dict.fromkeys(nulls)) == one(tmp_path)


def test_a_group_that_is_null_is_the_task_s(tmp_path: Path) -> None:
    missing: list[Any] = [None, "", float("nan")]
    lines = [json.dumps({**CHAT, "task_id": f"t{index}", "group_id": group}) for index, group in enumerate(missing)]
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    found = read_episodes("chat", tmp_path / "x.jsonl").episodes
    assert [episode.group_id for episode in found] == ["t0", "t1", "t2"]


@pytest.mark.parametrize("name", ["episode_id", "group_id", "task_id", "agent_id", "env_id"])
def test_an_id_may_be_a_number_and_nothing_else_than_a_text(tmp_path: Path, name: str) -> None:
    assert getattr(one(tmp_path, **{name: 7}), name) == "7"
    for wrong in (True, [], {"a": 1}):
        assert f"{name} must be a text or a number" in sentence(tmp_path, **{name: wrong})


def test_a_reward_may_be_text_or_a_truth_value_but_not_a_word(tmp_path: Path) -> None:
    assert [one(tmp_path, reward=reward).rewards for reward in ("0.5", True, False, 3)] == [
        (0.5,),
        (1.0,),
        (0.0,),
        (3.0,),
    ]
    assert "a reward must be a number" in sentence(tmp_path, reward="good")
    assert "a reward must be a number" in sentence(tmp_path, reward={"r": 1})
    assert "rewards must be a list" in sentence(tmp_path, rewards="1")
    assert "1 actions but 2 rewards" in sentence(tmp_path, rewards=[1, 2])


@pytest.mark.parametrize("unknown", [{"reward": None}, {"rewards": [None]}])
def test_a_reward_that_is_null_is_not_a_failure(tmp_path: Path, unknown: dict[str, Any]) -> None:
    episodes, _ = read(tmp_path, CHAT, CHAT, {**CHAT, **unknown})
    assert episodes[2].error is not None
    assert [target.credit for target in build_targets(episodes, "grpo")] == [0.0, 0.0]


def test_a_trace_whose_reward_is_null_is_not_a_failure(tmp_path: Path) -> None:
    traces = list(verifiers_rows([walk(f"e{i}", steps=1) for i in range(4)], [(0.0,)] * 4))
    traces[2]["rewards"] = {"r": None}
    traces[3]["rewards"] = {"r": {"score": 1.0}, "s": None}
    episodes, damaged = read(tmp_path, *traces, source="verifiers")
    assert damaged == []
    assert [episode.error is None for episode in episodes] == [True, True, False, False]
    assert [target.credit for target in build_targets(episodes, "grpo")] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("stop", "more", "truncated"),
    [
        ("max_turns", {}, True),
        ("max_total_tokens", {}, True),
        ("compaction_failed", {}, True),
        ("agent_timeout", {"is_timeout": True}, True),
        ("agent_completed", {}, False),
        (None, {}, False),
        (None, {"calls": [{"node": 1, "finish_reason": "length"}]}, True),
    ],
)
def test_a_limit_truncates_a_trace(tmp_path: Path, stop: str | None, more: dict[str, Any], truncated: bool) -> None:
    (trace,) = verifiers_rows([walk(steps=1)], [(0.0,)])
    ((episode,), _) = read(tmp_path, {**trace, "stop_condition": stop, **more}, source="verifiers")
    assert (episode.truncated, episode.terminated, episode.error) == (truncated, not truncated, None)


def test_a_trace_that_was_ok_in_the_end_is_no_failure_and_one_that_was_not_says_why(tmp_path: Path) -> None:
    (trace,) = verifiers_rows([walk(steps=1)], [(0.0,)])
    errors = [{"type": "ProviderError", "message": "busy"}]
    states: list[dict[str, Any]] = [{"ok": True}, {"ok": "true"}, {"ok": False}, {"ok": False, "errors": []}]
    rows = [{**trace, "id": f"e{i}", "errors": errors, "stop_condition": "error", **s} for i, s in enumerate(states)]
    episodes, _ = read(tmp_path, *rows, source="verifiers")
    assert [episode.error for episode in episodes] == [None, None, "busy", "error"]


def test_a_trace_in_which_the_model_never_spoke_is_no_episode(tmp_path: Path) -> None:
    (trace,) = verifiers_rows([walk(steps=1)], [(0.0,)])
    for node in trace["nodes"]:
        node["sampled"] = False
    episodes, (said,) = read(tmp_path, trace, source="verifiers")
    assert episodes == []
    assert "the model never spoke" in said


@pytest.mark.parametrize(
    ("prompt", "goal"),
    [("win", "win"), ("", ""), (None, "be kind"), ([{"role": "user", "content": "win"}], "win")],
)
def test_the_goal_of_a_trace_is_read_back(tmp_path: Path, prompt: Any, goal: str) -> None:
    chat = ({"role": "system", "content": "be kind"}, {"role": "user", "content": "where?"})
    (trace,) = verifiers_rows([walk(steps=1, messages=(chat,))], [(0.0,)])
    trace["task"]["data"]["prompt"] = prompt
    trace["info"].pop("episode", None)
    ((episode,), _) = read(tmp_path, trace, source="verifiers")
    assert episode.goal == goal


def test_null_in_a_trace_is_not_given(tmp_path: Path) -> None:
    (trace,) = verifiers_rows([walk(steps=1)], [(0.0,)])
    trace = {**trace, "id": None, "errors": None, "info": None, "agent": None, "calls": None}
    ((episode,), damaged) = read(tmp_path, trace, source="verifiers")
    assert damaged == []
    assert (episode.episode_id, episode.group_id, episode.agent_id) == ("1", "task", "")


@pytest.mark.parametrize("source", ["chat", "verifiers"])
def test_an_array_and_one_object_are_read_as_lines_are(source: str, tmp_path: Path) -> None:
    rows: dict[str, list[Any]] = {
        "chat": [CHAT, {**CHAT, "reward": 0.0}],
        "verifiers": list(verifiers_rows([walk(f"e{i}") for i in range(2)], [(0.0,) * len(walk())] * 2)),
    }
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows[source])))
    expected = read_episodes(source, tmp_path / "x.jsonl")
    assert len(expected.episodes) == 2
    for data in (json.dumps(rows[source]), json.dumps(rows[source], indent=2)):
        (tmp_path / "x.json").write_text(data)
        assert read_episodes(source, tmp_path / "x.json") == expected
    (tmp_path / "x.json").write_text(json.dumps(rows[source][0], indent=1))
    assert read_episodes(source, tmp_path / "x.json").episodes == expected.episodes[:1]
    result = CliRunner().invoke(
        app, ("import", str(tmp_path / "x.json"), "--from", source, "--out", str(tmp_path / "runs"))
    )
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_marks_of_an_encoding_and_blank_lines_cost_nothing(tmp_path: Path, encoding: str) -> None:
    line = json.dumps({**CHAT, "task_id": "é"}, ensure_ascii=False)
    (tmp_path / "x.jsonl").write_bytes(f"\r\n\n{line}\r\n   \n".encode(encoding))
    (episode,) = read_episodes("chat", tmp_path / "x.jsonl").episodes
    assert episode.task_id == "é"
    assert not episode.observations[0].startswith(codecs.BOM_UTF8.decode())


def test_a_chat_in_which_only_the_system_speaks_is_damage(tmp_path: Path) -> None:
    system = [{"role": "system", "content": "Win."}]
    assert "no message is the assistant's" in sentence(tmp_path, messages=system)
    assert "no message is the assistant's" in sentence(tmp_path, messages=[])
    assert "messages must be a list" in sentence(tmp_path, messages={"role": "assistant", "content": "x"})
    assert "a message must be an object" in sentence(tmp_path, messages=["hello"])


def test_every_column_of_a_step_may_stand_beside_the_chat(tmp_path: Path) -> None:
    episode = one(
        tmp_path,
        messages=TOOLS,
        thoughts=["hm", None],
        admissible_actions=[["a"], None],
        policy_logprobs=[[-1.0, None], []],
        token_ids=[[1, 2], []],
        log_belief=[-1, "-0.5", None],
    )
    assert episode.thoughts == ("hm", "")
    assert episode.admissible_actions == (("a",), ())
    assert episode.token_ids == ((1, 2), ())
    assert np.isnan(episode.policy_logprobs[0][1])  # type: ignore[index]
    assert episode.log_belief is not None
    assert episode.log_belief[:2] == (-1.0, -0.5)
    assert "log_belief; it must have 3" in sentence(tmp_path, messages=TOOLS, log_belief=[0])
