"""How whole columns of an episode are kept: one cell a column, exact to the bit, long values in files.

NULL is a column that was not recorded. Numbers are their bytes, little-endian. A column of texts is TEXT, U+001F after
each text and U+001E after each row of them. A column that this would not bring back as it was (a long text, a lone
surrogate, one of those two characters), and whatever else JSON can hold, is BLOB: a line of JSON an entry, where ``@``
and a digest stand for a file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from credit_gym.data.columns import COLUMNS, Column
from credit_gym.data.interning import AnyArray
from credit_gym.store import blobs
from credit_gym.store.codecs import INLINE_BYTES, Cell, decode_text, dump, encode_text, load

INLINE_NUMBERS = 1 << 16
"""Bytes of the numbers of tokens that an episode keeps inside its row."""

_END, _ROW_END, _FILE = "\x1f", "\x1e", "@"

Row = tuple[Any, ...]


class ColumnCodec(NamedTuple):
    """How a column goes to a cell, and the cells of many episodes back; both may touch the folder of files.

    Decoding takes, beside the cells, how many entries each column has, and raises a ValueError where it does not.
    ``dtype`` is that of an entry in a cell, where each is a number.
    """

    encode: Callable[[Path, Sequence[Any]], Cell]
    decode: Callable[[Path, Sequence[Any], Sequence[int]], list[Row]]
    dtype: np.dtype[Any] | None = None


def _numbers(kind: str, plain: Callable[[Any], Any]) -> ColumnCodec:
    """Numbers of a kind that :mod:`struct` knows."""

    def encode(_: Path, column: Sequence[Any]) -> bytes:
        return _pack(kind, list(map(plain, column)))

    dtype = np.dtype(f"<{kind}")

    def decode(_: Path, cells: Sequence[bytes], sizes: Sequence[int]) -> list[Row]:
        _compare([len(cell) for cell in cells], [dtype.itemsize * size for size in sizes])
        return _cut(struct.unpack(f"<{sum(sizes)}{kind}", b"".join(cells)), sizes)

    return ColumnCodec(encode, decode, dtype)


def _pack(kind: str, values: Sequence[Any]) -> bytes:
    try:
        return struct.pack(f"<{len(values)}{kind}", *values)
    except struct.error as error:
        raise OverflowError(str(error)) from None


def _encode_text(folder: Path, column: Sequence[str]) -> Cell:
    joined = _END.join((*column, ""))
    if joined.count(_END) == len(column) and _is_plain(joined, column):
        return joined
    return _lines(_text_line(folder, text) for text in column)


def _encode_texts(folder: Path, column: Sequence[Sequence[str]]) -> Cell:
    joined = _ROW_END.join([*(_END.join((*row, "")) for row in column), ""])
    if (
        joined.count(_ROW_END) == len(column)
        and joined.count(_END) == sum(map(len, column))
        and _is_plain(joined, chain.from_iterable(column))
    ):
        return joined
    return _lines(_json_line(folder, list(row)) for row in column)


def _is_plain(joined: str, texts: Iterable[str]) -> bool:
    """Whether no text among some is long, or has no UTF-8."""
    if len(joined) > INLINE_BYTES and max(map(len, texts), default=0) > INLINE_BYTES:
        return False
    try:
        return joined.isascii() or bool(joined.encode())
    except UnicodeEncodeError:
        return False


def _decode_text(folder: Path, cells: Sequence[Any], sizes: Sequence[int]) -> list[Row]:
    return _of_sizes(
        [
            (tuple(cell[:-1].split(_END)) if cell else ())
            if isinstance(cell, str)
            else tuple(_read_texts(folder, cell))
            for cell in cells
        ],
        sizes,
    )


def _decode_texts(folder: Path, cells: Sequence[Any], sizes: Sequence[int]) -> list[Row]:
    row = _Rows().__getitem__  # rows such as the actions that a state offers come again and again
    rows = [
        (tuple(map(row, cell[:-1].split(_ROW_END))) if cell else ())
        if isinstance(cell, str)
        else tuple(map(tuple, _read_values(folder, cell)))
        for cell in cells
    ]
    return _of_sizes(rows, sizes)


class _Rows(dict[str, tuple[str, ...]]):
    """Rows of texts by what they are kept as, each made once."""

    def __missing__(self, text: str) -> tuple[str, ...]:
        row = self[text] = tuple(text[:-1].split(_END)) if text else ()
        return row


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")


def _text_line(folder: Path, text: str) -> str:
    if len(text) <= INLINE_BYTES:
        return dump(text)
    return _FILE + blobs.put(folder, text.encode("utf-8", "surrogatepass")).hex()


def _json_line(folder: Path, value: Any) -> str:
    cell = encode_text(folder, dump(value))
    return _FILE + cell.hex() if isinstance(cell, bytes) else str(cell)


def _read_lines(cell: bytes) -> list[str]:
    return bytes.decode(cell, "utf-8", "surrogatepass").split("\n")[:-1]


def _read_texts(folder: Path, cell: bytes) -> list[str]:
    texts = [_file(folder, line) if line.startswith(_FILE) else load(line) for line in _read_lines(cell)]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")
    return texts


def _read_values(folder: Path, cell: bytes) -> list[Any]:
    return [load(_file(folder, line) if line.startswith(_FILE) else line) for line in _read_lines(cell)]


def _file(folder: Path, line: str) -> str:
    return decode_text(folder, bytes.fromhex(line[1:]))


def flat(codec: ColumnCodec, folder: Path, cells: Sequence[Any], sizes: Sequence[int]) -> Sequence[Any] | AnyArray:
    """Return the entries of a column of many episodes, one after the other; arguments are those of decoding."""
    if codec.dtype is None:
        return list(chain.from_iterable(codec.decode(folder, cells, sizes)))
    _compare([len(cell) for cell in cells], [codec.dtype.itemsize * size for size in sizes])
    return np.frombuffer(b"".join(cells), dtype=codec.dtype)


def _of_sizes(rows: list[Row], sizes: Sequence[int]) -> list[Row]:
    _compare(list(map(len, rows)), sizes)
    return rows


def _compare(found: Sequence[int], wanted: Sequence[int]) -> None:
    if list(found) != list(wanted):
        raise ValueError("a column has not as many entries as its episode")


def _cut(entries: Row, sizes: Sequence[int]) -> list[Row]:
    """Cut the entries of many columns, one after the other, into the columns."""
    return [entries[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]


def _encode_calls(folder: Path, column: Sequence[Sequence[Any]]) -> bytes:
    return _lines(_json_line(folder, list(row)) for row in column)


def _decode_calls(folder: Path, cells: Sequence[bytes], sizes: Sequence[int]) -> list[Row]:
    return _of_sizes([tuple(map(tuple, _read_values(folder, cell))) for cell in cells], sizes)


def _encode_messages(folder: Path, column: Sequence[Sequence[Mapping[str, Any]]]) -> bytes:
    """Keep of each history only what the step before did not have: a growing chat costs O(T), not O(T^2)."""
    lines = []
    before: Sequence[Mapping[str, Any]] = ()
    for history in column:
        pairs = zip(before, history, strict=False)
        kept = next((place for place, pair in enumerate(pairs) if not _same(*pair)), min(len(before), len(history)))
        lines.append(_json_line(folder, [kept, [dict(message) for message in history[kept:]]]))
        before = history
    return _lines(lines)


def _same(one: Any, other: Any) -> bool:
    """Whether two values have the same JSON; equality is not enough, it knows no order of keys and takes 1 for True."""
    if one is other:  # as the messages are that the chats of an episode share
        return True
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return _same(list(one.items()), list(other.items()))
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return dump(one) == dump(other)


def _decode_messages(folder: Path, cells: Sequence[bytes], sizes: Sequence[int]) -> list[Row]:
    return _of_sizes([tuple(histories(_read_values(folder, cell))) for cell in cells], sizes)


def histories(kept: Iterable[Sequence[Any]]) -> Iterable[tuple[Mapping[str, Any], ...]]:
    """Yield the chats of an episode, each given as how much of the one before it keeps and what is new."""
    before = tuple[Mapping[str, Any], ...]()
    for shared, new in kept:
        before = before[:shared] + tuple(new)
        yield before


def _ragged(kind: str) -> ColumnCodec:
    """A row of numbers an entry: the length of each, then all of them, or the digest of their file if they are many."""
    lengths = _numbers("q", int)
    plain = float if kind == "d" else int

    def encode(folder: Path, column: Sequence[Sequence[float]]) -> bytes:
        numbers = _pack(kind, [plain(value) for row in column for value in row])
        kept = numbers if len(numbers) <= INLINE_NUMBERS else blobs.put(folder, numbers)
        return _pack("q", list(map(len, column))) + kept

    def decode_one(folder: Path, cell: bytes, size: int) -> Row:
        (widths,) = lengths.decode(folder, [cell[: 8 * size]], [size])
        ends = list(accumulate(widths, initial=0))
        kept = cell[8 * size :]
        numbers = kept if len(kept) == 8 * ends[-1] else blobs.get(folder, kept)
        flat = struct.unpack(f"<{ends[-1]}{kind}", numbers)
        return tuple([flat[start:end] for start, end in pairwise(ends)])

    def decode(folder: Path, cells: Sequence[bytes], sizes: Sequence[int]) -> list[Row]:
        return [decode_one(folder, cell, size) for cell, size in zip(cells, sizes, strict=True)]

    return ColumnCodec(encode, decode)


def _encode_growing(folder: Path, column: Sequence[tuple[int, ...]]) -> bytes:
    """Keep of each row only what follows the part it shares with the row before: growing prompts cost O(T)."""
    shared = [_shared(before, row) for before, row in pairwise(((), *column))]
    new = _INTEGERS.encode(folder, [row[kept:] for kept, row in zip(shared, column, strict=True)])
    return _pack("q", shared) + bytes(new)  # type: ignore[arg-type]


def _decode_growing(folder: Path, cells: Sequence[bytes], sizes: Sequence[int]) -> list[Row]:
    new = _INTEGERS.decode(folder, [cell[8 * size :] for cell, size in zip(cells, sizes, strict=True)], sizes)
    kept = _INTEGER.decode(folder, [cell[: 8 * size] for cell, size in zip(cells, sizes, strict=True)], sizes)
    return [tuple(growing(zip(*rows, strict=True))) for rows in zip(kept, new, strict=True)]


def growing(kept: Iterable[tuple[int, tuple[int, ...]]]) -> Iterable[tuple[int, ...]]:
    """Yield the rows of an episode, each given as how much of the one before it keeps and what is new."""
    before = tuple[int, ...]()
    for shared, new in kept:
        before = before[:shared] + new
        yield before


def _shared(before: tuple[int, ...], row: tuple[int, ...]) -> int:
    """The length of the common beginning of two rows."""
    if row[: len(before)] == before:
        return len(before)
    return next(i for i, (old, new) in enumerate(zip((*before, None), (*row, None), strict=False)) if old != new)


_INTEGER, _INTEGERS = _numbers("q", int), _ragged("q")

COLUMN_CODECS: dict[str, ColumnCodec] = {
    "text": ColumnCodec(_encode_text, _decode_text),
    "texts": ColumnCodec(_encode_texts, _decode_texts),
    "number": _numbers("d", float),
    "integer": _INTEGER,
    "integers": _INTEGERS,
    "flag": _numbers("?", bool),
    "messages": ColumnCodec(_encode_messages, _decode_messages),
    "calls": ColumnCodec(_encode_calls, _decode_calls),
    "number a token": _ragged("d"),
    "integer a token": _INTEGERS,
    "growing": ColumnCodec(_encode_growing, _decode_growing),
}
"""Type of a column, or the name that it is stored under -> codec."""


def stored_type(column: Column) -> str:
    """Return the name that a column of steps is stored under."""
    return column.stored or (f"{column.type} a token" if column.kind == "token" else column.type)


STEP_COLUMNS = {column.name: COLUMN_CODECS[stored_type(column)] for column in COLUMNS if column.kind != "episode"}
"""Episode field -> codec, for the fields that have a value for each step, point or token."""
