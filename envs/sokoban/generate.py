"""Rooms drawn from a seed. Boxes begin on their targets and are pulled away, so pushing them back solves the room."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

from credit_gym import rng
from credit_gym.envs.sokoban.distances import bound, distances
from credit_gym.envs.sokoban.room import Cells, Position, Room, cells_of
from credit_gym.errors import CreditGymError

SPLITS = ("train", "test")

_TEST_SHARE = 64  # of 256: rooms of the split "test"
_ATTEMPTS = 1000
_PULLS_A_CELL = 12


@lru_cache(maxsize=1024)
def make_room(
    split: str, index: int, width: int, height: int, boxes: int, least_moves: int, room_seed: int
) -> tuple[Room, Position]:
    """Return a room and where its player and boxes begin: solvable, and no box on a target.

    A room is of the split that its picture's hash says, so that no room is in both.

    Args:
        split: ``train`` or ``test``.
        index: which room of it.
        width: cells a row, the walls around included; at least 5.
        height: rows, the walls around included; at least 5.
        boxes: how many there are.
        least_moves: the fewest moves that solve it; the fewest pushes where the room is too large to be searched.
        room_seed: which rooms there are.

    Raises:
        CreditGymError: so many boxes do not fit into a room of that size, or no room is that far from solved.
    """
    for attempt in range(_ATTEMPTS):
        draw = _draws(rng.derive(room_seed, index, attempt, width, height, boxes))
        floor = _carved(width, height, draw)
        if floor.bit_count() < 2 * boxes + 1:
            continue
        targets = _some(floor, boxes, draw)
        room = Room(width, height, floor, targets)
        start = _pulled(room, draw)
        if start is None or _split(room.picture(start)) != split:
            continue
        exact = distances(room)
        if (bound(room, start.boxes) if exact is None else exact[start]) >= least_moves:
            return room, start
    raise CreditGymError(
        f"No room of {width} x {height} with {boxes} boxes that takes {least_moves} moves was found in {_ATTEMPTS} "
        "attempts: take fewer boxes or moves, or a larger room."
    )


def _split(picture: str) -> str:
    return SPLITS[hashlib.blake2b(picture.encode(), digest_size=1).digest()[0] < _TEST_SHARE]


def _draws(seed: int) -> Callable[[int], int]:
    """A function that draws an integer below a bound."""
    state = seed

    def draw(bound: int) -> int:
        nonlocal state
        state = rng.advance(state)
        return (rng.mix(state) >> 32) * bound >> 32

    return draw


def _carved(width: int, height: int, draw: Callable[[int], int]) -> Cells:
    """The floor: where somebody walked about, now and then widening a place."""
    column, row = 1 + draw(width - 2), 1 + draw(height - 2)
    across, down = ((0, 1), (0, -1), (1, 0), (-1, 0))[draw(4)]
    floor = 0
    for _ in range((width + height) * 17 // 10):
        if draw(20) < 7:
            across, down = ((0, 1), (0, -1), (1, 0), (-1, 0))[draw(4)]
        column = min(max(column + across, 1), width - 2)
        row = min(max(row + down, 1), height - 2)
        floor |= 1 << row * width + column
        if draw(4):
            floor |= 1 << min(row + 1, height - 2) * width + column | 1 << row * width + min(column + 1, width - 2)
    return floor


def _some(cells: Cells, count: int, draw: Callable[[int], int]) -> Cells:
    """So many of the cells."""
    left, taken = list(cells_of(cells)), 0
    for _ in range(count):
        taken |= 1 << left.pop(draw(len(left)))
    return taken


def _pulled(room: Room, draw: Callable[[int], int]) -> Position | None:
    """Where pulling at random leads: when the boxes, all of them off their targets, are farthest from these."""
    player = list(cells_of(room.floor & ~room.targets))
    position = Position(player[draw(len(player))], room.targets)
    farthest, best = 0, None
    for _ in range(_PULLS_A_CELL * room.floor.bit_count()):
        ways = list(room.before(position))
        if not ways:
            break
        pulls = [each for each in ways if each[1].boxes != position.boxes]
        chosen = pulls if pulls and draw(2) else ways
        position = chosen[draw(len(chosen))][1]
        if position.boxes & room.targets == 0:
            far = sum(_off(room, box) for box in cells_of(position.boxes))
            if far > farthest:
                farthest, best = far, position
    return None if best is None else _strolled(room, best, draw)


def _strolled(room: Room, position: Position, draw: Callable[[int], int]) -> Position:
    """The same boxes, and the player somewhere else from where they can be reached."""
    for _ in range(2 * room.floor.bit_count()):
        steps = [earlier for _, earlier in room.before(position) if earlier.boxes == position.boxes]
        position = steps[draw(len(steps))] if steps else position
    return position


def _off(room: Room, box: int) -> int:
    """How many rows and columns a box is from the nearest target."""
    row, column = divmod(box, room.width)
    return min(
        abs(row - other) + abs(column - across)
        for other, across in (divmod(target, room.width) for target in cells_of(room.targets))
    )
