"""The tasks of an environment: generated or on disk, each loaded once per process, and again when its files changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

from credit_gym.envs.alfworld.games import SPLITS, Game, find_games, human_goal, read_game, texts_of
from credit_gym.envs.alfworld.generate import generate_game
from credit_gym.envs.alfworld.layout import compile_layout
from credit_gym.envs.alfworld.native_engine import NativeEngine, NativeGame
from credit_gym.envs.alfworld.problem import UnsupportedGameError, parse_problem
from credit_gym.envs.alfworld.progress import Progress
from credit_gym.envs.alfworld.tables import TASK_TYPES
from credit_gym.envs.alfworld.textworld_engine import Engine, compile_game
from credit_gym.envs.file_stamp import Stamp, stamp
from credit_gym.errors import ManifestError, unknown

_MOST_LOADED = 512


@dataclass(frozen=True, slots=True)
class GeneratedTask:
    """A task made here."""

    split: str
    index: int

    @property
    def name(self) -> str:
        """The last part of the game's id; the first cannot be known before it is generated."""
        return f"trial_{self.split}_{self.index:05d}"

    @property
    def stamp(self) -> Stamp:
        """Nothing: it never changes."""
        return ()

    def __call__(self) -> Game:
        """Return the game."""
        return generate_game(self.split, self.index)


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task on disk, with the templated goal sentence or one of those that people wrote."""

    path: Path
    split: str
    annotation: int | None = None

    @property
    def name(self) -> str:
        """The game's id."""
        return f"{self.path.parent.parent.name}/{self.path.parent.name}"

    @property
    def stamp(self) -> Stamp:
        """What changes with the files."""
        return stamp(self.path, self.path.with_name("traj_data.json"))

    def __call__(self) -> Game:
        """Return the game.

        Raises:
            ManifestError: a file is missing, damaged, or of an unsupported kind; the sentence names it.
        """
        game = read_game(self.path, self.split)
        return game if self.annotation is None else human_goal(game, self.path, self.annotation)


Task = GeneratedTask | StoredTask


class Loaded(NamedTuple):
    """A task ready to be played.

    Attributes:
        about: what ``info["task"]`` says.
        game: what the engine loads.
        progress: measures the distance to the goal.
    """

    about: dict[str, str]
    game: Any
    progress: Progress


def list_tasks(
    split: str,
    num_tasks: int,
    task_types: Collection[str] | None,
    data: str | os.PathLike[str] | None,
) -> tuple[Task, ...]:
    """Return the tasks of an environment in a fixed order; see :class:`~credit_gym.envs.alfworld.env.ALFWorldEnv`."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    wanted = TASK_TYPES if task_types is None else task_types
    for name in wanted:
        if name not in TASK_TYPES:
            raise unknown("task type", name, TASK_TYPES)
    root = Path(data) if data is not None else _downloaded()
    if root is not None:
        return tuple(StoredTask(path, split) for path in find_games(root, split, wanted))
    indices = (i for i in count() if TASK_TYPES[i % len(TASK_TYPES)] in wanted)
    return tuple(GeneratedTask(split, i) for i in islice(indices, num_tasks))


def load_native(task: Task) -> Loaded:
    """Load a task for the native engine.

    Raises:
        ManifestError: its file is damaged, or of a kind that only the real engine can play.
    """
    return _native(task, task.stamp)


@lru_cache(maxsize=_MOST_LOADED)
def _native(task: Task, _: Stamp) -> Loaded:
    game = task()
    try:
        problem = parse_problem(game.problem)
        compiled = NativeGame(compile_layout(game, problem))
    except UnsupportedGameError as error:
        raise UnsupportedGameError(
            f'Task {game.id} is not for the native engine ({error}): make the environment with engine="textworld".'
        ) from error
    except ManifestError as error:
        raise ManifestError(f"Task {game.id} cannot be played: {error}") from error
    return Loaded(_about(game), compiled, Progress(game, problem.facts))


def load_real(task: Task) -> Loaded:
    """Load a task for TextWorld's engine.

    Raises:
        ManifestError: its file is damaged or unsupported.
        MissingExtraError: the ``alfworld`` extra is not installed.
    """
    return _real(task, task.stamp)


@lru_cache(maxsize=_MOST_LOADED // 4)
def _real(task: Task, _: Stamp) -> Loaded:
    game = task()
    domain, grammar = texts_of(game)
    try:
        compiled = compile_game(domain, game.problem, grammar)
    except ManifestError as error:
        raise ManifestError(f"Task {game.id} cannot be played: {error}") from error
    return Loaded(_about(game), compiled, Progress(game, compiled.facts))


ENGINES: dict[str, tuple[Callable[[], Any], Callable[[Task], Loaded]]] = {
    "native": (NativeEngine, load_native),
    "textworld": (Engine, load_real),
}
"""Name of an engine -> the engine, and what loads its games."""


def task_names(tasks: Collection[Task]) -> dict[str, int]:
    """Return name -> index of each task; the name of a generated task is the last part of its id."""
    return {task.name: index for index, task in enumerate(tasks)}


def _about(game: Game) -> dict[str, str]:
    return {"id": game.id, "split": game.split, "goal": game.goal, "type": game.task_type}


def _downloaded() -> Path | None:
    """The folder that ``ALFWORLD_DATA`` names; None if it is empty, as ``import alfworld`` leaves it."""
    name = os.environ.get("ALFWORLD_DATA")
    if not name:
        return None
    root = Path(name)
    return None if root.is_dir() and not any(root.iterdir()) else root
