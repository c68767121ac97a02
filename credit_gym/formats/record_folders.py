"""A folder whose files hold records, one trajectory a file or many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError

SUFFIXES = (".json", ".jsonl", ".ndjson", ".parquet", ".eval")
"""Ends of the names of files that are read, before one of those of :data:`PACKED`."""

PACKED = (".gz", ".bz2", ".xz")


def record_files(folder: Path) -> list[Path]:
    """Return the files of a folder that may hold records, by name; links and folders within are passed over.

    Raises:
        StoreError: the folder cannot be read, or holds none.
    """
    try:
        found = sorted(each for each in folder.iterdir() if _is_one(each))
    except OSError as error:
        raise StoreError(f"{folder} cannot be read ({error}): give a folder with records.") from None
    if not found:
        raise StoreError(f"{folder} holds no file of records ({', '.join(SUFFIXES)}): give one that does, or a file.")
    return found


def read_folder(folder: Path, read: Callable[[Path], Iterable[Episode | StoreError]]) -> Iterator[Episode | StoreError]:
    """Yield what the files of a folder hold, by name; one that cannot be read costs itself.

    An episode whose id is a number, as one has that was given none, is called by its file too.

    Args:
        folder: the folder.
        read: reads a file.

    Raises:
        StoreError: the folder holds no such file.
    """
    for file in record_files(folder):
        try:
            for found in read(file):
                if isinstance(found, Episode) and found.episode_id.isdecimal():
                    found = replace(found, episode_id=f"{_stem(file)}-{found.episode_id}")
                yield found
        except StoreError as error:
            yield error


def _is_one(file: Path) -> bool:
    return not file.is_symlink() and file.is_file() and _unpacked(file).endswith(SUFFIXES)


def _unpacked(file: Path) -> str:
    name = file.name.lower()
    return next((name.removesuffix(end) for end in PACKED if name.endswith(end)), name)


def _stem(file: Path) -> str:
    return file.name.partition(".")[0] or file.name
