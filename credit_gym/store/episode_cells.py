"""Whole episodes to cells and back: a row that runs are listed and parts of them found by, and a row of all there is.

Each row carries a checksum: SQLite gives back what lies in the file, and does not notice a bit that flipped there.
"""

from __future__ import annotations

import marshal
import sqlite3
import struct
import zlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.data.interning import AnyArray
from credit_gym.errors import StoreError
from credit_gym.store.codecs import EPISODE_COLUMNS, Cell
from credit_gym.store.column_cells import STEP_COLUMNS, flat
from credit_gym.store.packing import PACKED, is_whole, names_of, pack, unpack
from credit_gym.store.schema import LISTED, quoted

_POINTS = frozenset(column.name for column in COLUMNS if column.kind == "point")
_REQUIRED = frozenset(column.name for column in COLUMNS if column.required)
_MUTABLE = frozenset(column.name for column in COLUMNS if column.type == "mapping")
_MISSING = {column.name: column.missing for column in COLUMNS if column.kind != "episode"}

Cells = Sequence[Any]

_OWN = (*EPISODE_COLUMNS, *STEP_COLUMNS)
_READ, _READ_OWN = (
    f"SELECT episode, {quoted(names)} FROM columns WHERE episode IN" for names in ((*PACKED, "checksum"), _OWN)
)


class EpisodeCells(NamedTuple):
    """What is kept of an episode, by name of the cell.

    Attributes:
        listed: in the table of episodes.
        columns: in the table of columns.
    """

    listed: Mapping[str, Cell]
    columns: Mapping[str, Cell]


class ManyCells(NamedTuple):
    """What is kept of E episodes.

    Attributes:
        ids: (E,) their ids.
        steps: (E,) how many steps each has.
        rows: (E,) of each the key, the cells of :data:`~credit_gym.store.packing.PACKED` and a checksum.
        own: place of an episode -> cells of its columns that are not packed, by name.
    """

    ids: Sequence[str]
    steps: Sequence[int]
    rows: Sequence[Cells]
    own: Mapping[int, Mapping[str, Cell]]


def put_cells(database: sqlite3.Connection, run_id: str, cells: EpisodeCells) -> None:
    """Put the rows of an episode into a run; called inside a transaction."""
    key = _insert(database, "episodes", {"run_id": run_id, **cells.listed})
    put_columns(database, key, cells.columns)


def put_columns(database: sqlite3.Connection, key: int | None, columns: Mapping[str, Cell]) -> None:
    """Put the cells of the columns of an episode, given its key; called inside a transaction."""
    _insert(database, "columns", {"episode": key, **columns})


def _insert(database: sqlite3.Connection, table: str, cells: Mapping[str, Cell]) -> int | None:
    statement = f"INSERT INTO {table} ({quoted(tuple(cells))}) VALUES ({', '.join('?' * len(cells))})"
    return database.execute(statement, tuple(cells.values())).lastrowid


def read_cells(
    connection: sqlite3.Connection, keys: Sequence[int], ids: Sequence[str], steps: Sequence[int]
) -> ManyCells:
    """Return what is kept of the episodes of some keys, in their order.

    Args:
        connection: the store.
        keys: (E,) of the episodes.
        ids: (E,) as they are listed.
        steps: (E,) likewise.

    Raises:
        StoreError: one of them is gone.
    """
    rows = connection.execute(f"{_READ} ({', '.join('?' * len(keys))}) ORDER BY episode", keys).fetchall()
    if [row[0] for row in rows] != list(keys):
        found = {row[0]: row for row in rows}
        for key, episode_id in zip(keys, ids, strict=True):
            if key not in found:
                raise StoreError(f"The episode {episode_id!r} is no longer there: read the run again.")
        rows = [found[key] for key in keys]
    if all(map(is_whole, {row[1] for row in rows})):
        return ManyCells(ids, steps, rows, {})
    places = {row[0]: place for place, row in enumerate(rows) if not is_whole(row[1])}
    own = {
        places[key]: {name: cell for name, cell in zip(_OWN, cells, strict=True) if cell is not None}
        for key, *cells in connection.execute(f"{_READ_OWN} ({', '.join('?' * len(places))})", tuple(places))
    }
    return ManyCells(ids, steps, rows, own)


def encode_episode(folder: Path, episode: Episode) -> EpisodeCells:
    """Return the cells of an episode, its long values written to files.

    Args:
        folder: folder of the files.
        episode: the episode.

    Raises:
        ValueError, TypeError, OverflowError: a value is not what its column holds.
    """
    cells = {
        name: codec.encode(folder, column)
        for codecs in (EPISODE_COLUMNS, STEP_COLUMNS)
        for name, codec in codecs.items()
        if (column := getattr(episode, name)) is not None
    }
    return cells_of(cells, len(episode), episode.episode_return)


def cells_of(cells: Mapping[str, Cell], steps: Cell, episode_return: Cell) -> EpisodeCells:
    """Return what is kept of the columns of an episode, given a cell each, of their number and their sum."""
    listed = {**{name: cells.get(name) for name in LISTED}, "steps": steps, "episode_return": episode_return}
    columns = pack(cells)
    kept = tuple(cell if cell == cell else None for cell in listed.values())  # SQLite has no NaN
    of_listed, of_columns = checksums([kept, tuple(columns.values())])
    return EpisodeCells({**listed, "checksum": of_listed}, {**columns, "checksum": of_columns})


def checksums(rows: Iterable[tuple[Cell, ...]]) -> list[int]:
    """Return the CRC-32 of each of some rows of cells."""
    return list(map(zlib.crc32, map(marshal.dumps, rows, repeat(_MARSHAL))))


_MARSHAL = 2  # the version of the format in which equal cells have equal bytes


def decode_episodes(folder: Path, cells: ManyCells) -> list[Episode]:
    """Return the episodes of some cells.

    Args:
        folder: folder of the files.
        cells: of the episodes.

    Raises:
        StoreError: a file or a cell is missing or damaged; the sentence names the first such episode.
    """
    return _naming_the_damaged(_episodes, folder, cells)


def decode_columns(folder: Path, cells: ManyCells, names: Iterable[str]) -> dict[str, Sequence[Any] | AnyArray]:
    """Return some columns of some episodes: what each has once, or the entries of all, one after the other.

    Args:
        folder: folder of the files.
        cells: of the episodes; all that they hold is checked.
        names: of the columns. One that no episode recorded is left out; where some did, the others have what is
            missing.

    Raises:
        StoreError: as :func:`decode_episodes`.
    """
    return _naming_the_damaged(partial(_columns, names=tuple(names)), folder, cells)


_Found = TypeVar("_Found")
_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error)


def _naming_the_damaged(decode: Callable[[Path, ManyCells], _Found], folder: Path, cells: ManyCells) -> _Found:
    """Decode some cells; an error names the first episode that has it alone."""
    try:
        return decode(folder, cells)
    except (StoreError, *_DAMAGE):
        for place, (name, steps, row) in enumerate(zip(cells.ids, cells.steps, cells.rows, strict=True)):
            try:
                decode(folder, ManyCells([name], [steps], [row], {0: cells.own.get(place, {})}))
            except (StoreError, *_DAMAGE) as error:
                found = str(error) if isinstance(error, StoreError) else f"a cell is damaged ({error})"
                raise StoreError(f"The episode {name!r} cannot be read: {found}") from error
        raise


def _episodes(folder: Path, cells: ManyCells) -> list[Episode]:
    """Decode column after column, each for all episodes at once."""
    kept = _kept(cells, _OWN)
    found: dict[str, Sequence[Any]] = {name: _once(name, folder, kept, cells) for name in EPISODE_COLUMNS}
    for name in STEP_COLUMNS:
        sizes, recorded, column = _recorded(name, kept, cells)
        rows = STEP_COLUMNS[name].decode(folder, column, [sizes[i] for i in recorded]) if recorded else []
        if len(recorded) == len(sizes):
            found[name] = rows
        elif recorded:
            by_episode = dict(zip(recorded, rows, strict=True))
            found[name] = [by_episode.get(i) for i in range(len(sizes))]
    names = tuple(found)
    return [Episode.of_columns(zip(names, row, strict=True)) for row in zip(*found.values(), strict=True)]


def _columns(folder: Path, cells: ManyCells, names: Sequence[str]) -> dict[str, Sequence[Any] | AnyArray]:
    kept = _kept(cells, names)
    found: dict[str, Sequence[Any] | AnyArray] = {}
    for name in names:
        if name in EPISODE_COLUMNS:
            found[name] = _once(name, folder, kept, cells)
            continue
        codec, (sizes, recorded, column) = STEP_COLUMNS[name], _recorded(name, kept, cells)
        if len(recorded) == len(sizes):
            found[name] = flat(codec, folder, column, sizes)
        elif recorded:
            rows = codec.decode(folder, column, [sizes[i] for i in recorded])
            by_episode, missing = dict(zip(recorded, rows, strict=True)), (_MISSING[name],)
            found[name] = [value for i, size in enumerate(sizes) for value in by_episode.get(i, missing * size)]
    return found


def _kept(cells: ManyCells, names: Container[str]) -> dict[str, Cells]:
    """The cells of some columns by name, None where an episode has none; all are as they were written."""
    if len({row[1] for row in cells.rows}) == 1:
        return _kept_alike(cells, names)
    alike: dict[Any, list[int]] = {}
    for place, row in enumerate(cells.rows):
        alike.setdefault(row[1], []).append(place)
    found: dict[str, list[Cell]] = {}
    for places in alike.values():
        steps, rows = [cells.steps[i] for i in places], [cells.rows[i] for i in places]
        own = {place: cells.own[i] for place, i in enumerate(places) if i in cells.own}
        for name, column in _kept_alike(ManyCells((), steps, rows, own), names).items():
            row = found.setdefault(name, [None] * len(cells.rows))
            for place, cell in zip(places, column, strict=True):
                row[place] = cell
    return dict(found)


def _kept_alike(cells: ManyCells, names: Container[str]) -> dict[str, Cells]:
    """The same of episodes that recorded the same columns."""
    _, (recorded, *_), numbers, texts, written = columns = tuple(zip(*cells.rows, strict=True))
    there = names_of(recorded)
    own = {name: [cells.own[place][name] for place in range(len(cells.rows))] for name in there.own}
    if checksums(zip(*columns[1:-1], *own.values(), strict=True)) != list(written):
        raise StoreError("it is no longer as it was written: restore the store from a copy.")
    return {**unpack(there, numbers, texts, cells.steps, names), **own}


def _recorded(name: str, kept: Mapping[str, Cells], cells: ManyCells) -> tuple[Sequence[int], Sequence[int], Cells]:
    """How many entries of a column each episode has, the places of those that recorded it, and their cells."""
    every, column = range(len(cells.steps)), kept.get(name, ())
    sizes = [size + 1 for size in cells.steps] if name in _POINTS else cells.steps
    if None not in column and column:
        return sizes, every, column
    if name in _REQUIRED and every:
        raise ValueError(f"{name} is missing")
    recorded = [i for i, cell in enumerate(column) if cell is not None]
    return sizes, recorded, [column[i] for i in recorded]


def _once(name: str, folder: Path, kept: Mapping[str, Cells], cells: ManyCells) -> list[Any]:
    """A column that an episode has once; of equal cells, such as the names of tasks, each is decoded once."""
    decode, column = EPISODE_COLUMNS[name].decode, kept.get(name) or (None,) * len(cells.steps)
    if name in _MUTABLE:
        return [decode(folder, cell) for cell in column]
    values = {cell: decode(folder, cell) for cell in dict.fromkeys(column)}
    return [values[cell] for cell in column]
