"""Stores of versions 1 to 5: read as episodes, or as cells, and as credits, when they are upgraded.

Version 5 had two rows an episode, as the present one has, but a cell for each column. Up to version 4 a step was a row;
their cells were of single values: NULL in a recorded column of numbers is NaN, a long text is the digest of its file,
a row of numbers is a slice of one; which columns were recorded is listed with the episode. A version may lack columns.
"""

from __future__ import annotations

import marshal
import math
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.store import blobs
from credit_gym.store.codecs import EPISODE_COLUMNS, decode_json, decode_text, load
from credit_gym.store.column_cells import STEP_COLUMNS, growing, histories, stored_type
from credit_gym.store.episode_cells import EpisodeCells, cells_of

_SLICE = struct.Struct("<32sQQ")  # digest of the file, first value, number of values
_KEPT = struct.Struct("<Q")  # values that a growing row shares with the one before it

Cells = Sequence[Any]


def older_episodes(connection: sqlite3.Connection, folder: Path) -> Iterator[tuple[int, Episode]]:
    """Yield the key of each episode with the episode.

    Args:
        connection: the store.
        folder: folder of its files.

    Raises:
        StoreError: a file or a cell is missing or damaged.
    """
    once = _present(connection, "episodes", EPISODE_COLUMNS)
    columns = _present(connection, "steps", _DECODE)
    rows = connection.execute(f"SELECT key, recorded, {_quoted(once)} FROM episodes ORDER BY key")
    for key, recorded, *cells in rows.fetchall():  # they are rewritten meanwhile
        steps = connection.execute(f"SELECT {_quoted(columns)} FROM steps WHERE episode = ? ORDER BY step", (key,))
        values = dict(zip(once, cells, strict=True))
        try:
            known = frozenset(load(recorded))
            found = {name: EPISODE_COLUMNS[name].decode(folder, cell) for name, cell in values.items()}
            for name, column in zip(columns, zip(*steps, strict=True), strict=True):
                if name in known:
                    found[name] = tuple(_DECODE[name](folder, column if name in _POINTS else column[:-1]))
            yield key, Episode(**found)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error, StoreError) as error:
            problem = str(error) if isinstance(error, StoreError) else f"a cell is damaged ({error})"
            raise StoreError(f"The episode {values.get('episode_id')!r} cannot be read: {problem}") from error


def cells_of_version_5(connection: sqlite3.Connection) -> Iterator[tuple[int, EpisodeCells]]:
    """Yield the key of each episode with what is now kept of it; the damaged stay so, and are refused when read."""
    present = [*_present(connection, "episodes", EPISODE_COLUMNS), *_present(connection, "columns", STEP_COLUMNS)]
    once, columns = (
        [f'{table}."{name}"' for name in _present(connection, table, names)]
        for table, names in (("episodes", EPISODE_COLUMNS), ("columns", STEP_COLUMNS))
    )
    totals = ("steps", "episode_return", "checksum")
    asked = ", ".join((*once, *columns, *(f"episodes.{name}" for name in totals)))
    keys = connection.execute("SELECT key FROM episodes ORDER BY key").fetchall()
    for (key,) in keys:  # one by one: they are rewritten meanwhile
        query = f"SELECT {asked} FROM episodes LEFT JOIN columns ON episode = key WHERE key = ?"
        row = connection.execute(query, (key,)).fetchone()
        found = {name: cell for name, cell in zip((*present, *totals), row, strict=True) if cell is not None}
        written = found.pop("checksum", None)
        known = zlib.crc32(marshal.dumps(sorted(found.items(), key=itemgetter(0)), 2))
        steps, total = found.pop("steps", None), found.pop("episode_return", None)
        cells = cells_of(found, steps, total)
        yield key, cells if written in (known, None) else cells._replace(columns={**cells.columns, "checksum": None})


def older_credits(connection: sqlite3.Connection) -> Iterator[tuple[int, int, list[float]]]:
    """Yield target, episode and the credits of the episode's steps, NaN where a step has none."""
    rows = connection.execute(
        "SELECT target, episode, step, credit, (SELECT max(step) FROM steps WHERE steps.episode = credits.episode)"
        " FROM credits ORDER BY target, episode"
    )
    for (target, episode), given in groupby(rows, itemgetter(0, 1)):
        kept = list(given)
        credits = [math.nan] * kept[0][4]
        for _, _, step, credit, _ in kept:
            credits[step] = math.nan if credit is None else credit
        yield target, episode, credits


def _present(connection: sqlite3.Connection, table: str, names: Iterable[str]) -> list[str]:
    there = {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}
    return [name for name in names if name in there]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _slices(kind: str) -> Callable[[Path, Cells], list[tuple[Any, ...]]]:
    def decode(folder: Path, cells: Cells) -> list[tuple[Any, ...]]:
        slices = [_SLICE.unpack(cell) for cell in cells]
        files = {digest: blobs.get(folder, digest) for digest in {digest for digest, *_ in slices}}
        return [struct.unpack_from(f"<{count}{kind}", files[digest], 8 * first) for digest, first, count in slices]

    return decode


def _growing(folder: Path, cells: Cells) -> Iterable[tuple[int, ...]]:
    new = _slices("q")(folder, [cell[_KEPT.size :] for cell in cells])
    return growing(zip((_KEPT.unpack_from(cell)[0] for cell in cells), new, strict=True))


_DECODERS: dict[str, Callable[[Path, Cells], Iterable[Any]]] = {
    "text": lambda folder, cells: [decode_text(folder, cell) for cell in cells],
    "texts": lambda folder, cells: [tuple(decode_json(folder, cell)) for cell in cells],
    "calls": lambda folder, cells: [tuple(decode_json(folder, cell)) for cell in cells],
    "number": lambda _, cells: [math.nan if cell is None else float(cell) for cell in cells],
    "integer": lambda _, cells: cells,
    "flag": lambda _, cells: map(bool, cells),
    "messages": lambda folder, cells: histories([decode_json(folder, cell) for cell in cells]),
    "integers": _slices("q"),
    "number a token": _slices("d"),
    "integer a token": _slices("q"),
    "growing": _growing,
}
_DECODE = {column.name: _DECODERS[stored_type(column)] for column in COLUMNS if column.kind != "episode"}
_POINTS = frozenset(column.name for column in COLUMNS if column.kind == "point")
