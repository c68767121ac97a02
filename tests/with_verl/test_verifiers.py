"""verifiers' own trace format, which prime-rl trains on: our exports validate, and credits spread over its branches."""

from __future__ import annotations

import json

from builders.episodes import walk
from verifiers.v1.trace import WireTrace

from credit_gym.agents.learning.prime_rl import assign_credits
from credit_gym.formats.readers import read_episodes
from credit_gym.formats.verifiers import verifiers_rows

QUESTION = {"role": "user", "content": "Where to?"}
CHAT = ((QUESTION,), (QUESTION, {"role": "assistant", "content": "go"}, {"role": "user", "content": "And now?"}))
EPISODE = walk(
    steps=2,
    messages=CHAT,
    actions=("go", "stay"),
    prompt_token_ids=((1, 2), (1, 2, 3, 4, 5, 6)),
    token_ids=((3, 4), (7,)),
    policy_logprobs=((-0.5, -0.25), (-1.0,)),
)


def test_an_exported_trace_validates_and_its_advantages_are_the_credits():
    (row,) = verifiers_rows([EPISODE], [(0.5, None)])
    trace = WireTrace.model_validate(row)
    (branch,) = trace.branches
    assert branch.token_ids == [1, 2, 3, 4, 5, 6, 7]
    assert branch.advantages == [0.0, 0.0, 0.5, 0.5, 0.0, 0.0, 0.0]
    assert trace.reward == EPISODE.episode_return


def test_credits_are_assigned_to_the_nodes_of_a_live_trace():
    (row,) = verifiers_rows([EPISODE], [(None, None)])
    trace = WireTrace.model_validate(row)
    assert all(node.advantages is None for node in trace.nodes)
    assign_credits([trace], [EPISODE], "mc", discount=0.5, baseline="none")
    (branch,) = trace.branches
    first, second = EPISODE.rewards[0] + 0.5 * EPISODE.rewards[1], EPISODE.rewards[1]
    assert branch.advantages == [0.0, 0.0, first, first, 0.0, 0.0, second]


def test_a_trace_that_verifiers_wrote_comes_in_as_the_episode(tmp_path):
    (row,) = verifiers_rows([EPISODE], [(0.5, None)])
    written = WireTrace.model_validate(row).model_dump(mode="json", exclude_none=True)
    (tmp_path / "traces.jsonl").write_text(json.dumps(written) + "\n")
    (episode,), damaged = read_episodes("verifiers", tmp_path / "traces.jsonl")
    assert not damaged
    assert episode.actions == EPISODE.actions
    assert episode.token_ids == EPISODE.token_ids
    assert episode.episode_return == EPISODE.episode_return


def test_a_trace_with_calls_thoughts_and_limits_validates_and_says_the_same(tmp_path):
    call = {"id": "c1", "name": "look", "arguments": {"at": "é"}}
    answer = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "é"}'}}],
    }
    episode = walk(
        steps=2,
        messages=((QUESTION,), (QUESTION, answer, {"role": "tool", "content": "a key", "tool_call_id": "c1"})),
        actions=('{"name": "look", "arguments": {"at": "é"}}', "It"),
        tool_calls=((call,), ()),
        thoughts=("Where?", ""),
        finish_reasons=("tool_calls", "length"),
        terminated=False,
        truncated=True,
        goal="find it",
    )
    (row,) = verifiers_rows([episode], [(0.5, None)])
    trace = WireTrace.model_validate(row)
    assert trace.is_truncated
    assert [message.tool_calls and message.tool_calls[0].name for message in trace.assistant_messages] == ["look", None]
    assert trace.assistant_messages[0].reasoning_content == "Where?"
    assert [message.tool_call_id for message in trace.tool_messages] == ["c1"]
    written = trace.model_dump(mode="json", exclude_none=True)
    (tmp_path / "traces.jsonl").write_text(json.dumps(written) + "\n")
    (back,), damaged = read_episodes("verifiers", tmp_path / "traces.jsonl")
    assert not damaged
    for name in ("actions", "tool_calls", "thoughts", "finish_reasons", "truncated", "terminated", "goal", "rewards"):
        assert getattr(back, name) == getattr(episode, name), name
