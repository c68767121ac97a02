"""Checkpoints that are whole: each is sealed with the hashes of its files, and a broken seal is refused by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from credit_gym.data.foreign_text import file_text, open_file, read_json
from credit_gym.errors import StoreError

SEAL = "sealed.json"
PREFIX = "checkpoint-"


def seal(folder: Path) -> None:
    """Write down the SHA-256 of every file of a checkpoint; without this it does not count as complete.

    Raises:
        StoreError: the seal cannot be written.
    """
    hashes = {str(path.relative_to(folder)): _sha256(path) for path in _files(folder)}
    unfinished = folder / f"{SEAL}.part"
    try:
        unfinished.write_text(json.dumps(hashes, indent=1, sort_keys=True), encoding="utf-8")
        unfinished.replace(folder / SEAL)
    except OSError as error:
        raise StoreError(f"{folder / SEAL} cannot be written ({error}): free some space.") from error


def newest(folder: Path) -> Path | None:
    """Return the newest sealed checkpoint of a training, None if there is none.

    One without a seal was being written when the training was killed, and is passed over.

    Raises:
        StoreError: it is damaged: a file is missing, or is not what was saved.
    """
    sealed = [path.parent for path in folder.glob(f"{PREFIX}*/{SEAL}") if _step(path.parent) is not None]
    if not sealed:
        return None
    checkpoint = max(sealed, key=lambda path: _step(path) or 0)
    _check(checkpoint)
    return checkpoint


def step_of(checkpoint: Path) -> int:
    """Return the training step at which a checkpoint was saved."""
    return _step(checkpoint) or 0


def _check(checkpoint: Path) -> None:
    mend = f"delete the folder {checkpoint.name} to go on from the checkpoint before it"
    try:
        hashes = read_json(file_text(checkpoint / SEAL))
        entries = [(str(name), str(digest)) for name, digest in hashes.items()]
    except (OSError, ValueError, AttributeError):
        raise StoreError(f"{checkpoint / SEAL} is damaged and cannot be read: {mend}.") from None
    for name, digest in entries:
        path = checkpoint / name
        if not path.is_file():
            raise StoreError(f"{path} is missing: {mend}.")
        if _sha256(path) != digest:
            raise StoreError(f"{path} is damaged (it is not what was saved): {mend}.")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(SEAL))


def _step(folder: Path) -> int | None:
    number = folder.name.removeprefix(PREFIX)
    return int(number) if number.isdecimal() else None


def _sha256(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
