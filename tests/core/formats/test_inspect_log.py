"""Logs of inspect_ai: what becomes of a sample, of its scores and chats, and what a hostile log costs."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders.commands import call, good, opened
from builders.episodes import episodes, played
from builders.inspect_logs import DEFLATE, HEADER, STORED, ZSTD, archive, as_json, members, sample, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.errors import OptionError, StoreError
from credit_gym.formats import inspect_messages, zip_members
from credit_gym.formats.field_names import UNKNOWN_REWARD
from credit_gym.formats.inspect_log import STORE_KEY, played_record
from credit_gym.formats.json_values import to_json
from credit_gym.formats.readers import Imported, each_episode, read_episodes


def read(folder: Path, content: bytes, **options: str) -> Imported:
    return read_episodes("inspect", written(folder / "a.eval", content), **options)


def whole(folder: Path, *samples: dict[str, Any], **options: str) -> list[Episode]:
    found = read(folder, archive(members(samples)), **options)
    assert found.damaged == []
    return found.episodes


def damage(folder: Path, *samples: dict[str, Any], **options: str) -> str:
    """What is wrong with the one sample that cannot be read."""
    (said,) = read(folder, archive(members(samples)), **options).damaged
    return said


@pytest.mark.parametrize("method", [ZSTD, DEFLATE, STORED])
def test_a_sample_is_an_episode_of_the_models_messages_however_it_is_packed(tmp_path: Path, method: int) -> None:
    (episode,) = read(tmp_path, archive(members([sample("a/b", 2)]), method=method)).episodes
    assert (episode.env_id, episode.agent_id) == ("sums", "mockllm/model")
    assert (episode.task_id, episode.group_id, episode.episode_id) == ("a/b", "a/b", "a/b-2")
    assert episode.goal == "Add."
    assert episode.observations == ("1+2?", "3", "")
    assert episode.actions == ('{"name": "add", "arguments": {"x": 1, "y": 2}}', "3")
    assert episode.replies == ("Let me see.", "3")
    assert episode.thoughts == ("a tool can do it", "")
    assert episode.finish_reasons == ("tool_calls", "stop")
    assert episode.rewards == (0.0, 1.0)
    assert (episode.success, episode.terminated, episode.truncated, episode.error) == (True, True, False, None)
    assert episode.usage == {"prompt_tokens": 34.0, "completion_tokens": 7.0}
    assert episode.messages is not None
    assert [[message["role"] for message in chat] for chat in episode.messages] == [
        ["system", "user"],
        ["system", "user", "assistant", "tool"],
    ]
    assert episode.messages[1][3] == {"role": "tool", "content": "3", "tool_call_id": "c1"}


def test_a_log_in_json_says_the_same_as_one_in_an_archive(tmp_path: Path) -> None:
    samples = [sample(1, epoch) for epoch in (1, 2)]
    packed = read(tmp_path, archive(members(samples)))
    assert read(tmp_path, as_json({**HEADER, "samples": samples})) == packed
    assert [episode.group_id for episode in packed.episodes] == ["1", "1"]
    assert [episode.episode_id for episode in packed.episodes] == ["1-1", "1-2"]


def test_of_a_log_in_the_making_what_is_there_is_read(tmp_path: Path) -> None:
    held = members([sample()])
    del held["header.json"]
    assert len(read(tmp_path, archive(held)).episodes) == 1
    del held["_journal/start.json"]
    with pytest.raises(StoreError, match=r"no log of inspect_ai: it holds no header.json"):
        read(tmp_path, archive(held))


@pytest.mark.parametrize(
    ("value", "reward", "solved"),
    [
        ("C", 1.0, True),
        ("I", 0.0, False),
        ("P", 0.5, False),
        ("N", 0.0, False),
        (True, 1.0, True),
        (False, 0.0, False),
        ("yes", 1.0, True),
        (0.25, 0.25, True),
        (-2, -2.0, False),
        ("7.5", 7.5, True),
    ],
)
def test_a_score_is_the_reward_of_the_last_step(tmp_path: Path, value: Any, reward: float, solved: bool) -> None:
    (episode,) = whole(tmp_path, sample(scores={"match": {"value": value}}))
    assert (episode.rewards, episode.success, episode.error) == ((0.0, reward), solved, None)


@pytest.mark.parametrize("scores", [None, {}, {"match": {"value": None}}, {"match": {"value": math.nan}}])
def test_a_sample_without_a_score_has_an_outcome_that_is_not_known(tmp_path: Path, scores: Any) -> None:
    (episode,) = whole(tmp_path, sample(scores=scores))
    assert (episode.error, episode.rewards, episode.success) == (UNKNOWN_REWARD, (0.0, 0.0), False)


def test_of_several_scores_the_named_one_counts_and_the_first_where_none_is_named(tmp_path: Path) -> None:
    both = sample(
        scores={"match": {"value": "I"}, "judge.v2": {"value": {"style": 0.25, "truth": 1}}, "judge": {"value": 0.5}}
    )
    for wanted, reward in {"": 0.0, "match": 0.0, "judge": 0.5, "judge.v2.style": 0.25, "judge.v2.truth": 1.0}.items():
        assert whole(tmp_path, both, reward_from=wanted)[0].rewards[-1] == reward, wanted
    for wanted in ("judge.v3", "judge.v2", "match.x"):
        said = damage(tmp_path, both, reward_from=wanted)
        assert f"no score {wanted!r}: --reward-from takes one of match, judge.v2.style, judge.v2.truth, judge" in said
    two = sample(scores={"a": {"value": {"x": 1, "y": 0}}})
    assert "several values in its score 'a': --reward-from takes one of a.x, a.y" in damage(tmp_path, two)
    assert "takes one of nothing here" in damage(tmp_path, sample(scores={"a": {"value": [1, 0]}}))


def test_a_reader_without_scores_takes_no_name_of_one(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--reward-from says nothing about files of the format 'chat'"):
        read_episodes("chat", tmp_path / "c.jsonl", reward_from="match")


def test_a_log_of_the_format_before_is_read_too(tmp_path: Path) -> None:
    (today,) = whole(tmp_path, sample())
    old = sample()
    old["score"] = old.pop("scores")["match"]
    old["transcript"] = {"events": old.pop("events"), "content": old.pop("attachments")}
    old["messages"][2] |= {"content": "Let me see.", "reasoning": "a tool can do it"}
    assert whole(tmp_path, old) == [today]


@pytest.mark.parametrize(
    ("changes", "error", "truncated"),
    [
        ({"error": {"message": "the server died", "traceback": "...", "traceback_ansi": ""}}, "the server died", False),
        ({"invalidation": {"author": "me", "reason": "wrong task"}}, "wrong task", False),
        ({"invalidation": {"author": "me"}}, "the sample was invalidated", False),
        ({"limit": {"type": "message", "limit": 5}}, None, True),
    ],
)
def test_how_a_sample_ended_is_how_its_episode_did(
    tmp_path: Path, changes: dict[str, Any], error: str | None, truncated: bool
) -> None:
    (episode,) = whole(tmp_path, sample(**changes))
    assert (episode.error, episode.truncated) == (error, truncated)
    assert episode.terminated is (error is None and not truncated)


def test_a_tool_that_failed_is_seen_to_fail_whatever_it_had_said(tmp_path: Path) -> None:
    late = {"type": "timeout", "message": "too late"}
    asked = [{"role": "user", "content": "go"}, {"role": "assistant", "content": "look"}]
    for content, seen in (
        ("half", "half\ntoo late"),
        ("", "too late"),
        ([{"type": "text", "text": "a"}], "a\ntoo late"),
    ):
        failed = {"role": "tool", "content": content, "function": "f", "error": late}
        (episode,) = whole(tmp_path, sample(messages=[*asked, failed], events=[]))
        assert episode.observations == ("go", seen)


def test_an_answer_that_came_with_the_task_is_seen_and_not_played(tmp_path: Path) -> None:
    row = sample()
    row["messages"][1:1] = [
        {"role": "user", "content": "0+0?", "source": "input"},
        {"role": "assistant", "content": "0", "source": "input"},
    ]
    (episode,) = whole(tmp_path, row)
    assert episode.observations[0] == "0+0?\n0\n1+2?"
    assert len(episode) == 2


def test_a_chat_is_what_the_model_was_shown_where_its_call_is_logged(tmp_path: Path) -> None:
    row = sample(attachments={"f00": "a long text"})
    row["events"][2] |= {"input_refs": None, "input": [{"role": "user", "content": "attachment://f00"}]}
    del row["events"][1]
    (episode,) = whole(tmp_path, row)
    assert episode.messages is not None
    assert [message["content"] for message in episode.messages[0]] == ["Add.", "1+2?"]  # as it stands in the log
    assert episode.messages[1] == ({"role": "user", "content": "a long text"},)


def test_parts_that_are_no_text_leave_a_note_and_what_is_hidden_its_summary(tmp_path: Path) -> None:
    row = sample()
    row["messages"][4]["content"] = [
        {"type": "reasoning", "reasoning": "c2VjcmV0", "summary": "thought a while", "redacted": True},
        {"type": "tool_use", "tool_type": "web_search", "id": "1", "name": "search", "arguments": "{}", "result": "no"},
        {"type": "image", "image": "https://a/b.png"},
        {"type": "data", "data": {"x": 1}},
        {"type": "text", "text": "no", "refusal": True},
    ]
    (episode,) = whole(tmp_path, row)
    assert episode.actions[1] == "[web_search]\n[image: https://a/b.png]\n\nno"
    assert episode.thoughts is not None
    assert episode.thoughts[1] == "thought a while"


# What was played in our own environments


@given(episodes(episode_id="x-1", max_steps=3))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_an_episode_in_a_samples_store_comes_back_with_every_column_but_its_chats(
    tmp_path: Path, episode: Episode
) -> None:
    found = read(tmp_path, archive(members([sample(store={STORE_KEY: played_record(episode, [])})])))
    if found.damaged:  # what no reader takes: a name that is no legal unicode
        assert "no legal unicode" in found.damaged[0]
        return
    (back,) = found.episodes
    assert columns(back) == columns(replace(episode, messages=None))


def columns(episode: Episode) -> dict[str, Any]:
    """An episode as JSON, in which NaN is null."""
    values = {column: getattr(episode, column.name) for column in COLUMNS}
    return {column.name: None if value is None else to_json(column, value) for column, value in values.items()}


def test_the_chats_of_such_an_episode_are_those_of_the_logged_calls(tmp_path: Path) -> None:
    episode = played(messages=None)
    row = sample(store={STORE_KEY: played_record(episode, ["m2", "m4"])})
    (back,) = whole(tmp_path, row)
    assert back.messages is not None
    assert [len(chat) for chat in back.messages] == [2, 4]
    assert replace(back, messages=None) == episode
    (scored,) = whole(tmp_path, row, reward_from="match")
    assert (scored.rewards, scored.actions) == ((0.0, 1.0), episode.actions)


# Hostile logs

DEEP = b'{"id": ' + b"[" * 5000 + b"]" * 5000 + b"}"
HELD = sample()
WRONG: dict[str, bytes] = {
    "nested deeply": DEEP,
    "no JSON": b"\0" * 5000,
    "no object": b"[1]",
    "empty": b"",
    "no messages": as_json({"id": 1, "epoch": 1}),
    "messages of another type": as_json({**HELD, "messages": {"role": "user"}}),
    "a message that is none": as_json({**HELD, "messages": [1]}),
    "a role that is none": as_json({**HELD, "messages": [{"role": [], "content": "x"}]}),
    "nobody plays": as_json({**HELD, "messages": HELD["messages"][:2]}),
    "a score that is none": as_json({**HELD, "scores": {"match": {"value": "A"}}}),
    "scores of another type": as_json({**HELD, "scores": [1]}),
    "an endless score": as_json({**HELD, "scores": {"match": {"value": math.inf}}}),
    "an id that is none": as_json({**HELD, "id": {"a": 1}}),
    "events of another type": as_json({**HELD, "events": 7}),
    "references into nothing": as_json({**HELD, "events": [{**HELD["events"][1], "input_refs": [[0, 10**9]]}]}),
    "references that are none": as_json({**HELD, "events": [{**HELD["events"][1], "input_refs": [[0], "x"]}]}),
    "an attachment that is none": as_json(
        {**HELD, "attachments": {"a": [1]}, "messages": [{"role": "user", "content": "attachment://a"}]}
    ),
    "a record that is none": as_json({**HELD, "store": {STORE_KEY: [1]}}),
    "a record without columns": as_json({**HELD, "store": {STORE_KEY: {}}}),
    "columns that do not fit": as_json({**HELD, "store": {STORE_KEY: {"columns": {"actions": ["x"]}, "replies": []}}}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_sample_that_nobody_could_mean_costs_itself_and_one_sentence(tmp_path: Path, wrong: str) -> None:
    held = {**members([sample("first")]), "samples/x_epoch_1.json": WRONG[wrong], **members([sample("last")])}
    found = read(tmp_path, archive(held))
    assert [episode.task_id for episode in found.episodes] == ["first", "last"]
    (said,) = found.damaged
    assert len(said.splitlines()) == 1
    assert len(said) < 500


@pytest.mark.parametrize(
    "name", ["../../x.json", "/etc/x.json", "samples/../../x_epoch_1.json", "C:\\x.json", "samples\\..\\x"]
)
def test_a_name_that_leads_out_of_the_archive_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, archive({**members([sample()]), name: as_json(sample("x"))}))
    assert len(found.episodes) == 1
    (said,) = found.damaged
    assert "its name leads out of the archive" in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.eval"]


@pytest.mark.parametrize("method", [ZSTD, DEFLATE])
def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: int) -> None:
    monkeypatch.setattr(zip_members, "LONGEST", 1 << 20)
    bomb = {"samples/x_epoch_1.json": b" " * (1 << 24)}
    (said,) = read(tmp_path, archive({**members([]), **bomb}, method=method)).damaged
    assert "is larger than 1048576 bytes" in said
    lie = {"samples/x_epoch_1.json": 1000}
    (said,) = read(tmp_path, archive({**members([]), **bomb}, method=method, said=lie)).damaged
    assert "cannot be unpacked" in said or "does not unpack to what its archive says" in said
    monkeypatch.setattr(zip_members, "MOST_UNPACKED", 1 << 23)
    with pytest.raises(StoreError, match="unpacks to more than 8388608 bytes"):
        read(tmp_path, archive({**members([]), **bomb}, method=method))


def test_a_list_of_too_many_members_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_members, "LONGEST_LIST", 1000)
    with pytest.raises(StoreError, match="its list of members is longer than 1000 bytes"):
        read(tmp_path, archive({f"{number}": b"" for number in range(100)}))


@pytest.mark.parametrize("cut", [1, 30, 200, 600])
def test_an_archive_that_was_cut_short_is_refused_in_a_sentence(tmp_path: Path, cut: int) -> None:
    content = archive(members([sample()]))
    with pytest.raises(StoreError, match=r"cannot be read as a zip archive \(.*\)\.$"):
        read(tmp_path, content[:-cut])


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_of_an_archive_is_more_than_a_sentence(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(
        archive(members([sample(), sample("b")]), method=data.draw(st.sampled_from((ZSTD, DEFLATE, STORED))))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        said = read(tmp_path, bytes(content)).damaged
    except StoreError as error:
        said = [str(error)]
    assert all(len(each.splitlines()) == 1 for each in said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("attachment://f00"),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("id", "type", "role", "x")), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_in_the_place_of_another_is_more_than_a_sentence(tmp_path: Path, data: st.DataObject) -> None:
    row: Any = sample(store={STORE_KEY: played_record(played(), ["m2", "m4"])} if data.draw(st.booleans()) else {})
    place = row
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        if data.draw(st.booleans()) or not place[key] or not isinstance(place[key], dict | list):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    found = read(tmp_path, archive({**members([]), "samples/x_epoch_1.json": as_json(row)}))
    assert len(found.episodes) + len(found.damaged) == 1


def test_attachments_and_chats_that_multiply_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_messages, "LONGEST", 10_000)
    many = [{"id": f"n{number}", "role": "user", "content": "attachment://f00"} for number in range(100)]
    row = sample(attachments={"f00": "x" * 1000})
    row["messages"] = many + row["messages"]
    assert "attachments are more than 10000 characters" in damage(tmp_path, row)
    monkeypatch.setattr(inspect_messages, "MOST_SHOWN", 1000)
    row = sample()
    row["events"] = [{**row["events"][2], "input_refs": [[0, 4]] * 300}]
    assert "chats hold more than 1000 messages" in damage(tmp_path, row)


def test_nothing_but_messages_and_scores_comes_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    key = "sk-do-not-tell-4f7a"
    row = sample(metadata={"key": key}, error={"message": "401", "traceback": key, "traceback_ansi": key})
    row["events"][1] |= {"call": {"request": {"headers": {"x-api-key": key}}, "response": {}}, "traceback": key}
    spec = {**HEADER["eval"], "model_args": {"api_key": key}, "metadata": {"key": key}}
    written(tmp_path / "a.eval", archive(members([row], {**HEADER, "eval": spec})))
    run = good("import", "a.eval", "--from", "inspect").strip()
    assert len(opened(run).load_episodes(run)) == 1
    held = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "a.eval"]
    assert held
    assert not any(key.encode() in path.read_bytes() for path in held)


def test_one_sample_of_an_archive_is_in_memory_at_a_time(tmp_path: Path) -> None:
    long = "x" * (1 << 18)
    rows = [sample(number, attachments={"f00": f"{number}{long}"}) for number in range(60)]
    path = written(tmp_path / "a.eval", archive(members(rows)))
    tracemalloc.start()
    try:
        assert sum(1 for _ in each_episode("inspect", path)) == 60
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * len(long) < 60 * len(long)


def test_the_command_imports_a_log_and_says_what_it_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [sample("a"), sample("b", scores={"match": {"value": {"x": 1}}})]
    written(tmp_path / "a.eval", archive(members(rows)))
    result = call("import", "a.eval", "--from", "inspect", "--reward-from", "match")
    assert result.exit_code == 1
    assert "1 of 2 were left out" in result.stderr
    run = result.stdout.strip()
    assert [episode.task_id for episode in opened(run).load_episodes(run)] == ["a"]
