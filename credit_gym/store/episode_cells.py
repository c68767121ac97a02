"""Whole episodes to cells and back: a row of what an episode has once, and a row of its columns."""

from __future__ import annotations

import marshal
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.store.codecs import EPISODE_COLUMNS, Cell
from credit_gym.store.column_cells import STEP_COLUMNS
from credit_gym.store.schema import TOTAL_COLUMNS, quoted

_POINTS = frozenset(column.name for column in COLUMNS if column.kind == "point")
_REQUIRED = frozenset(column.name for column in COLUMNS if column.required)
_MUTABLE = frozenset(column.name for column in COLUMNS if column.type == "mapping")

Cells = Sequence[Any]


_ONCE = (*EPISODE_COLUMNS, *TOTAL_COLUMNS)
_STEP = tuple(STEP_COLUMNS)
_SUMMED = tuple(name for name in (*_ONCE, *_STEP) if name != "checksum")
_BY_NAME = tuple(sorted(_SUMMED))
_SORTED = itemgetter(*map(_SUMMED.index, _BY_NAME))
_PUT_ONCE = f"INSERT INTO episodes (run_id, {quoted(_ONCE)}) VALUES (?{', ?' * len(_ONCE)})"
_PUT_COLUMNS = f"INSERT INTO columns (episode, {quoted(_STEP)}) VALUES (?{', ?' * len(_STEP)})"
_READ = f"SELECT key, {quoted((*_ONCE, *_STEP))} FROM episodes JOIN columns ON episode = key WHERE key"


def put_cells(database: sqlite3.Connection, run_id: str, once: Cells, columns: Cells) -> None:
    """Put the rows of an episode (:func:`encode_episode`) into a run; called inside a transaction."""
    key = database.execute(_PUT_ONCE, (run_id, *once)).lastrowid
    database.execute(_PUT_COLUMNS, (key, *columns))


def read_cells(connection: sqlite3.Connection, keys: Cells) -> dict[int, Cells]:
    """Return the rows of the episodes of some keys, by key; what :func:`decode_episodes` takes."""
    rows = connection.execute(f"{_READ} IN ({', '.join('?' * len(keys))}) ORDER BY key", keys)
    return {key: cells for key, *cells in rows}


def encode_episode(folder: Path, episode: Episode) -> tuple[list[Cell], list[Cell]]:
    """Return the rows of an episode, its long values written to files.

    Args:
        folder: folder of the files.
        episode: the episode.

    Returns:
        The cells of EPISODE_COLUMNS, then how many steps it has, what they earned and a checksum of all cells; and the
        cells of STEP_COLUMNS.

    Raises:
        ValueError, TypeError, OverflowError: a value is not what its column holds.
    """
    once = [codec.encode(folder, getattr(episode, name)) for name, codec in EPISODE_COLUMNS.items()]
    columns = [
        None if (column := getattr(episode, name)) is None else codec.encode(folder, column)
        for name, codec in STEP_COLUMNS.items()
    ]
    once += len(episode), episode.episode_return
    return [*once, _checksum([*once, *columns])], columns


def decode_episodes(folder: Path, rows: Iterable[Cells]) -> list[Episode]:
    """Return the episodes of some rows.

    Args:
        folder: folder of the files.
        rows: a row an episode, the two that :func:`encode_episode` made one after the other.

    Raises:
        StoreError: a file or a cell is missing or damaged; the sentence names the first such episode.
    """
    rows = list(rows)
    try:
        return _decoded(folder, rows)
    except (StoreError, *_DAMAGE):
        for row in rows:
            try:
                _decoded(folder, [row])
            except (StoreError, *_DAMAGE) as error:
                found = str(error) if isinstance(error, StoreError) else f"a cell is damaged ({error})"
                raise StoreError(f"The episode {row[0]!r} cannot be read: {found}") from error
        raise


_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error)


def _checksum(cells: Cells) -> int:
    """CRC-32 of the cells of an episode as SQLite gives them back: it knows neither truth values nor NaN.

    A column that is added later, and has no cell in an older row, changes nothing.
    """
    plain = [int(cell) if cell is True or cell is False else cell for cell in _SORTED(cells)]
    return _digest(_BY_NAME, [cell if cell == cell else None for cell in plain])


def _digest(names: Sequence[str], cells: Cells) -> int:
    """CRC-32 of the cells of some columns, leaving out those without one."""
    kept = list(zip(names, cells, strict=True))
    if None in cells:
        kept = [(name, cell) for name, cell in kept if cell is not None]
    return zlib.crc32(marshal.dumps(kept, 2))  # of this version of the format equal cells have equal bytes


def _check(columns: Mapping[str, Cells]) -> None:
    """Refuse rows that are not as they were written, which SQLite would not notice; older ones have no checksum."""
    names = [name for name in _BY_NAME if columns[name].count(None) < len(columns[name])]
    for written, row in zip(columns["checksum"], zip(*(columns[name] for name in names), strict=True), strict=True):
        if written != _digest(names, row) and written is not None:
            raise StoreError("it is no longer as it was written: restore the store from a copy.")


def _decoded(folder: Path, rows: Sequence[Cells]) -> list[Episode]:
    """Decode column after column, each for all episodes at once."""
    if not rows:
        return []
    columns = dict(zip((*_ONCE, *_STEP), zip(*rows, strict=True), strict=True))
    _check(columns)
    steps, points = columns["steps"], [size + 1 for size in columns["steps"]]
    found: dict[str, Sequence[Any]] = {
        name: (list(map(decode, columns[name])) if name in _MUTABLE else _each_once(decode, columns[name]))
        for name, codec in EPISODE_COLUMNS.items()
        for decode in [partial(codec.decode, folder)]
    }
    for name, codec in STEP_COLUMNS.items():
        column, sizes = columns[name], points if name in _POINTS else steps
        if None not in column:
            found[name] = codec.decode(folder, column, sizes)
            continue
        if name in _REQUIRED:
            raise ValueError(f"{name} is missing")
        recorded = [i for i, cell in enumerate(column) if cell is not None]
        if recorded:
            decoded = codec.decode(folder, [column[i] for i in recorded], [sizes[i] for i in recorded])
            by_episode = dict(zip(recorded, decoded, strict=True))
            found[name] = [by_episode.get(i) for i in range(len(rows))]
    names = tuple(found)
    return [Episode.of_columns(zip(names, row, strict=True)) for row in zip(*found.values(), strict=True)]


def _each_once(decode: Callable[[Cell], Any], cells: Cells) -> list[Any]:
    """Decode cells of which many are equal, such as the names of their task."""
    values = {cell: decode(cell) for cell in dict.fromkeys(cells)}
    return [values[cell] for cell in cells]
