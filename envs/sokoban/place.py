"""A position as it is played: its text, where its moves lead, and what is known about it."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import NamedTuple

from credit_gym.envs.sokoban.distances import bound, distances, stuck
from credit_gym.envs.sokoban.room import MOVES, Position, Room

_PLACES_A_ROOM = 128


class Place(NamedTuple):
    """A position.

    Attributes:
        picture: what is shown.
        key: stable hash of the position.
        moves: (4,) where each move leads, None where nothing moves.
        admissible: the moves that move something.
        best: the numbers of the moves on a shortest way to the end; empty where it is not known, or there is none.
        exact: whether ``left`` is exact.
        left: moves until it is solved, infinite where it cannot be; in a room too large to be searched, at least so
            many pushes.
        deadlock: whether it is known that it cannot be solved any more.
        placed: boxes on targets.
        solved: whether all are.
    """

    picture: str
    key: str
    moves: tuple[Position | None, ...]
    admissible: tuple[str, ...]
    best: tuple[int, ...]
    exact: bool
    left: float
    deadlock: bool
    placed: int
    solved: bool


class Places:
    """The places of a room, made when they are first stood on; the latest hundred or so are kept."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self._made: dict[Position, Place] = {}

    def __getitem__(self, position: Position) -> Place:
        place = self._made.get(position)
        if place is None:
            if len(self._made) >= _PLACES_A_ROOM:
                self._made.clear()
            place = self._made[position] = _place(self.room, position)
        return place


@lru_cache(maxsize=128)
def places(room: Room) -> Places:
    """Return the places of a room."""
    return Places(room)


def _place(room: Room, position: Position) -> Place:
    picture, exact = room.picture(position), distances(room)
    moves = tuple(room.after(position, move) for move in range(len(MOVES)))
    solved = room.solved(position)
    best: tuple[int, ...] = ()
    if exact is None:
        deadlock = stuck(room, position.boxes)
        left = math.inf if deadlock else bound(room, position.boxes)
    else:
        left = exact[position]
        deadlock = left == math.inf
        best = tuple(move for move, after in enumerate(moves) if after is not None and exact[after] < left < math.inf)
    return Place(
        picture=picture,
        key=hashlib.blake2b(picture.encode(), digest_size=8).hexdigest(),
        moves=moves,
        admissible=_named(tuple(move for move, after in enumerate(moves) if after is not None)),
        best=best,
        exact=exact is not None,
        left=left,
        deadlock=deadlock,
        placed=(position.boxes & room.targets).bit_count(),
        solved=solved,
    )


@lru_cache(maxsize=16)
def _named(moves: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(MOVES[move] for move in moves)
