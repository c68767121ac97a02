"""Read a JSON file that is too large to hold: the members of its outermost array or object, one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from credit_gym.data.foreign_text import open_file, shallow, whole_number
from credit_gym.errors import ManifestError

CHUNK = 1 << 20
LARGEST_MEMBER = 1 << 26
"""Characters: what is longer is no record but a damaged file, and would be read to its end in search of its own."""

_SPACE = " \t\n\r"
_AFTER_VALUE = frozenset(_SPACE + ",:]}")


def members(path: Path, *, chunk: int = CHUNK) -> Iterator[tuple[str, Any]]:
    """Yield ``(name, value)`` for each member: its key in an object, its number from 0 in an array.

    Args:
        path: a UTF-8 file whose outermost value is an array or an object.
        chunk: characters to read at a time.

    Raises:
        ManifestError: the file cannot be read or is no such JSON; the sentence names the file and the record.
    """
    number = 0
    try:
        with TextIOWrapper(open_file(path), encoding="utf-8-sig") as file:
            text = _Text(file, chunk)
            opening = text.take("[{")
            closing = {"[": "]", "{": "}"}[opening]
            mark = text.take(closing) if text.peek() == closing else ","
            while mark != closing:
                name = str(number)
                if opening == "{":
                    name = text.value()
                    if not isinstance(name, str):
                        raise ValueError("a key is no string")
                    text.take(":")
                yield name, text.value()
                number += 1
                mark = text.take("," + closing)
            if text.peek():
                raise ValueError("there is more after its end")
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path}, record {number}, is not the JSON that was expected: {error}.") from error


class _Text:
    """A window on a file that slides forward as values are taken from it."""

    def __init__(self, file: TextIO, chunk: int) -> None:
        self._file = file
        self._chunk = chunk
        self._window = ""
        self._at = 0
        self._decode = json.JSONDecoder(parse_int=whole_number).raw_decode

    def peek(self) -> str:
        """Return the next character that is not space, "" at the end of the file."""
        while True:
            while self._at < len(self._window):
                if self._window[self._at] not in _SPACE:
                    return self._window[self._at]
                self._at += 1
            if not self._slide():
                return ""

    def take(self, allowed: str) -> str:
        """Take the next character, which must be one of ``allowed``."""
        found = self.peek()
        if not found or found not in allowed:
            raise ValueError(f"expected {' or '.join(allowed)}, found {found or 'the end of the file'}")
        self._at += 1
        return found

    def value(self) -> Any:
        """Take the next value."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._window, self._at)
            except ValueError:
                if not self._slide():
                    raise
                continue
            if self._window[end : end + 1] not in _AFTER_VALUE and self._slide():  # a number may go on
                continue
            self._at = end
            return shallow(value)

    def _slide(self) -> bool:
        more = self._file.read(self._chunk)
        if more and len(self._window) - self._at > LARGEST_MEMBER:
            raise ValueError("it does not end")
        self._window, self._at = self._window[self._at :] + more, 0
        return bool(more)
