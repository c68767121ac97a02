"""credit/ALFWorld-v0: household tasks in text, on the real engine, with the exact distance to the goal."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from credit_gym.envs.alfworld.engine import NOTHING_HAPPENS, Engine, Operator, State, compile_game
from credit_gym.envs.alfworld.games import SPLITS, Game, find_games, read_game
from credit_gym.envs.alfworld.generate import generate_game
from credit_gym.envs.alfworld.progress import Progress
from credit_gym.envs.alfworld.tables import TASK_TYPES
from credit_gym.envs.core import TextEnv
from credit_gym.errors import ManifestError, unknown

Moment = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of an episode. Within the environment that made it restoring is free; elsewhere it is replayed."""

    stream: int | None
    task: int
    state: State
    observation: str
    steps: int
    verifier: float
    invalid: bool


class ALFWorldEnv(TextEnv):
    """ALFWorld's text games (Shridhar et al., 2021), byte for byte as TextWorld plays them.

    The reward is 1 when the goal is reached and 0 before. ``info["verifier"]`` is the decrease of the exact distance to
    the goal in steps: 1 for an optimal action, 0 for an idle one, negative for a harmful one. ``info["distance"]`` is
    that distance (infinite in a dead end, which the verifier counts as ``max_steps`` away) and
    ``info["expert_actions"]`` lists every optimal action.

    Args:
        split: ``train``, ``valid_seen`` or ``valid_unseen``.
        num_tasks: how many tasks to generate; the real data have a number of their own.
        task_types: which of the six task types to play, all by default.
        max_steps: the episode is truncated after this many steps.
        data: the folder of the real games. By default the variable ``ALFWORLD_DATA``; where that is unset or its
            folder is empty, games are generated.
        expert: whether ``info`` has ``expert_actions``.
        render_mode: ``ansi`` or None.

    Raises:
        MissingExtraError: TextWorld is not installed.
        UnknownNameError: there is no such split or task type.
        ManifestError: the data folder has no such games.
    """

    def __init__(
        self,
        split: str = "train",
        *,
        num_tasks: int = 120,
        task_types: Collection[str] | None = None,
        max_steps: int = 50,
        data: str | os.PathLike[str] | None = None,
        expert: bool = True,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(render_mode=render_mode)
        self.max_steps = max_steps
        self.tasks = _tasks(split, num_tasks, TASK_TYPES if task_types is None else task_types, data)
        self._expert = expert
        self._engine = Engine()
        self._task = -1
        self._state: State | None = None
        self._steps = 0
        self._distance = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Moment:
        """Start an episode; ``options={"task": i}`` picks the task, else the seed does.

        Raises:
            ManifestError: the file of that task is damaged or unsupported; other tasks can still be played.
        """
        task = (self.seed_episode(seed) >> 32) * len(self.tasks) >> 32
        if options is not None and "task" in options:
            task = self._checked(options["task"])
        self._load(task)
        return self._at(self._start, self._engine.introduction())

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Send one command; whatever is not admissible is answered "Nothing happens." and still counts as a step."""
        state = self._state
        if state is None or state.won or self._steps >= self.max_steps:
            raise gym.error.ResetNeeded("There is no episode under way: call reset() first.")
        operator = self._commands.get(action.strip())
        if operator is None:
            observation, after = NOTHING_HAPPENS, state
        else:
            after = self._engine.step(state, operator)
            observation = self._engine.answer(after, operator)
        before = self._distance
        observation, info = self._at(after, observation, self._steps + 1, invalid=operator is None)
        info["verifier"] = self._verifier = self._capped(before) - self._capped(self._distance)
        return observation, float(after.won), after.won, self._truncated, info

    def render(self) -> str | None:
        """Return the latest observation in ``ansi`` mode."""
        return self._observation if self.render_mode == "ansi" and self._state is not None else None

    def close(self) -> None:
        """Free the engine."""
        self._engine.close()
        self._state, self._task = None, -1
        super().close()

    def clone_state(self) -> Snapshot:
        """Return this moment of the episode as a picklable value, at no cost."""
        if self._state is None:
            raise gym.error.ResetNeeded("There is no episode under way: call reset() first.")
        return Snapshot(
            self.stream, self._task, self._state, self._observation, self._steps, self._verifier, self._invalid
        )

    def restore_state(self, state: Snapshot) -> Moment:
        """Continue from a clone, which may come from another environment with the same tasks."""
        self._load(state.task)
        self.stream = state.stream
        here = self._engine.adopt(state.state)
        return self._at(here, state.observation, state.steps, state.verifier, state.invalid)

    @property
    def _truncated(self) -> bool:
        assert self._state is not None
        return self._steps >= self.max_steps and not self._state.won

    def _checked(self, task: object) -> int:
        if isinstance(task, bool) or not isinstance(task, (int, np.integer)) or not 0 <= task < len(self.tasks):
            raise gym.error.Error(f'options["task"] must be an integer from 0 to {len(self.tasks) - 1}, not {task!r}.')
        return int(task)

    def _capped(self, distance: float) -> float:
        """A dead end counts as far as an episode is long."""
        return min(distance, float(self.max_steps))

    def _load(self, task: int) -> None:
        """Make the engine play a task; a game that is loaded already stays, and its states stay valid."""
        if self._engine.closed:
            raise gym.error.ClosedEnvironmentError("The environment is closed: make a new one.")
        if task == self._task:
            return
        self._state, self._task = None, -1
        game = self.tasks[task]()
        try:
            compiled = compile_game(game.domain, game.problem, game.grammar)
        except ManifestError as error:
            raise ManifestError(f"Task {game.id} cannot be played: {error}") from error
        self._start = self._engine.load(compiled)
        self._game, self._progress, self._task = game, Progress(game, compiled.facts), task

    def _at(
        self, state: State, observation: str, steps: int = 0, verifier: float = 0.0, invalid: bool = False
    ) -> Moment:
        """Move to a moment of an episode; return its observation and info."""
        self._state, self._observation, self._steps = state, observation, steps
        self._verifier, self._invalid = verifier, invalid
        self._commands: Mapping[str, Operator] = self._engine.commands(state)
        self._distance = self._progress.distance(state.facts)
        game = self._game
        info: dict[str, Any] = {
            "task": {"id": game.id, "split": game.split, "goal": game.goal, "type": game.task_type},
            "state_key": state.key,
            "admissible_actions": list(self._commands),
            "verifier": verifier,
            "distance": self._distance,
            "invalid": invalid,
        }
        if self._expert:
            info["expert_actions"] = self._progress.optimal(state.facts, self._commands)
        if state.won or self._truncated:
            info["success"] = state.won
        return observation, info


def _tasks(
    split: str, num_tasks: int, task_types: Collection[str], data: str | os.PathLike[str] | None
) -> tuple[Callable[[], Game], ...]:
    """The tasks of an environment: each is a function that reads or generates its game."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    for name in task_types:
        if name not in TASK_TYPES:
            raise unknown("task type", name, TASK_TYPES)
    root = Path(data) if data is not None else _downloaded()
    if root is not None:
        return tuple(partial(read_game, path, split) for path in find_games(root, split, task_types))
    indices = (i for i in count() if TASK_TYPES[i % len(TASK_TYPES)] in task_types)
    return tuple(partial(generate_game, split, i) for i in islice(indices, num_tasks))


def _downloaded() -> Path | None:
    """The folder that ``ALFWORLD_DATA`` names; None if it is empty, as ``import alfworld`` leaves it."""
    name = os.environ.get("ALFWORLD_DATA")
    if not name:
        return None
    root = Path(name)
    return None if root.is_dir() and not any(root.iterdir()) else root
