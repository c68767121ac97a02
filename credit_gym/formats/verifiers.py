"""Traces of verifiers 0.4 (schema version 1), which prime-rl trains on: written with advantages filled in, and read.

Every message that the model sampled is a step. What a trace has no place for (rewards of single steps, true states,
signals) travels in ``info.episode``, by the names of :data:`credit_gym.data.columns.COLUMNS`, so that nothing is lost
on the way there and back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from credit_gym.data.episode import Episode
from credit_gym.data.finish_reasons import common_reason
from credit_gym.errors import StoreError
from credit_gym.formats.chat import reply_columns
from credit_gym.formats.credited_turns import Credit, CreditedTurn, Row, credited_episodes
from credit_gym.formats.field_names import UNKNOWN_REWARD
from credit_gym.formats.json_records import read_records
from credit_gym.formats.json_values import flag, mapping, name, number, rows
from credit_gym.formats.messages import Message, Said, bounded, plain_message, read_messages, texts_of
from credit_gym.formats.remainder import columns_of, other_columns
from credit_gym.formats.turn_table import legal_text

TRACE_VERSION = 1

_REASONS = ("stop", "length", "tool_calls")  # all that a call of a trace may end by
_LIMITS = ("compaction_failed", "prompt_too_long")


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
    for episode, credits in credited_episodes(episodes, credit, threshold=threshold):
        yield _trace(episode, credits)


def read_traces(path: Path) -> Iterator[Episode | StoreError]:
    """Yield an episode for each record of a ``traces.jsonl`` (schema version 1).

    A step's chat is the path of the message graph that leads to its node, so a history that was rewritten under way is
    kept as the model saw it; messages are read as :func:`credit_gym.formats.messages.read_messages` says. Token ids and
    log-probabilities are kept where all steps have them. The task's prompt is the goal, and its system messages where
    it has none. Traces of one task are one group, unless ``info.group_id`` says otherwise.

    The sum of the weighted rewards goes to the last step; a metric ``success`` of 0 or 1 says whether it succeeded,
    else a reward above 0 does. An episode is truncated where verifiers says so: by a limit (``max_turns`` and its like,
    a deadline), or by a last reply that ran out of tokens.

    A trace that is not ``ok`` has an ``error``, and so has one with a reward that is null, or without any, as its
    outcome is not known; errors of attempts before one that was ``ok`` are forgotten. A trace in which the model never
    spoke is no episode.

    Raises:
        StoreError: the file cannot be read.
    """
    return read_records(path, _episode_of)


def _trace(episode: Episode, credits: Sequence[float | None]) -> Row:
    nodes = _nodes(episode, credits)
    sampled = [index for index, node in enumerate(nodes) if node.get("sampled")]
    reasons = episode.finish_reasons or ("",) * len(episode)
    trace: Row = {
        "version": TRACE_VERSION,
        "id": legal_text(episode.episode_id),
        "verifiers": {"version": "0.4.0"},
        "task": {
            "type": "CreditGymTask",
            "data": {"idx": 0, "name": legal_text(episode.task_id), "prompt": legal_text(episode.goal)},
            "key": legal_text(episode.task_id),
        },
        "agent": {"config": {}, "name": "agent", "trainable": True},
        "nodes": nodes,
        "calls": [
            {"node": index, "finish_reason": reason if reason in _REASONS else None}
            for index, reason in zip(sampled, reasons, strict=True)
            if reason
        ],
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
        "stop_condition": _stop_condition(episode),
        "errors": [] if episode.error is None else [{"type": "EpisodeError", "message": legal_text(episode.error)}],
    }
    if sampled and (rest := other_columns(episode, _episode_of(trace, 0))):
        trace["info"]["episode"] = rest
    return trace


def _stop_condition(episode: Episode) -> str:
    if episode.error is not None:
        return "error"
    return "max_turns" if episode.truncated else "agent_completed"


def _nodes(episode: Episode, credits: Sequence[float | None]) -> list[Row]:
    nodes: list[Row] = []
    chat: list[Message] = []
    path: list[int] = []  # the tokens from the root to the last node
    for step, credit in enumerate(credits):
        turn = CreditedTurn(episode, step, 0.0)
        before, chat, tokens = chat, [] if _speaks_first(episode, step) else turn.prompt, turn.tokens
        prompt, sampled = tokens["prompt_token_ids"] or [], tokens["token_ids"] or []
        if nodes and _goes_on(before, chat) and prompt[: len(path)] == path:
            thought = nodes[-1]["message"].get("reasoning_content")
            shown = {"reasoning_content": thought, **chat[len(before)]}  # as the next turn shows it
            nodes[-1]["message"] = _wire(plain_message(shown))
            new = chat[len(before) + 1 :]
        else:
            new, path = chat, []
        for index, message in enumerate(new):
            continued = bool(index) or len(new) < len(chat)
            nodes.append({"parent": len(nodes) - 1 if continued else None, "message": _wire(message)})
        added = prompt[len(path) :] if sampled else []
        nodes.append(
            {
                "parent": len(nodes) - 1 if chat else None,
                "message": _wire(turn.answer),
                "sampled": True,
                "token_ids": [*added, *sampled],
                "mask": [False] * len(added) + [True] * len(sampled),
                "logprobs": _floats(tokens["logprobs"], len(sampled)),
                "advantages": None if credit is None else [credit] * len(sampled),
            }
        )
        path = [*path, *added, *sampled]
    return nodes


def _wire(message: Message) -> Message:
    """A message as verifiers has them: calls without a ``function`` around them, results with the id of a call."""
    calls = [{"id": call["id"], "type": "function", **call["function"]} for call in message.get("tool_calls", ())]
    answered = {"tool_call_id": message.get("tool_call_id", "")} if message["role"] == "tool" else {}
    return {**message, **answered, **({"tool_calls": calls} if calls else {})}


def _goes_on(before: Sequence[Any], chat: Sequence[Any]) -> bool:
    following = chat[len(before) :]
    return chat[: len(before)] == before and bool(following) and following[0]["role"] == "assistant"


def _speaks_first(episode: Episode, step: int) -> bool:
    """Whether nobody had said anything before a chat's first reply."""
    return step == 0 and episode.messages is not None and not (episode.messages[0] or episode.observations[0])


def _floats(values: Sequence[Any] | None, count: int) -> list[float]:
    """Log-probabilities, one a sampled token or none at all."""
    row = list(values or ())
    known = len(row) == count and all(value is not None and math.isfinite(value) for value in row)
    return row if known else []


def _episode_of(trace: dict[str, Any], line: int) -> Episode:
    if trace.get("version", 1) != 1:
        raise ValueError(f"its trace version is {trace['version']}, and 1 is what can be read")
    nodes = [mapping(node, "a node") for node in rows(trace["nodes"], "nodes")]
    said = [read_messages([node["message"]]) for node in nodes]
    steps = [index for index, node in enumerate(nodes) if flag(node.get("sampled") or False, "sampled")]
    if not steps:
        raise ValueError("no node is sampled, so the model never spoke and there is nothing to credit")
    paths = list(bounded(_path(nodes, index) for index in steps))
    chats = [[each.message for index in path[:-1] for each in said[index]] for path in paths]
    seen = tuple(texts_of(_unanswered(chat)) for chat in chats)
    replies = list(_replies(trace, said, steps))
    task, info = mapping(trace["task"], "task"), mapping(trace.get("info"), "info")
    data, metrics = mapping(task.get("data"), "task.data"), mapping(trace.get("metrics"), "metrics")
    reward, success = _reward(trace), metrics.get("success")
    tokens = [_tokens_of(nodes, path) for path in paths]
    has_tokens = all(sampled for _, sampled in tokens)
    logprobs = [tuple(map(float, nodes[index].get("logprobs") or ())) for index in steps]
    known = has_tokens and all(len(row) == len(ids) for row, (_, ids) in zip(logprobs, tokens, strict=True))
    error = _error(trace) or (UNKNOWN_REWARD if reward is None else None)
    truncated = error is None and _is_truncated(trace, replies[-1])
    names = (task.get("key"), task.get("hash"), data.get("name"), data.get("idx"), line)
    key = name(next(each for each in names if each is not None), "task.key", str(line))
    columns: Row = {
        "env_id": name(info.get("env_id"), "info.env_id", "imported/verifiers"),
        "task_id": key,
        "group_id": name(info.get("group_id"), "info.group_id", key),
        "episode_id": name(trace.get("id"), "id", str(line)),
        "agent_id": name(info.get("agent_id", mapping(trace.get("agent"), "agent").get("name")), "info.agent_id", ""),
        "goal": _goal(data.get("prompt"), chats[0]),
        "observations": (*seen, ""),
        "state_keys": (*seen, ""),
        "actions": tuple(each.action for each in replies),
        "rewards": (*(0.0,) * (len(steps) - 1), reward or 0.0),
        "success": bool(success) if success in (0, 1) else (reward or 0.0) > 0,
        "terminated": error is None and not truncated,
        "truncated": truncated,
        "messages": tuple(map(tuple, chats)),
        "prompt_token_ids": tuple(prompt for prompt, _ in tokens) if has_tokens else None,
        "token_ids": tuple(sampled for _, sampled in tokens) if has_tokens else None,
        "policy_logprobs": tuple(logprobs) if known else None,
        "error": error,
        **reply_columns(replies),
    }
    rest = columns_of(mapping(info.get("episode"), "info.episode"))
    if "rewards" in rest and sum(rest["rewards"]) != reward:  # the trace was given another reward since
        del rest["rewards"]
    return Episode(**{**columns, **rest})


def _replies(trace: dict[str, Any], said: list[list[Said]], steps: list[int]) -> Iterator[Said]:
    """What the model said at each step, and why it ended there, as far as the message or the call of it knows."""
    calls = [mapping(call, "a call") for call in trace.get("calls") or ()]
    reasons = {call.get("node"): common_reason(call["finish_reason"]) for call in calls if call.get("finish_reason")}
    for index in steps:
        found = next((each for each in said[index] if each.is_reply), said[index][-1])
        yield found._replace(finish_reason=found.finish_reason or reasons.get(index, ""))


def _reward(trace: dict[str, Any]) -> float | None:
    """The weighted sum of the rewards; None where there is none, or one is null."""
    given = [mapping(each, "a reward") for each in mapping(trace.get("rewards"), "rewards").values()]
    if not given or any(each.get("score") is None for each in given):
        return None
    weights = [1.0 if each.get("weight") is None else number(each["weight"], "a weight") for each in given]
    return sum(weight * number(each["score"], "a score") for weight, each in zip(weights, given, strict=True))


def _error(trace: dict[str, Any]) -> str | None:
    """Why the trace failed; None if it did not."""
    errors = [mapping(each, "an error") for each in trace.get("errors") or ()]
    ok = trace.get("ok")
    if not errors if ok is None else flag(ok, "ok"):
        return None
    last = errors[-1] if errors else {}
    return str(last.get("message") or last.get("type") or trace.get("stop_condition") or "it did not complete")


def _is_truncated(trace: dict[str, Any], last: Said) -> bool:
    """Whether a limit ended it, as verifiers' own ``is_truncated`` says, or a deadline."""
    stop = str(trace.get("stop_condition") or "")
    return (
        last.finish_reason == "length"
        or stop.startswith("max_")
        or stop.endswith("timeout")
        or stop in _LIMITS
        or flag(trace.get("is_timeout") or False, "is_timeout")
    )


def _goal(prompt: Any, chat: Sequence[Message]) -> str:
    """The task's prompt in words; what the system said where the task has none."""
    if prompt is None:
        return texts_of([message for message in chat if message["role"] == "system"])
    return prompt if isinstance(prompt, str) else texts_of([said.message for said in read_messages(prompt)])


def _path(nodes: list[dict[str, Any]], leaf: int) -> list[int]:
    """The nodes from the root to a leaf; parents stand before their children, so this ends."""
    path = [leaf]
    while (parent := nodes[path[-1]].get("parent")) is not None:
        if type(parent) is not int or not 0 <= parent < path[-1]:
            raise ValueError(f"node {path[-1]} has the parent {parent!r}, which does not stand before it")
        path.append(parent)
    return path[::-1]


def _unanswered(chat: Sequence[Message]) -> list[Message]:
    """The messages since the assistant last spoke, the system's left out."""
    last = max((place for place, message in enumerate(chat) if message["role"] == "assistant"), default=-1)
    return [message for message in chat[last + 1 :] if message["role"] != "system"]


def _tokens_of(nodes: list[dict[str, Any]], path: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens that were read before a step's answer, and those that were sampled as it."""
    prompt = [int(token) for index in path[:-1] for token in nodes[index].get("token_ids") or ()]
    leaf = nodes[path[-1]]
    marked = list(zip(leaf.get("token_ids") or (), leaf.get("mask") or (), strict=True))
    prompt += [int(token) for token, sampled in marked if not sampled]
    return tuple(prompt), tuple(int(token) for token, sampled in marked if sampled)
