"""Traces of verifiers 0.4 and prime-rl: every message that the model sampled is a step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.formats.jsonl import message_of, read_lines, texts_of


def read_traces(path: Path) -> Iterator[Episode | StoreError]:
    """Yield an episode for each line of a ``traces.jsonl`` (schema version 1).

    A step's chat is the path of the message graph that leads to its node, so a history that was rewritten under way is
    kept as the model saw it. Token ids and log-probabilities are kept where all steps have them. The sum of the
    weighted rewards goes to the last step; a metric ``success`` says whether it succeeded, else a reward above 0 does.
    Traces of one task are one group, unless ``info.group_id`` says otherwise.

    Raises:
        StoreError: the file cannot be read.
    """
    return read_lines(path, _episode)


def _episode(trace: dict[str, Any], number: int) -> Episode:
    if trace.get("version", 1) != 1:
        raise ValueError(f"its trace version is {trace['version']}, and 1 is what can be read")
    nodes = trace["nodes"]
    messages = [message_of(node["message"]) for node in nodes]
    steps = [index for index, node in enumerate(nodes) if node.get("sampled")]
    paths = [_path(nodes, index) for index in steps]
    said = [texts_of([messages[i] for i in _unanswered(messages, path[:-1])]) for path in paths]
    reward = sum(
        float(given["score"]) * float(given.get("weight", 1.0)) for given in trace.get("rewards", {}).values() if given
    )
    success = trace.get("metrics", {}).get("success")
    task, info = trace["task"], trace.get("info", {})
    name = str(task.get("key") or task.get("hash") or task["data"].get("name") or number)
    tokens = [_tokens(nodes, path) for path in paths]
    has_tokens = bool(tokens) and all(sampled for _, sampled in tokens)
    logprobs = [tuple(map(float, nodes[index].get("logprobs") or ())) for index in steps]
    known = has_tokens and all(len(row) == len(ids) for row, (_, ids) in zip(logprobs, tokens, strict=True))
    errors = trace.get("errors") or []
    return Episode(
        env_id=str(info.get("env_id", "imported/verifiers")),
        task_id=name,
        group_id=str(info.get("group_id", name)),
        episode_id=str(trace.get("id", number)),
        agent_id=str(info.get("agent_id", trace.get("agent", {}).get("name", ""))),
        observations=(*said, ""),
        state_keys=(*said, ""),
        actions=tuple(messages[index]["content"] for index in steps),
        rewards=(0.0,) * (len(steps) - 1) + (reward,) * bool(steps),
        success=bool(reward > 0 if success is None else success),
        terminated=not errors,
        truncated=False,
        messages=tuple(tuple(messages[i] for i in path[:-1]) for path in paths),
        prompt_token_ids=tuple(prompt for prompt, _ in tokens) if has_tokens else None,
        token_ids=tuple(sampled for _, sampled in tokens) if has_tokens else None,
        policy_logprobs=tuple(logprobs) if known else None,
        error=str(errors[-1]["message"]) if errors else None,
    )


def _path(nodes: list[dict[str, Any]], leaf: int) -> list[int]:
    """The nodes from the root to a leaf; parents stand before their children, so this ends."""
    path = [leaf]
    while (parent := nodes[path[-1]].get("parent")) is not None:
        if type(parent) is not int or not 0 <= parent < path[-1]:
            raise ValueError(f"node {path[-1]} has the parent {parent!r}, which does not stand before it")
        path.append(parent)
    return path[::-1]


def _unanswered(messages: list[dict[str, str]], path: list[int]) -> list[int]:
    """The messages since the assistant last spoke, the system's left out."""
    last = max((place for place, index in enumerate(path) if messages[index]["role"] == "assistant"), default=-1)
    return [index for index in path[last + 1 :] if messages[index]["role"] != "system"]


def _tokens(nodes: list[dict[str, Any]], path: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens that were read before a step's answer, and those that were sampled as it."""
    prompt = [int(token) for index in path[:-1] for token in nodes[index].get("token_ids") or ()]
    leaf = nodes[path[-1]]
    marked = list(zip(leaf.get("token_ids") or (), leaf.get("mask") or (), strict=True))
    prompt += [int(token) for token, sampled in marked if not sampled]
    return tuple(prompt), tuple(int(token) for token, sampled in marked if sampled)
