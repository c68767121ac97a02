"""The OpenAI and Anthropic backends against real servers on loopback: what is asked and answered, specs and keys."""

import logging
import math
import sys
from dataclasses import replace

import pytest
from builders.model_servers import (
    KEY,
    Reply,
    anthropic_message,
    chat_completion,
    error_body,
    openai_server,
    serving,
    vllm_server,
)
from builders.protocols import PROTOCOLS, REQUEST, SYSTEM, USER, ask_in_turn, ask_server, failure

from credit_gym.agents.llm.completion import AsyncBackend, Completion, Position, Request
from credit_gym.agents.llm.openai import OpenAIBackend
from credit_gym.errors import CreditGymError, MissingExtraError


def test_an_openai_server_is_asked_as_its_protocol_says():
    (completion,), server = ask_server("openai")
    (post,) = server.posts()
    assert post.path == "/v1/chat/completions"
    assert post.headers["authorization"] == f"Bearer {KEY}"
    assert post.body == {
        "model": "m",
        "messages": [SYSTEM, USER],
        "temperature": 0.5,
        "max_tokens": 7,
        "stop": ["###"],
        "seed": 2**31 - 1,
        "logprobs": True,
    }
    assert completion.text in {"sit", "stand", "run"}
    assert completion == Completion(
        text=completion.text, logprobs=(-0.25,), usage={"prompt_tokens": 20.0, "completion_tokens": 1.0}
    )


def ranked(seen):
    """An answer of two tokens with alternatives in no order, one of them impossible and one with the key in it."""
    if seen.method == "GET":
        return openai_server(seen)
    body = chat_completion("go on")
    tops = [[("stay", -2.0), ("go", -0.5), ("-", -math.inf)], [(f"on{KEY}", -0.1)]]
    body["choices"][0]["logprobs"]["content"] = [
        {"token": token, "logprob": -0.5, "top_logprobs": [{"token": t, "logprob": p} for t, p in top]}
        for token, top in zip(("go", " on"), tops, strict=True)
    ]
    return Reply(body)


def test_alternatives_are_asked_for_and_ranked_and_hold_no_key():
    asked = replace(REQUEST, top_logprobs=99)
    (plain, completion), server = ask_server("openai", ranked, REQUEST, asked)
    assert plain == replace(completion, positions=())
    assert completion.positions == (
        Position("go", (("go", -0.5), ("stay", -2.0))),
        Position(" on", (("on[key]", -0.1),)),
    )
    bodies = {"top_logprobs" in post.body: post.body for post in server.posts()}
    assert bodies[True] == bodies[False] | {"top_logprobs": 20}


def test_a_server_without_alternatives_has_no_positions():
    (completion,), _ = ask_server("openai", None, replace(REQUEST, top_logprobs=5))
    assert completion.logprobs == (-0.25,)
    assert completion.positions == ()


def test_vllm_is_recognised_once_and_gives_ids_and_keeps_to_choices():
    requests = [REQUEST, Request(messages=(USER,), choices=("left", "right")), REQUEST]
    completions, server = ask_server("openai", vllm_server, *requests)
    assert [(c.text, c.constrained) for c in completions] == [
        ("two words", False),
        ("right", True),
        ("two words", False),
    ]
    assert [(c.prompt_token_ids, c.token_ids) for c in completions] == [((1, 2, 3), (7, 8))] * 3
    assert sum(seen.path == "/v1/models" for seen in server.seen) == 1
    asked = next(seen.body for seen in server.posts() if "structured_outputs" in seen.body)
    assert asked["structured_outputs"] == {"choice": ["left", "right"]}
    assert (asked["top_p"], asked["top_k"]) == (1.0, -1), "vLLM would fill them from the model's generation config"


def test_other_servers_are_not_asked_to_keep_to_choices():
    (completion,), server = ask_server("openai", None, Request(messages=(USER,), choices=("left", "right")))
    assert not completion.constrained
    assert not {"structured_outputs", "guided_choice", "top_k"} & set(server.posts()[0].body)


LOADING = [
    Reply("", 500),
    Reply("", 502),
    Reply(error_body("loading"), 503),
    Reply("<html>Please wait.</html>", kind="text/html"),
    Reply({"object": "list", "data": []}),
    Reply("null"),
]


@pytest.mark.parametrize("loading", LOADING, ids=["500", "502", "503", "page", "no model", "null"])
def test_vllm_that_cannot_list_its_models_yet_is_recognised_later(loading):
    lists = iter([loading, loading])

    def answer(seen):
        return next(lists, None) or vllm_server(seen) if seen.method == "GET" else vllm_server(seen)

    with serving(answer) as server:
        completions = ask_in_turn(OpenAIBackend(f"m@{server.root}/v1"), *[REQUEST] * 4)
    assert [completion.token_ids for completion in completions] == [(), (), (7, 8), (7, 8)]
    assert sum(seen.method == "GET" for seen in server.seen) == 3


def test_a_server_that_can_never_list_its_models_is_used_and_not_asked_for_ever():
    def answer(seen):
        return openai_server(seen) if seen.method == "POST" else Reply("", 500)

    with serving(answer) as server:
        completions = ask_in_turn(OpenAIBackend(f"m@{server.root}/v1"), *[REQUEST] * 20)
    assert all(completion.text for completion in completions)
    assert sum(seen.method == "GET" for seen in server.seen) < 12


def test_chats_that_wait_for_the_list_of_models_share_its_answer():
    def answer(seen):
        return openai_server(seen) if seen.method == "POST" else Reply("", 503, delay=0.2)

    _, server = ask_server("openai", answer, *[REQUEST] * 30)
    assert sum(seen.method == "GET" for seen in server.seen) == 1


@pytest.mark.parametrize("status", [401, 404, 405])
def test_a_server_without_a_list_of_models_is_no_vllm(status):
    def answer(seen):
        return openai_server(seen) if seen.method == "POST" else Reply("", status)

    with serving(answer) as server:
        ask_in_turn(OpenAIBackend(f"m@{server.root}/v1"), *[REQUEST] * 3)
    assert sum(seen.method == "GET" for seen in server.seen) == 1


def test_logprobs_and_seed_are_left_out_once_a_model_refuses_them():
    def answer(seen):
        if seen.method == "POST" and "logprobs" in seen.body:
            return Reply(error_body("You are not allowed to request logprobs from this model"), 403)
        return openai_server(seen)

    with serving(answer) as server:
        first, second = ask_in_turn(OpenAIBackend(f"m@{server.root}/v1"), REQUEST, REQUEST)
    assert first == second
    assert ["logprobs" in post.body for post in server.posts()] == [True, False, False]
    assert all("seed" in post.body for post in server.posts())


def test_anthropic_is_asked_as_its_protocol_says():
    (completion,), server = ask_server("anthropic")
    (post,) = server.posts()
    assert post.path == "/v1/messages"
    assert KEY in post.headers.get("authorization", "") + post.headers.get("x-api-key", "")
    assert post.body == {
        "model": "m",
        "system": "Play.",
        "messages": [USER],
        "temperature": 0.5,
        "max_tokens": 7,
        "stop_sequences": ["###"],
    }
    assert completion.usage == {"prompt_tokens": 20.0, "completion_tokens": 3.0}
    assert completion.finish_reason == "stop"


def test_anthropic_gets_no_empty_message_no_blank_stop_and_no_default_temperature():
    chat = (USER, {"role": "assistant", "content": ""}, USER)
    asked = Request(messages=chat, stop=("\n", "END"))
    (completion,), server = ask_server("anthropic", lambda seen: Reply(anthropic_message("one\ntwo")), asked)
    (post,) = server.posts()
    assert all(message["content"] for message in post.body["messages"])
    assert post.body["stop_sequences"] == ["END"]
    assert not {"temperature", "system"} & set(post.body)
    assert completion.text == "one", "the blank stop text must end the answer all the same"


def test_tokens_that_anthropic_read_from_its_cache_count():
    body = {**anthropic_message("go"), "usage": {"input_tokens": 3, "cache_read_input_tokens": 40, "output_tokens": 2}}
    (completion,), _ = ask_server("anthropic", lambda seen: Reply(body))
    assert completion.usage == {"prompt_tokens": 43.0, "completion_tokens": 2.0}


def test_a_cut_off_answer_says_so(protocol):
    body = chat_completion("go no")
    body["choices"][0]["finish_reason"] = "length"
    replies = {"openai": body, "anthropic": anthropic_message("go no", "max_tokens")}
    (completion,), _ = ask_server(protocol, lambda seen: Reply(replies[protocol]))
    assert (completion.text, completion.finish_reason) == ("go no", "length")


def test_an_answer_without_usage_has_none(protocol):
    replies = {
        "openai": {"choices": [{"message": {"content": "q"}}]},
        "anthropic": {"content": [{"type": "text", "text": "q"}]},
    }
    (completion,), _ = ask_server(protocol, lambda seen: Reply(replies[protocol]))
    assert completion == Completion(text="q")


def test_fifty_requests_run_at_once(protocol):
    _, faithful, _ = PROTOCOLS[protocol]

    def slowly(seen):
        reply = faithful(seen)
        return Reply(reply.body, delay=0.3 if seen.method == "POST" else 0.0)

    completions, server = ask_server(protocol, slowly, *[REQUEST] * 50)
    assert len({completion.text for completion in completions}) == 1
    assert server.most_in_flight >= 25


# Specs and keys


@pytest.mark.parametrize("module", ["openai", "anthropic"])
def test_a_missing_package_is_named_with_its_extra(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf'pip install "credit-gym\[{module}\]"'):
        PROTOCOLS[module][0]("m")


def test_a_key_is_needed_by_the_provider_and_not_by_a_server_of_ones_own(protocol, monkeypatch):
    kind = PROTOCOLS[protocol][0]
    variable = f"{protocol.upper()}_API_KEY"
    monkeypatch.delenv(variable)
    with pytest.raises(CreditGymError, match=f"set {variable}"):
        kind("m")
    assert isinstance(kind("m@http://127.0.0.1:1/v1"), AsyncBackend)
    monkeypatch.setenv(variable, "sk-ключ")
    with pytest.raises(CreditGymError, match="copy the key again"):
        kind("m")


def test_without_a_key_no_word_of_an_answer_is_taken_for_one(protocol, monkeypatch):
    monkeypatch.delenv(f"{protocol.upper()}_API_KEY")
    said = "none of them, nonetheless"
    reply = {"openai": chat_completion(said), "anthropic": anthropic_message(said)}
    (completion,), _ = ask_server(protocol, lambda seen: Reply(reply[protocol]))
    assert completion.text == said


def test_the_key_is_nowhere_but_in_the_header(protocol, caplog):
    """Not in an answer that echoes it, nor in a log, a repr, a name or an error."""
    caplog.set_level(logging.DEBUG)
    echo = {"openai": chat_completion(f"your key is {KEY}"), "anthropic": anthropic_message(f"your key is {KEY}")}
    (completion,), server = ask_server(protocol, lambda seen: Reply(echo[protocol]))
    assert completion.text == "your key is [key]"
    error = failure(protocol, Reply(error_body(f"bad key {KEY} or {KEY[:-2]}"), 401))
    backend = PROTOCOLS[protocol][0]("m@http://127.0.0.1:1")
    texts = [repr(backend), backend.name, repr(backend._server), repr(error), repr(vars(error)), caplog.text]
    assert all("PLANTED" not in text for text in texts)
    assert any(KEY in value for value in server.posts()[0].headers.values())
