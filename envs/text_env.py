"""The base of every environment here: text in, text out, cheap seeding, and states that can be cloned."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding

from credit_gym import rng
from credit_gym.spaces import FreeText


class TextEnv(gym.Env[str, str]):
    """A Gymnasium environment whose observations and actions are text.

    Subclasses implement :meth:`reset` (calling :meth:`seed_episode` first), ``step``, and, where the game allows it,
    :meth:`clone_state` / :meth:`restore_state`. ``info`` always carries ``task`` (dict: id, split, goal),
    ``state_key`` (stable hash of the true state), ``admissible_actions`` (list, where the game knows them),
    ``verifier`` (float, progress made by the last transition; 0.0 at reset) and, once the episode ended, ``success``.
    An action that the game refuses is answered in text, flagged ``info["invalid"]`` and never raises.

    An environment with a list of tasks has ``num_tasks``, and ``reset(options={"task": index})`` picks one.

    Attributes:
        blocking: whether reset and step wait for something (a judge, a sandbox, a foreign engine); an asynchronous
            runner then plays the environment on a thread of its own.
        stream: 64-bit state of the SplitMix64 stream from which every draw of the environment comes. It is part of the
            cloneable state. Seeding it costs one multiplication chain; Gymnasium's ``np_random`` is built from the
            same seed only when somebody reads it.
    """

    blocking: bool = False
    metadata: dict[str, Any] = {"render_modes": ["ansi"]}  # noqa: RUF012 (declared so by gymnasium.Env)

    def __init__(self, *, render_mode: str | None = None) -> None:
        self.observation_space = FreeText()
        self.action_space = FreeText()
        self.render_mode = render_mode
        self.stream: int | None = None
        self._generator: np.random.Generator | None = None
        self._np_random_seed: int | None = None

    def seed_episode(self, seed: int | None) -> int:
        """Fix the random stream of the next episode and return its 64-bit episode seed.

        With a seed, the stream restarts from it; without one it goes on from where the last episode left it (from the
        operating system's entropy at the very first reset).
        """
        if seed is not None:
            if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
                raise gym.error.Error(f"The seed of reset() must be a non-negative integer, not {seed!r}.")
            self._generator, self._np_random_seed = None, int(seed)
            self.stream = rng.derive(int(seed))
        elif self.stream is None:
            return self.seed_episode(seeding.np_random()[1])
        return self.draw()

    def draw(self) -> int:
        """Return 64 random bits and advance the stream."""
        assert self.stream is not None, "reset() first"
        self.stream = rng.advance(self.stream)
        return rng.mix(self.stream)

    def clone_state(self) -> Any:
        """Return the complete state, random stream included, as a picklable value.

        Raises:
            NotImplementedError: the environment cannot be forked.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be forked.")

    def restore_state(self, state: Any) -> tuple[str, dict[str, Any]]:
        """Continue from a cloned state; return the observation and info of that moment.

        Raises:
            NotImplementedError: the environment cannot be forked.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be forked.")

    @property
    def _np_random(self) -> np.random.Generator | None:
        """Gymnasium's generator, built lazily: PCG64 seeding would cost more than the rest of reset()."""
        if self._generator is None and self._np_random_seed is not None and self._np_random_seed >= 0:
            self._generator, _ = seeding.np_random(self._np_random_seed)
        return self._generator

    @_np_random.setter
    def _np_random(self, generator: np.random.Generator | None) -> None:
        self._generator = generator


def task_number(task: object, count: int) -> int:
    """Return ``options["task"]`` as the index of one of ``count`` tasks.

    Raises:
        gymnasium.error.Error: it is none.
    """
    if isinstance(task, bool) or not isinstance(task, (int, np.integer)) or not 0 <= task < count:
        raise gym.error.Error(f'options["task"] must be an integer from 0 to {count - 1}, not {task!r}.')
    return int(task)
