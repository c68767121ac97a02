"""Failure logs in the published Who&When format, and as the columns that attribution rules read."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.errors import ManifestError
from credit_gym.metrics.attribution import Logs

HAND_CRAFTED = "Hand-Crafted"
ALGORITHM_GENERATED = "Algorithm-Generated"
SPLITS = (ALGORITHM_GENERATED, HAND_CRAFTED)
TERMINAL = "Computer_terminal"
"""The code runner of the algorithm-generated logs: part of the environment, not an agent that can err."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a log.

    Attributes:
        agent: who wrote it.
        content: what it says.
        role: its chat role, where that is not the agent's name.
    """

    agent: str
    content: str
    role: str = "assistant"


@dataclass(frozen=True, slots=True)
class FailureLog:
    """One failed run and its label.

    Attributes:
        id: unique within its split.
        split: where it comes from.
        question: the task that the team was given.
        answer: the right answer.
        messages: what was said, oldest first.
        agent: the agent to blame.
        step: index of its decisive error among the messages.
        reason: why that is the error.
    """

    id: str
    split: str
    question: str
    answer: str
    messages: tuple[Message, ...]
    agent: str
    step: int
    reason: str = ""

    @property
    def valid(self) -> tuple[bool, ...]:
        """Whether each message could be the error: it says something, and is not the person's opening request."""
        return tuple(
            bool(message.content.strip()) and not (i == 0 and message.agent.casefold() == "human")
            for i, message in enumerate(self.messages)
        )


def read_logs(folder: Path, split: str) -> tuple[FailureLog, ...]:
    """Read one split of the published folder, files in lexicographic order.

    A log without a labelled step is left out; so is a damaged one, with a warning that names it.

    Which published half a log belongs to, it says itself, whatever its folder is called: the agents of
    algorithm-generated logs have names, those of hand-crafted ones stand in the role.

    Args:
        folder: holds ``Algorithm-Generated`` and ``Hand-Crafted``, or the JSON files themselves.
        split: the name of the split.

    Raises:
        ManifestError: there is no such folder, or every file in it is damaged; the sentence names the first.
    """
    root = folder / split if (folder / split).is_dir() else folder
    paths = sorted(root.glob("*.json"), key=lambda path: path.name)
    if not paths:
        raise ManifestError(f"{root} holds no failure logs (*.json): point it at a copy of the Who&When data set.")
    logs, damaged = list[FailureLog](), list[ManifestError]()
    for path in paths:
        try:
            log = _read(path, split)
        except ManifestError as error:
            damaged.append(error)
        else:
            logs += [] if log is None else [log]
    if len(damaged) == len(paths):
        raise damaged[0]
    for fault in damaged:
        warnings.warn(f"{fault} It is left out.", stacklevel=2)
    return tuple(logs)


def write_log(path: Path, log: FailureLog) -> None:
    """Write a log as an algorithm-generated file of the published format."""
    history = [{"content": m.content, "role": m.role, "name": m.agent} for m in log.messages]
    data = {
        "is_correct": False,
        "question": log.question,
        "question_ID": log.id,
        "ground_truth": log.answer,
        "history": history,
        "mistake_agent": log.agent,
        "mistake_step": str(log.step),
        "mistake_reason": log.reason,
    }
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")


def columns(logs: Sequence[FailureLog]) -> Logs:
    """Return logs as flat columns."""
    messages = [message for log in logs for message in log.messages]
    return Logs(
        offsets=np.cumsum([0, *(len(log.messages) for log in logs)], dtype=np.int64),
        valid=np.array([v for log in logs for v in log.valid], dtype=np.bool_),
        length=np.array([len(message.content) for message in messages], dtype=np.int64),
        error=np.array([log.step for log in logs], dtype=np.int64),
        agent=tuple(message.agent for message in messages),
        culprit=tuple(log.agent for log in logs),
    )


def _read(path: Path, split: str) -> FailureLog | None:
    try:
        data = read_json(file_text(path))
        if data["mistake_step"] is None:
            return None
        log = FailureLog(
            id=path.stem,
            split=_half(data["history"]) if split in SPLITS else split,
            question=str(data["question"]),
            answer=str(data["ground_truth"]),
            messages=tuple(map(_message, data["history"])),
            agent=str(data["mistake_agent"]),
            step=int(data["mistake_step"]),
            reason=str(data.get("mistake_reason", "")),
        )
    except (OSError, UnicodeDecodeError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ManifestError(f"{path} is not a failure log: {type(error).__name__}: {error}.") from error
    if not 0 <= log.step < len(log.messages):
        raise ManifestError(f"{path} blames step {log.step}, but has {len(log.messages)} messages.")
    return log


def _half(history: Sequence[Mapping[str, Any]]) -> str:
    """The published half that a log's messages look like."""
    return ALGORITHM_GENERATED if any(item.get("name") for item in history) else HAND_CRAFTED


def _message(item: Mapping[str, Any]) -> Message:
    """The agent is called ``name``, in hand-crafted logs ``role``."""
    role = str(item["role"])
    return Message(str(item.get("name") or role), str(item["content"] or ""), role)
