"""The recorder that every recording wrapper and the rollout runner share: a played episode becomes an Episode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from numbers import Real
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar

import gymnasium as gym

from credit_gym.data.columns import COLUMNS, Column
from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError
from credit_gym.wrappers.readings import read, read_flag, read_mapping, read_points, read_reward, read_task, read_text
from credit_gym.wrappers.record_verifier import RecordVerifier

W = TypeVar("W", bound=gym.Wrapper[Any, Any, Any, Any])

_READ = tuple(column for column in COLUMNS if column.info)  # what an environment's info says
_ANSWERED = tuple(column for column in COLUMNS if column.answer)  # what an agent's action carries
_TYPES: dict[str, type] = {"number": float, "flag": bool, "text": str, "texts": list}  # what most environments hand on
_ALWAYS = ("state_keys", "verifier", "invalid")  # recorded where no info mentions them too


@dataclass(frozen=True, slots=True, eq=False)  # a slot is read in a tenth of the time of a tuple's name
class _Form:
    """How infos with the same keys are read: of which columns they speak, and where in a row values of a type stand."""

    known: list[str]
    """Their keys."""
    columns: tuple[Column, ...]
    pick: Callable[[Mapping[str, Any]], Sequence[Any]]
    """The values of these columns."""
    kinds: tuple[tuple[int, type], ...]
    numbers: tuple[int, ...]
    lists: tuple[int, ...]
    offered: int | None
    """Where the admissible actions stand."""
    plain: bool
    """Whether every column has a type that most of its values have."""
    full: bool
    """Whether they have a value for each of the columns."""
    cuts: tuple[tuple[str, slice], ...]
    """Of each column its name and which points of an episode it has: a step's value stands before or after it."""
    success: bool
    """Whether they say whether the task was solved."""


@lru_cache(maxsize=256)
def _form(known: tuple[str, ...], verifier: bool) -> _Form:
    """How infos with some keys are read, with or without the verifier signal."""
    spoken = (column for column in _READ if column.info in known or column.name in _ALWAYS)
    columns = _columns(tuple(column.name for column in spoken if verifier or column.name != "verifier"))
    given = [(place, column.type) for place, column in enumerate(columns, _SAID) if column.info in known]
    kinds = tuple((place, _TYPES[kind]) for place, kind in given if kind in _TYPES)
    keys = [column.info for column in columns]
    return _Form(
        list(known),
        columns,
        itemgetter(*keys) if len(given) == len(keys) else lambda info: tuple(map(info.get, keys)),
        kinds,
        tuple(place for place, kind in kinds if kind is float),
        tuple(place for place, kind in kinds if kind is list),
        next((place for place, column in enumerate(columns, _SAID) if column.name == "admissible_actions"), None),
        len(kinds) == len(given),
        len(given) == len(keys),
        tuple((column.name, _cut(column)) for column in columns),
        "success" in known,
    )


def _cut(column: Column) -> slice:
    if column.kind != "step":
        return slice(None)
    return slice(-1) if column.read == "before" else slice(1, None)


@lru_cache(maxsize=256)
def _columns(names: tuple[str, ...]) -> tuple[Column, ...]:
    """Columns by their names, always the same tuple for the same names."""
    return tuple(column for column in _READ if column.name in names)


_Row: TypeAlias = list[Any]
"""A step as it is recorded: action, reward, observation, form of its info, and what that says of the form's columns."""

_SAID = 4  # where in a row that begins


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
        error: why nothing more of it is recorded, None if all is well.
        task_id: the task being played.
        goal: its goal in words.
    """

    recording: bool
    error: str | None
    task_id: str
    goal: str
    _seed: int | None
    _rows: list[_Row]  # the first is the reset
    _answers: dict[int, dict[str, Any]]  # of the steps whose action carries more than its text
    _end: tuple[bool, bool, bool]  # what the last step said: solved, terminated, truncated
    _whole: Any
    _exact: bool
    _gaps: bool  # whether a value of some step may be missing

    def __init__(self, env_id: str, *, verifier: bool) -> None:
        self._env_id = env_id
        self._verified = verifier
        self._form = _form((), verifier)  # of the last info
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
        if self._stands(action, observation, reward, info, terminated, truncated):
            return
        try:
            self._read_with_care(action, observation, reward, info, (terminated, truncated))
        except BatchError as error:
            self._fail(error)

    @property
    def over(self) -> bool:
        """Whether the last step ended the episode."""
        _, terminated, truncated = self._end
        return terminated or truncated

    @property
    def admissible_actions(self) -> tuple[str, ...]:
        """What the environment offers now."""
        if not self._rows:
            return ()
        row = self._rows[-1]
        offered = row[_SAID - 1].offered
        return () if offered is None else row[offered] or ()

    def _stands(self, action: Any, observation: Any, reward: Any, info: Any, terminated: Any, truncated: Any) -> bool:
        """Record a step as it stands if every value already has its column's own type; return whether it has.

        Most steps are so, and need no sentence about what might be wrong with them.
        """
        if not (
            type(action) is type(observation) is str
            and type(reward) is float
            and type(terminated) is type(truncated) is bool
            and type(info) is dict
        ):
            return False
        form = self._form
        if [*info] != form.known:  # a list is compared sooner than a set of keys
            form = self._take_form(info)
        success = info["success"] if form.success else False
        if not (form.plain and type(success) is bool and isfinite(reward)):
            return False
        row = [action, reward, observation, form, *form.pick(info)]
        for place, kind in form.kinds:
            if type(row[place]) is not kind:
                return False
        for place in form.numbers:
            if not isfinite(row[place]):
                return False
        try:
            for place in form.lists:
                texts = row[place]
                "".join(texts)  # the quickest way to ask whether all are texts
                row[place] = tuple(texts)
        except TypeError:
            return False
        self._rows.append(row)
        self._end = success, terminated, truncated
        if "beliefs" in info:
            self._whole = info["beliefs"]  # columns of the whole episode, read at its end
        return True

    def _read_with_care(self, action: Any, observation: Any, reward: Any, info: Any, ends: tuple[Any, Any]) -> None:
        """Record any step; a value that no record can hold is named, and nothing of the step is kept."""
        step = len(self._rows) - 1
        when = f"of step {step}" if self._rows else "of reset"
        form = self._take_form(read_mapping(info, f"The info {when}"))
        said = [read(column, info.get(column.info), f'info["{column.info}"] {when}') for column in form.columns]
        self._gaps = True
        reward = read_reward(reward, f"The reward {when}")
        read_text(observation, f"The observation {when}")
        terminated, truncated = (
            read_flag(end, f"{name} {when}") for name, end in zip(("terminated", "truncated"), ends, strict=True)
        )
        success = read_flag(info.get("success"), f'info["success"] {when}')
        if type(action) is not str:
            self._answers[step] = _parts(action, when)
        self._rows.append([action, reward, observation, form, *said])
        self._end = success, terminated, truncated
        self._whole = info.get("beliefs", self._whole)

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
            whole = {} if self._whole is None else read_points(self._whole, len(self._rows))
        except BatchError as wrong:
            whole = {}
            self._fail(wrong)
        failure = error or self.error
        rows = self._rows or [["", 0.0, "", self._form, *[None] * len(self._form.columns)]]
        first: _Form = rows[0][_SAID - 1]
        if self._gaps or not (self._rows and first.full):
            actions, rewards, observations, forms = zip(*(row[:_SAID] for row in rows), strict=True)
            said = _gapped(forms, [row[_SAID:] for row in rows], observations)
        else:
            actions, rewards, observations, _, *values = zip(*rows, strict=True)
            said = {name: each[cut] for (name, cut), each in zip(first.cuts, values, strict=True)}
        if self._answers:
            actions = tuple(map(str, actions))
        success, terminated, truncated = self._end
        columns = dict(
            env_id=self._env_id,
            task_id=self.task_id,
            group_id=group_id,
            episode_id=episode_id,
            seed=self._seed,
            agent_id=agent_id,
            observations=observations,
            actions=actions[1:],
            rewards=rewards[1:],
            success=failure is None and success,
            terminated=failure is None and terminated,
            truncated=failure is None and truncated and not terminated,
            goal=self.goal,
            exact_verifier=self._exact,
            error=failure,
            usage={},
            **said,
        )
        columns.update(whole)
        columns.update(_answered(self._answers, len(rows) - 1))
        self._clear()
        return Episode.of_columns(columns.items())  # they were read side by side, and fit together

    def fork(self) -> Recorder:
        """Return a recorder that goes on by itself from here."""
        other = copy(self)
        other._rows, other._answers = self._rows.copy(), self._answers.copy()
        return other

    def _take_form(self, info: Mapping[str, Any]) -> _Form:
        form = _form(tuple(info), self._verified)
        self._gaps = self._gaps or not form.full or form.columns is not self._form.columns
        self._form = form
        return form

    def _fail(self, error: BatchError) -> None:
        self.error = self.error or f"{type(error).__name__}: {error}"

    def _clear(self) -> None:
        self.recording, self.error = False, None
        self.task_id = self.goal = ""
        self._exact = self._gaps = False
        self._seed, self._whole = None, None
        self._rows, self._answers = [], {}
        self._end = False, False, False


def find_wrapper(env: gym.Env[Any, Any], kind: type[W]) -> W | None:
    """Return the outermost wrapper of a kind in a stack, None if there is none."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, kind):
            return env
        env = env.env
    return None


def _gapped(forms: Sequence[_Form], infos: Sequence[Sequence[Any]], observations: Sequence[str]) -> dict[str, Any]:
    """The columns that the infos gave where a value may be missing; what one does not speak of is a gap in it."""
    spoken = forms[0].columns
    if any(form.columns is not spoken for form in forms):
        spoken = tuple({column.name: column for form in forms for column in form.columns}.values())
        told = [
            dict(zip((name for name, _ in form.cuts), said, strict=True))
            for form, said in zip(forms, infos, strict=True)
        ]
        infos = [[each.get(column.name) for column in spoken] for each in told]
    columns: dict[str, Any] = {}
    for column, values in zip(spoken, zip(*infos, strict=True), strict=True):
        values = values[_cut(column)]
        if column.name == "state_keys" and None in values:
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
