"""A finished run as messages, read from an episode, a failure log or a results file of tau2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from credit_gym.data.episode import Episode
from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.envs.tau2.tasks import messages_of
from credit_gym.envs.who_and_when.logs import HAND_CRAFTED, TERMINAL, FailureLog
from credit_gym.errors import ManifestError

GREETING = "Hi! How can I help you today?"
"""What opens every conversation of tau2: the harness says it, not the model."""


class Call(NamedTuple):
    """A tool call: the tool's name and its arguments as the file has them."""

    name: str
    arguments: Any


class Turn(NamedTuple):
    """One message.

    Attributes:
        role: its chat role; in hand-crafted failure logs the agent's name.
        content: its text.
        speaker: who wrote it, where that is not the role.
        calls: its tool calls.
        environment: whether no agent wrote it, though it stands among what agents wrote (a code runner's output).
    """

    role: str
    content: str = ""
    speaker: str = ""
    calls: tuple[Call, ...] = ()
    environment: bool = False

    @property
    def said(self) -> str:
        """Its text and its tool calls, one a line."""
        calls = (
            json.dumps({"name": c.name, "arguments": c.arguments}, ensure_ascii=False, default=str) for c in self.calls
        )
        return "\n".join([self.content.strip(), *calls]).strip()


@dataclass(frozen=True, slots=True)
class Transcript:
    """A finished run in messages.

    Attributes:
        id: unique within its source.
        task_id: what it was about; candidates of one task share it.
        turns: oldest first.
        reward: None if it was never graded.
        question: the task, where the messages do not say it.
        team: whether every speaker is an agent, as in failure logs; else only the role ``assistant`` is.
        trial: which attempt at the task.
    """

    id: str
    task_id: str
    turns: tuple[Turn, ...]
    reward: float | None = None
    question: str = ""
    team: bool = False
    trial: int = 0

    def actions(self, form: str = "plain") -> tuple[bool, ...]:
        """Whether each message is an action that is scored."""
        return tuple(_is_action(self, index, upstream=form == "upstream") for index in range(len(self.turns)))


def from_episode(episode: Episode) -> Transcript:
    """Return an episode as observations (``user``) and actions (``assistant``), its goal as the question."""
    turns = [Turn("user", episode.observations[0])]
    for action, observation in zip(episode.actions, episode.observations[1:], strict=True):
        turns += [Turn("assistant", action), Turn("user", observation)]
    return Transcript(
        episode.episode_id, episode.task_id, tuple(turns), reward=float(episode.success), question=episode.goal
    )


def from_log(log: FailureLog) -> Transcript:
    """Return a failure log; hand-crafted ones have the request as their first message, the others as their question."""
    turns = tuple(
        Turn(each.role, each.content, each.agent, environment=each.agent == TERMINAL or (not i and _asks(each.agent)))
        for i, each in enumerate(log.messages)
    )
    question = "" if log.split == HAND_CRAFTED else log.question
    return Transcript(log.id, log.id, turns, question=question, team=True)


def read_simulations(path: Path, *, trial: int | None = None) -> list[Transcript]:
    """Return the conversations of a results file in tau2's format, ungraded ones included.

    Args:
        path: the JSON file, whose ``simulations`` have ``messages``.
        trial: which attempt all of them are; by default what the file says.

    Raises:
        ManifestError: it is missing or is no such file.
    """
    try:
        found = read_json(file_text(path))["simulations"]
        return [_simulation(each, trial) for each in found]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ManifestError(
            f"{path} is not a results file with simulations: {type(error).__name__}: {error}."
        ) from error


def read_trials(folder: Path, domain: str | None = None) -> list[Transcript]:
    """Return every candidate of a best-of-n folder, ``trial_{i}/{domain}.json``, trial by trial.

    Raises:
        ManifestError: there are no such files, or one is damaged.
    """
    paths = sorted(folder.glob(f"trial_*/{domain or '*'}.json"), key=lambda path: (_trial(path), path.name))
    if not paths:
        raise ManifestError(f"{folder} holds no trial_0/{domain or 'DOMAIN'}.json: give the folder of a best-of-n run.")
    return [each for path in paths for each in read_simulations(path, trial=_trial(path))]


def _is_action(transcript: Transcript, index: int, *, upstream: bool) -> bool:
    turn = transcript.turns[index]
    if transcript.team:
        request = index == 0 and _asks(turn.role)
        return bool(turn.content.strip()) and not request and (upstream or not turn.environment)
    if turn.role != "assistant":
        return False
    return upstream or (bool(turn.said) and not (index == 0 and turn.content.strip() == GREETING and not turn.calls))


def _asks(name: str) -> bool:
    return name.casefold() == "human"


def _trial(path: Path) -> int:
    number = path.parent.name.partition("_")[2]
    if not number.isdecimal():
        raise ManifestError(f"{path.parent} is not called trial_ and a number.")
    return int(number)


def _simulation(data: Mapping[str, Any], trial: int | None) -> Transcript:
    reward = (data.get("reward_info") or {}).get("reward")
    return Transcript(
        id=str(data.get("id", "")),
        task_id=str(data.get("task_id", data.get("id", ""))),
        turns=tuple(map(_turn, messages_of(data))),
        reward=None if reward is None else float(reward),
        trial=int(data.get("trial") or 0) if trial is None else trial,
    )


def _turn(data: Mapping[str, Any]) -> Turn:
    calls = (call.get("function") or call for call in data.get("tool_calls") or ())
    return Turn(
        role=str(data.get("role") or ""),
        content=str(data.get("content") or ""),
        calls=tuple(Call(str(call["name"]), call.get("arguments")) for call in calls),
    )
