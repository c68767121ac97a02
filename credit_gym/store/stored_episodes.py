"""The episodes of a stored run, read as they are asked for: however many there are, few are in memory at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, overload

import numpy as np

from credit_gym.data.columns import Column
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import BoolArray, IntArray
from credit_gym.data.interning import AnyArray, FlatColumns, StoredColumns
from credit_gym.errors import StoreError
from credit_gym.store.episode_cells import ManyCells, checksums, decode_columns, decode_episodes
from credit_gym.store.naming import in_natural_order
from credit_gym.store.records import Outcomes
from credit_gym.store.schema import LISTED_COLUMNS, quoted

_AT_A_TIME = 256
_OF_NO_RUN = "SELECT 1 FROM episodes WHERE run_id NOT IN (SELECT run_id FROM runs) LIMIT 1"

TextArray: TypeAlias = np.ndarray[Any, np.dtype[np.object_]]


class Layout(NamedTuple):
    """What is known of E stored episodes without reading them.

    Attributes:
        key: (E,) int64, by which the store finds each.
        id: (E,) str, its id.
        group: (E,) int64, number of its group.
        steps: (E,) int64, how many it has.
        completed: (E,) bool, whether it came to its end.
    """

    key: IntArray
    id: TextArray
    group: IntArray
    steps: IntArray
    completed: BoolArray

    def select(self, which: IntArray | BoolArray | slice) -> Layout:
        """Return the layout of some of them."""
        return Layout(self.key[which], self.id[which], self.group[which], self.steps[which], self.completed[which])


class StoredEpisodes(StoredColumns):
    """A sequence of stored episodes.

    Args:
        read: returns what is kept of the episodes of a layout.
        folder: folder of the store's files.
        layout: of the episodes.
    """

    def __init__(self, read: Callable[[Layout], ManyCells], folder: Path, layout: Layout) -> None:
        self.layout = layout
        self._read = read
        self._folder = folder

    def __len__(self) -> int:
        return int(self.layout.key.size)

    @overload
    def __getitem__(self, index: int) -> Episode: ...
    @overload
    def __getitem__(self, index: slice) -> StoredEpisodes: ...
    def __getitem__(self, index: int | slice) -> Episode | StoredEpisodes:
        if isinstance(index, slice):
            return self.select(np.arange(len(self))[index])
        (episode,) = self.select(np.arange(len(self))[[index]])
        return episode

    def __iter__(self) -> Iterator[Episode]:
        for cells in self._parts():
            yield from decode_episodes(self._folder, cells)

    def flat_columns(self, columns: Sequence[Column]) -> FlatColumns:
        """Return some columns, of which alone objects are made: it takes half the time that the episodes do.

        Raises:
            StoreError: an episode is damaged.
        """
        names = [column.name for column in columns]
        parts = [decode_columns(self._folder, cells, names) for cells in self._parts()]
        steps = [self.layout.steps[start : start + _AT_A_TIME] for start in range(0, len(self), _AT_A_TIME)]
        found = {
            column.name: _joined([part.get(column.name) for part in parts], steps, column)
            for column in columns
            if column.required or column.kind == "episode" or any(column.name in part for part in parts)
        }
        return FlatColumns(self.layout.steps.tolist(), found)

    def _parts(self) -> Iterator[ManyCells]:
        for start in range(0, len(self), _AT_A_TIME):
            yield self._read(self.layout.select(slice(start, start + _AT_A_TIME)))

    def select(self, which: IntArray | BoolArray) -> StoredEpisodes:
        """Return some of them: those of the numbers, or those that are marked."""
        return StoredEpisodes(self._read, self._folder, self.layout.select(which))


def chosen(episodes: Sequence[Episode], numbers: IntArray) -> Sequence[Episode]:
    """Return the episodes of some places; those of a stored run are read when they are wanted."""
    if isinstance(episodes, StoredEpisodes):
        return episodes.select(numbers)
    return [episodes[i] for i in numbers.tolist()]


def _joined(parts: Sequence[Any], steps: Sequence[IntArray], column: Column) -> Sequence[Any] | AnyArray:
    """The values of all parts; of a part in which no episode recorded the column, what is missing."""
    whole = [
        part if part is not None else [column.missing] * int((size + column.extra).sum())
        for part, size in zip(parts, steps, strict=True)
    ]
    return np.concatenate(whole) if whole and isinstance(whole[0], np.ndarray) else list(chain.from_iterable(whole))


def read_layout(connection: sqlite3.Connection, run_id: str) -> Layout:
    """Return the layout of a run's episodes, numbers inside their ids in numeric order."""
    if connection.execute(_OF_NO_RUN).fetchone():  # it may be one of this run, which would lack it without a word
        raise StoreError("An episode of the store belongs to no run, for its row is damaged: restore it from a copy.")
    query = f"SELECT key, {quoted(LISTED_COLUMNS)} FROM episodes NOT INDEXED WHERE run_id = ?"
    rows = connection.execute(query, (run_id,)).fetchall()
    columns = dict(zip(("key", *LISTED_COLUMNS), zip(*rows, strict=True), strict=True)) if rows else {}
    key, ids, group, steps = (columns.get(name, ()) for name in ("key", "episode_id", "group_id", "steps"))
    completed = [error is None for error in columns.get("error", ())]
    if rows and checksums(zip(*list(columns.values())[1:-1], strict=True)) != list(columns["checksum"]):
        raise StoreError(f"A row of the episodes of {run_id} is damaged: restore the store from a copy.")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(group))}
    layout = Layout(
        np.asarray(key, dtype=np.int64),
        np.asarray(ids, dtype=np.object_),
        np.asarray(list(map(numbers.__getitem__, group)), dtype=np.int64),
        np.asarray(steps, dtype=np.int64),
        np.asarray(completed, dtype=np.bool_),
    )
    return layout.select(np.asarray(in_natural_order(ids), dtype=np.int64))


def read_outcomes(connection: sqlite3.Connection, run_id: str) -> Outcomes:
    """Return how the episodes of a run ended."""
    (row,) = connection.execute(
        "SELECT count(*) FILTER (WHERE error IS NULL), count(error), sum(success) FILTER (WHERE error IS NULL),"
        " sum(steps) FILTER (WHERE error IS NULL), avg(episode_return) FILTER (WHERE error IS NULL)"
        " FROM episodes WHERE run_id = ?",
        (run_id,),
    )
    completed, errors, solved, steps, mean_return = row
    return Outcomes(completed, errors, solved or 0, steps or 0, mean_return)
