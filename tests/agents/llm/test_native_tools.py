"""Native tool calls behind a server: what goes out, what comes back, and chats of both in each protocol."""

import json
import warnings

import pytest
from builders.model_servers import (
    KEY,
    Reply,
    anthropic_calling,
    anthropic_message,
    calling,
    chat_completion,
    error_body,
    openai_server,
    serving,
)
from builders.protocols import SYSTEM, USER, ask, ask_in_turn, ask_server, failure
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.agents.llm.anthropic_chat import chat_messages
from credit_gym.agents.llm.completion import Request
from credit_gym.agents.llm.openai import OpenAIBackend
from credit_gym.agents.llm.tool_chat import in_words, paired, written

SCHEMA = {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]}
TOOL = {"type": "function", "function": {"name": "go", "description": "Go there.", "parameters": SCHEMA}}
BARE = {"type": "function", "function": {"name": "done"}}


def call(name="go", arguments='{"room": "hall"}', identity="call_1"):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


CALLED = {"role": "assistant", "content": None, "tool_calls": [call()]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "name": "go", "content": "You are in the hall."}
CHAT = (SYSTEM, USER, CALLED, RESULT, USER)
ASKED = Request(messages=CHAT, tools=(TOOL, BARE), seed=3, max_tokens=9)
WENT = {"name": "go", "arguments": {"room": "hall"}}
CALLING = {"openai": calling("go", {"room": "hall"}), "anthropic": anthropic_calling("go", {"room": "hall"})}


def answer_of(protocol, body, asked=ASKED):
    (completion,), server = ask_server(protocol, lambda seen: Reply(body), asked)
    return completion, [post.body for post in server.posts()]


def test_openai_sees_tools_calls_and_results_as_they_are():
    _, (body,) = answer_of("openai", CALLING["openai"])
    assert body["tools"] == [TOOL, BARE]
    assert body["parallel_tool_calls"] is False
    assert body["messages"] == list(CHAT)


def test_anthropic_sees_tools_calls_and_results_as_blocks():
    _, (body,) = answer_of("anthropic", CALLING["anthropic"])
    assert body["tools"] == [
        {"name": "go", "description": "Go there.", "input_schema": SCHEMA},
        {"name": "done", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert body["system"] == "Play."
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "You are in the hall."}
    assert body["messages"] == [
        USER,
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "call_1", "name": "go", "input": {"room": "hall"}}],
        },
        {"role": "user", "content": [result, {"type": "text", "text": USER["content"]}]},
    ]


def test_without_tools_nothing_is_said_of_them(protocol):
    _, (body,) = answer_of(protocol, CALLING[protocol], Request(messages=(USER,)))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)


def test_a_call_is_an_answer_and_asked_for_once(protocol):
    completion, bodies = answer_of(protocol, CALLING[protocol])
    (called,) = completion.tool_calls
    assert {"name": called["name"], "arguments": called["arguments"]} == WENT
    assert called["id"] in ("call_1", "toolu_1")
    assert (completion.text, completion.finish_reason, len(bodies)) == ("", "tool_calls", 1)


def test_words_beside_a_call_and_thoughts_are_kept_apart(protocol):
    thinking = anthropic_calling("go", {"room": "hall"}, "I go.")
    thinking["content"].insert(0, {"type": "thinking", "thinking": "hm", "signature": "s"})
    thinking["content"].insert(0, {"type": "redacted_thinking", "data": "x"})
    body = {"openai": calling("go", {"room": "hall"}, "I go.", reasoning_content="hm"), "anthropic": thinking}
    completion, _ = answer_of(protocol, body[protocol])
    assert (completion.text, completion.thought) == ("I go.", "hm")
    assert completion.tool_calls[0]["name"] == "go"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"tool_calls": [call(arguments='{"room": ')]}, ("go", '{"room": ')),
        ({"tool_calls": [call(arguments="[1]")]}, ("go", "[1]")),
        ({"tool_calls": [call(arguments='{"room": NaN}')]}, ("go", '{"room": NaN}')),
        ({"tool_calls": [call(arguments="")]}, ("go", {})),
        ({"tool_calls": [call(arguments=None)]}, ("go", {})),
        ({"tool_calls": [call(arguments={"room": "hall"})]}, ("go", {"room": "hall"})),
        ({"function_call": {"name": "go", "arguments": '{"room": "hall"}'}}, ("go", {"room": "hall"})),
        ({"tool_calls": [{"id": 7, "type": "function"}]}, ("", '{"id": 7, "type": "function"}')),
        ({"tool_calls": None, "function_call": None, "content": [{"type": "text", "text": "I go."}]}, None),
    ],
    ids=["cut", "list", "NaN", "empty", "null", "object", "function_call", "nameless", "text part"],
)
def test_whatever_a_call_is_written_as_it_is_a_call_and_loses_nothing(message, expected):
    body = chat_completion("")
    body["choices"][0]["message"] = {"content": None, **message}
    completion, bodies = answer_of("openai", body)
    assert [(each["name"], each["arguments"]) for each in completion.tool_calls] == ([expected] if expected else [])
    assert completion.text == ("" if expected else "I go.")
    assert completion.finish_reason == ("tool_calls" if expected else "stop")
    assert len(bodies) == 1


def test_a_call_without_an_id_has_an_empty_one():
    body = calling("go", {})
    body["choices"][0]["message"]["tool_calls"] = [call(identity=""), call(identity=None), call(identity=7)]
    assert [each["id"] for each in answer_of("openai", body)[0].tool_calls] == ["", "", "7"]


def test_arguments_too_deep_for_a_file_are_kept_as_text():
    arguments = '{"a":' * 200 + "1" + "}" * 200
    body = calling("go", {})
    body["choices"][0]["message"]["tool_calls"] = [call(arguments=arguments)]
    (called,) = answer_of("openai", body)[0].tool_calls
    assert called["name"] == "go"
    assert called["arguments"].replace(" ", "") == arguments


def test_a_key_that_a_server_echoes_is_in_no_part_of_an_answer(protocol):
    """Nor in one that spells it in JSON's escapes, or over two blocks."""
    escaped = "".join(f"\\u{ord(sign):04x}" for sign in KEY)
    openai = calling(f"go{KEY}", {f"a{KEY}": [{"b": KEY}]}, KEY, reasoning_content=KEY)
    openai["choices"][0]["finish_reason"] = KEY
    first = openai["choices"][0]["message"]["tool_calls"][0]
    first["id"] = KEY
    second = {"id": "2", "function": {"name": "go", "arguments": f'{{"a": "{escaped}"}}'}}
    third = {"id": "3", "function": {"name": "go", "arguments": f"not JSON {KEY}"}}
    openai["choices"][0]["message"]["tool_calls"] = [first, second, third]
    anthropic = anthropic_calling(f"go{KEY}", {KEY: KEY}, KEY[:9])
    anthropic["content"].insert(1, {"type": "text", "text": KEY[9:]})
    anthropic["content"].insert(0, {"type": "thinking", "thinking": KEY})
    anthropic["content"][-1]["id"] = KEY
    anthropic["stop_reason"] = KEY
    completion, _ = answer_of(protocol, {"openai": openai, "anthropic": anthropic}[protocol])
    assert "PLANTED" not in repr(completion)
    assert repr(completion).count("[key]") >= 6


# Why a reply ended


@pytest.mark.parametrize(
    ("protocol", "body", "text", "reason"),
    [
        ("openai", calling("go", {}) | {}, "", "tool_calls"),
        ("openai", chat_completion("", refusal="I cannot."), "I cannot.", "refusal"),
        ("openai", chat_completion("I can", refusal="I cannot."), "I can", "refusal"),
        ("anthropic", anthropic_message("I can", "refusal"), "I can", "refusal"),
        ("anthropic", anthropic_message("so far", "max_tokens"), "so far", "length"),
        ("anthropic", anthropic_message("so far", "pause_turn"), "so far", "pause_turn"),
        ("anthropic", anthropic_message("so far", "model_context_window_exceeded"), "so far", "length"),
        ("anthropic", {"content": [], "stop_reason": "end_turn"}, "", "stop"),
        ("anthropic", {"content": None, "stop_reason": "end_turn"}, "", "stop"),
    ],
)
def test_a_reply_that_says_something_is_an_answer_with_its_reason(protocol, body, text, reason):
    completion, bodies = answer_of(protocol, body)
    assert (completion.text, completion.finish_reason, len(bodies)) == (text, reason, 1)


@pytest.mark.parametrize(
    ("given", "reason"),
    [("length", "length"), ("content_filter", "content_filter"), ("eos", "stop"), (None, "stop"), ("odd", "odd")],
)
def test_openais_reasons_are_kept_in_the_common_words(given, reason):
    body = chat_completion("so far")
    body["choices"][0]["finish_reason"] = given
    assert answer_of("openai", body)[0].finish_reason == reason


def test_silence_that_the_model_chose_is_an_answer_also_as_null():
    body = {"choices": [{"message": {"content": None, "reasoning": "hm"}, "finish_reason": "stop"}]}
    completion, bodies = answer_of("openai", body)
    assert (completion.text, completion.thought, len(bodies)) == ("", "hm", 1)


@pytest.mark.parametrize("reason", ["error", "abort"])
def test_an_answer_that_did_not_come_to_its_end_and_says_nothing_may_be_asked_again(reason):
    body = chat_completion("")
    body["choices"][0]["finish_reason"] = reason
    assert failure("openai", Reply(body)).retryable


# Servers that know no tools


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "registry.example/llama2 does not support tools"),
        (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
        (500, "tools param requires --jinja flag"),
        (404, "No endpoints found that support tool use."),
        (422, "Extra inputs are not permitted: tools"),
        (400, "Unsupported parameter: 'functions'"),
    ],
)
def test_a_server_without_tools_is_asked_in_words_and_that_is_said_once(status, said):
    def answer(seen):
        if seen.method == "POST" and "tools" in seen.body:
            return Reply(error_body(said), status)
        return openai_server(seen)

    with serving(answer) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first, second = ask_in_turn(OpenAIBackend(f"m@{server.root}/v1"), ASKED, ASKED)
    assert first == second
    assert ["takes no tools" in str(warning.message) for warning in caught] == [True]
    assert ["tools" in post.body for post in server.posts()] == [True, False, False]
    assert server.posts()[-1].body["messages"] == [
        SYSTEM,
        USER,
        {"role": "assistant", "content": '{"name": "go", "arguments": {"room": "hall"}}'},
        {"role": "user", "content": "You are in the hall."},
        USER,
    ]


def test_a_parameter_is_given_up_only_where_that_helps():
    def answer(seen):
        failed = Reply(error_body("messages with role 'tool' must follow 'tool_calls'"), 400)
        return failed if seen.method == "POST" else openai_server(seen)

    with serving(answer) as server:
        ask(OpenAIBackend(f"m@{server.root}/v1"), ASKED, ASKED)
        asked = ["tools" in post.body for post in server.posts()]
    assert sorted(asked) == [False, False, True, True]


def test_only_one_call_a_reply_is_asked_for_where_that_can_be():
    def answer(seen):
        if seen.method == "POST" and "parallel_tool_calls" in seen.body:
            return Reply(error_body("Unsupported parameter: 'parallel_tool_calls'"), 400)
        return Reply(CALLING["openai"]) if seen.method == "POST" else openai_server(seen)

    (completion,), server = ask_server("openai", answer, ASKED)
    assert completion.tool_calls
    assert server.posts()[-1].body["tools"] == [TOOL, BARE]


def test_tools_are_kept_where_something_less_can_be_given_up():
    def answer(seen):
        if seen.method == "POST" and "logprobs" in seen.body:
            return Reply(error_body("logprobs are not supported with tools"), 400)
        return Reply(CALLING["openai"]) if seen.method == "POST" else openai_server(seen)

    (completion,), server = ask_server("openai", answer, ASKED)
    assert completion.tool_calls
    assert ["logprobs" in post.body for post in server.posts()] == [True, False]


# Chats of calls and results


def test_neighbours_of_one_role_are_one_message_for_anthropic():
    chat = (USER, USER, {"role": "assistant", "content": " "}, {"role": "assistant", "content": "b"}, RESULT)
    assert chat_messages(chat) == [
        {"role": "user", "content": [{"type": "text", "text": USER["content"]}] * 2},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "You are in the hall."},
    ]


def test_arguments_that_are_no_object_are_one_for_anthropic_and_ids_are_legal_there():
    odd = {"role": "assistant", "content": "so", "tool_calls": [call(arguments="[1", identity="a:1")]}
    (_, used), (result,) = (message["content"] for message in chat_messages((odd, RESULT | {"tool_call_id": "a:1"})))
    assert used == {"type": "tool_use", "id": "a_1", "name": "go", "input": {"arguments": "[1"}}
    assert result["tool_use_id"] == "a_1"


ids = st.sampled_from(["a", "b", "c", ""])
messages = st.one_of(
    st.builds(lambda text: {"role": "user", "content": text}, st.text(max_size=3)),
    st.builds(lambda identity: {"role": "tool", "tool_call_id": identity, "content": f"r{identity}"}, ids),
    st.builds(
        lambda text, given: {"role": "assistant", "content": text, "tool_calls": [call(identity=i) for i in given]},
        st.none() | st.text(max_size=3),
        st.lists(ids, max_size=3),
    ),
)


@given(st.lists(messages, max_size=8))
def test_any_chat_is_made_whole_and_loses_no_word(chat):
    whole = paired(chat)
    open_calls = []
    for message in whole:
        if message["role"] == "tool":
            open_calls.remove(message["tool_call_id"])
            continue
        assert open_calls == []
        open_calls = [each["id"] for each in message.get("tool_calls") or ()]
        assert len(set(open_calls)) == len(open_calls)
    assert open_calls == []
    assert paired(whole) == whole
    for told in (whole, in_words(chat)):
        said = written(Request(messages=tuple(told)))
        assert said.count('"room"') == sum(len(message.get("tool_calls") or ()) for message in chat)
        assert all((message["content"] or "") in said for message in chat)
    assert not any(message["role"] == "tool" or message.get("tool_calls") for message in in_words(chat))


def test_what_a_request_says_counts_its_tools_and_calls():
    said = written(ASKED)
    assert json.dumps(TOOL, ensure_ascii=False) in said
    assert '{"name": "go", "arguments": {"room": "hall"}}' in said
