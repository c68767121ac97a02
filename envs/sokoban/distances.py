"""How far a position is from solved: exact for a small room, by search from the end; a bound for a large one."""

from __future__ import annotations

import math
from array import array
from functools import lru_cache

from credit_gym.envs.sokoban.room import MOVES, WALL, Cells, Position, Room, cells_of

LARGEST_SEARCH = 100_000
"""Positions of a room that is searched whole, at most: about half a second."""

_NEVER = -1


class Distances:
    """The moves that each position of a room needs until it is solved, two bytes each.

    A position has the number ``rank of the boxes * floor + number of the player's cell``, where the boxes are ranked as
    combinations of cells (Knuth, TAOCP 4A, 7.2.1.3).
    """

    def __init__(self, room: Room) -> None:
        self._number = {cell: number for number, cell in enumerate(cells_of(room.floor))}
        boxes, floor = room.targets.bit_count(), len(self._number)
        self._terms = [
            {1 << cell: math.comb(number, taken) * floor for cell, number in self._number.items()}
            for taken in range(1, boxes + 1)
        ]
        self._moves = array("h", [_NEVER]) * (math.comb(floor, boxes) * floor)
        edge = [Position(player, room.targets) for player in cells_of(room.floor & ~room.targets)]
        distance = 0
        while edge:
            new = [(self._index(position), position) for position in edge]
            edge = []
            for index, position in new:
                if self._moves[index] == _NEVER:
                    self._moves[index] = distance
                    edge += [earlier for _, earlier in room.before(position)]
            distance += 1

    def __getitem__(self, position: Position) -> float:
        """Infinite where the position cannot be solved."""
        moves = self._moves[self._index(position)]
        return math.inf if moves == _NEVER else float(moves)

    def _index(self, position: Position) -> int:
        index, boxes = self._number[position.player], position.boxes
        for terms in self._terms:
            index += terms[boxes & -boxes]
            boxes &= boxes - 1
        return index


@lru_cache(maxsize=128)
def distances(room: Room) -> Distances | None:
    """Return the distances of a room, None where it has more than :data:`LARGEST_SEARCH` positions."""
    floor, boxes = room.floor.bit_count(), room.targets.bit_count()
    return Distances(room) if math.comb(floor, boxes) * floor <= LARGEST_SEARCH else None


@lru_cache(maxsize=128)
def pushes(room: Room) -> tuple[float, ...]:
    """Return for each cell how many pushes bring a lonely box from it to the nearest target; infinite where none do."""
    found = [math.inf] * (room.width * room.height)
    edge = list(cells_of(room.targets))
    for cell in edge:
        found[cell] = 0.0
    for cell in edge:  # grows while it is read
        for move in range(len(MOVES)):
            before = room.beside[move ^ 1][cell]
            if before != WALL and room.beside[move ^ 1][before] != WALL and found[before] == math.inf:
                found[before] = found[cell] + 1.0
                edge.append(before)
    return tuple(found)


def bound(room: Room, boxes: Cells) -> float:
    """Return the least number of pushes that could bring every box to some target, others being out of the way.

    Infinite where a box can never get to one: in a corner, or along a wall without a target.
    """
    return sum(map(pushes(room).__getitem__, cells_of(boxes)))


def stuck(room: Room, boxes: Cells) -> bool:
    """Whether the boxes are seen to be a deadlock, as a person sees it.

    One of them is where no push brings it to a target, or four cells in a square are boxes and walls alone, and one of
    the boxes is on no target.
    """
    if bound(room, boxes) == math.inf:
        return True
    blocked, below = boxes | ~room.floor, room.width
    squares = 3 | 3 << below
    return any(
        squares << corner & ~blocked == 0
        for box in cells_of(boxes & ~room.targets)
        for corner in (box, box - 1, box - below, box - below - 1)
    )
