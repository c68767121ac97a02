"""The records of somebody else's JSON file, one after the other: lines, the entries of an array, or objects over lines.

A file may be packed (gzip, bzip2, xz), begin with a mark of its encoding and end its lines as Windows does. It is read
in pieces of a megabyte, one record of it is in memory at a time, and what is damaged costs its record alone.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from credit_gym.data.foreign_text import LARGEST, open_file, read_json
from credit_gym.errors import StoreError
from credit_gym.formats.wrapped_records import held

T = TypeVar("T")

PIECE = 1 << 20
"""Bytes that are read at once."""

LONGEST = 256 << 20
"""Bytes of the longest record."""

BROKEN = (KeyError, ValueError, TypeError, AttributeError, IndexError, RecursionError, OverflowError)
"""What a record that is malformed raises when something is made of it."""


class Place(NamedTuple):
    """Where a record stands.

    Attributes:
        number: of its line, or of the entry among the others; from 1.
        text: the same as a sentence says it.
    """

    number: int
    text: str

    def damage(self, error: Exception) -> StoreError:
        """Return the sentence about the record here, of which nothing can be made."""
        said = f"it has no {error}" if isinstance(error, KeyError) else str(error).rstrip(".")
        return StoreError(f"{self.text} cannot be imported: {said}.")


def read_records(path: Path, read: Callable[[dict[str, Any], int], T]) -> Iterator[T | StoreError]:
    """Yield what is read of every record, or the sentence about one that is malformed.

    Args:
        path: the file.
        read: makes an episode, or what else it stands for, of a record's object and its number.

    Raises:
        StoreError: the file cannot be read.
    """
    for place, row in records(path):
        try:
            yield row if isinstance(row, StoreError) else read(an_object(row), place.number)
        except BROKEN as error:
            yield place.damage(error)


def records(path: Path) -> Iterator[tuple[Place, Any]]:
    """Yield every record with its place: a value of JSON's types, or the sentence about what is none.

    Records within another (:mod:`credit_gym.formats.wrapped_records`) come one by one.

    Raises:
        StoreError: the file cannot be read, or is of another kind.
    """
    try:
        with open_file(path) as file:
            table = file.peek(len(_TABLE)).startswith(_TABLE)
            yield from _apart(_rows(path, file) if table else _placed(path, _unpacked(path, file)))
    except StoreError:
        raise
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise StoreError(f"{path} cannot be read ({error}): give JSON lines, or a JSON array.") from None


def an_object(value: Any) -> dict[str, Any]:
    """Return a record that is an object.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, dict):
        raise TypeError("it is not an object")
    return value


_Read = Callable[[int], bytes]
_PACKED: dict[bytes, Callable[[BinaryIO], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_TABLE = b"PAR1"
_OTHERS = {
    b"PK\x03\x04": "a zip archive: unpack it",
    b"\x28\xb5\x2f\xfd": "packed by zstd: unpack it",
    b"SQLite format 3": "a database: of a run that is stored, give its id to the other commands",
}
"""How files begin that people give by mistake."""


def _unpacked(path: Path, file: BinaryIO) -> _Read:
    """What reads so many bytes of a file's content, none at its end."""
    begin = file.read(16)
    file.seek(0)
    for mark, what in _OTHERS.items():
        if begin.startswith(mark):
            raise StoreError(f"{path} is {what}.")
    stream = next((unpack(file) for mark, unpack in _PACKED.items() if begin.startswith(mark)), file)
    size = 0

    def read(count: int) -> bytes:
        nonlocal size
        piece: bytes = stream.read(count)
        size += len(piece)
        if size > LARGEST:
            raise StoreError(f"{path} is larger than {LARGEST} bytes: split it.")
        return piece

    return read


def _as_utf8(read: _Read) -> _Read:
    """The same without a mark of the encoding, as UTF-8."""
    begin = read(PIECE)
    if not begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _before(begin.removeprefix(codecs.BOM_UTF8), read)
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    both = _before(begin, read)
    return lambda count: decoder.decode(both(count)).encode("utf-8", "surrogatepass")


def _before(begin: bytes, read: _Read) -> _Read:
    """What reads some bytes that were read already, and then goes on."""
    held = [begin]
    return lambda count: (held.pop() if held else b"") or read(count)


def _rows(path: Path, file: BinaryIO) -> Iterator[tuple[Place, Any]]:
    """The rows of a Parquet file, as many people keep chats: ``messages`` is a column of lists of structs."""
    from credit_gym.formats.parquet import foreign_rows  # Arrow takes long to load

    for number, row in enumerate(foreign_rows(file, path.stat().st_size), 1):
        yield Place(number, f"Row {number} of {path}"), row


def _placed(path: Path, read: _Read) -> Iterator[tuple[Place, Any]]:
    read = _as_utf8(read)
    begin = read(PIECE)
    for place, text in _layout(begin)(path, _before(begin, read)):
        try:
            yield place, _value(text)
        except (ValueError, RecursionError) as error:
            objects = _side_by_side(text)
            for number, each in enumerate(objects, 1):
                yield _within(place, f"object {number}"), each
            if not objects:
                yield place, place.damage(error)


def _side_by_side(text: bytes) -> list[Any]:
    """The objects of a line that holds several, or one and a comma; none if it holds anything else."""
    if not text.lstrip().startswith(b"{"):
        return []
    try:
        return [an_object(_value(each)) for _, each in _spans(_before(text, lambda _: b""), array=False)]
    except (ValueError, TypeError, RecursionError):
        return []


def _apart(placed: Iterator[tuple[Place, Any]]) -> Iterator[tuple[Place, Any]]:
    """The same, records within records one by one; each record has a number of its own."""
    last = 0
    for place, row in placed:
        try:
            inner = held(row) or [("", row)]
        except BROKEN as error:
            inner = [("", place.damage(error))]
        for number, (where, each) in enumerate(inner):
            last = max(last + 1, place.number + number)
            yield _within(place._replace(number=last), where), each


def _within(place: Place, where: str) -> Place:
    return place._replace(text=f"{place.text}, {where}") if where else place


def _value(text: bytes) -> Any:
    if not text:
        raise ValueError("the file ends within its array")
    try:
        return read_json(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error.msg}, character {error.pos + 1})") from None
    except UnicodeDecodeError as error:
        wrong = f"byte 0x{text[error.start]:02x} at {error.start + 1}"
        raise ValueError(f"it is no UTF-8 ({wrong}): save the file in that encoding") from None


# Layouts


def _layout(begin: bytes) -> Callable[[Path, _Read], Iterator[tuple[Place, bytes]]]:
    """How a file is laid out, by its beginning: as lines, but for an array and a first object over several lines."""
    text = begin.lstrip()
    line, _, more = text.partition(b"\n")
    alone = _is_json(line)
    if text.startswith(b"[") and not (alone and more.strip()):
        return partial(_entries, array=True)
    if text.startswith(b"{") and not alone and line.rstrip().endswith((b"{", b"[", b",")):
        _, first = next(_spans(_before(text, lambda _: b""), array=False))
        if _is_json(first) or len(first) == len(text) >= PIECE:  # it ends as an object, or past what was read
            return partial(_entries, array=False)
    return _lines


def _is_json(text: bytes) -> bool:
    try:
        read_json(text)
    except (ValueError, RecursionError):
        return False
    return True


def _lines(path: Path, read: _Read) -> Iterator[tuple[Place, bytes]]:
    number, held, size = 0, list[bytes](), 0
    while True:
        piece = read(PIECE)
        first, *others = (piece or b"\n").split(b"\n")
        held.append(first)
        size += len(first)
        for other in others:
            number += 1
            line = b"".join(held)
            if line.strip():
                yield Place(number, f"Line {number} of {path}"), line
            held, size = [other], len(other)
        if not piece:
            return
        if size > LONGEST:
            raise StoreError(f"Line {number + 1} of {path} is longer than {LONGEST} bytes: split it.")


def _entries(path: Path, read: _Read, *, array: bool) -> Iterator[tuple[Place, bytes]]:
    for number, (line, text) in enumerate(_spans(read, array=array), 1):
        yield Place(number, f"Entry {number} of {path} (line {line})"), text


_TOKEN = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")++|[\[\]{}]', re.DOTALL)
_DEPTH = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def _spans(read: _Read, *, array: bool) -> Iterator[tuple[int, bytes]]:
    """The values that stand side by side, in an array or not, each with the line that it begins in.

    What stands between them and is no comma is a value too. A text that goes on past the bytes at hand is looked at
    again with as many more: no byte is seen often.
    """
    text, at, start, line, depth = b"", 0, 0, 1, 0
    opened = closed = not array
    while True:
        found = _TOKEN.match(text, at)
        if found is None:
            more = read(max(PIECE, len(text) - start))
            if not more:
                break
            text, at, start = text[start:] + more, at - start, 0
            if len(text) > LONGEST + PIECE:
                raise StoreError(f"What begins in line {line} is longer than {LONGEST} bytes: split it.")
            continue
        at, change = found.end(), _DEPTH.get(found[0], 0)
        if depth == 0:
            ends = found[0] == b"]" and not closed
            if change < 1 and not ends:
                continue
            if between := text[start : found.start()].strip(b" \t\r\n,"):
                yield line, between
            line += text.count(b"\n", start, found.start())
            start = found.start()
            if ends or not opened:
                opened, closed, start = True, closed or ends, at
                continue
        depth += change
        if depth == 0:
            yield line, text[start:at]
            line += text.count(b"\n", start, at)
            start = at
    rest = text[start:].strip(b" \t\r\n,")
    if rest or not closed:
        yield line, rest
