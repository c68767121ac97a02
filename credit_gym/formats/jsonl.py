"""JSON lines: the turn table and the rows of trainers written, and the lines of others read one by one."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from credit_gym.data.episode import Episode
from credit_gym.data.foreign_text import file_bytes, read_json
from credit_gym.errors import StoreError
from credit_gym.formats.turn_table import Credits, turn_rows

T = TypeVar("T")


def write_jsonl(path: str | Path, episodes: Sequence[Episode], credits: Credits) -> None:
    """Write the turn table as JSON lines; null where there is no value.

    Raises:
        BatchError: a scorer's credits do not match the episodes.
        StoreError: the file cannot be written.
    """
    write_lines(path, turn_rows(episodes, credits))


def write_lines(path: str | Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSON lines, legal UTF-8 whatever the texts hold.

    Raises:
        StoreError: the file cannot be written.
    """
    path = Path(path)
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error}): choose another path.") from error


def read_lines(path: Path, read: Callable[[dict[str, Any], int], T]) -> Iterator[T | StoreError]:
    """Yield what is read of every line that is not blank, or the sentence about a line that is malformed.

    Args:
        path: the file.
        read: makes an episode, or what else it stands for, of a line's object and its number, from 1.

    Raises:
        StoreError: the file cannot be read, or is one JSON value (an array, an object over many lines), not lines.
    """
    lines = _lines(path)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = read_json(line)
            if not isinstance(row, dict):
                raise TypeError("it is not an object")
            yield read(row, number)
        except KeyError as error:
            yield StoreError(f"Line {number} of {path} cannot be imported: it has no {error}.")
        except (ValueError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as error:
            yield StoreError(f"Line {number} of {path} cannot be imported: {str(error).rstrip('.')}.")


def _lines(path: Path) -> list[bytes]:
    try:
        data = file_bytes(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error}): give a file of JSON lines.") from None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode("utf-8", "surrogatepass")
    data = data.removeprefix(codecs.BOM_UTF8)
    lines = data.split(b"\n")
    if not _is_object(next(filter(bytes.strip, lines), b"{}")) and _is_json(data):
        raise StoreError(f"{path} is one JSON value: give JSON lines, one object a line (`jq -c '.[]'` makes them).")
    return lines


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(read_json(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_json(data: bytes) -> bool:
    try:
        read_json(data)
    except (ValueError, RecursionError):
        return False
    return True
