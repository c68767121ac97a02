"""Which format a file has, told by its beginning: by fields that only records of one format have together."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from pathlib import Path

from credit_gym.data.foreign_text import open_file
from credit_gym.errors import StoreError
from credit_gym.formats.harbor import TRAJECTORY
from credit_gym.formats.json_records import records
from credit_gym.formats.record_folders import record_files

SIGNS: dict[str, tuple[str, ...]] = {
    "atif": ("schema_version", "agent", "steps"),
    "verifiers": ("nodes", "task"),
    "tau2": ("info", "tasks", "simulations"),
    "inspect": ("eval", "status"),
    "bfcl": ("id", "result"),
    "process-bench": ("messages", "step_labels", "final_label"),
}
"""Format -> fields of its records; a file of JSON without those of any holds chats or steps."""

_PLAIN = "chat"  # whose reader tells chats and steps apart by itself
_ZIP = b"PK\x03\x04"
_MOST = 100  # records that are looked at, should those before be damaged


def recognise(path: str | Path) -> str:
    """Return the format of a file or a folder: a key of :data:`credit_gym.formats.readers.READERS`.

    Raises:
        StoreError: it cannot be read, or is a folder without any such file.
    """
    path = Path(path)
    if path.is_dir():
        return _of_folder(path)
    try:
        with open_file(path) as file:
            zipped = file.read(len(_ZIP)) == _ZIP
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error}): give a file with episodes.") from None
    if zipped:
        return "inspect"
    found = (row for _, row in islice(records(path), _MOST) if not isinstance(row, StoreError))
    first = next(found, None)
    fields = first.keys() if isinstance(first, dict) else ()
    return next((name for name, signs in SIGNS.items() if all(sign in fields for sign in signs)), _PLAIN)


def is_read_whole(folder: Path, source: str) -> bool:
    """Return whether the reader of a format takes a folder as it is, and not file by file."""
    return source == "tau2" or (source == "atif" and next(folder.rglob(TRAJECTORY), None) is not None)


def _of_folder(path: Path) -> str:
    if (path / "results.json").is_file():
        return "tau2"
    if next(path.rglob(TRAJECTORY), None) is not None:
        return "atif"
    for file in record_files(path):
        with suppress(StoreError):  # the others may be whole
            return recognise(file)
    raise StoreError(f"No file in {path} can be read: give a folder with records.")
