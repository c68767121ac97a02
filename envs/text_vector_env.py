"""The base of every native vector environment here: the seeds, the spaces and the infos of n copies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Self, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Tuple
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray
from credit_gym.envs.inputs import check_actions, check_arguments, check_options
from credit_gym.envs.text_env import refuse_longer, task_number
from credit_gym.spaces import FreeText

Actions: TypeAlias = Sequence[str] | Sequence[int] | IntArray


class TextVectorEnv(gym.vector.VectorEnv[Any, Any, Any]):
    """n copies of a text environment. A copy that ended is reset by the next ``step`` (``NEXT_STEP`` mode).

    Args:
        num_envs: n.
        max_episode_steps: truncate after so many steps, as Gymnasium's ``TimeLimit`` does to a single environment.

    Raises:
        gymnasium.error.Error: ``max_episode_steps`` is no positive integer.

    Attributes:
        reset_options: as those of a single environment.
    """

    reset_options: Collection[str] = ("task",)
    _given: frozenset[str]

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Check the arguments, and remember which were given."""
        check_arguments(cls, arguments, options)
        env = super().__new__(cls)
        env._given = frozenset(options)
        return env

    def __init__(self, num_envs: int, *, max_episode_steps: int | None = None) -> None:
        self.num_envs = num_envs
        self._limit = _checked_limit(max_episode_steps)
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": []}
        self.single_observation_space = self.single_action_space = FreeText()
        self.observation_space = self.action_space = Tuple((FreeText(),) * num_envs)
        self._seeded = False

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | IntArray | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start n episodes.

        Args:
            seed: copy i is seeded with ``seed + i``, or with ``seed[i]``; where that is None, the stream of the copy
                goes on.
            options: ``{"task": i}`` with the index of one task or of n of them.
        """
        if options:
            check_options(options, self.reset_options)
        seeds = seed_list(seed, self.num_envs)
        if not self._seeded:
            seeds = [seeding.np_random()[1] if own is None else own for own in seeds]
        if any(own is not None for own in seeds):
            self._seed(seeds)
            self._seeded = True
        return self._start(options)

    def step(self, actions: Actions) -> tuple[Any, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        """Move every copy, starting the next episode of those that ended at the step before.

        Args:
            actions: n texts, or (n,) integers.

        Raises:
            ResetNeeded: :meth:`reset` was never called.
            InvalidAction: there are not n actions, or they are neither texts nor integers.
        """
        if not self._seeded:
            raise gym.error.ResetNeeded("There is no episode to step: call reset() first.")
        check_actions(actions, self.num_envs)
        return self._move(actions)

    def _own_limit(self, steps: int, argument: str) -> int:
        """The environment's own limit: that of ``max_episode_steps`` takes its place unless the argument was given.

        Raises:
            gymnasium.error.Error: both were, and the first could never hold.
        """
        if self._limit is None or argument in self._given:
            refuse_longer(type(self).__name__, self._limit or 0, steps, argument)
            return steps
        return self._limit

    def _least(self, limits: IntArray) -> IntArray:
        """(n,) the step limits of the copies, or that of ``max_episode_steps`` where it is less."""
        return limits if self._limit is None else np.minimum(limits, self._limit)

    def _late(self, steps: IntArray) -> BoolArray:
        """(n,) whether the limit of ``max_episode_steps`` is reached."""
        late: BoolArray = steps >= (np.iinfo(np.int64).max if self._limit is None else self._limit)
        return late

    @abstractmethod
    def _seed(self, seeds: Sequence[int | None]) -> None:
        """Let the stream of each copy begin at its seed; where that is None, it goes on."""

    @abstractmethod
    def _start(self, options: Mapping[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        """Start n episodes; return their observations and infos."""

    @abstractmethod
    def _move(self, actions: Actions) -> tuple[Any, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        """Move every copy; refuse another number of actions than n."""


def objects(values: Iterable[Any]) -> np.ndarray:
    """Return a one-dimensional object array, also of tuples."""
    values = list(values)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def masked(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns in Gymnasium's form of vector infos: each with a mask that says that all copies have it.

    Args:
        columns: (n,) arrays, at least one, and mappings that were masked themselves.
    """
    copies = next(len(column) for column in columns.values() if not isinstance(column, Mapping))
    return {**columns, **{f"_{name}": np.ones(copies, dtype=np.bool_) for name in columns}}


def task_list(tasks: object, copies: int, count: int) -> list[int]:
    """Return ``options["task"]`` as the indices of n tasks.

    Args:
        tasks: one index, or n of them.
        copies: n.
        count: how many tasks there are.

    Raises:
        gymnasium.error.Error: it is neither.
    """
    given: Any = tasks.tolist() if isinstance(tasks, np.ndarray) else tasks
    each = list(given) if isinstance(given, Sequence) and not isinstance(given, str | bytes) else [given] * copies
    if len(each) != copies:
        raise gym.error.Error(f'options["task"] must be one task or {copies} of them, not {len(each)}.')
    return [task_number(task, count) for task in each]


def seed_list(seed: int | Sequence[int | None] | IntArray | None, count: int) -> list[int | None]:
    """Return the seeds of n copies as Gymnasium's own vector environments read them.

    Args:
        seed: copy i has ``seed + i``, or ``seed[i]``; None leaves a copy without one. NumPy's integers and arrays will
            do.
        count: n.

    Raises:
        gymnasium.error.Error: there are not n of them, or one is not a non-negative integer.
    """
    given: Any = seed.tolist() if isinstance(seed, (np.ndarray, np.integer)) else seed
    if given is None:
        return [None] * count
    one = isinstance(given, int) and not isinstance(given, bool)
    seeds = [given + i for i in range(count)] if one else list(given) if isinstance(given, Sequence) else []
    if len(seeds) != count or not all(map(_is_seed, seeds)):
        raise gym.error.Error(f"The seed of reset() must be one non-negative integer or {count} of them.")
    return [None if own is None else int(own) for own in seeds]


def _is_seed(seed: object) -> bool:
    if seed is None:
        return True
    return isinstance(seed, (int, np.integer)) and not isinstance(seed, bool) and bool(seed >= 0)


def _checked_limit(limit: int | None) -> int | None:
    """The limit of ``max_episode_steps``; Gymnasium writes -1 for none."""
    if limit is None or limit == -1:
        return None
    if isinstance(limit, bool) or not isinstance(limit, (int, np.integer)) or limit < 1:
        raise gym.error.Error(f"max_episode_steps must be a positive integer, not {limit!r}.")
    return int(limit)
