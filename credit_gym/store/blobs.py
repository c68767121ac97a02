"""Content-addressed files: what is too long for a database row, named by its SHA-256 digest."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from credit_gym.data.foreign_text import file_bytes
from credit_gym.errors import StoreError

DIGEST_BYTES = 32


def put(folder: Path, data: bytes) -> bytes:
    """Write some bytes durably, once, and return their digest.

    The bytes reach the disk under a temporary name before they get their own, so a file with a digest for a name is
    always whole; a process killed half-way leaves a temporary file that nothing refers to.

    Args:
        folder: folder of the files, made when missing.
        data: the content.

    Returns:
        SHA-256 digest, 32 bytes.
    """
    digest = hashlib.sha256(data).digest()
    target = _path(folder, digest)
    if target.exists():
        return digest
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    _sync_folder(target.parent)
    return digest


def get(folder: Path, digest: bytes) -> bytes:
    """Read the bytes of a digest.

    Raises:
        StoreError: the file is missing or its content has changed.
    """
    path = _path(folder, digest)
    try:
        data = file_bytes(path)
    except OSError as error:
        raise StoreError(f"The store has lost {path} ({error.strerror}): restore it from a copy.") from error
    if hashlib.sha256(data).digest() != digest:
        raise StoreError(f"The file {path} is damaged: its content no longer has the digest that names it.")
    return data


def _path(folder: Path, digest: bytes) -> Path:
    name = digest.hex()
    return folder / name[:2] / name[2:]


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; only POSIX can open a folder for that."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
