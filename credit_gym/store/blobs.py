"""Content-addressed files: what is too long for a database row, named by its SHA-256 digest."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from credit_gym.data.foreign_text import file_bytes
from credit_gym.errors import StoreError

DIGEST_BYTES = 32

_AT_ONCE = 16  # files that are written through: a disk that is asked for many waits for them together
_waiting = threading.local()


@contextmanager
def together() -> Iterator[None]:
    """Let what this thread puts inside the block reach the disk at the end of it, all files at once.

    Until then none has its name. Where the block fails, what was put is dropped.
    """
    files: dict[Path, Path] = {}
    _waiting.files = files
    try:
        yield
        _settle(files)
    finally:
        del _waiting.files
        for temporary in files.values():
            temporary.unlink(missing_ok=True)


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
    target, waiting = _path(folder, digest), getattr(_waiting, "files", None)
    if (waiting is not None and target in waiting) or target.exists():
        return digest
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    temporary.write_bytes(data)
    if waiting is None:
        _settle({target: temporary})
    else:
        waiting[target] = temporary
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


def _settle(files: Mapping[Path, Path]) -> None:
    """Write files through to the disk, give each its name, and make the names durable.

    Args:
        files: name -> the temporary file that is to have it.
    """
    folders = dict.fromkeys(target.parent for target in files) if hasattr(os, "O_DIRECTORY") else ()  # POSIX alone
    if len(files) <= 1:
        _named(files, map(_write_through, files.values()))
        list(map(_write_through, folders))
        return
    with ThreadPoolExecutor(min(_AT_ONCE, len(files))) as pool:
        _named(files, pool.map(_write_through, files.values()))
        list(pool.map(_write_through, folders))


def _named(files: Mapping[Path, Path], written: Iterator[None]) -> None:
    for (target, temporary), _ in zip(files.items(), written, strict=True):
        temporary.replace(target)


def _write_through(path: Path) -> None:
    """Make the content of a file, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
