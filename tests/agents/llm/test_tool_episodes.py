"""Whole conversations with native tool calls, behind a server of each protocol: played, stored, written, read back."""

import json

import gymnasium as gym
import pytest
from builders.model_servers import (
    KEY,
    Reply,
    anthropic_calling,
    anthropic_message,
    calling,
    chat_completion,
    openai_server,
    serving,
)

import credit_gym  # noqa: F401 - registers the environments
from credit_gym.agents import parse_agent, run_episodes
from credit_gym.agents.llm.backends import Settings
from credit_gym.data.call_dialects import parameters, read_calls
from credit_gym.data.calls import write_calls
from credit_gym.formats.messages import calls_of
from credit_gym.formats.readers import read_episodes
from credit_gym.formats.writers import write_targets
from credit_gym.store.folders import new_run

FAST = Settings(retries=0, timeout=10.0)
SEED = 11
THOUGHT = "I need to look it up."


def make_env():
    return gym.make("credit/Tau2-v0")


def calls_in(action, tools):
    return tuple({"name": call["name"], "arguments": call["arguments"]} for call in read_calls(action, tools))


@pytest.fixture(scope="module")
def expert():
    """Three conversations of the expert's, and the tools that it had."""
    env = make_env()
    _, info = env.reset(seed=0)
    return run_episodes(make_env, parse_agent("expert"), episodes=3, seed=SEED), parameters(info["tools"])


def answers(protocol, episode, tools):
    """A server that answers a conversation of n turns with what the expert did at its turn n, calls as native calls."""

    def answer(seen):
        if seen.method == "GET":
            return openai_server(seen)
        turn = sum(message["role"] == "assistant" for message in seen.body["messages"])
        action = episode.actions[turn]
        made = calls_in(action, tools)
        if not made:
            said = {"openai": chat_completion, "anthropic": anthropic_message}[protocol]
            return Reply(said(action))
        if protocol == "openai":
            body = calling(**made[0], reasoning_content=THOUGHT)
            body["choices"][0]["message"]["tool_calls"][0]["id"] = f"call_{turn}"
        else:
            body = anthropic_calling(**made[0])
            body["content"].insert(0, {"type": "thinking", "thinking": THOUGHT, "signature": "s"})
            body["content"][-1]["id"] = f"call_{turn}"
        return Reply(body)

    return answer


@pytest.fixture
def played(protocol, expert):
    """The same conversations through an agent: (episode, the expert's, what the server saw) each."""
    episodes, tools = expert
    found = []
    for number, episode in enumerate(episodes):
        with serving(answers(protocol, episode, tools)) as server:
            path = "/v1" if protocol == "openai" else ""
            agent = parse_agent(f"{protocol}:m@{server.root}{path}", seed=2, settings=FAST)
            done = {f"{SEED}-{other}" for other in range(3) if other != number}
            (own,) = run_episodes(make_env, agent, episodes=3, seed=SEED, resume_done=done)
            found.append((own, episode, server.posts()))
    return found


@pytest.mark.slow
def test_native_calls_earn_what_the_experts_own_actions_earn(played):
    for own, expert, posts in played:
        assert own.error is None
        assert own.rewards == expert.rewards
        assert (own.success, own.terminated, own.task_id) == (expert.success, expert.terminated, expert.task_id)
        assert own.observations == expert.observations
        assert len(posts) == len(expert.actions), "an answer without text was paid for more than once"
        assert all(post.body["tools"] for post in posts)
        assert KEY not in repr(own)


@pytest.mark.slow
def test_the_record_holds_calls_as_calls_with_thought_and_reason(played, expert):
    _, tools = expert
    for own, episode, _ in played:
        for turn, action in enumerate(episode.actions):
            made = calls_in(action, tools)
            assert [{"name": c["name"], "arguments": c["arguments"]} for c in own.tool_calls[turn]] == list(made)
            assert [call["id"] for call in own.tool_calls[turn]] == [f"call_{turn}"] * len(made)
            assert own.actions[turn] in (action, *(write_calls(made) for _ in made))
            assert own.finish_reasons[turn] == ("tool_calls" if made else "stop")
            assert own.thoughts[turn] == (THOUGHT if made else "")


@pytest.mark.slow
def test_the_server_sees_its_calls_and_their_results_paired(played, protocol):
    for own, _, posts in played:
        messages = posts[-1].body["messages"]
        if protocol == "openai":
            made = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
            answered = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
        else:
            blocks = [block for message in messages for block in message["content"] if isinstance(block, dict)]
            made = [block["id"] for block in blocks if block["type"] == "tool_use"]
            answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
            roles = [message["role"] for message in messages]
            assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
        assert made == answered == [call["id"] for calls in own.tool_calls[:-1] for call in calls]


@pytest.mark.slow
def test_the_store_and_every_export_hold_the_calls_as_calls(played, tmp_path):
    own = [episode for episode, _, _ in played]
    turns = [(episode, turn) for episode in own for turn in range(len(episode))]
    store, run = new_run(tmp_path / "runs", env_id=own[0].env_id, agent_id=own[0].agent_id, config={}, seed=SEED)
    store.add_episodes(run, own)
    assert [repr(episode) for episode in store.load_episodes(run)] == [repr(episode) for episode in own]
    credits = {"s": [[1.0] * len(episode) for episode in own]}
    for to in ("verifiers", "trl-sft", "jsonl"):
        write_targets(to, tmp_path / to, own, credits)
    back = read_episodes("verifiers", tmp_path / "verifiers").episodes
    for column in ("actions", "tool_calls", "thoughts", "finish_reasons", "rewards"):
        assert [getattr(episode, column) for episode in back] == [getattr(episode, column) for episode in own]
    rows = [json.loads(line) for line in (tmp_path / "trl-sft").read_text().splitlines()]
    for row, (episode, turn) in zip(rows, turns, strict=True):
        assert calls_of(row["completion"][0]) == tuple(episode.tool_calls[turn])
        assert row["prompt"] == list(episode.messages[turn])
    rows = [json.loads(line) for line in (tmp_path / "jsonl").read_text().splitlines()]
    for row, (episode, turn) in zip(rows, turns, strict=True):
        assert [call["name"] for call in row["tool_calls"] or ()] == [c["name"] for c in episode.tool_calls[turn]]
