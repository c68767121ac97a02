"""What goes wrong between a backend and its server: every failure becomes one sentence."""

import math
import pickle
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import pytest
from builders.model_servers import (
    KEY,
    OVERFLOW,
    PASSING_FAULTS,
    QUOTA,
    Reply,
    anthropic_message,
    chat_completion,
    error_body,
    serving,
    vllm_server,
)
from builders.protocols import PROTOCOLS, REQUEST, ask, ask_server, failure
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.agents.core import Context
from credit_gym.agents.llm import anthropic_answer, openai_answer
from credit_gym.agents.llm.asking import asker
from credit_gym.agents.llm.completion import Completion, Request
from credit_gym.agents.llm.prompting import Prompting
from credit_gym.agents.llm.reading import read_action
from credit_gym.agents.llm.server import Server, ServerError, _retry_after
from credit_gym.errors import BackendError

FIELDS = (
    "choices", "message", "content", "refusal", "logprobs", "usage", "text", "type", "token_ids", "error", "tool_calls",
    "function", "name", "arguments", "input", "thinking", "reasoning",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("fault", PASSING_FAULTS)
def test_a_failure_that_may_pass_is_retryable(protocol, fault):
    error = failure(protocol, PASSING_FAULTS[fault])
    assert error.retryable
    assert str(error).startswith(("The connection to", f"{protocol}:m@http"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (400, error_body("no such parameter"), "it refused the request. It said: no such parameter"),
        (401, error_body(f"Incorrect API key provided: {KEY}"), "it refused the key; set .*_API_KEY"),
        (403, error_body("no"), "the key may not use this model"),
        (404, error_body("no"), "it knows no such model or path"),
        (413, error_body("request too large"), "it refused the request"),
        (400, OVERFLOW, "longer than the model's context; show fewer history_turns"),
        (400, error_body("prompt is too long: 210000 tokens > 200000 maximum"), "longer than the model's context"),
        (429, QUOTA, "quota is used up; add credit"),
        (400, "<html>\x1b[31mred</html>", "It said: <html>\\[31mred"),
        (422, [1, {"loc": "body"}], "it refused the request"),
        (418, "", "it refused the request.$"),
    ],
)
def test_a_failure_that_stays_is_not_retried_and_says_what_to_do(protocol, status, body, sentence):
    error = failure(protocol, Reply(body, status))
    assert not error.retryable
    assert not error.billable
    with pytest.raises(BackendError, match=sentence):
        raise error


def test_the_server_may_forbid_or_ask_for_a_retry(protocol):
    assert not failure(protocol, Reply("", 500, headers={"x-should-retry": "false"})).retryable
    assert failure(protocol, Reply("", 400, headers={"x-should-retry": "true"})).retryable


def test_a_refusal_without_words_is_an_error_that_a_retry_does_not_mend(protocol):
    replies = {
        "openai": [
            {"choices": [{"message": {"content": None}, "finish_reason": "refusal"}]},
            {"choices": [{"message": {}, "finish_reason": "content_filter"}]},
        ],
        "anthropic": [anthropic_message("", "refusal"), {"content": [], "stop_reason": "refusal"}],
    }
    for reply in replies[protocol]:
        error = failure(protocol, Reply(reply))
        assert "declined to answer" in str(error)
        assert error.billable
        assert not error.retryable


def test_an_answer_that_used_its_tokens_up_before_it_said_a_word_is_cut_and_the_prompting_decides(protocol):
    silent = chat_completion("")
    silent["choices"][0] = {"message": {"role": "assistant", "content": None}, "finish_reason": "length"}
    hidden = {**anthropic_message("", "max_tokens"), "content": [{"type": "redacted_thinking", "data": "x"}]}
    empty = {**anthropic_message("", "max_tokens"), "content": []}
    blank = chat_completion("")
    blank["choices"][0]["finish_reason"] = "length"
    at = Context("", "", (), ("go", "stay"), {}, 0, 0)
    for body in {"openai": (silent, blank), "anthropic": (hidden, empty)}[protocol]:
        (answer,), server = ask_server(protocol, lambda seen, body=body: Reply(body))
        assert (answer.text, answer.thought, answer.finish_reason) == ("", "", "length")
        assert len(server.posts()) == 1
        read = read_action(answer, at, Prompting(decoding="nearest"))
        assert (str(read), read.decoding, read.finish_reason) == ("", "cut", "length")
        with pytest.raises(BackendError, match="raise max_tokens"):
            read_action(answer, at, Prompting(cut="fail"))
        assert read_action(answer, at, Prompting(cut="play")).decoding == "free"


def test_a_judge_who_used_his_tokens_up_has_not_judged(protocol):
    kind, _, path = PROTOCOLS[protocol]
    silent = {"choices": [{"message": {"content": None}, "finish_reason": "length"}]}
    body = {"openai": silent, "anthropic": {"content": [], "stop_reason": "max_tokens"}}[protocol]
    with serving(lambda seen: Reply(body)) as server, pytest.raises(BackendError, match="wrote no answer"):
        asker(kind(f"m@{server.root}{path}"))([{"role": "user", "content": "Yes?"}])


def test_an_answer_that_was_all_thought_is_one_whose_reason_says_so(protocol):
    """What to do about it is the prompting's to say."""
    body = chat_completion("", reasoning_content="hm")
    body["choices"][0]["finish_reason"] = "length"
    thought = {**anthropic_message("", "max_tokens"), "content": [{"type": "thinking", "thinking": "hm"}]}
    (answer,), server = ask_server(protocol, lambda seen: Reply({"openai": body, "anthropic": thought}[protocol]))
    assert (answer.text, answer.thought, answer.finish_reason) == ("", "hm", "length")
    assert len(server.posts()) == 1


COUNTS = {"openai": ("prompt_tokens", "completion_tokens"), "anthropic": ("input_tokens", "output_tokens")}


@pytest.mark.slow
@pytest.mark.parametrize("odd", [None, "many", "", -1, float("nan"), float("inf"), [], {}, True, 10**400])
def test_a_count_that_is_none_is_left_out_and_the_answer_kept(protocol, odd):
    prompt, completion = COUNTS[protocol]
    body = {"openai": chat_completion("go"), "anthropic": anthropic_message("go")}[protocol]
    for usage, counts in (
        ({prompt: odd, completion: 4}, {"completion_tokens": 4.0}),
        ({prompt: 20, completion: odd}, {"prompt_tokens": 20.0}),
        ({completion: 4}, {"completion_tokens": 4.0}),
        ({prompt: "20", completion: 4.5}, {"prompt_tokens": 20.0, "completion_tokens": 4.5}),
        (odd, {}),
    ):
        (answer,), server = ask_server(protocol, lambda seen, usage=usage: Reply({**body, "usage": usage}))
        assert (answer.text, answer.usage) == ("go", counts)
        assert len(server.posts()) == 1


def test_a_null_count_of_cached_tokens_is_none():
    usage = {"input_tokens": 3, "cache_read_input_tokens": None, "cache_creation_input_tokens": 2, "output_tokens": 1}
    (answer,), _ = ask_server("anthropic", lambda seen: Reply({**anthropic_message("go"), "usage": usage}))
    assert answer.usage == {"prompt_tokens": 5.0, "completion_tokens": 1.0}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda choice: choice["logprobs"]["content"][0].update(logprob=math.nan),
        lambda choice: choice["logprobs"]["content"][0].update(logprob=-math.inf),
        lambda choice: choice["logprobs"]["content"][0].update(logprob=None),
        lambda choice: choice.update(logprobs=[1]),
        lambda choice: choice["logprobs"].update(content=7),
        lambda choice: choice["logprobs"]["content"].append(None),
    ],
)
def test_log_probabilities_that_are_no_numbers_are_left_out_and_the_answer_kept(spoil):
    body = chat_completion("go on")
    spoil(body["choices"][0])
    with pytest.warns(UserWarning, match="gave log-probabilities that cannot be read"):
        (answer,), server = ask_server("openai", lambda seen: Reply(body))
    assert (answer.text, answer.logprobs) == ("go on", ())
    assert len(server.posts()) == 1


def test_token_ids_that_are_none_are_left_out_and_the_answer_kept():
    def answer(seen):
        reply = vllm_server(seen)
        if seen.method == "POST":
            reply.body["choices"][0]["token_ids"] = [7, "x"]
        return reply

    with pytest.warns(UserWarning, match="token ids that cannot be read"):
        (completion,), _ = ask_server("openai", answer)
    assert (completion.text, completion.token_ids) == ("two words", ())
    assert completion.prompt_token_ids == (1, 2, 3)


@pytest.mark.parametrize("trickle", [Reply("", delay=30.0)])
def test_a_server_that_does_not_answer_in_time_is_given_up(protocol, trickle):
    error = failure(protocol, trickle, timeout=0.3)
    assert "did not answer within 0.3 seconds" in str(error)
    assert error.retryable
    assert error.billable


def test_a_missing_server_is_named(protocol):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
        (error,) = ask(PROTOCOLS[protocol][0](f"m@{url}"), REQUEST)
    assert str(error) == f"No server answers at {url}: start it or mend the URL."
    assert error.retryable
    assert not error.billable


def test_lone_surrogates_are_kept_out_of_answers_and_named_in_chats(protocol):
    replies = {"openai": chat_completion("a\ud800b"), "anthropic": anthropic_message("a\ud800b")}
    (completion,), _ = ask_server(protocol, lambda seen: Reply(replies[protocol]))
    assert completion.text == "a?b"
    (error,), _ = ask_server(protocol, None, Request(messages=({"role": "user", "content": "\ud800"},)))
    assert isinstance(error, BackendError)


@given(st.text(max_size=40))
def test_any_retry_after_is_read_as_a_wait_or_as_nothing(text):
    for header in ("retry-after", "retry-after-ms"):
        waited = _retry_after({header: text})
        assert waited is None or waited >= 0.0


def test_retry_after_is_read_in_seconds_milliseconds_and_as_a_date():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert _retry_after({"retry-after": "2.5"}) == 2.5
    assert _retry_after({"retry-after-ms": "50", "retry-after": "2"}) == 0.05
    assert 85 < _retry_after({"retry-after": later}) <= 90
    assert _retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert _retry_after({"retry-after": "soon"}) is None


def test_an_error_survives_pickling():
    error = ServerError.of("It broke.", retryable=True, retry_after=2.0)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.retryable, again.retry_after) == ("It broke.", True, 2.0)


RANKED = Request(messages=(), top_logprobs=3, stop=("x",))
READERS = {"openai": partial(openai_answer.read_answer, constrained=False), "anthropic": anthropic_answer.read_answer}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), inner),
    max_leaves=20,
)


@pytest.mark.filterwarnings("ignore:.*cannot be read")
@given(body=json_values)
def test_any_json_is_a_completion_or_one_sentence(body):
    for protocol in PROTOCOLS:
        server = Server.parse(protocol, "m", key_variable="OPENAI_API_KEY", timeout=1)
        read = READERS[protocol]
        place = {"token": "a", "logprob": -1.0, "top_logprobs": body}
        for whole in (
            body,
            {"choices": [{"message": body}]},
            {"choices": [{"message": {"content": "a"}, "logprobs": body}]},
            {"choices": [{"message": {"content": "a"}, "logprobs": {"content": [place]}}]},
            {"choices": [{"message": {"content": "a"}, "logprobs": {"content": [{**place, "top_logprobs": [body]}]}}]},
            {"content": [body]},
            {"content": [], "usage": body},
            {"choices": [{"message": {"tool_calls": body, "function_call": body}}]},
            {"choices": [{"message": {"tool_calls": [{"id": body, "function": body}]}, "finish_reason": body}]},
            {"content": [{"type": "tool_use", "id": body, "name": "f", "input": body}], "stop_reason": body},
        ):
            try:
                found = read(server, RANKED, whole)
            except ServerError as error:
                found = str(error)
            assert isinstance(found, Completion) or "\n" not in found
