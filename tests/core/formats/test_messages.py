"""Messages in the dialects that models and servers write: what becomes the action, the thought and the observation."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from builders.transcripts import chats
from hypothesis import given, settings

from credit_gym.data.calls import read_arguments, write_arguments, write_call, write_calls
from credit_gym.data.episode import Episode
from credit_gym.data.finish_reasons import common_reason, is_cut
from credit_gym.formats import messages
from credit_gym.formats.messages import calls_of, plain_message, read_messages
from credit_gym.formats.plain import read_plain
from credit_gym.formats.readers import read_episodes
from credit_gym.formats.thoughts import take_thought

ONE = '{"name": "book", "arguments": {"from": "A", "to": "B"}}'
CALLING = {
    "chat": [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "book", "arguments": '{"to":"B","from":"A"}'}}
            ],
        }
    ],
    "function_call": [
        {"role": "assistant", "content": None, "function_call": {"name": "book", "arguments": '{"to":"B","from":"A"}'}}
    ],
    "flat, as verifiers has them": [
        {"role": "assistant", "tool_calls": [{"id": "1", "name": "book", "arguments": '{"to":"B","from":"A"}'}]}
    ],
    "arguments as an object": [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "book", "arguments": {"to": "B", "from": "A"}}}],
        }
    ],
    "one object in place of a list": [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": {"id": "1", "function": {"name": "book", "arguments": '{"to":"B","from":"A"}'}},
        }
    ],
    "langchain": [
        {"role": "ai", "content": "", "tool_calls": [{"id": "1", "name": "book", "args": {"to": "B", "from": "A"}}]}
    ],
    "anthropic": [
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "1", "name": "book", "input": {"to": "B", "from": "A"}}],
        }
    ],
    "responses": [{"type": "function_call", "call_id": "1", "name": "book", "arguments": '{"to":"B","from":"A"}'}],
    "responses after reasoning": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": ""}]},
        {"type": "function_call", "call_id": "1", "name": "book", "arguments": '{"to":"B","from":"A"}'},
    ],
}


@pytest.mark.parametrize("dialect", CALLING)
def test_a_call_is_the_action_in_one_text_in_whichever_dialect(dialect: str) -> None:
    (said,) = read_messages(CALLING[dialect])
    assert said.action == ONE
    assert [call["name"] for call in calls_of(said.message)] == ["book"]
    assert said.message["content"] == ""


def test_several_calls_are_a_list_and_what_is_said_beside_them_is_no_action() -> None:
    (said,) = read_messages(
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Both."},
                    {"type": "text", "text": "I book."},
                    {"type": "tool_use", "id": "1", "name": "a", "input": {}},
                    {"type": "tool_use", "id": "2", "name": "b", "input": {"x": 1}},
                ],
                "stop_reason": "tool_use",
            }
        ]
    )
    assert said.action == '[{"name": "a", "arguments": {}}, {"name": "b", "arguments": {"x": 1}}]'
    assert (said.text, said.thought, said.finish_reason) == ("I book.", "Both.", "tool_calls")
    assert said.message["content"] == "I book."


def test_a_result_is_an_observation_in_whichever_dialect() -> None:
    found = read_messages(
        [
            {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "one"}]},
            {"role": "function", "name": "f", "content": "two"},
            {"type": "function_call_output", "call_id": "3", "output": [{"type": "input_text", "text": "three"}]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "4", "content": [{"type": "text", "text": "four"}]},
                    {"type": "tool_result", "tool_use_id": "5", "content": "five"},
                    {"type": "tool_result", "tool_use_id": "6"},
                    {"type": "text", "text": "and then?"},
                ],
            },
        ]
    )
    assert [said.message["role"] for said in found] == ["tool"] * 6 + ["user"]
    assert [said.message["content"] for said in found] == ["one", "two", "three", "four", "five", "", "and then?"]
    assert [said.message.get("tool_call_id") for said in found] == ["1", None, "3", "4", "5", "6", None]


def test_the_items_of_one_reply_are_one_message() -> None:
    found = read_messages(
        [
            {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "hi"}],
                "status": "completed",
            },
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "done"},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "by"}],
                "status": "incomplete",
            },
        ]
    )
    assert [said.message["role"] for said in found] == ["user", "assistant", "tool", "assistant"]
    assert (found[1].text, found[1].thought, found[1].action) == ("hi", "hm", '{"name": "f", "arguments": {}}')
    assert found[3].finish_reason == "length"


def test_a_tool_that_a_model_calls_by_an_item_of_its_own_is_a_call_and_one_of_the_provider_s_a_note() -> None:
    found = read_messages(
        [
            {"type": "web_search_call", "id": "w", "status": "completed"},
            {"type": "local_shell_call", "call_id": "1", "action": {"command": ["ls"]}},
            {"type": "local_shell_call_output", "call_id": "1", "output": "a.txt"},
            {"type": "custom_tool_call", "call_id": "2", "name": "python", "input": "print(1)"},
        ]
    )
    assert [said.message["role"] for said in found] == ["assistant", "tool", "assistant"]
    assert found[0].message["content"] == "[web_search_call]"
    assert found[0].action == '{"name": "local_shell", "arguments": {"command": ["ls"]}}'
    assert found[1].message == {"role": "tool", "content": "a.txt", "tool_call_id": "1"}
    assert found[2].action == '{"name": "python", "arguments": "print(1)"}'


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "output_text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
        ([{"type": "text", "text": {"value": "a", "annotations": []}}, "b"], "a\nb"),
        ([{"type": "image_url", "image_url": {"url": "https://x/y.png"}}], "[image: https://x/y.png]"),
        ([{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}], "[image]"),
        ([{"type": "image", "source": {"type": "base64", "data": "AAAA"}}], "[image]"),
        ([{"type": "input_audio", "input_audio": {"data": "AAAA"}}], "[audio]"),
        ([{"text": "no type"}], "no type"),
        ([], ""),
        (None, ""),
    ],
)
def test_parts_are_text_and_what_is_no_text_leaves_a_note(content: Any, text: str) -> None:
    (said,) = read_messages([{"role": "user", "content": content}])
    assert said.message["content"] == text


def test_a_refusal_ends_by_refusal_wherever_it_stands() -> None:
    for message in (
        {"role": "assistant", "content": None, "refusal": "No.", "finish_reason": "stop"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    ):
        (said,) = read_messages([message])
        assert (said.action, said.finish_reason) == ("No.", "refusal")


CALLED = '{"name": "get", "arguments": {"id": "A"}}'
IN_WORDS = {
    "Hermes": f"Look.\n<tool_call>\n{CALLED}\n</tool_call>",
    "GLM": "Look.\n<tool_call>get\n<arg_key>id</arg_key>\n<arg_value>A</arg_value>\n</tool_call>",
    "Qwen3-Coder": "Look.\n<tool_call>\n<function=get>\n<parameter=id>\nA\n</parameter>\n</function>\n</tool_call>",
    "Anthropic": 'Look.<function_calls><invoke name="get"><parameter name="id">A</parameter></invoke></function_calls>',
    "Mistral": f"Look.[TOOL_CALLS][{CALLED}]",
    "Llama": 'Look.<|python_tag|>{"name": "get", "parameters": {"id": "A"}}',
}


@pytest.mark.parametrize("text", IN_WORDS.values(), ids=IN_WORDS)
def test_calls_between_marks_in_a_text_are_its_calls(text: str) -> None:
    (said,) = read_messages([{"role": "assistant", "content": text}])
    assert (said.action, said.message["content"], said.text) == (CALLED, "Look.", text)
    (again,) = read_messages([said.message])
    assert again.message == said.message


PARTED = {
    "Gemini": [
        {"role": "user", "parts": [{"text": "Hi."}]},
        {
            "role": "model",
            "parts": [{"text": "hm", "thought": True}, {"functionCall": {"name": "get", "args": {"id": "A"}}}],
        },
        {"role": "user", "parts": [{"functionResponse": {"name": "get", "response": {"result": 3}}}]},
        {"role": "model", "parts": [{"text": "Done."}]},
    ],
    "Bedrock": [
        {"role": "user", "content": [{"text": "Hi."}]},
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm"}}},
                {"toolUse": {"toolUseId": "x", "name": "get", "input": {"id": "A"}}},
            ],
        },
        {"role": "user", "content": [{"toolResult": {"toolUseId": "x", "content": [{"json": {"result": 3}}]}}]},
        {"role": "assistant", "content": [{"text": "Done."}]},
    ],
    "LangChain": [
        {"type": "human", "content": "Hi."},
        {"type": "ai", "content": "", "tool_calls": [{"name": "get", "args": {"id": "A"}, "id": "x"}]},
        {"type": "tool", "content": '{"result": 3}', "tool_call_id": "x"},
        {"type": "ai", "data": {"content": "Done.", "type": "ai"}},
    ],
    "ShareGPT": [
        {"from": "human", "value": "Hi."},
        {"from": "function_call", "value": CALLED, "reasoning_content": "hm"},
        {"from": "observation", "value": '{"result": 3}'},
        {"from": "gpt", "value": "Done."},
    ],
}


@pytest.mark.parametrize("dialect", PARTED)
@pytest.mark.parametrize("key", ["messages", "conversations", "contents"])
def test_chats_with_parts_or_roles_of_other_makers_are_read(dialect: str, key: str, tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps({key: PARTED[dialect], "reward": 1.0, "system": "Serve."}) + "\n")
    (episode,) = read_plain(path)
    assert isinstance(episode, Episode), episode
    assert episode.actions == (CALLED, "Done.")
    assert episode.observations == ("Hi.", '{"result": 3}', "")
    assert episode.goal == "Serve."


def test_a_role_that_calls_must_write_a_call() -> None:
    with pytest.raises(TypeError, match="tool call must be"):
        read_messages([{"from": "function_call", "value": "I go."}])


@pytest.mark.parametrize(
    ("message", "thought", "action"),
    [
        ({"content": "go", "reasoning_content": "hm"}, "hm", "go"),
        ({"content": "go", "reasoning": "hm"}, "hm", "go"),
        ({"content": "go", "thinking": "hm"}, "hm", "go"),
        ({"content": "<think>\nhm\n</think>\n\ngo"}, "hm", "go"),
        ({"content": "hm</think>go"}, "hm", "go"),
        ({"content": "<Reasoning>hm</Reasoning> go"}, "hm", "go"),
        ({"content": "[THINK]hm[/THINK]go"}, "hm", "go"),
        ({"content": "<thinking>hm, it was cut"}, "hm, it was cut", ""),
        ({"content": "<think>hm, it was cut"}, "hm, it was cut", ""),
        ({"content": "go <think>"}, "", "go <think>"),
        ({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "go"}]}, "hm", "go"),
        ({"content": [{"type": "redacted_thinking", "data": "EmwK"}, {"type": "text", "text": "go"}]}, "", "go"),
    ],
)
def test_a_thought_never_reaches_the_action(message: dict[str, Any], thought: str, action: str) -> None:
    (said,) = read_messages([{"role": "assistant", **message}])
    assert (said.thought, said.action) == (thought, action)


def test_words_of_servers_for_a_cut_reply_are_one_word() -> None:
    assert [common_reason(word) for word in ("max_tokens", "MAX_TOKENS", "end_turn", "tool_use", "SAFETY", "odd")] == [
        "length",
        "length",
        "stop",
        "tool_calls",
        "content_filter",
        "odd",
    ]
    assert [is_cut(word) for word in ("length", "refusal", "content_filter", "stop", "tool_calls", "")] == [
        *[True] * 3,
        *[False] * 3,
    ]


@pytest.mark.parametrize("text", ["{", "[1]", "null", '{"a": NaN}', '{"a": 1e999}', "[" * 100_000])
def test_arguments_that_are_no_object_stay_the_text_that_was_written(text: str) -> None:
    assert read_arguments(text) == text
    assert write_arguments(read_arguments(text)) == text


def test_a_call_s_text_does_not_depend_on_the_order_of_its_arguments() -> None:
    assert write_call("f", {"b": {"d": 1, "c": "é"}, "a": None}) == (
        '{"name": "f", "arguments": {"a": null, "b": {"c": "é", "d": 1}}}'
    )
    assert write_calls([{"name": "f", "arguments": {}}]) == write_call("f", {})


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "assistant", "content": None, "tool_calls": "f()"},
        {"role": "assistant", "content": [3]},
        {"role": "tool", "content": {"temperature": 3}},
        {"role": "user", "content": 3},
        {"role": 3, "content": ""},
        "hello",
    ],
)
def test_what_is_no_message_is_a_sentence(message: Any) -> None:
    with pytest.raises(TypeError, match="must"):
        read_messages([message])


@pytest.mark.slow
@given(chats())
@settings(max_examples=150, deadline=None)
def test_reading_what_was_read_changes_nothing(row: dict[str, Any]) -> None:
    once = [said.message for said in read_messages(row["messages"])]
    assert [said.message for said in read_messages(once)] == once
    assert [plain_message(message) for message in once] == once


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["<think>", "</think>", "<think></think>", " ", "<think> </think> ", "</think><think>"]
)
def test_taking_thoughts_costs_no_more_than_the_text_is_long(text: str) -> None:
    begin = time.process_time()
    take_thought(text * (2_000_000 // len(text)))
    assert time.process_time() - begin < 4


LONG = [{"role": role, "content": "x"} for _ in range(40) for role in ("user", "assistant")]
TOO_LONG: dict[str, Any] = {
    "chat": {"messages": LONG, "reward": 1},
    "atif": {
        "schema_version": "ATIF-v1.7",
        "agent": {"name": "a", "version": "1"},
        "steps": [{"source": {"assistant": "agent"}.get(m["role"], m["role"]), "message": "x"} for m in LONG],
        "extra": {"reward": 1},
    },
    "verifiers": {
        "task": {},
        "nodes": [
            {"parent": n - 1 if n else None, "message": m, "sampled": m["role"] == "assistant"}
            for n, m in enumerate(LONG)
        ],
        "rewards": {"r": {"score": 1}},
    },
}


@pytest.mark.parametrize("source", TOO_LONG)
def test_chats_that_grow_beyond_what_can_be_held_are_refused(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.write_text(json.dumps(TOO_LONG[source]), "utf-8")
    assert len(read_episodes(source, path).episodes) == 1
    monkeypatch.setattr(messages, "MOST_SHOWN", 1000)
    (damage,) = read_episodes(source, path).damaged
    assert "the chats of its steps hold more than 1000 messages" in damage
