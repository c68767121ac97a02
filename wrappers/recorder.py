"""The recorder that every recording wrapper and the rollout runner share: a played episode becomes an Episode."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple, TypeVar

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
_TYPES: dict[str, type] = {"number": float, "flag": bool, "text": str, "texts": list}  # what most environments hand on
_ALWAYS = ("verifier", "invalid")  # recorded where no info mentions them too


class _Layout(NamedTuple):
    """What is read of an info, and the types that most values of it have."""

    columns: tuple[Column, ...]
    keys: tuple[str, ...]
    kinds: tuple[type | None, ...]
    offered: int
    """Which of them are the admissible actions."""


def _layout(columns: Sequence[Column]) -> _Layout:
    keys = tuple(column.info for column in columns)
    return _Layout(tuple(columns), keys, tuple(_TYPES.get(column.type) for column in columns), columns.index(_OFFERED))


_LAYOUTS = {
    verifier: _layout([column for column in _READ if verifier or column.name != "verifier"])
    for verifier in (False, True)
}
"""By whether the verifier signal is recorded."""


class _Places(NamedTuple):
    """Where lists and numbers stand in what infos of one shape say: their content is still to be looked at."""

    lists: tuple[int, ...]
    numbers: tuple[int, ...]


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
    over: bool
    error: str | None
    task_id: str
    goal: str
    admissible_actions: tuple[str, ...]
    _seed: int | None
    _steps: list[tuple[str, float, str]]  # the first is the reset
    _infos: list[list[Any]]
    _answers: dict[int, dict[str, Any]]  # of the steps whose action carries more than its text
    _ends: tuple[bool, bool]
    _success: bool
    _whole: Any
    _exact: bool

    def __init__(self, env_id: str, *, verifier: bool) -> None:
        self._env_id = env_id
        self._verified = verifier
        self._layout = _LAYOUTS[verifier]
        self._types: tuple[type, ...] = ()
        self._places = _Places((), ())
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
            self._exact = self._verified and read_flag(info.get("exact_verifier"), 'info["exact_verifier"] of reset')
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
        if parts is not None:
            self._answers[len(self._steps) - 2] = parts
        self._ends, self._success, self.over = ends, success, ends[0] or ends[1]
        self._whole = info.get("beliefs", self._whole)  # columns of the whole episode, read at its end
        self.admissible_actions = said[self._layout.offered] or ()

    def _as_it_stands(
        self, action: Any, observation: Any, reward: Any, info: Any, terminated: Any, truncated: Any
    ) -> list[Any] | None:
        """What the info of a step says, where every value already has its column's own type; None where one has not.

        Most steps are so, and need no sentence about what might be wrong with them.
        """
        if not (type(action) is type(observation) is str and type(reward) is float and type(info) is dict):
            return None
        if not (type(terminated) is type(truncated) is type(info.get("success", False)) is bool):
            return None
        said: list[Any] = list(map(info.get, self._layout.keys))
        types = tuple(map(type, said))
        if types != self._types:  # another shape than the last step's
            places = _places(types, self._layout.kinds)
            if places is None:
                return None
            self._types, self._places = types, places
        for place in self._places.lists:
            said[place] = texts = tuple(said[place])
            if list(map(type, texts)).count(str) != len(texts):
                return None
        for place in self._places.numbers:
            if not math.isfinite(said[place]):
                return None
        return said if math.isfinite(reward) else None

    def _read_with_care(
        self, action: Any, observation: Any, reward: Any, info: Any, ends: tuple[Any, Any]
    ) -> tuple[list[Any], float, tuple[bool, bool], bool, dict[str, Any] | None]:
        """What is recorded of any step; a value that no record can hold is named."""
        when = f"of step {len(self._steps) - 1}" if self._steps else "of reset"
        info = read_mapping(info, f"The info {when}")
        said = [read(column, info.get(column.info), f'info["{column.info}"] {when}') for column in self._layout.columns]
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
        infos = self._infos or [[None] * len(self._layout.columns)]
        columns = {
            **_said(self._layout.columns, infos, observations),
            **whole,
            **_answered(self._answers, len(rows) - 1),
        }
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
            exact_verifier=self._exact,
            error=failure,
            **columns,
        )
        self._clear()
        return episode

    def _fail(self, error: BatchError) -> None:
        self.error = self.error or f"{type(error).__name__}: {error}"

    def _clear(self) -> None:
        self.recording, self.over, self.error = False, False, None
        self.task_id = self.goal = ""
        self._exact = False
        self.admissible_actions = ()
        self._seed, self._whole = None, None
        self._steps, self._infos, self._answers = [], [], {}
        self._ends, self._success = (False, False), False


def _places(types: Sequence[type], kinds: Sequence[type | None]) -> _Places | None:
    """Where lists and numbers stand among values of some types; None where one is not of its column's own type."""
    if any(found is not type(None) and found is not kind for found, kind in zip(types, kinds, strict=True)):
        return None
    lists, numbers = (tuple(i for i, found in enumerate(types) if found is kind) for kind in (list, float))
    return _Places(lists, numbers)


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


def _answered(answers: Mapping[int, Mapping[str, Any]], steps: int) -> dict[str, Any]:
    """The columns of actions that carry more than their text; an action that lacks a part has an empty one."""
    if not answers:
        return {}
    usage: Counter[str] = Counter()
    for parts in answers.values():
        usage.update(parts.get("usage", {}))
    columns = {
        column.name: tuple(answers.get(step, {}).get(column.name) or column.missing for step in range(steps))
        for column in _ANSWERED
    }
    return {**{name: values if any(values) else None for name, values in columns.items()}, "usage": dict(usage)}
