"""From episodes to the arrays of a batch: texts become ids, what was not recorded becomes NaN, ragged rows lie flat."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from operator import attrgetter, is_not
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from credit_gym.data.columns import COLUMNS, Column
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import IntArray
from credit_gym.data.keys import Key, labels
from credit_gym.errors import BatchError

AnyArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]

DTYPES: dict[str, type[np.generic]] = {
    "text": np.int64,
    "number": np.float64,
    "integer": np.int64,
    "flag": np.bool_,
}
"""Type of a column -> dtype of its array; texts are ids."""

_POINTS = next(column for column in COLUMNS if column.batch == "state")
_ONCE = tuple(column for column in COLUMNS if column.batch and column.kind == "episode")
_ROWS = tuple(c for c in COLUMNS if c.batch and c.kind in ("step", "point") and c is not _POINTS)
_TOKENS = tuple(column for column in COLUMNS if column.batch and column.kind == "token")
_SHOWN = {"state": "state_keys", "observation": "observations"}


class FlatColumns(NamedTuple):
    """Some columns of E episodes.

    Attributes:
        steps: (E,) how many steps each has.
        columns: by name: what each episode has once; or the values of all, one after the other. A column that nobody
            recorded is left out; where some did, the others have what is missing (:attr:`Column.missing`).
    """

    steps: Sequence[int]
    columns: Mapping[str, Sequence[Any] | AnyArray]


class StoredColumns(Sequence[Episode]):
    """Episodes whose columns can be had without the episodes."""

    @abstractmethod
    def flat_columns(self, columns: Sequence[Column]) -> FlatColumns:
        """Return some columns."""


def interned(episodes: Sequence[Episode], key: Key) -> dict[str, Any]:
    """Return the fields of the :class:`~credit_gym.data.batch.EpisodeBatch` of some episodes.

    Args:
        episodes: E episodes.
        key: what a state is pooled by (:mod:`credit_gym.data.keys`).

    Raises:
        UnknownNameError: there is no such key.
        MissingColumnError: no episode has the column that the key reads.
        BatchError: a function does not give one label a point, or the token columns of a step are not of one length.
    """
    pooled = [column for column in COLUMNS if isinstance(key, str) and column.name == _SHOWN.get(key)]
    steps, columns = _flat_columns(episodes, [*_ONCE, *_ROWS, *_TOKENS, *pooled])
    seen = columns[pooled[0].name] if pooled else chain.from_iterable(labels(list(episodes), key))
    offsets = np.concatenate([[0], np.cumsum(steps)]).astype(np.int64)
    points, vocabulary = _intern(seen)
    after = np.ones(points.size, dtype=np.bool_)  # points that follow a step
    before = np.ones(points.size, dtype=np.bool_)  # points that precede a step
    after[offsets[:-1] + np.arange(len(episodes))] = False
    before[offsets[1:] + np.arange(len(episodes))] = False
    found: dict[str, Any] = {
        "offsets": offsets,
        "state": points[before],
        "next_state": points[after],
        "state_vocabulary": vocabulary,
    }
    for column in (*_ONCE, *_ROWS):
        if column.name in columns:
            found |= _array(column, columns[column.name])
    return found | _token_columns({column.batch: columns[column.name] for column in _TOKENS if column.name in columns})


def _flat_columns(episodes: Sequence[Episode], columns: Sequence[Column]) -> FlatColumns:
    if isinstance(episodes, StoredColumns):
        return episodes.flat_columns(columns)
    found: dict[str, Sequence[Any]] = {}
    for column in columns:
        if column.kind == "episode":
            found[column.name] = list(map(attrgetter(column.name), episodes))
        elif (rows := _given(column, episodes)) is not None:
            found[column.name] = list(chain.from_iterable(rows))
    return FlatColumns(list(map(len, episodes)), found)


def _given(column: Column, episodes: Sequence[Episode]) -> list[Sequence[Any]] | None:
    """A column of every episode, filled where one lacks it; None where it is optional and all do, as most often."""
    rows = list(map(attrgetter(column.name), episodes))
    there = list(map(is_not, rows, repeat(None)))
    if not any(there) and not column.required:
        return None
    if all(there):
        return rows
    return [
        row if row is not None else (column.missing,) * (len(episode) + column.extra)
        for row, episode in zip(rows, episodes, strict=True)
    ]


def _array(column: Column, values: Sequence[Any] | AnyArray) -> dict[str, Any]:
    if column.type == "text":
        ids, vocabulary = _intern(values)
        return {column.batch: ids, f"{column.batch}_vocabulary": vocabulary}
    return {column.batch: np.asarray(values, dtype=DTYPES[column.type])}


def _intern(texts: Iterable[str]) -> tuple[IntArray, tuple[str, ...]]:
    texts = list(texts)
    vocabulary = tuple(dict.fromkeys(texts))
    table = dict(zip(vocabulary, range(len(vocabulary)), strict=True))
    return np.fromiter(map(table.__getitem__, texts), dtype=np.int64, count=len(texts)), vocabulary


def _token_columns(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Ragged columns laid flat, given as a row a step; a step without them has no tokens."""
    if not rows:
        return {}
    widths = [len(row) for row in next(iter(rows.values()))]
    for name, ragged in rows.items():
        if [len(row) for row in ragged] != widths:
            raise BatchError(f"Column {name!r} does not have the same tokens as the policy's log-probabilities.")
    with np.errstate(over="ignore"):  # beyond a float32 is infinite, and what that counts as is the scorers' to say
        columns: dict[str, Any] = {
            name: np.asarray([value for row in ragged for value in row], dtype=np.float32)
            for name, ragged in rows.items()
        }
    return {"logprob_offsets": np.concatenate([[0], np.cumsum(widths)]).astype(np.int64), **columns}
