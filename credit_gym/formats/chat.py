"""Chats as JSON lines, one episode a line: the assistant's messages are the actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from credit_gym.data.columns import COLUMNS, Column
from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.formats.jsonl import read_lines
from credit_gym.formats.messages import message_of, texts_of


def read_chats(path: Path) -> Iterator[Episode | StoreError]:
    """Yield an episode for each line ``{"messages": [{"role", "content"}, ...], "reward": float}``.

    What other roles say between two assistant messages is an observation; as nothing better is known, its text is the
    state's key. The system message is the goal. Optional fields: ``rewards`` (one per assistant message, in place
    of ``reward``, which goes to the last one), ``success`` (true if not given and the return is above 0), ``task_id``
    (the first observation if not given), ``group_id`` (the task), ``episode_id`` (the line), ``agent_id``, ``env_id``,
    ``truncated``, and the signals of :data:`credit_gym.data.columns.COLUMNS` that hold a number, a flag or a text for
    each assistant message or each point between them, under their names there (``"verifier": [0.0, 1.0]``).

    Raises:
        StoreError: the file cannot be read.
    """
    return read_lines(path, _episode)


_SIGNALS = tuple(
    column
    for column in COLUMNS
    if column.nullable and column.kind in ("step", "point") and column.type in ("number", "flag", "text")
)
_READ: dict[str, Callable[[Any], Any]] = {"number": float, "flag": bool, "text": str}


def _signal(column: Column, values: list[Any]) -> tuple[Any, ...]:
    return tuple(column.missing if value is None else _READ[column.type](value) for value in values)


def _episode(row: dict[str, Any], number: int) -> Episode:
    chat = [message_of(message) for message in row["messages"]]
    turns = [index for index, message in enumerate(chat) if message["role"] == "assistant"]
    if not turns:
        raise ValueError("no message is the assistant's")
    goal = texts_of([message for message in chat[: turns[0]] if message["role"] == "system"])
    said = [
        texts_of([message for message in chat[start:end] if message["role"] != "system"])
        for start, end in zip([0, *(turn + 1 for turn in turns)], [*turns, len(chat)], strict=True)
    ]
    rewards = row["rewards"] if "rewards" in row else [0.0] * (len(turns) - 1) + [row["reward"]]
    truncated = bool(row.get("truncated", False))
    signals: Any = {c.name: _signal(c, row[c.name]) for c in _SIGNALS if row.get(c.name) is not None}
    task = str(row.get("task_id", said[0]))
    return Episode(
        env_id=str(row.get("env_id", "imported/chat")),
        task_id=task,
        group_id=str(row.get("group_id", task)),
        episode_id=str(row.get("episode_id", number)),
        agent_id=str(row.get("agent_id", "")),
        observations=tuple(said),
        state_keys=tuple(said),
        actions=tuple(chat[turn]["content"] for turn in turns),
        rewards=tuple(float(reward) for reward in rewards),
        success=bool(row.get("success", sum(map(float, rewards)) > 0)),
        terminated=not truncated,
        truncated=truncated,
        goal=goal,
        messages=tuple(tuple(chat[:turn]) for turn in turns),
        **signals,
    )
