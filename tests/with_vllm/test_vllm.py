"""vLLM for real: in this process and behind a server, against the same model in transformers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import gymnasium as gym
import pytest
import torch

import credit_gym  # noqa: F401 - registers credit/*
from credit_gym.agents import Batched, parse_agent, run_episodes
from credit_gym.agents.llm.agent import BatchAgent
from credit_gym.agents.llm.backends import Settings
from credit_gym.agents.llm.completion import Request
from credit_gym.agents.llm.hf import HuggingFaceBackend
from credit_gym.agents.llm.openai import OpenAIBackend
from credit_gym.agents.llm.prompting import PROMPTINGS
from credit_gym.agents.llm.vllm import VLLMBackend
from credit_gym.errors import BackendError

CHAT = ({"role": "system", "content": "You are playing."}, {"role": "user", "content": "You see a room."})
TOOLS = ({"type": "function", "function": {"name": "go", "parameters": {"type": "object", "properties": {}}}},)
CHOICES = ("go north", "go south", "look around")


@pytest.fixture(scope="module")
def local(folder):
    return VLLMBackend(str(folder))


@pytest.fixture(scope="module")
def reference(folder):
    return HuggingFaceBackend(str(folder))


@pytest.fixture
def remote(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    backend = OpenAIBackend(f"tiny@{server}")
    with asyncio.Runner() as runner:
        yield lambda request: runner.run(backend.complete(request))
        runner.run(backend.close())


def recomputed(reference, completion):
    """Log-probabilities of a completion's tokens in one forward of the model in transformers."""
    prompt, ids = completion.prompt_token_ids, completion.token_ids
    with torch.inference_mode():
        logits = reference.model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0].tolist()


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_logprobs_in_process_are_those_of_transformers_at_any_temperature(local, reference, temperature):
    asked = [Request(messages=CHAT, seed=seed, max_tokens=24, temperature=temperature) for seed in range(8)]
    for completion in local.complete(asked):
        assert completion.logprobs == pytest.approx(recomputed(reference, completion), abs=1e-4)


def test_prompts_are_the_tokens_that_transformers_reads(local, reference, remote):
    request = Request(messages=CHAT, max_tokens=4)
    expected = reference.complete([request])[0].prompt_token_ids
    assert local.complete([request])[0].prompt_token_ids == expected
    assert remote(request).prompt_token_ids == expected


def test_greedy_answers_agree_with_transformers(local, reference):
    request = Request(messages=CHAT, max_tokens=16, temperature=0.0)
    assert local.complete([request])[0].token_ids == reference.complete([request])[0].token_ids


def test_an_answer_depends_on_its_own_request_alone(local):
    asked = [Request(messages=CHAT, seed=seed, max_tokens=12) for seed in range(6)]
    together = [completion.token_ids for completion in local.complete(asked)]
    assert together == [local.complete([request])[0].token_ids for request in asked]
    assert len(set(together)) > 1


def test_repetitions_of_one_seed_differ(local):
    asked = [Request(messages=CHAT, seed=1, max_tokens=12, repetition=repetition) for repetition in range(4)]
    assert len({completion.token_ids for completion in local.complete(asked)}) == 4


@pytest.mark.parametrize("served", [False, True])
def test_alternatives_are_the_likeliest_tokens_of_transformers(local, remote, reference, served):
    request = Request(messages=CHAT, max_tokens=8, temperature=0.0, top_logprobs=5)
    completion = remote(request) if served else local.complete([request])[0]
    (ours,) = reference.complete([replace(request, max_tokens=1)])
    assert len(completion.positions) == len(completion.token_ids) == 8
    assert all(len(position.alternatives) == 5 for position in completion.positions)
    first, expected = completion.positions[0].alternatives, ours.positions[0].alternatives
    assert [value for _, value in first] == pytest.approx([value for _, value in expected], abs=1e-4)
    assert [text for text, _ in first] == [text.replace("\ufffd", "") for text, _ in expected]  # no part of a character
    assert completion.positions[0] == (first[0][0], first)


def test_without_a_wish_there_are_no_alternatives(local, remote):
    request = Request(messages=CHAT, seed=3, max_tokens=4)
    assert local.complete([request])[0].positions == remote(request).positions == ()


@pytest.mark.parametrize("served", [False, True])
def test_an_opening_is_part_of_the_prompt(local, remote, reference, served):
    request = Request(messages=CHAT, max_tokens=2, opening="look around")
    completion = remote(request) if served else local.complete([request])[0]
    assert completion.prompt_token_ids == reference.complete([request])[0].prompt_token_ids


def test_choices_in_process_are_kept_and_their_logprobs_are_the_models_own(local, reference):
    asked = [Request(messages=CHAT, seed=seed, choices=CHOICES) for seed in range(12)]
    answers = local.complete([Request(messages=CHAT, max_tokens=4), *asked])[1:]
    assert {answer.text for answer in answers} <= set(CHOICES)
    assert len({answer.text for answer in answers}) > 1
    assert all(answer.constrained for answer in answers)
    for answer in answers:
        assert answer.logprobs == pytest.approx(recomputed(reference, answer), abs=1e-4)


def test_a_stop_text_ends_an_answer_and_is_no_part_of_it(local):
    free = local.complete([Request(messages=CHAT, seed=5, max_tokens=40)])[0].text
    stop = free[len(free) // 2 : len(free) // 2 + 1]
    stopped = local.complete([Request(messages=CHAT, seed=5, max_tokens=40, stop=(stop,))])[0]
    assert stopped.text == free.partition(stop)[0]
    assert stopped.finish_reason == "stop"


def test_a_chat_that_is_too_long_is_refused_with_its_length(local):
    with pytest.raises(BackendError, match=r"has [\d,]+ tokens and .* has room for 4,096"):
        local.complete([Request(messages=({"role": "user", "content": "go north " * 15000},))])


def test_a_missing_model_is_one_sentence():
    with pytest.raises(BackendError, match="There is no model folder '/nowhere/at/all'"):
        VLLMBackend("/nowhere/at/all")


def test_seeded_chats_that_fill_more_than_one_batch_of_prompts_are_answered(local):
    chats = [
        ({"role": "user", "content": f"{name}: " + "go north " * 1500},) for name in ("Ada", "Bo", "Cy", "Di", "Ed")
    ]
    requests = [Request(messages=chat, seed=seed, max_tokens=4) for seed, chat in enumerate(chats)]
    together = local.complete(requests)
    assert sum(len(answer.prompt_token_ids) for answer in together) > 3 * 4096
    assert [answer.token_ids for answer in together] == [local.complete([request])[0].token_ids for request in requests]


def test_the_server_returns_token_ids_and_the_logprobs_of_transformers(remote, reference):
    completion = remote(Request(messages=CHAT, seed=3, max_tokens=24))
    assert completion.token_ids
    assert completion.logprobs == pytest.approx(recomputed(reference, completion), abs=1e-4)


def test_the_server_keeps_to_choices(remote):
    answers = [remote(Request(messages=CHAT, seed=seed, choices=CHOICES)) for seed in range(6)]
    assert {answer.text for answer in answers} <= set(CHOICES)
    assert all(answer.constrained for answer in answers)


def test_both_play_whole_episodes_without_a_refused_action(local, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    prompting = replace(PROMPTINGS["constrained"], history_turns=3)  # a random model may wander for long
    players = (
        Batched(BatchAgent(local, prompting)),
        parse_agent(f"openai:tiny@{server}", settings=Settings(prompting=prompting)),
    )
    for player in players:
        episodes = run_episodes(
            lambda: gym.make("credit/Diagnostic-v0"), player, episodes=4, seed=1, workers=4, progress=False
        )
        assert [episode.error for episode in episodes] == [None] * 4
        assert not any(any(episode.invalid) for episode in episodes)
        for episode in episodes:
            assert episode.token_ids is not None
            assert all(map(len, episode.token_ids))


def test_chats_with_tools_are_the_same_tokens_as_in_transformers_and_calls_are_read_alike(local, reference):
    call = {"id": "1", "type": "function", "function": {"name": "go", "arguments": '{"to": "hall"}'}}
    chat = (*CHAT, {"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "content": "a hall"})
    asked = Request(messages=chat, tools=TOOLS, seed=3, max_tokens=12)
    completion, expected = local.complete([asked])[0], reference.complete([asked])[0]
    assert completion.prompt_token_ids == expected.prompt_token_ids
    assert completion.tool_calls == local.chat.calls(completion.token_ids, TOOLS)
    written = local.chat.answer('<tool_call>{"name": "go", "arguments": {"to": "hall"}}</tool_call>')
    assert local.chat.calls(written, TOOLS) == ({"id": "", "name": "go", "arguments": {"to": "hall"}},)


def test_a_server_that_was_started_without_tools_is_asked_in_words(remote):
    asked = Request(messages=CHAT, tools=TOOLS, seed=3, max_tokens=12)
    with pytest.warns(UserWarning, match="takes no tools"):
        completion = remote(asked)
    assert completion.token_ids == remote(replace(asked, tools=())).token_ids
