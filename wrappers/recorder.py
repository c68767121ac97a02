"""The recorder that every recording wrapper and the rollout runner share: a played episode becomes an Episode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, SupportsFloat, TypeVar

import gymnasium as gym

from credit_gym.data.columns import COLUMNS, Column
from credit_gym.data.episode import Episode
from credit_gym.wrappers.record_verifier import RecordVerifier

W = TypeVar("W", bound=gym.Wrapper[Any, Any, Any, Any])

_READ = tuple(column for column in COLUMNS if column.info)  # what an environment's info says
_KEYS = tuple(column.info for column in _READ)
_LISTS = tuple(i for i, column in enumerate(_READ) if column.type == "texts")
_ANSWERED = tuple(column for column in COLUMNS if column.answer)  # what an agent's action carries
_ALWAYS = ("verifier", "invalid")  # recorded where no info mentions them too


class Recorder:
    """Writes down what passes between an agent and an environment, one episode after another.

    Call :meth:`start` after every reset, :meth:`add` after every step and :meth:`finish` at the end. Optional columns
    appear when the environment gave them at least once, save the verifier's, which must be asked for. An action that
    carries more than its text (:class:`credit_gym.agents.core.Action`) leaves that in the episode's columns too.

    Args:
        env_id: id of the environment whose episodes are recorded.
        verifier: whether to record the verifier signal.

    Attributes:
        recording: whether an episode is under way.
        task_id: the task being played.
    """

    def __init__(self, env_id: str, *, verifier: bool) -> None:
        self._env_id = env_id
        self._has_verifier = verifier
        self.recording = False
        self.task_id = ""
        self._goal = ""
        self._seed: int | None = None
        self._steps: list[tuple[str, SupportsFloat, str]] = []
        self._infos: list[list[Any]] = []
        self._whole: Mapping[str, tuple[float, ...]] = {}

    @classmethod
    def of(cls, env: gym.Env[str, str]) -> Recorder:
        """Return the recorder for a stack: with a verifier column if there is a :class:`RecordVerifier` in it."""
        spec = env.unwrapped.spec
        env_id = type(env.unwrapped).__name__ if spec is None else spec.id
        return cls(env_id, verifier=find_wrapper(env, RecordVerifier) is not None)

    def start(self, observation: str, info: Mapping[str, Any], *, seed: int | None) -> None:
        """Begin an episode with what ``reset`` returned; one that was under way is dropped."""
        task: Mapping[str, Any] = info.get("task", {})
        self.recording = True
        self.task_id, self._goal = str(task.get("id", "")), str(task.get("goal", ""))
        self._seed = seed
        self._clear()
        self.add("", observation, 0.0, info)

    def add(self, action: str, observation: str, reward: SupportsFloat, info: Mapping[str, Any]) -> None:
        """Record one step: the action, and what ``step`` returned."""
        said: list[Any] = [*map(info.get, _KEYS)]
        for index in _LISTS:
            if said[index] is not None:
                said[index] = tuple(said[index])  # a copy: the list belongs to the info's holder
        self._steps.append((action, reward, observation))
        self._infos.append(said)
        self._whole = info.get("beliefs", self._whole)  # columns of the whole episode, read at its end

    def finish(
        self,
        *,
        episode_id: str,
        group_id: str,
        terminated: bool = False,
        truncated: bool = False,
        success: bool = False,
        agent_id: str = "",
        error: str | None = None,
    ) -> Episode:
        """Return the episode as it stands and be ready for the next.

        Args:
            episode_id: unique within the run.
            group_id: the rollouts it is compared with.
            terminated: the environment ended it. Where both flags are set the truncation came too late to matter.
            truncated: a limit ended it.
            success: whether the task was solved.
            agent_id: who played.
            error: why it could not be completed, None if it was.
        """
        if not self._steps:
            self.add("", "", 0.0, {})
        actions, rewards, observations = zip(*self._steps, strict=True)
        columns = {**self._said(observations), **self._whole, **_answers(actions[1:])}  # the first row is the reset
        episode = Episode(
            env_id=self._env_id,
            task_id=self.task_id,
            group_id=group_id,
            episode_id=episode_id,
            seed=self._seed,
            agent_id=agent_id,
            observations=observations,
            actions=tuple(map(str, actions[1:])),
            rewards=tuple(map(float, rewards[1:])),
            success=success,
            terminated=terminated,
            truncated=truncated and not terminated,
            goal=self._goal,
            error=error,
            **columns,
        )
        self.recording, self.task_id, self._goal, self._seed = False, "", "", None
        self._clear()
        return episode

    def _said(self, observations: tuple[str, ...]) -> dict[str, Any]:
        """The columns that the infos gave; a step's value stands in the info before or after its action."""
        columns: dict[str, Any] = {}
        for column, values in zip(_READ, zip(*self._infos, strict=True), strict=True):
            if column.kind == "step":
                values = values[:-1] if column.read == "before" else values[1:]
            if column.name == "state_keys":
                values = tuple(seen if key is None else key for key, seen in zip(values, observations, strict=True))
            elif column.name == "verifier" and not self._has_verifier:
                continue
            columns[column.name] = _filled(values, column, always=column.name in _ALWAYS)
        return columns

    def _clear(self) -> None:
        self._steps, self._infos, self._whole = [], [], {}


def find_wrapper(env: gym.Env[Any, Any], kind: type[W]) -> W | None:
    """Return the outermost wrapper of a kind in a stack, None if there is none."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, kind):
            return env
        env = env.env
    return None


def _filled(values: tuple[Any, ...], column: Column, *, always: bool) -> tuple[Any, ...] | None:
    """The column with its gaps filled, None if it is nothing but gaps and need not be there."""
    gaps = values.count(None)
    if gaps == 0:
        return values
    if gaps == len(values) and not always:
        return None
    return tuple(column.missing if value is None else value for value in values)


def _answers(actions: Sequence[str]) -> dict[str, Any]:
    """The columns of actions that carry more than their text; an action that lacks a part has an empty one."""
    if set(map(type, actions)) <= {str}:
        return {}
    usage: Counter[str] = Counter()
    for action in actions:
        usage.update(getattr(action, "usage", {}))
    columns = {
        column.name: tuple(
            (part or "") if column.type == "text" else tuple(part)
            for part in (getattr(action, column.answer, column.missing) for action in actions)
        )
        for column in _ANSWERED
    }
    return {**{name: values if any(values) else None for name, values in columns.items()}, "usage": dict(usage)}
