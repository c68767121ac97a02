"""Rooms that people publish: text files of pictures, in the usual symbols of Sokoban or in those played here."""

from __future__ import annotations

import os

from credit_gym.data.foreign_text import file_text
from credit_gym.envs.sokoban.room import Position, Room, read_room
from credit_gym.errors import ManifestError

_USUAL = str.maketrans(" -.$@*+", "__OXP√S")


def read_levels(path: str | os.PathLike[str]) -> list[tuple[Room, Position]]:
    """Return the rooms of a file, as Boxoban's: pictures that blank lines or lines beginning with ``;`` keep apart.

    Raises:
        ManifestError: there is no room, or one is none; the message has its number.
        OSError: the file cannot be read.
    """
    pictures: list[list[str]] = [[]]
    for line in file_text(path).splitlines():
        if line.strip() and not line.startswith(";"):
            pictures[-1].append(line.rstrip())
        elif pictures[-1]:
            pictures.append([])
    found = [_read(number, lines) for number, lines in enumerate(filter(None, pictures))]
    if not found:
        raise ManifestError(f"{os.fspath(path)} has no room in it.")
    return found


def _read(number: int, lines: list[str]) -> tuple[Room, Position]:
    width = max(map(len, lines))
    try:
        return read_room("\n".join(line.translate(_USUAL).ljust(width, "#") for line in lines))
    except ManifestError as error:
        raise ManifestError(f"Room {number}: {error}") from None
