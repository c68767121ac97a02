"""The base of every native vector environment here: the seeds, the spaces and the infos of n copies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Tuple
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray
from credit_gym.spaces import FreeText

Actions: TypeAlias = Sequence[str] | Sequence[int] | IntArray


class TextVectorEnv(gym.vector.VectorEnv[Any, Any, Any]):
    """n copies of a text environment. A copy that ended is reset by the next ``step`` (``NEXT_STEP`` mode).

    Args:
        num_envs: n.
    """

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": []}
        self.single_observation_space = self.single_action_space = FreeText()
        self.observation_space = self.action_space = Tuple((FreeText(),) * num_envs)
        self._seeded = False

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start n episodes.

        Args:
            seed: copy i is seeded with ``seed + i``, or with ``seed[i]``; None goes on with the streams of the copies.
            options: ``{"task": i}`` with the index of one task or of n of them.
        """
        if seed is None and not self._seeded:
            seed = seeding.np_random()[1]
        if seed is not None:
            self._seed(_seeds(seed, self.num_envs))
            self._seeded = True
        return self._start(options)

    def step(self, actions: Actions) -> tuple[Any, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        """Move every copy, starting the next episode of those that ended at the step before.

        Args:
            actions: n texts, or (n,) integers.

        Raises:
            ResetNeeded: :meth:`reset` was never called.
            InvalidAction: there are not n actions.
        """
        if not self._seeded:
            raise gym.error.ResetNeeded("There is no episode to step: call reset() first.")
        return self._move(actions)

    @abstractmethod
    def _seed(self, seeds: Sequence[int]) -> None:
        """Let the stream of each copy begin at its seed."""

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
    """Return columns in Gymnasium's form of vector infos: each with a mask that says that all copies have it."""
    return {**columns, **{f"_{name}": np.ones(len(column), dtype=np.bool_) for name, column in columns.items()}}


def _seeds(seed: int | Sequence[int], count: int) -> list[int]:
    """The n seeds of the copies.

    Raises:
        gymnasium.error.Error: there are not n of them, or one is not a non-negative integer.
    """
    seeds = [seed + i for i in range(count)] if isinstance(seed, (int, np.integer)) else list(seed)
    if len(seeds) != count or any(not isinstance(s, (int, np.integer)) or s < 0 for s in seeds):
        raise gym.error.Error(f"The seed of reset() must be one non-negative integer or {count} of them.")
    return [int(s) for s in seeds]
