"""Traces of verifiers 0.4 (schema version 1), which prime-rl trains on: written with advantages filled in, and read.

Every message that the model sampled is a step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.formats.credited_turns import Credit, CreditedTurn, Row, credited_turns
from credit_gym.formats.jsonl import read_lines
from credit_gym.formats.messages import message_of, texts_of
from credit_gym.formats.turn_table import legal_text

TRACE_VERSION = 1


def verifiers_rows(episodes: Sequence[Episode], credit: Credit, *, threshold: float = 0.0) -> Iterator[Row]:
    """Yield one trace for every episode, a graph of messages in which every sampled one carries its turn's credit.

    A turn whose chat goes on from the turn before (same messages, and where tokens were recorded the very same tokens)
    extends its path; another one starts a new branch at the root. All prompt tokens that a turn adds stand on its
    assistant node, before the sampled ones, so a path's tokens are those that the model saw; which of them belong to
    which input message was not recorded.

    Args:
        episodes: E episodes.
        credit: E rows of credits. A turn without one has ``advantages`` null, which is not the same as 0.
        threshold: the size that a credit must reach to count as one; 0 takes all.

    Yields:
        Rows that ``verifiers.v1.trace.WireTrace`` validates.

    Raises:
        BatchError: the credits do not match the episodes.
    """
    found = {
        (id(turn.episode), turn.step): turn.credit
        for turn in credited_turns(episodes, credit)
        if abs(turn.credit) >= threshold
    }
    for episode in episodes:
        yield _trace(episode, [found.get((id(episode), step)) for step in range(len(episode))])


def read_traces(path: Path) -> Iterator[Episode | StoreError]:
    """Yield an episode for each line of a ``traces.jsonl`` (schema version 1).

    A step's chat is the path of the message graph that leads to its node, so a history that was rewritten under way is
    kept as the model saw it. Token ids and log-probabilities are kept where all steps have them. The sum of the
    weighted rewards goes to the last step; a metric ``success`` says whether it succeeded, else a reward above 0 does.
    Traces of one task are one group, unless ``info.group_id`` says otherwise.

    Raises:
        StoreError: the file cannot be read.
    """
    return read_lines(path, _episode_of)


def _trace(episode: Episode, credits: Sequence[float | None]) -> Row:
    return {
        "version": TRACE_VERSION,
        "id": legal_text(episode.episode_id),
        "verifiers": {"version": "0.4.0"},
        "task": {
            "type": "CreditGymTask",
            "data": {"idx": 0, "name": legal_text(episode.task_id), "prompt": legal_text(episode.goal)},
            "key": legal_text(episode.task_id),
        },
        "agent": {"config": {}, "name": "agent", "trainable": True},
        "nodes": _nodes(episode, credits),
        "rewards": {"return": {"score": episode.episode_return, "weight": 1.0}},
        "metrics": {"success": float(episode.success), "turns": float(len(episode))},
        "info": {
            "env_id": episode.env_id,
            "group_id": legal_text(episode.group_id),
            "agent_id": legal_text(episode.agent_id),
            "credits": list(credits),
        },
        "is_completed": episode.error is None,
        "ok": episode.error is None,
        "errors": [] if episode.error is None else [{"type": "EpisodeError", "message": legal_text(episode.error)}],
    }


def _nodes(episode: Episode, credits: Sequence[float | None]) -> list[Row]:
    nodes: list[Row] = []
    chat: list[dict[str, str]] = []
    path: list[int] = []  # the tokens from the root to the last node
    for step, credit in enumerate(credits):
        turn = CreditedTurn(episode, step, 0.0)
        before, chat, tokens = chat, turn.prompt, turn.tokens
        prompt, sampled = tokens["prompt_token_ids"] or [], tokens["token_ids"] or []
        if _goes_on(before, chat) and prompt[: len(path)] == path:
            nodes[-1]["message"]["content"] = chat[len(before)]["content"]  # as the next turn shows it
            new = chat[len(before) + 1 :]
        else:
            new, path = chat, []
        for index, message in enumerate(new):
            continued = bool(index) or len(new) < len(chat)
            nodes.append({"parent": len(nodes) - 1 if continued else None, "message": message})
        added = prompt[len(path) :] if sampled else []
        nodes.append(
            {
                "parent": len(nodes) - 1,
                "message": {"role": "assistant", "content": turn.action},
                "sampled": True,
                "token_ids": [*added, *sampled],
                "mask": [False] * len(added) + [True] * len(sampled),
                "logprobs": _floats(tokens["logprobs"], len(sampled)),
                "advantages": None if credit is None else [credit] * len(sampled),
            }
        )
        path = [*path, *added, *sampled]
    return nodes


def _goes_on(before: Sequence[Any], chat: Sequence[Any]) -> bool:
    following = chat[len(before) :]
    return bool(before) and chat[: len(before)] == before and bool(following) and following[0]["role"] == "assistant"


def _floats(values: Sequence[Any] | None, count: int) -> list[float]:
    """Log-probabilities, one a sampled token or none at all."""
    row = list(values or ())
    known = len(row) == count and all(value is not None and math.isfinite(value) for value in row)
    return row if known else []


def _episode_of(trace: dict[str, Any], number: int) -> Episode:
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
    tokens = [_tokens_of(nodes, path) for path in paths]
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


def _tokens_of(nodes: list[dict[str, Any]], path: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens that were read before a step's answer, and those that were sampled as it."""
    prompt = [int(token) for index in path[:-1] for token in nodes[index].get("token_ids") or ()]
    leaf = nodes[path[-1]]
    marked = list(zip(leaf.get("token_ids") or (), leaf.get("mask") or (), strict=True))
    prompt += [int(token) for token, sampled in marked if not sampled]
    return tuple(prompt), tuple(int(token) for token, sampled in marked if sampled)
