"""A room of Sokoban: cells numbered row by row, sets of cells as the bits of an integer, the published symbols."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

from credit_gym.errors import ManifestError

MOVES = ("Up", "Down", "Left", "Right")
"""The moves, in the order in which everything here numbers them."""

Cells: TypeAlias = int
"""A set of cells: bit c is cell c."""

WALL = -1
"""What lies beside a cell where the player cannot go."""

_WALL, _FLOOR, _TARGET, _BOX, _PLAYER, _BOX_ON_TARGET, _PLAYER_ON_TARGET = "#_OXP√S"


class Position(NamedTuple):
    """Where the player and the boxes are."""

    player: int
    boxes: Cells


@dataclass(frozen=True)
class Room:
    """What does not move.

    Attributes:
        width: cells a row, the walls around included.
        height: rows, the walls around included.
        floor: cells that are no wall.
        targets: cells where boxes belong.
    """

    width: int
    height: int
    floor: Cells
    targets: Cells

    @cached_property
    def beside(self) -> tuple[tuple[int, ...], ...]:
        """(4, cells) the cell that each move leads to, :data:`WALL` where there is a wall or nothing."""
        steps = (-self.width, self.width, -1, 1)
        return tuple(
            tuple(
                cell + step if self.floor >> cell & 1 and self.floor >> cell + step & 1 else WALL
                for cell in range(self.width * self.height)
            )
            for step in steps
        )

    def after(self, position: Position, move: int) -> Position | None:
        """Return the position after a move (an index of :data:`MOVES`), None where nothing can move."""
        beside = self.beside[move]
        player = beside[position.player]
        if player == WALL:
            return None
        boxes = position.boxes
        if boxes >> player & 1:
            pushed = beside[player]
            if pushed == WALL or boxes >> pushed & 1:
                return None
            boxes ^= 1 << player | 1 << pushed
        return Position(player, boxes)

    def before(self, position: Position) -> Iterator[tuple[int, Position]]:
        """Yield each move that leads here, and a position from which it does."""
        player, boxes = position
        for move, back in enumerate((1, 0, 3, 2)):
            came_from = self.beside[back][player]
            if came_from == WALL or boxes >> came_from & 1:
                continue
            yield move, Position(came_from, boxes)
            pushed = self.beside[move][player]
            if pushed != WALL and boxes >> pushed & 1:
                yield move, Position(came_from, boxes ^ (1 << pushed | 1 << player))

    def solved(self, position: Position) -> bool:
        """Whether every box is on a target."""
        return position.boxes & ~self.targets == 0

    def picture(self, position: Position) -> str:
        """Return the room as text, a line a row, in the published symbols."""
        symbols, row = list(self._empty), self.width
        for box in cells_of(position.boxes):
            symbols[box + box // row] = _BOX_ON_TARGET if self.targets >> box & 1 else _BOX
        player = position.player
        symbols[player + player // row] = _PLAYER_ON_TARGET if self.targets >> player & 1 else _PLAYER
        return "".join(symbols)

    @cached_property
    def _empty(self) -> str:
        """The picture without player and boxes."""
        cells = "".join(
            (_TARGET if self.targets >> cell & 1 else _FLOOR) if self.floor >> cell & 1 else _WALL
            for cell in range(self.width * self.height)
        )
        return "\n".join(cells[row : row + self.width] for row in range(0, len(cells), self.width))


def cells_of(cells: Cells) -> Iterator[int]:
    """Yield the cells of a set, in order."""
    while cells:
        yield (cells & -cells).bit_length() - 1
        cells &= cells - 1


def read_room(picture: str) -> tuple[Room, Position]:
    """Return the room and the position that a picture shows, the inverse of :meth:`Room.picture`.

    Raises:
        ManifestError: a symbol is unknown, rows differ in length, there is not one player, no box, a box more or less
            than targets, a box or a target out of reach, or the floor is open at the edge.
    """
    rows = picture.strip().splitlines()
    width, text = len(rows[0]) if rows else 0, "".join(rows)
    if any(len(row) != width for row in rows):
        raise ManifestError("The rows of a room must be equally long.")
    unknown = sorted(set(text) - set("#_OXP√S"))
    if unknown:
        raise ManifestError(f"A room has no symbol {unknown[0]!r}: they are # _ O X P √ S.")

    def where(*symbols: str) -> Cells:
        return sum(1 << cell for cell, symbol in enumerate(text) if symbol in symbols)

    players, boxes = where(_PLAYER, _PLAYER_ON_TARGET), where(_BOX, _BOX_ON_TARGET)
    floor, targets = ~where(_WALL) & ((1 << len(text)) - 1), where(_TARGET, _BOX_ON_TARGET, _PLAYER_ON_TARGET)
    if players.bit_count() != 1:
        raise ManifestError(f"A room has one player, not {players.bit_count()}.")
    if not boxes or boxes.bit_count() != targets.bit_count():
        raise ManifestError(f"A room has as many boxes as targets, not {boxes.bit_count()} and {targets.bit_count()}.")
    inside = _joined(players, floor, width)
    if any(cell % width in (0, width - 1) or not width <= cell < len(text) - width for cell in cells_of(inside)):
        raise ManifestError("A room has walls all around.")
    if (boxes | targets) & ~inside:
        raise ManifestError("Every box and every target of a room must lie where the player is, walls aside.")
    return Room(width, len(rows), inside, targets), Position(players.bit_length() - 1, boxes)


def _joined(start: Cells, floor: Cells, width: int) -> Cells:
    """The part of a floor that hangs together with some cells of it."""
    found, edge = start, start
    while edge:
        edge = (edge << 1 | edge >> 1 | edge << width | edge >> width) & floor & ~found
        found |= edge
    return found
