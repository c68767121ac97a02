"""Opening the SQLite file: schema, version, write-ahead log, transactions."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from credit_gym.errors import StoreError
from credit_gym.store.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION
from credit_gym.store.upgrade import lacks_columns, upgrade

_BUSY_SECONDS = 60.0
_COMPUTED = "SELECT 1 FROM sqlite_master WHERE type IN ('view', 'trigger')"  # what may run for ever when it is read
_SUFFIXES = ("", "-wal", "-shm")  # of the database and of its log


def connect(file: Path, *, writable: bool = True) -> sqlite3.Connection:
    """Open a store's database, making it when there is none.

    The write-ahead log lets readers and other processes go on while one writes. Whatever is committed survives the
    death of the process; a power cut it survives once the log is on the disk (:func:`transaction`).

    Args:
        file: the database file; its folder exists.
        writable: whether it can be written (:func:`is_writable`). What cannot (a read-only folder, file or disk) is
            read into memory as it stands, with what its log holds: it can be worked with like any other, and nothing
            of that is kept.

    Returns:
        A connection in autocommit mode that any thread may use, one at a time.

    Raises:
        StoreError: the file cannot be opened, is not a store, or was written by a newer version.
    """
    try:
        if not file.exists():
            _create(file)
        if not file.is_file():
            raise StoreError(f"{file} is no regular file: choose another folder.")
        connection = _open(file) if writable else _in_memory(file)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            _check(connection, file)
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
    except StoreError:
        raise
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{file} cannot be opened as a credit_gym store ({error}): choose another folder.") from error
    return connection


def is_writable(file: Path) -> bool:
    """Whether a database can be written, or made: its folder too, where the log is kept."""
    return os.access(file.parent, os.W_OK | os.X_OK) and not any(_refused(f"{file}{suffix}") for suffix in _SUFFIXES)


def _refused(part: str) -> bool:
    """Whether a file is there and cannot be written; another process may make it or take it away meanwhile."""
    return not os.access(part, os.W_OK) and os.path.exists(part) and not os.access(part, os.W_OK)


def _in_memory(file: Path) -> sqlite3.Connection:
    """Copy a database that cannot be written, and the part of it that still lies in its log."""
    with TemporaryDirectory() as folder:
        copied = Path(folder) / file.name
        for suffix in ("", "-wal"):
            if Path(f"{file}{suffix}").exists():
                shutil.copyfile(f"{file}{suffix}", f"{copied}{suffix}")
        memory = _open(":memory:")
        with closing(_open(copied)) as source:
            source.backup(memory)
    return memory


def _open(file: Path | str) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _create(file: Path) -> None:
    """Make the database aside and link it into place: others see a whole store or none, and the first one wins."""
    aside = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    aside.unlink(missing_ok=True)
    try:
        with closing(_open(aside)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
        with suppress(FileExistsError):
            os.link(aside, file)
    finally:
        aside.unlink(missing_ok=True)


def _check(connection: sqlite3.Connection, file: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(f"{file} is the database of another program: choose another folder.")
    if connection.execute(_COMPUTED).fetchone() is not None:
        raise StoreError(f"{file} holds a view or a trigger, which no store has: choose another folder.")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{file} was written by a newer credit_gym (schema {version}, this one reads {SCHEMA_VERSION}): "
            "upgrade credit-gym."
        )
    if version < SCHEMA_VERSION or lacks_columns(connection):
        with transaction(connection):
            upgrade(connection, file.parent / "blobs")


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Run a block of reads on one state of the store, whatever other processes write meanwhile."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")


@contextmanager
def transaction(connection: sqlite3.Connection, *, on_disk: bool = True) -> Iterator[sqlite3.Connection]:
    """Run a block as one write transaction: all of it is committed, or nothing is.

    Args:
        connection: the store, outside any transaction.
        on_disk: return only when this and all earlier transactions are on the disk, which costs one fsync.
    """
    connection.execute(f"PRAGMA synchronous = {'FULL' if on_disk else 'NORMAL'}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
