"""The episodes of a stored run, read as they are asked for: however many there are, few are in memory at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np

from credit_gym.data.episode import Episode
from credit_gym.data.grouping import BoolArray, IntArray
from credit_gym.errors import StoreError
from credit_gym.store.naming import in_natural_order
from credit_gym.store.records import Outcomes

_AT_A_TIME = 256


class Layout(NamedTuple):
    """What is known of E stored episodes without reading them.

    Attributes:
        key: (E,) int64, by which the store finds each.
        group: (E,) int64, number of its group.
        steps: (E,) int64, how many it has.
        completed: (E,) bool, whether it came to its end.
    """

    key: IntArray
    group: IntArray
    steps: IntArray
    completed: BoolArray

    def select(self, which: IntArray | BoolArray) -> Layout:
        """Return the layout of some of them."""
        return Layout(self.key[which], self.group[which], self.steps[which], self.completed[which])


class StoredEpisodes(Sequence[Episode]):
    """A sequence of stored episodes.

    Args:
        load: returns the episodes of some keys, in their order.
        layout: of the episodes.
    """

    def __init__(self, load: Callable[[Sequence[int]], list[Episode]], layout: Layout) -> None:
        self.layout = layout
        self._load = load

    def __len__(self) -> int:
        return int(self.layout.key.size)

    @overload
    def __getitem__(self, index: int) -> Episode: ...
    @overload
    def __getitem__(self, index: slice) -> StoredEpisodes: ...
    def __getitem__(self, index: int | slice) -> Episode | StoredEpisodes:
        if isinstance(index, slice):
            return self.select(np.arange(len(self))[index])
        return self._load([int(self.layout.key[index])])[0]

    def __iter__(self) -> Iterator[Episode]:
        keys = self.layout.key.tolist()
        for start in range(0, len(keys), _AT_A_TIME):
            yield from self._load(keys[start : start + _AT_A_TIME])

    def select(self, which: IntArray | BoolArray) -> StoredEpisodes:
        """Return some of them: those of the numbers, or those that are marked."""
        return StoredEpisodes(self._load, self.layout.select(which))


def chosen(episodes: Sequence[Episode], numbers: IntArray) -> Sequence[Episode]:
    """Return the episodes of some places; those of a stored run are read when they are wanted."""
    if isinstance(episodes, StoredEpisodes):
        return episodes.select(numbers)
    return [episodes[i] for i in numbers.tolist()]


def read_layout(connection: sqlite3.Connection, run_id: str) -> Layout:
    """Return the layout of a run's episodes, numbers inside their ids in numeric order."""
    groups: dict[str, int] = {}
    ids, found = list[str](), [list[int]() for _ in Layout._fields]
    rows = "SELECT key, episode_id, group_id, steps, error IS NULL FROM episodes NOT INDEXED WHERE run_id = ?"
    for key, episode_id, group_id, steps, completed in connection.execute(rows, (run_id,)):
        if type(episode_id) is not str or type(steps) is not int or not 0 <= steps < 2**31:
            raise StoreError(f"A row of the episodes of {run_id} is damaged: restore the store from a copy.")
        ids.append(episode_id)
        values = (key, groups.setdefault(group_id, len(groups)), steps, completed)
        for column, value in zip(found, values, strict=True):
            column.append(value)
    key, group, steps, completed = (np.asarray(column, dtype=np.int64) for column in found)
    layout = Layout(key, group, steps, completed.astype(np.bool_))
    order = np.asarray(in_natural_order(ids), dtype=np.int64)
    return layout.select(order)


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
