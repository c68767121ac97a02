"""Chats and steps in the shapes that people bring: each is read as what it says, or refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.episodes import walk
from hypothesis import given, settings
from hypothesis import strategies as st

import credit_gym as cg
from credit_gym.credit.assign import build_targets
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.formats.jsonl import write_jsonl
from credit_gym.formats.readers import READERS, each_episode, read_episodes

USER, REPLY = {"role": "user", "content": "where?"}, {"role": "assistant", "content": "go"}
CALL = '{"name": "look", "arguments": {"at": "door"}}'
STEPS: list[dict[str, Any]] = [
    {"observation": "a door", "action": "open", "reward": 0.25},
    {"observation": "a hall", "action": "enter", "reward": 0.75},
]


def read(tmp_path: Path, *rows: Any, source: str = "chat") -> tuple[list[Episode], list[str]]:
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_episodes(source, tmp_path / "x.jsonl")
    return found.episodes, found.damaged


def one(tmp_path: Path, *rows: Any) -> Episode:
    ((episode,), damaged) = read(tmp_path, *rows)
    assert damaged == []
    return episode


def sentence(tmp_path: Path, *rows: Any) -> str:
    (episodes, (said,)) = read(tmp_path, *rows)
    assert episodes == []
    return said


CHATS: dict[str, tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = {
    "OpenAI": ({"messages": [USER, REPLY]}, ("go",), ("where?", "")),
    "OpenAI's fine-tuning": (
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": "door"}'}}
                    ],
                },
                {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "shut"}]},
                {**REPLY, "weight": 1},
            ],
            "tools": [],
            "parallel_tool_calls": False,
        },
        (CALL, "go"),
        ("where?", "shut", ""),
    ),
    "ShareGPT": (
        {
            "conversations": [
                {"from": "human", "value": "where?"},
                {"from": "function_call", "value": CALL},
                {"from": "observation", "value": "shut"},
                {"from": "gpt", "value": "go"},
            ],
            "system": "Find it.",
            "tools": "[]",
        },
        (CALL, "go"),
        ("where?", "shut", ""),
    ),
    "prompt and completion": ({"prompt": "where?", "completion": "go"}, ("go",), ("where?", "")),
    "prompt and response": ({"prompt": "where?", "response": "go"}, ("go",), ("where?", "")),
    "prompt and completion of messages": ({"prompt": [USER], "completion": [REPLY]}, ("go",), ("where?", "")),
    "instruction and output": ({"instruction": "where?", "output": "go"}, ("go",), ("where?", "")),
    "a Responses API log": (
        {"input": [USER], "output": [{"type": "message", "role": "assistant", "content": "go"}]},
        ("go",),
        ("where?", ""),
    ),
    "input and output": ({"input": "where?", "output": "go"}, ("go",), ("where?", "")),
    "a trajectory of messages": ({"trajectory": [USER, REPLY]}, ("go",), ("where?", "")),
}


@pytest.mark.parametrize("shape", CHATS)
def test_a_chat_of_any_shape_is_what_it_says(shape: str, tmp_path: Path) -> None:
    row, actions, observations = CHATS[shape]
    episode = one(tmp_path, {**row, "reward": 1.0})
    assert (episode.actions, episode.observations, episode.success) == (actions, observations, True)
    assert episode.goal == ("Find it." if shape == "ShareGPT" else "")


@pytest.mark.parametrize(
    ("fields", "reward", "success"),
    [
        ({"reward": 0.5}, 0.5, True),
        ({"score": "0.5"}, 0.5, True),
        ({"return": -1}, -1.0, False),
        ({"label": 1}, 1.0, True),
        ({"label": False}, 0.0, False),
        ({"label": "wrong"}, 0.0, False),
        ({"outcome": "Resolved"}, 1.0, True),
        ({"success": "true"}, 1.0, True),
        ({"success": False}, 0.0, False),
        ({"correct": 1}, 1.0, True),
        ({"passed": True, "label": None}, 1.0, True),
        ({"reward": 0.2, "success": False, "score": 9}, 0.2, False),
        ({"reward": 0.2, "solved": "no"}, 0.2, False),
        ({"metadata": {"reward": 0.5}}, 0.5, True),
        ({"metadata": {"id": 7}, "extra_info": {"score": 0.5, "success": False}}, 0.5, False),
        ({"reward": 0.2, "metadata": {"reward": 9, "success": False}}, 0.2, True),
    ],
)
def test_an_outcome_by_any_name_is_what_it_says(
    fields: dict[str, Any], reward: float, success: bool, tmp_path: Path
) -> None:
    for row in ({"messages": [USER, REPLY]}, {"steps": [{"observation": "a", "action": "b"}]}):
        episode = one(tmp_path, {**row, **fields})
        assert (episode.rewards, episode.success, episode.error) == ((reward,), success, None)


@pytest.mark.parametrize("fields", [{"reward": None}, {"reward": None, "success": True}, {"score": None}])
def test_a_reward_that_is_null_is_not_known_whatever_else_is_said(fields: dict[str, Any], tmp_path: Path) -> None:
    for row in ({"messages": [USER, REPLY]}, {"steps": [{"observation": "a", "action": "b"}]}):
        assert "not known" in str(one(tmp_path, {**row, **fields}).error)
    assert "not known" in str(one(tmp_path, {**STEPS[0], "reward": None}).error)


def test_a_reward_may_stand_in_the_message_that_earned_it(tmp_path: Path) -> None:
    messages = [USER, {**REPLY, "reward": 0.25}, USER, REPLY, USER, {**REPLY, "reward": -1}]
    assert one(tmp_path, {"messages": messages}).rewards == (0.25, 0.0, -1.0)
    assert one(tmp_path, {"messages": messages, "rewards": [1, 2, 3], "reward": 9}).rewards == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("fields", "task", "group"),
    [
        ({"task_id": "t"}, "t", "t"),
        ({"question_id": 7}, "7", "7"),
        ({"instance_id": "repo-1"}, "repo-1", "repo-1"),
        ({"prompt_id": "p"}, "p", "p"),
        ({"uid": "g", "question_id": "q"}, "q", "g"),
        ({"task_id": "t", "group_id": "g", "prompt_id": "p"}, "t", "g"),
        ({"task": {"name": "no id"}, "group": None}, "where?", "where?"),
    ],
)
def test_episodes_of_a_question_are_a_group_by_whichever_name(
    fields: dict[str, Any], task: str, group: str, tmp_path: Path
) -> None:
    episode = one(tmp_path, {"messages": [USER, REPLY], "reward": 1, **fields})
    assert (episode.task_id, episode.group_id) == (task, group)


# Steps


@pytest.mark.parametrize(
    "rows",
    [
        STEPS,
        [{**step, "done": step is STEPS[1]} for step in STEPS],
        [{**step, "episode_id": 1} for step in STEPS],
        [{"obs": step["observation"], "act": step["action"], "reward": step["reward"]} for step in STEPS],
        [{"steps": STEPS}],
        [{"trajectory": STEPS}],
        [{"transitions": [{**step, "state": "ignored"} for step in STEPS]}],
        [STEPS],
        [{"observations": ["a door", "a hall"], "actions": ["open", "enter"], "rewards": [0.25, 0.75]}],
        [{"steps": [{k: v for k, v in step.items() if k != "reward"} for step in STEPS], "rewards": [0.25, 0.75]}],
    ],
    ids=str,
)
@pytest.mark.parametrize("layout", ["lines", "array"])
def test_steps_of_any_shape_are_one_episode(rows: list[Any], layout: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(json.dumps(rows) if layout == "array" else "\n".join(map(json.dumps, rows)))
    for source in ("chat", "steps"):
        ((episode,), damaged) = read_episodes(source, tmp_path / "x")
        assert damaged == []
        assert episode == Episode.from_steps(
            [("a door", "open", 0.25), ("a hall", "enter", 0.75)], episode_id="1", env_id="imported/steps"
        )


def test_single_steps_go_together_by_their_episode_or_until_the_last(tmp_path: Path) -> None:
    named = [{**step, "episode_id": name, "task_id": "t", "success": name == "b"} for name in "ab" for step in STEPS]
    episodes, _ = read(tmp_path, *named)
    assert [(each.episode_id, len(each), each.group_id, each.success) for each in episodes] == [
        ("a", 2, "t", False),
        ("b", 2, "t", True),
    ]
    ends = [{"done": True}, {"done": False}, {"truncated": True}, {}]
    episodes, _ = read(tmp_path, *({**STEPS[0], **end} for end in ends))
    assert [(len(each), each.truncated) for each in episodes] == [(1, False), (2, True), (1, False)]


def test_steps_of_an_episode_that_stand_apart_are_refused_and_no_part_is_taken_for_it(tmp_path: Path) -> None:
    apart = [{**step, "episode_id": name} for step in STEPS for name in "ab"]
    with pytest.raises(StoreError, match=r"Line 3 of .* begun and left before: sort the file by episode"):
        read(tmp_path, *apart)
    ended = [{**step, "done": True} for step in apart]
    assert "repeats the episode id 'a'" in read(tmp_path, *ended)[1][0]


@pytest.mark.parametrize("number", ["step", "turn", "step_id"])
def test_steps_that_have_numbers_are_in_their_order(number: str, tmp_path: Path) -> None:
    numbered = [{**step, number: place, "episode_id": "a"} for place, step in enumerate(STEPS, 1)]
    assert one(tmp_path, *reversed(numbered)) == one(tmp_path, *numbered)
    assert one(tmp_path, {"steps": numbered[::-1]}).actions == ("open", "enter")
    unclear = [{**step, number: 1} for step in reversed(numbered)]
    assert one(tmp_path, *unclear).actions == ("enter", "open")


def test_steps_and_chats_may_stand_in_one_file(tmp_path: Path) -> None:
    chat = {"messages": [USER, REPLY], "reward": 1}
    episodes, damaged = read(tmp_path, chat, *STEPS, chat, {"steps": STEPS})
    assert ([each.env_id for each in episodes], damaged) == (
        ["imported/chat", "imported/steps", "imported/chat", "imported/steps"],
        [],
    )


def test_an_episode_with_a_hole_is_left_out(tmp_path: Path) -> None:
    lines = [json.dumps({**STEPS[0], "episode_id": name}) for name in "aabbcc"]
    for hole, kept in ((0, "bc"), (1, "bc"), (2, "ac"), (5, "ab")):
        (tmp_path / "x").write_text("\n".join([*lines[:hole], lines[hole][:-3], *lines[hole + 1 :]]))
        found = read_episodes("steps", tmp_path / "x")
        whole = {each.episode_id for each in found.episodes}
        assert whole <= set(kept)
        assert all(len(each) == 2 for each in found.episodes)
        assert all(said.startswith("Line ") for said in found.damaged)


def test_what_a_step_tells_beside_its_action_is_kept(tmp_path: Path) -> None:
    more: dict[str, Any] = {"verifier": 0.5, "state_key": "s", "thought": "hm", "admissible": ["open"]}
    episode = one(tmp_path, {**STEPS[0], **more, "next_observation": "a hall", "next_state_key": "end"})
    assert episode.observations == ("a door", "a hall")
    assert episode.state_keys == ("s", "end")
    assert (episode.verifier, episode.thoughts, episode.admissible_actions) == ((0.5,), ("hm",), (("open",),))


def test_what_is_no_text_is_the_json_of_what_it_is(tmp_path: Path) -> None:
    episode = one(tmp_path, {"observation": {"x": 1, "b": [True]}, "action": 3, "reward": 1})
    assert (episode.observations[0], episode.actions) == ('{"b": [true], "x": 1}', ("3",))
    episode = one(tmp_path, {"observation": None, "action": None, "reward": 1})
    assert (episode.observations, episode.actions) == (("", ""), ("",))


def test_an_exported_turn_table_comes_back_as_the_same_steps(tmp_path: Path) -> None:
    episodes = [walk(f"e{i}", success=bool(i % 2)) for i in range(3)]
    write_jsonl(tmp_path / "turns.jsonl", episodes, {})
    back = read_episodes("steps", tmp_path / "turns.jsonl")
    assert back.damaged == []
    for ours, theirs in zip(episodes, back.episodes, strict=True):
        assert (theirs.episode_id, theirs.group_id) == (ours.episode_id, ours.group_id)
        assert (theirs.actions, theirs.rewards) == (ours.actions, ours.rewards)
        assert theirs.state_keys[:-1] == ours.state_keys[:-1]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"messages": [USER, REPLY]}, "it has no 'reward' (score, label, success ... will do), only messages."),
        ({"messages": [USER, REPLY], "label": "maybe"}, "a reward (label) must be a number, not 'maybe'."),
        ({"messages": [USER, {"role": "assistant"}], "reward": 1}, "messages[1] has no 'content'."),
        ({"messages": [USER, {"content": "x"}], "reward": 1}, "messages[1] has no 'role'."),
        ({"messages": [USER, "x"], "reward": 1}, "a message must be an object, not 'x' (messages[1])."),
        ({"text": "x", "score": 1}, "it has no 'messages' (conversations, prompt with completion ... will do) and no "
         "'steps', 'actions' or 'action', only text, score."),
        (USER, 'it is a single message: write a chat as {"messages": [...], "reward": 1.0}.'),
        ({}, "it has no 'messages' (conversations, prompt with completion ... will do) and no 'steps', 'actions' or "
         "'action', it is empty."),
        (7, "it is not an object."),
        ({"steps": STEPS[:1] * 2, "rewards": [1]}, "it has 2 actions but 1 rewards."),
        ({"steps": [STEPS[0], {"observation": "a", "action": "b"}]},
         "1 of its 2 steps have a reward: give one to all, or to none."),
        ({"steps": [{"action": "a", "reward": 1}]}, "steps[0] has no 'observation'."),
        ({"steps": [{**STEPS[0], "reward": "x"}]}, "the reward of steps[0] must be a number, not 'x'."),
        ({"observations": ["a"], "actions": ["b", "c"], "reward": 1}, "it has 2 actions and 1 observations."),
        ({"actions": ["b"], "reward": 1}, "observations must be a list, not None."),
        ({"actions": [], "observations": [], "reward": 1}, "it has no step."),
        ({**STEPS[0], "episode_id": []}, "episode_id must be a text or a number, not list."),
        ({**STEPS[0], "done": "perhaps"}, "terminated must be true or false, not 'perhaps'."),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_read_says_the_line_the_field_and_what_will_do(row: Any, said: str, tmp_path: Path) -> None:
    assert sentence(tmp_path, row) == f"Line 1 of {tmp_path / 'x.jsonl'} cannot be imported: {said}"


PLAYED = ("messages", "prompt", "completion", "steps", "actions", "observations", "observation", "action", "reward")
ABOUT = ("rewards", "success", "episode_id", "task_id", "done", "truncated", "state_key", "thoughts", "role", "content")
fields = st.sampled_from((*PLAYED, *ABOUT))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=3) | st.just(USER) | st.just(REPLY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.slow
@given(st.lists(st.dictionaries(fields, values, max_size=5) | values, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_anything_is_an_episode_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    path = tmp_path_factory.mktemp("p") / "x"
    path.write_text("\n".join(map(json.dumps, rows)))
    for found in each_episode("chat", path):
        assert isinstance(found, Episode) or (str(found).endswith(".") and "\n" not in str(found))


def test_every_format_is_a_function_that_is_there() -> None:
    for source in READERS:
        assert callable(each_episode(source, "nowhere").__next__)


# In Python


def test_three_lines_make_an_episode_and_four_a_target() -> None:
    won = cg.Episode.from_steps([("a door", "open", 0.0), ("a hall", "enter", 1.0)], task_id="house")
    lost = cg.Episode.from_messages([USER, REPLY], 0.0, task_id="house", episode_id="second")
    targets = build_targets([won, lost], "outcome_only")
    assert [(target.action, target.credit) for target in targets] == [("open", 1.0), ("enter", 1.0), ("go", 0.0)]
    assert EpisodeBatch.from_episodes([won, lost]).group.tolist() == [0, 0]


def test_what_steps_do_not_say_is_made_up_and_may_be_given() -> None:
    episode = Episode.from_steps([("a", "b", 1)], last_observation="c")
    assert (episode.observations, episode.state_keys) == (("a", "c"), ("a", "c"))
    assert (episode.task_id, episode.group_id, episode.env_id) == ("a", "a", "imported/steps")
    assert (episode.success, episode.terminated, episode.truncated) == (True, True, False)
    assert Episode.from_steps([("a", "b", 1)], last_observation="c") == episode
    assert Episode.from_steps([("a", "b", 2)], last_observation="c").episode_id != episode.episode_id
    given = Episode.from_steps([("a", "b", np.float32(1))], success=False, truncated=True, verifier=(0.5,), seed=3)
    assert (given.success, given.terminated, given.verifier, given.seed) == (False, False, (0.5,), 3)


def test_what_steps_and_messages_cannot_be_is_one_sentence() -> None:
    for wrong, said in (
        ([("a", "b")], "Step 0 must be (observation, action, reward), not tuple."),
        ([("a", "b", 1), {"observation": "a"}], "Step 1 must be (observation, action, reward), not dict."),
        ([(1, "b", 1)], "The observation and the action of step 0 must be texts."),
        ([("a", "b", "good")], "The reward of step 0 must be a number, not 'good'."),
    ):
        with pytest.raises(cg.CreditGymError) as refused:
            Episode.from_steps(wrong)  # type: ignore[arg-type]
        assert str(refused.value) == said
    with pytest.raises(cg.CreditGymError, match="no column called 'sucess'; did you mean success"):
        Episode.from_steps([("a", "b", 1)], sucess=True)
    with pytest.raises(cg.CreditGymError, match="has 1 actions but 2 verifier"):
        Episode.from_steps([("a", "b", 1)], verifier=(1.0, 2.0))
    for messages, said in (([USER], "no message is the assistant's"), ([{"role": "user"}], "has no 'content'")):
        with pytest.raises(cg.CreditGymError, match=said):
            Episode.from_messages(messages, 1.0)
    with pytest.raises(cg.CreditGymError, match="it has 1 actions but 2 rewards"):
        Episode.from_messages([USER, REPLY], [1.0, 2.0])
