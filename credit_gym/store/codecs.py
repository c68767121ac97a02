"""How each field of an Episode is kept: one row per step, exact to the bit, long values in files.

Values inside a row have SQLite's own types. A text that is long, or that is not legal UTF-8 (models do emit lone
surrogates), is a file, and its cell holds the 32-byte digest instead: TEXT is the text itself, BLOB is a reference.
SQLite keeps NaN as NULL, so whether a column was recorded at all is listed beside it: NULL in a recorded column of
numbers is NaN, and a column that was not recorded is None.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from credit_gym.data.columns import COLUMNS, Column
from credit_gym.data.episode import Episode
from credit_gym.data.foreign_text import read_json, readable
from credit_gym.errors import StoreError
from credit_gym.store import blobs

Cell = str | bytes | int | float | None

INLINE_BYTES = 1024
"""The longest text that is kept inside its row."""

_SLICE = struct.Struct("<32sQQ")  # digest of the file, first value, number of values
_KEPT = struct.Struct("<Q")  # values that a growing row shares with the one before it


class Codec(NamedTuple):
    """How one column goes to cells, one cell an entry, and back; both may touch the folder of files."""

    encode: Callable[[Path, Sequence[Any]], list[Cell]]
    decode: Callable[[Path, Sequence[Any]], Iterable[Any]]


def encode_text(folder: Path, text: str) -> Cell:
    """Return the cell of a text: itself when it is short, else the digest of its file."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return blobs.put(folder, text.encode("utf-8", "surrogatepass"))
    return text if len(data) <= INLINE_BYTES else blobs.put(folder, data)


def decode_text(folder: Path, cell: str | bytes) -> str:
    """Return the text of a cell."""
    return cell if isinstance(cell, str) else blobs.get(folder, cell).decode("utf-8", "surrogatepass")


def encode_json(folder: Path, value: Any) -> Cell:
    """Return the cell of a value made of JSON's types.

    Raises:
        StoreError: the value holds something that JSON cannot.
    """
    return encode_text(folder, dump(value))


def decode_json(folder: Path, cell: str | bytes) -> Any:
    """Return the value of a cell; arrays are lists."""
    return load(decode_text(folder, cell))


def load(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        StoreError: the text is damaged.
    """
    try:
        return read_json(text)
    except (ValueError, TypeError) as error:
        raise StoreError(f"A value in the store is damaged ({error}): restore the store from a copy.") from error


def load_mapping(text: str) -> dict[str, Any]:
    """Return the JSON object of a text; see :func:`load`."""
    value = load(text)
    if not isinstance(value, dict):
        raise StoreError("A value in the store is damaged (it is no object): restore the store from a copy.")
    return value


def dump(value: Any, *, canonical: bool = False) -> str:
    """Return a value as JSON; ``canonical`` sorts the keys, so that equal values have equal texts."""
    try:
        return readable(
            json.dumps(value, ensure_ascii=False, sort_keys=canonical, separators=(",", ":"), default=_plain)
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"Only JSON's types can be stored in messages, options and results: {error}.") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not one of them")


def _decode_number(_: Path, cells: Sequence[float | None]) -> list[float]:
    return [math.nan if cell is None else float(cell) for cell in cells]


def _encode_messages(folder: Path, column: Sequence[Sequence[Mapping[str, Any]]]) -> list[Cell]:
    """Keep of each history only what the step before did not have: a growing chat costs O(T), not O(T^2)."""
    cells, before = [], list[dict[str, Any]]()
    for history in column:
        messages = [dict(message) for message in history]
        kept = 0
        while kept < min(len(before), len(messages)) and _same(before[kept], messages[kept]):
            kept += 1
        cells.append(encode_json(folder, [kept, messages[kept:]]))
        before = messages
    return cells


def _same(one: Any, other: Any) -> bool:
    """Whether two values have the same JSON; equality is not enough, it knows no order of keys and takes 1 for True."""
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return _same(list(one.items()), list(other.items()))
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return dump(one) == dump(other)


def _decode_messages(folder: Path, cells: Sequence[str | bytes]) -> list[tuple[Mapping[str, Any], ...]]:
    column, before = [], tuple[Mapping[str, Any], ...]()
    for cell in cells:
        kept, new = decode_json(folder, cell)
        before = before[:kept] + tuple(new)
        column.append(before)
    return column


def _ragged(dtype: str) -> Codec:
    """Lay a ragged column of numbers in one file; each cell points at its slice."""

    def encode(folder: Path, column: Sequence[Sequence[float]]) -> list[Cell]:
        digest = blobs.put(folder, np.asarray([value for row in column for value in row], dtype=dtype).tobytes())
        ends = list(accumulate(map(len, column), initial=0))
        return [_SLICE.pack(digest, first, len(row)) for first, row in zip(ends, column, strict=False)]

    def decode(folder: Path, cells: Sequence[bytes]) -> list[tuple[Any, ...]]:
        slices = [_SLICE.unpack(cell) for cell in cells]
        files = {digest: np.frombuffer(blobs.get(folder, digest), dtype=dtype) for digest in {s[0] for s in slices}}
        return [tuple(files[digest][first : first + count].tolist()) for digest, first, count in slices]

    return Codec(encode, decode)


def _encode_growing(folder: Path, column: Sequence[tuple[int, ...]]) -> list[Cell]:
    """Keep of each row only what follows the part it shares with the row before: growing prompts cost O(T)."""
    shared = [_shared(before, row) for before, row in pairwise(((), *column))]
    slices = INTEGERS.encode(folder, [row[kept:] for kept, row in zip(shared, column, strict=True)])
    return [_KEPT.pack(kept) + cell for kept, cell in zip(shared, cast("list[bytes]", slices), strict=True)]


def _decode_growing(folder: Path, cells: Sequence[bytes]) -> list[tuple[int, ...]]:
    column, before = [], tuple[int, ...]()
    new = INTEGERS.decode(folder, [cell[_KEPT.size :] for cell in cells])
    for cell, row in zip(cells, new, strict=True):
        before = before[: _KEPT.unpack_from(cell)[0]] + row
        column.append(before)
    return column


def _shared(before: tuple[int, ...], row: tuple[int, ...]) -> int:
    """The length of the common beginning of two rows."""
    if row[: len(before)] == before:
        return len(before)
    return next(i for i, (old, new) in enumerate(zip((*before, None), (*row, None), strict=False)) if old != new)


TEXT = Codec(lambda f, c: [encode_text(f, v) for v in c], lambda f, c: [decode_text(f, v) for v in c])
TEXTS = Codec(lambda f, c: [encode_json(f, list(v)) for v in c], lambda f, c: [tuple(decode_json(f, v)) for v in c])
NUMBER = Codec(lambda f, c: [float(v) for v in c], _decode_number)
INTEGER = Codec(lambda f, c: [int(v) for v in c], lambda f, c: c)
FLAG = Codec(lambda f, c: [bool(v) for v in c], lambda f, c: [bool(v) for v in c])
RAGGED = _ragged("<f8")
INTEGERS = _ragged("<i8")
GROWING = Codec(_encode_growing, _decode_growing)
MESSAGES = Codec(_encode_messages, _decode_messages)

_UNSIGNED = Codec(  # seeds are 64-bit and unsigned, SQLite's integers are signed
    lambda f, c: [None if v is None else str(int(v)) for v in c],
    lambda f, c: [None if v is None else int(v) for v in c],
)
_OPTIONAL_TEXT = Codec(
    lambda f, c: [None if v is None else encode_text(f, v) for v in c],
    lambda f, c: [None if v is None else decode_text(f, v) for v in c],
)

CODECS: dict[str, Codec] = {
    "text": TEXT,
    "texts": TEXTS,
    "number": NUMBER,
    "integer": INTEGER,
    "integers": INTEGERS,
    "flag": FLAG,
    "messages": MESSAGES,
    "calls": TEXTS,  # a row of anything that JSON can hold
    "mapping": Codec(lambda f, c: [encode_json(f, v) for v in c], lambda f, c: [decode_json(f, v) for v in c]),
    "number a token": RAGGED,
    "integer a token": INTEGERS,
    "growing": GROWING,
    "key": Codec(lambda f, c: list(c), lambda f, c: c),  # always inside the row
    "unsigned": _UNSIGNED,
    "optional text": _OPTIONAL_TEXT,
}
"""Type of a column, or the name that it is stored under -> codec."""


def _codec(column: Column) -> Codec:
    return CODECS[column.stored or (f"{column.type} a token" if column.kind == "token" else column.type)]


STEP_COLUMNS = {column.name: _codec(column) for column in COLUMNS if column.kind != "episode"}
"""Episode field -> codec. An episode of T steps has T+1 rows: the last holds what is known after the final action."""

EPISODE_COLUMNS = {column.name: _codec(column) for column in COLUMNS if column.kind == "episode"}
"""Episode field -> codec, for the fields that an episode has once."""

_POINT_COLUMNS = frozenset(column.name for column in COLUMNS if column.kind == "point")


def encode_episode(folder: Path, episode: Episode) -> tuple[list[Cell], list[tuple[Cell, ...]]]:
    """Return the rows of an episode, its long values written to files.

    Args:
        folder: folder of the files.
        episode: the episode, T steps long.

    Returns:
        The cells of EPISODE_COLUMNS and, after them, the recorded step columns as JSON; and T+1 rows of STEP_COLUMNS.
    """
    once = [codec.encode(folder, [getattr(episode, name)])[0] for name, codec in EPISODE_COLUMNS.items()]
    recorded, columns = list[str](), list[list[Cell]]()
    for name, codec in STEP_COLUMNS.items():
        column = getattr(episode, name)
        if column is None:
            columns.append([None] * (len(episode) + 1))
            continue
        recorded.append(name)
        columns.append(codec.encode(folder, column) + ([] if name in _POINT_COLUMNS else [None]))
    return [*once, dump(recorded)], list(zip(*columns, strict=True))


def decode_episode(folder: Path, once: Sequence[Any], rows: Sequence[Sequence[Any]]) -> Episode:
    """Return the episode of the rows that :func:`encode_episode` made.

    Raises:
        StoreError: a file or a cell is missing or damaged.
    """
    try:
        return _decode_episode(folder, once, rows)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error) as error:
        raise StoreError(f"a cell is damaged ({error})") from error


def _decode_episode(folder: Path, once: Sequence[Any], rows: Sequence[Sequence[Any]]) -> Episode:
    values: dict[str, Any] = {
        name: next(iter(codec.decode(folder, [cell])))
        for (name, codec), cell in zip(EPISODE_COLUMNS.items(), once, strict=False)
    }
    recorded = frozenset(load(once[-1]))
    for (name, codec), cells in zip(STEP_COLUMNS.items(), zip(*rows, strict=True), strict=True):
        if name in recorded:
            values[name] = tuple(codec.decode(folder, cells if name in _POINT_COLUMNS else cells[:-1]))
    return Episode(**values)
