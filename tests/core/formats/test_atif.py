"""ATIF: a document comes back as it was with credits added, and an episode with every column that it had."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders.atif_documents import documents
from builders.episodes import episodes, walk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.formats.atif import atif_rows, read_atif
from credit_gym.formats.field_names import UNKNOWN_REWARD
from credit_gym.formats.json_values import to_json
from credit_gym.formats.jsonl import write_lines
from credit_gym.formats.readers import read_episodes
from credit_gym.formats.writers import write_targets

SESSION: dict[str, Any] = {
    "schema_version": "ATIF-v1.7",
    "session_id": "s",
    "trajectory_id": "t1",
    "agent": {"name": "terminus", "version": "2.0", "model_name": "m"},
    "steps": [
        {"step_id": 1, "source": "system", "message": "Be brief."},
        {"step_id": 2, "source": "user", "message": "List the files.", "timestamp": "2026-01-02T03:04:05Z"},
        {
            "step_id": 3,
            "source": "agent",
            "message": "Looking.",
            "reasoning_content": "ls will do",
            "tool_calls": [{"tool_call_id": "c1", "function_name": "bash", "arguments": {"cmd": "ls"}}],
            "observation": {"results": [{"source_call_id": "c1", "content": "a.txt"}]},
            "metrics": {"prompt_tokens": 9, "completion_token_ids": [5, 6], "logprobs": [-0.5, -0.25]},
        },
        {
            "step_id": 4,
            "source": "agent",
            "message": "a.txt",
            "metrics": {"completion_token_ids": [7], "logprobs": [-1.0]},
            "observation": {"results": [{"content": "done"}]},
        },
    ],
    "final_metrics": {"total_prompt_tokens": 20, "total_cost_usd": 0.5, "total_steps": 4},
    "extra": {"reward": 1.0, "task_id": "list", "host": "h"},
}


def read(path: Path, *rows: Any) -> list[Episode]:
    write_lines(path, rows)
    found = read_episodes("atif", path)
    assert found.damaged == []
    return found.episodes


def said(path: Path, row: Any) -> str:
    path.write_text(json.dumps(row), "utf-8")
    (damage,) = read_episodes("atif", path).damaged
    return damage


def within(given: Any, found: Any) -> bool:
    """Whether all of a value stands in another, which may hold more in its objects."""
    if isinstance(given, dict):
        return isinstance(found, dict) and all(key in found and within(given[key], found[key]) for key in given)
    if isinstance(given, list):
        return isinstance(found, list) and len(given) == len(found) and all(map(within, given, found))
    return type(given) is type(found) and given == found


def columns(episode: Episode) -> dict[str, Any]:
    values = {column: getattr(episode, column.name) for column in COLUMNS}
    return {column.name: None if value is None else to_json(column, value) for column, value in values.items()}


def test_what_each_field_of_a_session_becomes(tmp_path: Path) -> None:
    (episode,) = read(tmp_path / "a.json", SESSION)
    assert episode.actions == ('{"name": "bash", "arguments": {"cmd": "ls"}}', "a.txt")
    assert episode.observations == ("List the files.", "a.txt", "done")
    assert (episode.goal, episode.task_id, episode.episode_id) == ("Be brief.", "list", "t1")
    assert (episode.agent_id, episode.rewards, episode.success) == ("terminus:m", (0.0, 1.0), True)
    assert episode.thoughts == ("ls will do", "")
    assert episode.replies == ("Looking.", "a.txt")
    assert episode.token_ids == ((5, 6), (7,))
    assert episode.policy_logprobs == ((-0.5, -0.25), (-1.0,))
    assert dict(episode.usage) == {"prompt_tokens": 20.0, "dollars": 0.5}
    assert [message["role"] for message in (episode.messages or ())[1]] == ["system", "user", "assistant", "tool"]


def test_credits_come_back_in_the_extra_of_their_steps_and_nothing_else_changes(tmp_path: Path) -> None:
    (row,) = atif_rows(read(tmp_path / "a.json", SESSION), [(0.25, -0.5)])
    assert [step.get("extra", {}).get("credit") for step in row["steps"]] == [None, None, 0.25, -0.5]
    assert within(SESSION, row)


def test_new_credits_take_the_place_of_old_ones(tmp_path: Path) -> None:
    (row,) = atif_rows(read(tmp_path / "a.json", SESSION), [(0.25, -0.5)])
    (again,) = atif_rows(read(tmp_path / "b.json", row), [(None, 2.0)])
    assert [step.get("extra", {}).get("credit") for step in again["steps"]] == [None, None, None, 2.0]


@given(documents(), st.sampled_from((None, 0.5)))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_document_comes_back_whole_and_every_step_of_its_agents_has_its_credit(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any], reward: float | None
) -> None:
    if reward is not None:
        document["extra"] = {**document.get("extra", {}), "reward": reward}
    path = tmp_path_factory.mktemp("atif") / "a.json"
    path.write_text(json.dumps(document), "utf-8")
    found = read_episodes("atif", path)
    if not found.episodes:
        assert "no step is a model's" in found.damaged[0]
        return
    (episode,) = found.episodes
    assert (episode.error == UNKNOWN_REWARD) == (reward is None)
    credit = [float(step + 1) for step in range(len(episode))]
    (row,) = atif_rows([episode], [credit])
    assert within(document, row)
    assert sorted(credits_in(row)) == credit
    (again,) = read(path, row)
    assert columns(again) == columns(episode)


def credits_in(document: dict[str, Any]) -> list[float]:
    own = [step["extra"]["credit"] for step in document["steps"] if "credit" in step.get("extra", {})]
    return own + [credit for each in document.get("subagent_trajectories", ()) for credit in credits_in(each)]


@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_episode_comes_back_with_every_column_but_its_chats(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    episode = data.draw(episodes())
    if not len(episode):
        return
    folder = tmp_path_factory.mktemp("atif")
    (back,) = read(folder / "a.json", *atif_rows([episode], [[0.5] * len(episode)]))
    kept = {**columns(back), "messages": 0, "extras": columns(episode)["extras"]}
    assert kept == {**columns(episode), "messages": 0}


def test_steps_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    (whole,) = read(tmp_path / "x", SESSION)
    mixed = {**SESSION, "steps": [SESSION["steps"][place] for place in (2, 0, 3, 1)]}
    assert read(tmp_path / "y", mixed) == [whole]
    unclear = {**mixed, "steps": [{**step, "step_id": 1} for step in SESSION["steps"]]}
    assert read(tmp_path / "z", unclear)[0].actions == whole.actions


def test_steps_of_a_subagent_follow_the_one_that_called_it_as_another_role(tmp_path: Path) -> None:
    subagent = {
        "schema_version": "ATIF-v1.7",
        "trajectory_id": "sub",
        "agent": {"name": "searcher", "version": "1"},
        "steps": [
            {"step_id": 1, "source": "user", "message": "Find it."},
            {"step_id": 2, "source": "agent", "message": "Found."},
        ],
    }
    steps = json.loads(json.dumps(SESSION["steps"]))
    steps[2]["observation"]["results"][0]["subagent_trajectory_ref"] = [{"trajectory_id": "sub"}]
    document = {**SESSION, "steps": steps, "subagent_trajectories": [subagent]}
    (episode,) = read(tmp_path / "a.json", document)
    assert episode.roles == ("terminus", "searcher", "terminus")
    assert episode.observations == ("List the files.", "Find it.", "a.txt", "done")
    assert episode.rewards == (0.0, 0.0, 1.0)
    (row,) = atif_rows([episode], [(1.0, 2.0, 3.0)])
    assert row["subagent_trajectories"][0]["steps"][1]["extra"]["credit"] == 2.0
    assert within(document, row)


def test_a_step_that_was_copied_or_took_no_model_is_part_of_the_chat(tmp_path: Path) -> None:
    steps = [dict(step) for step in SESSION["steps"]]
    steps[2]["is_copied_context"] = True
    (copied,) = read(tmp_path / "a.json", {**SESSION, "steps": steps})
    assert copied.actions == ("a.txt",)
    steps[2] = {key: steps[2][key] for key in ("step_id", "source", "message")} | {"llm_call_count": 0}
    (scripted,) = read(tmp_path / "a.json", {**SESSION, "steps": steps})
    assert [message["content"] for message in (scripted.messages or ())[0]] == [
        "Be brief.",
        "List the files.",
        "Looking.",
    ]


def test_a_job_of_harbor_brings_the_task_and_the_reward_of_each_trial(tmp_path: Path) -> None:
    untold = {key: value for key, value in SESSION.items() if key not in ("extra", "trajectory_id", "session_id")}
    ends: list[dict[str, Any]] = [
        {"task_name": "list", "verifier_result": {"rewards": {"reward": 1.0, "style": 0.5}}},
        {"task_name": "list", "verifier_result": {"rewards": {"overall": 0.25}}},
        {"task_name": "list", "exception_info": {"exception_type": "AgentTimeoutError"}},
    ]
    for number, end in enumerate(ends):
        trial = tmp_path / "job" / f"list__{number}"
        (trial / "agent").mkdir(parents=True)
        (trial / "agent" / "trajectory.json").write_text(json.dumps(untold), "utf-8")
        (trial / "result.json").write_text(json.dumps(end), "utf-8")
    (tmp_path / "job" / "list__2" / "verifier").mkdir()
    (tmp_path / "job" / "list__2" / "verifier" / "reward.txt").write_text("0\n", "utf-8")
    found = read_episodes("atif", tmp_path / "job")
    assert found.damaged == []
    assert [episode.episode_id for episode in found.episodes] == ["list__0", "list__1", "list__2"]
    assert {episode.group_id for episode in found.episodes} == {"list"}
    assert [episode.episode_return for episode in found.episodes] == [1.0, 0.25, 0.0]
    assert [episode.truncated for episode in found.episodes] == [False, False, True]


def test_a_damaged_trial_is_named_and_links_are_not_followed(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "job" / str(number) / "agent").mkdir(parents=True)
        (tmp_path / "job" / str(number) / "agent" / "trajectory.json").write_text(json.dumps(SESSION), "utf-8")
    (tmp_path / "job" / "0" / "result.json").write_text("{", "utf-8")
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(SESSION), "utf-8")
    (tmp_path / "job" / "2" / "agent" / "trajectory.json").unlink()
    (tmp_path / "job" / "2" / "agent" / "trajectory.json").symlink_to(secret)
    found = read_episodes("atif", tmp_path / "job")
    assert len(found.episodes) == 1
    assert len(found.damaged) == 1
    assert "job/0 cannot be imported" in found.damaged[0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schema_version": "2.0"}, "its 'schema_version' is '2.0'"),
        ({"steps": []}, "no step is a model's"),
        ({"steps": {}}, "steps must be a list, not dict"),
        ({"steps": [{"source": "bot", "message": ""}]}, "must be user, agent or system, not 'bot' (step 1)"),
        ({"steps": [{"source": "agent", "message": 3}]}, "(step 1)"),
        ({"steps": [7]}, "a step must be an object, not 7 (step 1)"),
        ({"extra": []}, "extra must be an object"),
        ({"extra": {"reward": "abc"}}, "a reward must be a number, not 'abc'"),
        ({"extra": {"credit_gym": {"actions": ["x"]}, "reward": 1}}, "1 actions but"),
        ({"extra": {"reward": 1, "deep": json.loads("[" * 98 + "]" * 98)}}, "levels deep"),
        ({"subagent_trajectories": [3]}, "a subagent must be an object, not 3"),
    ],
)
def test_a_document_of_another_form_is_one_sentence(change: dict[str, Any], expected: str, tmp_path: Path) -> None:
    damage = said(tmp_path / "a.json", {**SESSION, **change})
    assert expected in damage
    assert len(damage.splitlines()) == 1
    assert len(damage) < 300


def test_a_reward_that_is_not_said_is_not_zero(tmp_path: Path) -> None:
    (untold,) = read(tmp_path / "a.json", {key: value for key, value in SESSION.items() if key != "extra"})
    assert untold.error == UNKNOWN_REWARD
    (row,) = atif_rows([untold], [None])
    (again,) = read(tmp_path / "a.json", row)
    assert again.error == UNKNOWN_REWARD


@pytest.mark.parametrize(
    "extras",
    ["{", "3", "[]", '{"places": 3}', '{"layouts": [[[], [["agent", "x"]]]]}', '{"atif": [[["a", "b"], [1]]]}'],
)
def test_extras_that_are_damaged_are_one_sentence(extras: str, tmp_path: Path) -> None:
    (episode,) = read(tmp_path / "a.json", SESSION)
    with pytest.raises(StoreError, match="The extras of episode 't1' are damaged"):
        list(atif_rows([replace(episode, extras=extras)], [None]))


def test_an_export_is_lines_of_documents(tmp_path: Path) -> None:
    path = tmp_path / "targets.atif.jsonl"
    write_targets("atif", path, [walk("7-0"), walk("7-1")], {"s": [(1.0, 2.0, 3.0)] * 2})
    assert [episode.episode_id for episode in read_atif(path) if isinstance(episode, Episode)] == ["7-0", "7-1"]


def _of_session(message: str) -> dict[str, Any]:
    """A document that says its session alone."""
    steps = [{"step_id": 1, "source": "user", "message": "Go."}, {"step_id": 2, "source": "agent", "message": message}]
    return {**{k: v for k, v in SESSION.items() if k != "trajectory_id"}, "steps": steps, "extra": {"reward": 1.0}}


def test_documents_of_one_session_are_episodes_each_and_the_same_one_is_none_twice(tmp_path: Path) -> None:
    first, second = _of_session("north"), _of_session("south")
    path = tmp_path / "session.jsonl"
    path.write_text("\n".join(map(json.dumps, [first, second, first])))
    found = read_episodes("atif", path)
    assert [(each.episode_id, each.actions) for each in found.episodes] == [("s", ("north",)), ("s-2", ("south",))]
    (said,) = found.damaged
    assert said == f"Line 3 of {path} cannot be imported: it repeats a document of session 's', word for word."
    back = [json.loads(json.dumps(row)) for row in atif_rows(found.episodes, [[None], [None]])]
    assert [row["session_id"] for row in back] == ["s", "s"]


def test_trials_whose_documents_are_alike_are_episodes_each(tmp_path: Path) -> None:
    for trial in ("a", "b"):
        (tmp_path / trial).mkdir()
        (tmp_path / trial / "trajectory.json").write_text(json.dumps(_of_session("north")))
    found = read_episodes("atif", tmp_path)
    assert (len(found.episodes), found.damaged) == (2, [])
