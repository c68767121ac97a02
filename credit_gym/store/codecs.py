"""How single values are kept: what an episode has once, and what the store notes itself; long texts in files.

A text that is long, or that is not legal UTF-8 (models do emit lone surrogates), is a file, and its cell holds the
32-byte digest instead: TEXT is the text itself, BLOB is a reference. Whole columns of steps are kept by
:mod:`credit_gym.store.column_cells`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from credit_gym.data.columns import COLUMNS
from credit_gym.data.foreign_text import read_json, readable
from credit_gym.errors import StoreError
from credit_gym.store import blobs

Cell = str | bytes | int | float | None

INLINE_BYTES = 1024
"""The longest text that is kept inside its row."""


class Codec(NamedTuple):
    """How a value goes to a cell and back; both may touch the folder of files."""

    encode: Callable[[Path, Any], Cell]
    decode: Callable[[Path, Any], Any]


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
    return {} if cell == "{}" else load(decode_text(folder, cell))


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


def _encode_flag(_: Path, value: Any) -> int:
    return int(bool(value))


def _decode_flag(_: Path, cell: int) -> bool:
    return bool(cell)


def _encode_unsigned(_: Path, value: int | None) -> str | None:
    """Seeds are 64-bit and unsigned, SQLite's integers are signed."""
    return None if value is None else str(int(value))


def _decode_unsigned(_: Path, cell: str | None) -> int | None:
    return None if cell is None else int(cell)


def _encode_optional(folder: Path, text: str | None) -> Cell:
    return None if text is None else encode_text(folder, text)


def _decode_optional(folder: Path, cell: str | bytes | None) -> str | None:
    return None if cell is None else decode_text(folder, cell)


CODECS: dict[str, Codec] = {
    "text": Codec(encode_text, decode_text),
    "flag": Codec(_encode_flag, _decode_flag),
    "mapping": Codec(encode_json, decode_json),
    "key": Codec(lambda _, text: text, lambda _, cell: cell),  # always inside the row
    "unsigned": Codec(_encode_unsigned, _decode_unsigned),
    "optional text": Codec(_encode_optional, _decode_optional),
}
"""Type of a column, or the name that it is stored under -> codec."""

EPISODE_COLUMNS = {column.name: CODECS[column.stored or column.type] for column in COLUMNS if column.kind == "episode"}
"""Episode field -> codec, for the fields that an episode has once."""
