"""How far a database has come towards the one that the reference solution leaves behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from credit_gym.envs.tau2.database import Address, Database, Row

Cells = dict[str, Any]
"""Path inside a row -> scalar."""


class Progress:
    """The distance of any database from the gold one.

    A database that the reference solution passes through has made the share of its changes that lie behind it. Any
    other is compared cell by cell, where a *cell* is a scalar of a row that differs between the beginning and the end:
    its share is the number of cells with their gold value over the number of all. A row is *wrong* when it holds a
    value that it has neither at the beginning nor anywhere along the solution; for a number, nor any that the
    solution's changes of it would give in another order.

    Args:
        path: the database at the beginning and after each call of the reference solution.
    """

    def __init__(self, path: Sequence[Database]) -> None:
        self.start = path[0]
        self._path = [path[0], *(after for before, after in pairwise(path) if after.changed != before.changed)]
        touched = dict.fromkeys(address for after in path for address in after.changed)
        self._steps = {a: [_cells(database.get(*a)) for database in self._path] for a in touched}
        self._wanted: dict[Address, Cells] = {}
        for address, cells in self._steps.items():
            first, last = cells[0], cells[-1]
            different = {p: last.get(p, _NOTHING) for p in {**first, **last} if not _same(first, last, p)}
            if different:
                self._wanted[address] = different
        self._cells = sum(map(len, self._wanted.values()))

    @property
    def changes(self) -> int:
        """How many calls of the reference solution change the database."""
        return len(self._path) - 1

    def share(self, database: Database) -> float:
        """Return the share of the way that a database has come, in [0, 1]; 1.0 where there is nothing to change."""
        if not self.changes:
            return 1.0
        for number in range(self.changes, -1, -1):
            if database.changed == self._path[number].changed:
                return number / self.changes
        right = 0
        for address, wanted in self._wanted.items():
            row = database.get(*address)
            if row is not self.start.get(*address):  # where nothing was touched, nothing is right yet
                now = _cells(row)
                right += sum(1 for path, value in wanted.items() if now.get(path, _NOTHING) == value)
        return right / self._cells if self._cells else 0.0

    def wrong_rows(self, database: Database) -> int:
        """Return how many rows hold something that does not belong there."""
        return sum(self._is_wrong(address, row) for address, row in _candidates(database, self.start))

    def _is_wrong(self, address: Address, row: Row | None) -> bool:
        steps = self._steps.get(address)
        if steps is None:
            return row != self.start.get(*address)
        now = _cells(row)
        return any(not _belongs(path, now, steps) for path in {**steps[0], **now})


def _candidates(database: Database, start: Database) -> Iterator[tuple[Address, Row | None]]:
    """The rows that could differ from those at the beginning."""
    for address in {**start.changed, **database.changed}:
        row = database.get(*address)
        if row is not start.get(*address):
            yield address, row


def _belongs(path: str, now: Cells, steps: Sequence[Cells]) -> bool:
    """Whether a cell's value is one that the solution's changes can give it."""
    value = now.get(path, _NOTHING)
    taken = [cells.get(path, _NOTHING) for cells in steps]
    if value in taken:
        return True
    if not _is_number(value) or not all(map(_is_number, taken)):
        return False
    changes = [after - before for before, after in pairwise(taken) if after != before][:_MOST_REORDERED]
    reached = {taken[0]}
    for change in changes:
        reached |= {number + change for number in reached}
    return any(abs(value - number) < _ROUNDING for number in reached)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same(first: Cells, last: Cells, path: str) -> bool:
    return bool(first.get(path, _NOTHING) == last.get(path, _NOTHING))


def _cells(row: Row | None) -> Cells:
    """The scalars of a row by their path; a row that does not exist has none."""
    cells: Cells = {}
    if row is not None:
        _collect(row, "", cells)
    return cells


def _collect(value: Any, path: str, into: Cells) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _collect(inner, f"{path}/{name}", into)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _collect(inner, f"{path}/{number}", into)
    else:
        into[path] = value


_NOTHING: Any = object()
_MOST_REORDERED = 10  # changes of one number whose orders are all considered
_ROUNDING = 1e-6
