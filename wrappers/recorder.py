"""The recorder that every recording wrapper and the rollout runner share: a played episode becomes an Episode."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, TypeVar

import gymnasium as gym

from credit_gym.data.columns import COLUMNS, Column
from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError
from credit_gym.wrappers.readings import read, read_flag, read_mapping, read_points, read_reward, read_task, read_text
from credit_gym.wrappers.record_verifier import RecordVerifier

W = TypeVar("W", bound=gym.Wrapper[Any, Any, Any, Any])

_READ = tuple(column for column in COLUMNS if column.info)  # what an environment's info says
_OFFERED = next(column for column in _READ if column.name == "admissible_actions")
_ANSWERED = tuple(column for column in COLUMNS if column.answer)  # what an agent's action carries
_TYPES = {"number": float, "flag": bool, "text": str, "texts": list}  # what most environments hand on
_ALWAYS = ("verifier", "invalid")  # recorded where no info mentions them too


class Recorder:
    """Writes down what passes between an agent and an environment, one episode after another.

    Call :meth:`start` after every reset, :meth:`add` after every step and :meth:`finish` at the end. Optional columns
    appear when the environment gave them at least once, save the verifier's, which must be asked for. An action that
    carries more than its text (:class:`credit_gym.agents.core.Action`) leaves that in the episode's columns too.

    A value that no record can hold (a reward of NaN, a state key that is no text: :mod:`credit_gym.wrappers.readings`)
    costs its episode and nothing else: what came before stays, the reason becomes the episode's ``error``, and the rest
    of the episode is not recorded.

    Args:
        env_id: id of the environment whose episodes are recorded.
        verifier: whether to record the verifier signal.

    Attributes:
        recording: whether an episode is under way.
        over: whether the last step ended it.
        error: why nothing more of it is recorded, None if all is well.
        task_id: the task being played.
        goal: its goal in words.
        admissible_actions: what the environment offers now.
    """

    recording: bool
    error: str | None
    task_id: str
    goal: str
    admissible_actions: tuple[str, ...]
    _seed: int | None
    _steps: list[tuple[str, float, str]]  # the first is the reset
    _infos: list[list[Any]]
    _actions: list[dict[str, Any] | None]
    _ends: tuple[bool, bool]
    _success: bool
    _whole: Any

    def __init__(self, env_id: str, *, verifier: bool) -> None:
        self._env_id = env_id
        self._read = tuple(column for column in _READ if verifier or column.name != "verifier")
        self._offered = self._read.index(_OFFERED)
        self._types: tuple[tuple[str, Any], ...] = tuple((c.info, _TYPES.get(c.type)) for c in self._read)
        self._clear()

    @classmethod
    def of(cls, env: gym.Env[str, str]) -> Recorder:
        """Return the recorder for a stack: with a verifier column if there is a :class:`RecordVerifier` in it."""
        spec = env.unwrapped.spec
        env_id = type(env.unwrapped).__name__ if spec is None else spec.id
        return cls(env_id, verifier=find_wrapper(env, RecordVerifier) is not None)

    def start(self, observation: str, info: Mapping[str, Any], *, seed: int | None) -> None:
        """Begin an episode with what ``reset`` returned; one that was under way is dropped."""
        self._clear()
        self.recording = True
        self._seed = seed
        try:
            task = read_task(read_mapping(info, "The info of reset"))
            self.task_id, self.goal = str(task.get("id", "")), str(task.get("goal", ""))
        except BatchError as error:
            self._fail(error)
        self.add("", observation, 0.0, info)

    def add(
        self,
        action: str,
        observation: str,
        reward: Any,
        info: Mapping[str, Any],
        *,
        terminated: bool = False,
        truncated: bool = False,
    ) -> None:
        """Record one step: the action, and what ``step`` returned."""
        if self.error is not None:
            return
        said = self._as_it_stands(action, observation, reward, info, terminated, truncated)
        success, parts = info.get("success", False) if said else False, None
        if said is None:
            try:
                said, reward, ends, success, parts = self._read_with_care(
                    action, observation, reward, info, (terminated, truncated)
                )
            except BatchError as error:
                self._fail(error)
                return
        else:
            ends = (terminated, truncated)
        self._steps.append((action, reward, observation))
        self._infos.append(said)
        self._actions.append(parts)
        self._ends, self._success = ends, success
        self._whole = info.get("beliefs", self._whole)  # columns of the whole episode, read at its end
        self.admissible_actions = said[self._offered] or ()

    def _as_it_stands(
        self, action: Any, observation: Any, reward: Any, info: Any, terminated: Any, truncated: Any
    ) -> list[Any] | None:
        """What the info of a step says, where every value already has its column's own type; None where one has not.

        Most steps are so, and need no sentence about what might be wrong with them.
        """
        if not (type(action) is type(observation) is str and type(reward) is float and type(info) is dict):
            return None
        flags = {type(terminated), type(truncated), type(info.get("success", False))}
        if flags != {bool} or not math.isfinite(reward):
            return None
        said: list[Any] = []
        for key, kind in self._types:
            value: Any = info.get(key)
            if value is not None:
                if type(value) is not kind:
                    return None
                if kind is list:
                    if not all(type(text) is str for text in value):
                        return None
                    value = tuple(value)
                elif kind is float and not math.isfinite(value):
                    return None
            said.append(value)
        return said

    def _read_with_care(
        self, action: Any, observation: Any, reward: Any, info: Any, ends: tuple[Any, Any]
    ) -> tuple[list[Any], float, tuple[bool, bool], bool, dict[str, Any] | None]:
        """What is recorded of any step; a value that no record can hold is named."""
        when = f"of step {len(self._steps) - 1}" if self._steps else "of reset"
        info = read_mapping(info, f"The info {when}")
        said = [read(column, info.get(column.info), f'info["{column.info}"] {when}') for column in self._read]
        reward = read_reward(reward, f"The reward {when}")
        read_text(observation, f"The observation {when}")
        terminated, truncated = ends
        flags = (read_flag(terminated, f"terminated {when}"), read_flag(truncated, f"truncated {when}"))
        success = read_flag(info.get("success"), f'info["success"] {when}')
        return said, reward, flags, success, None if type(action) is str else _parts(action, when)

    def finish(self, *, episode_id: str, group_id: str, agent_id: str = "", error: str | None = None) -> Episode:
        """Return the episode as it stands and be ready for the next.

        Whether it was solved is what the last info says, False where that says nothing. Where it was both terminated
        and truncated, the truncation came too late to matter.

        Args:
            episode_id: unique within the run.
            group_id: the rollouts it is compared with.
            agent_id: who played.
            error: why it could not be completed, None if it was.
        """
        try:
            whole = read_points(self._whole, len(self._steps))
        except BatchError as wrong:
            whole = {}
            self._fail(wrong)
        failure = error or self.error
        rows = self._steps or [("", 0.0, "")]  # the first row is the reset
        actions, rewards, observations = zip(*rows, strict=True)
        infos = self._infos or [[None] * len(self._read)]
        columns = {**_said(self._read, infos, observations), **whole, **_answers(self._actions[1:])}
        terminated, truncated = self._ends
        episode = Episode(
            env_id=self._env_id,
            task_id=self.task_id,
            group_id=group_id,
            episode_id=episode_id,
            seed=self._seed,
            agent_id=agent_id,
            observations=observations,
            actions=tuple(map(str, actions[1:])),
            rewards=rewards[1:],
            success=failure is None and self._success,
            terminated=failure is None and terminated,
            truncated=failure is None and truncated and not terminated,
            goal=self.goal,
            error=failure,
            **columns,
        )
        self._clear()
        return episode

    @property
    def over(self) -> bool:
        """Whether the last step ended the episode."""
        return any(self._ends)

    def _fail(self, error: BatchError) -> None:
        self.error = self.error or f"{type(error).__name__}: {error}"

    def _clear(self) -> None:
        self.recording, self.error = False, None
        self.task_id = self.goal = ""
        self.admissible_actions = ()
        self._seed, self._whole = None, None
        self._steps, self._infos, self._actions = [], [], []
        self._ends, self._success = (False, False), False


def find_wrapper(env: gym.Env[Any, Any], kind: type[W]) -> W | None:
    """Return the outermost wrapper of a kind in a stack, None if there is none."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, kind):
            return env
        env = env.env
    return None


def _said(
    read_columns: Sequence[Column], infos: Sequence[Sequence[Any]], observations: Sequence[str]
) -> dict[str, Any]:
    """The columns that the infos gave; a step's value stands in the info before or after its action."""
    columns: dict[str, Any] = {}
    for column, values in zip(read_columns, zip(*infos, strict=True), strict=True):
        if column.kind == "step":
            values = values[:-1] if column.read == "before" else values[1:]
        if column.name == "state_keys":
            values = tuple(seen if key is None else key for key, seen in zip(values, observations, strict=True))
        columns[column.name] = _filled(values, column, always=column.name in _ALWAYS)
    return columns


def _filled(values: tuple[Any, ...], column: Column, *, always: bool) -> tuple[Any, ...] | None:
    """The column with its gaps filled, None if it is nothing but gaps and need not be there."""
    gaps = values.count(None)
    if gaps == 0:
        return values
    if gaps == len(values) and not always:
        return None
    return tuple(column.missing if value is None else value for value in values)


def _parts(action: str, when: str) -> dict[str, Any]:
    """What an action carries beside its text, by the names of the columns, and its usage."""
    parts = {
        column.name: read(column, getattr(action, column.answer, None), f"{column.answer} of the action {when}")
        for column in _ANSWERED
    }
    usage = read_mapping(getattr(action, "usage", {}), f"usage of the action {when}")
    amounts = {name: amount for name, amount in usage.items() if amount is not None}
    if not all(isinstance(amount, Real) for amount in amounts.values()):
        raise BatchError(f"usage of the action {when} is {ascii(amounts)[:80]}: it must hold nothing but numbers.")
    return {**parts, "usage": amounts}


def _answers(actions: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """The columns of actions that carry more than their text; an action that lacks a part has an empty one."""
    if not any(actions):
        return {}
    usage: Counter[str] = Counter()
    for parts in actions:
        usage.update((parts or {}).get("usage", {}))
    columns = {
        column.name: tuple((parts or {}).get(column.name) or column.missing for parts in actions)
        for column in _ANSWERED
    }
    return {**{name: values if any(values) else None for name, values in columns.items()}, "usage": dict(usage)}
