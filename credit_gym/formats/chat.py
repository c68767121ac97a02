"""Chats as JSON lines, one episode a line: the assistant's messages are the actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.data.finish_reasons import common_reason
from credit_gym.errors import StoreError
from credit_gym.formats.json_values import flag, from_json, name, number, rows
from credit_gym.formats.jsonl import read_lines
from credit_gym.formats.messages import Said, calls_of, read_messages, texts_of

UNKNOWN_REWARD = "its reward is not known, which is not the same as 0: nothing can be credited to it"
"""The error of an episode whose source says that there is no reward, so that it is compared with nothing."""


def read_chats(path: Path) -> Iterator[Episode | StoreError]:
    """Yield an episode for each line ``{"messages": [{"role", "content"}, ...], "reward": float}``.

    Messages are read in the dialects of :func:`credit_gym.formats.messages.read_messages`; ShareGPT's may be called
    ``conversations``, with a ``system`` text beside them, and Gemini's ``contents``. An assistant's message that
    calls tools has the calls as its action, in the canonical text of :mod:`credit_gym.data.calls`; what it says beside
    them is its reply, what it thought its thought, and a ``finish_reason`` (or ``stop_reason``) is kept. What other
    roles say between two assistant messages, tool results among them, is an observation; as nothing better is known,
    its text is the state's key. The system message is the goal.

    Optional fields: ``rewards`` (one per assistant message, in place of ``reward``, which goes to the last one),
    ``success`` (true if not given and the return is above 0), ``task_id`` (the first observation if not given),
    ``group_id`` (the task), ``episode_id`` (the line), ``agent_id``, ``env_id``, ``truncated``, ``finish_reason`` (of
    the last reply), ``exact_verifier``, and the columns of :data:`credit_gym.data.columns.COLUMNS` that have a value
    for each assistant message or each point between them, chats apart, under their names there (``"verifier": [0.0,
    1.0]``).

    Null is "not given" everywhere. A reward that is null is not known: the episode is kept with an ``error`` that says
    so, and scorers pass over it.

    Raises:
        StoreError: the file cannot be read.
    """
    return read_lines(path, chat_episode)


def reply_columns(replies: Sequence[Said]) -> dict[str, Any]:
    """Return the columns of what a model wrote, one value a reply, those left out that say nothing of any."""
    texts = tuple(said.text for said in replies)
    columns = {
        # a reply that is its action, word for word, is not kept twice
        "replies": texts if any(t and t != said.action for t, said in zip(texts, replies, strict=True)) else (),
        "thoughts": tuple(said.thought for said in replies),
        "finish_reasons": tuple(said.finish_reason for said in replies),
        "tool_calls": tuple(calls_of(said.message) for said in replies),
    }
    return {column: values for column, values in columns.items() if any(values)}


_COLUMNS = tuple(
    column for column in COLUMNS if column.nullable and column.kind != "episode" and column.type != "messages"
)


def chat_episode(row: dict[str, Any], line: int) -> Episode:
    """Return the episode of one line of :func:`read_chats`; what is wrong with it is a KeyError, TypeError, ..."""
    chat = read_messages(_messages(row))
    turns = [index for index, said in enumerate(chat) if said.is_reply]
    if not turns:
        raise ValueError("no message is the assistant's")
    messages = [said.message for said in chat]
    replies = [chat[turn] for turn in turns]
    goal = texts_of([message for message in messages[: turns[0]] if message["role"] == "system"])
    said = [
        texts_of([message for message in messages[start:end] if message["role"] != "system"])
        for start, end in zip([0, *(turn + 1 for turn in turns)], [*turns, len(chat)], strict=True)
    ]
    rewards = _rewards(row, len(turns))
    truncated = _given(row, "truncated", False)
    columns = reply_columns(_ended(replies, row.get("finish_reason")))
    columns |= {column.name: from_json(column, row[column.name]) for column in _COLUMNS if _has(row, column.name)}
    task = name(row.get("task_id"), "task_id", said[0])
    return Episode(
        env_id=name(row.get("env_id"), "env_id", "imported/chat"),
        task_id=task,
        group_id=name(row.get("group_id"), "group_id", task),
        episode_id=name(row.get("episode_id"), "episode_id", str(line)),
        agent_id=name(row.get("agent_id"), "agent_id", ""),
        observations=tuple(said),
        state_keys=tuple(said),
        actions=tuple(reply.action for reply in replies),
        rewards=tuple(reward or 0.0 for reward in rewards),
        success=_given(row, "success", sum(reward or 0.0 for reward in rewards) > 0),
        terminated=not truncated,
        truncated=truncated,
        error=UNKNOWN_REWARD if None in rewards else None,
        goal=goal,
        exact_verifier=_given(row, "exact_verifier", False),
        messages=tuple(tuple(messages[:turn]) for turn in turns),
        **columns,
    )


def _messages(row: Mapping[str, Any]) -> list[Any]:
    given = next((row[key] for key in ("messages", "conversations", "contents") if _has(row, key)), None)
    system = row.get("system")
    if given is None or not isinstance(system, str) or not system:
        return rows(row["messages"] if given is None else given, "messages")
    return [{"role": "system", "content": system}, *rows(given, "messages")]


def _rewards(row: Mapping[str, Any], steps: int) -> list[float | None]:
    """The reward of each step, None where the source says that it is not known."""
    each = rows(row["rewards"], "rewards") if _has(row, "rewards") else [0.0] * (steps - 1) + [row["reward"]]
    return [None if reward is None else number(reward, "a reward") for reward in each]


def _ended(replies: list[Said], reason: Any) -> list[Said]:
    """The replies, the last one ended by a reason that stands beside the chat."""
    if not isinstance(reason, str) or replies[-1].finish_reason:
        return replies
    return [*replies[:-1], replies[-1]._replace(finish_reason=common_reason(reason))]


def _given(row: Mapping[str, Any], what: str, otherwise: bool) -> bool:
    return flag(row[what], what) if _has(row, what) else otherwise


def _has(row: Mapping[str, Any], what: str) -> bool:
    return row.get(what) is not None
