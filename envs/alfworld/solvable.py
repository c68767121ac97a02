"""Which game files are solvable, remembered between processes: the published data fill half a gigabyte.

The notes lie in the user's cache folder, one file for each folder of games. A game is looked at again when its size or
its date has changed, so the notes may be lost or damaged at any time.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from credit_gym.data.foreign_text import file_bytes, file_text, read_json

_SOLVABLE = re.compile(rb'"solvable"\s*:\s*true')

Notes = dict[str, list[int]]
"""Path below the folder -> size, date of change in nanoseconds, and 1 if the game is known to be unsolvable."""


def without_unsolvable(folder: Path, files: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files that are not known to be unsolvable, in their order; damaged ones are kept.

    Args:
        folder: what the notes are about.
        files: game files below it.
    """
    notes = _read(folder)
    fresh: Notes = {}
    kept = []
    for path in files:
        status, name = path.stat(), path.relative_to(folder).as_posix()
        note = notes.get(name, [])
        if note[:2] != [status.st_size, status.st_mtime_ns]:
            note = [status.st_size, status.st_mtime_ns, int(_unsolvable(path))]
        fresh[name] = note
        if not note[2]:
            kept.append(path)
    if not fresh.items() <= notes.items():
        with suppress(OSError):  # a cache that cannot be written is no cache
            _write(folder, notes | fresh)
    return tuple(kept)


def _unsolvable(path: Path) -> bool:
    """Whether the file is whole and does not say ``solvable: true``; most files are only scanned, not parsed."""
    text = file_bytes(path)
    if _SOLVABLE.search(text):
        return False
    try:
        read_json(text)
    except (ValueError, RecursionError):
        return False
    return True


def _place(folder: Path) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = blake2b(str(folder.resolve()).encode(), digest_size=8).hexdigest()
    return cache / "credit_gym" / f"alfworld-{name}.json"


def _read(folder: Path) -> Notes:
    """The notes on a folder; none if they are missing or not what was written."""
    try:
        notes = read_json(file_text(_place(folder)))
    except (OSError, ValueError, RuntimeError, RecursionError):
        return {}
    if not isinstance(notes, dict):
        return {}
    return {
        name: note
        for name, note in notes.items()
        if isinstance(note, list) and len(note) == 3 and all(isinstance(number, int) for number in note)
    }


def _write(folder: Path, notes: Notes) -> None:
    """Replace the notes at once, so that no other process reads half of them."""
    place = _place(folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=place.parent, suffix=".tmp", delete=False, encoding="utf-8") as file:
        json.dump(notes, file)
    os.replace(file.name, place)
