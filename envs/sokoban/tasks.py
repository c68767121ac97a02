"""The rooms that an environment plays: made here when they are first played, or read from a file of levels."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from credit_gym.envs.sokoban.generate import SPLITS, make_room
from credit_gym.envs.sokoban.levels import read_levels
from credit_gym.envs.sokoban.room import Position, Room
from credit_gym.envs.sokoban.turns import GOAL
from credit_gym.errors import unknown


class Task(NamedTuple):
    """A room to be solved.

    Attributes:
        room: what does not move.
        start: where the player and the boxes begin.
        about: what ``info["task"]`` says.
    """

    room: Room
    start: Position
    about: dict[str, Any]


Tasks: TypeAlias = tuple[Callable[[], Task], ...]


def list_tasks(
    split: str,
    count: int,
    *,
    levels: str | os.PathLike[str] | None,
    room_seed: int,
    **size: int,
) -> Tasks:
    """Return what makes each task.

    Args:
        split: ``train`` or ``test``.
        count: how many rooms are made.
        levels: a file of rooms to play instead; all are of either split.
        room_seed: which rooms are made.
        size: ``width``, ``height``, ``boxes`` and ``least_moves`` of those, see
            :func:`~credit_gym.envs.sokoban.generate.make_room`.

    Raises:
        UnknownNameError: there is no such split.
        ManifestError: the file has a room that is none.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if levels is not None:
        rooms = read_levels(levels)
        return tuple(partial(_read, f"{Path(levels).name}/{n}", split, *each) for n, each in enumerate(rooms))
    made = "-".join(map(str, (*size.values(), room_seed)))
    return tuple(
        partial(_made, f"sokoban-{made}/{split}/{index}", split, index, room_seed=room_seed, **size)
        for index in range(count)
    )


def _made(name: str, split: str, index: int, **drawn: int) -> Task:
    return _read(name, split, *make_room(split, index, **drawn))


def _read(name: str, split: str, room: Room, start: Position) -> Task:
    return Task(room, start, {"id": name, "split": split, "goal": GOAL})
