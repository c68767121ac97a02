"""Opening the SQLite file: schema, version, write-ahead log, transactions."""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from credit_gym.data.soundness import NUMBERS, first_fault
from credit_gym.errors import StoreError
from credit_gym.store.codecs import EPISODE_COLUMNS, STEP_COLUMNS, load

APPLICATION_ID = 0x43475354  # "CGST", so that another program's database is never written to
SCHEMA_VERSION = 4
_BUSY_SECONDS = 60.0
_SUFFIXES = ("", "-wal", "-shm")  # of the database and of its log

TARGET_COLUMNS = ("fingerprint", "episodes")
"""What tells credits that are stale: the mark of what they were computed from, and a digest of the run's episodes."""

# Step columns carry no type on purpose: SQLite then keeps every value as it was given (REAL would turn -0.0 into 0.0).
_SCHEMA = f"""
CREATE TABLE groups (
    group_id TEXT PRIMARY KEY,
    config   TEXT NOT NULL,
    created  TEXT NOT NULL,
    version  TEXT NOT NULL
);
CREATE TABLE runs (
    run_id   TEXT PRIMARY KEY,
    group_id TEXT REFERENCES groups,
    env_id   TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    config   TEXT NOT NULL,
    seed     TEXT,
    status   TEXT NOT NULL,
    created  TEXT NOT NULL,
    version  TEXT NOT NULL
);
CREATE TABLE episodes (
    key      INTEGER PRIMARY KEY,
    run_id   TEXT NOT NULL REFERENCES runs,
    {", ".join(f'"{name}"' for name in EPISODE_COLUMNS)},
    recorded TEXT NOT NULL,
    UNIQUE (run_id, episode_id)
);
CREATE TABLE steps (
    episode INTEGER NOT NULL REFERENCES episodes ON DELETE CASCADE,
    step    INTEGER NOT NULL,
    {", ".join(f'"{name}"' for name in STEP_COLUMNS)},
    PRIMARY KEY (episode, step)
) WITHOUT ROWID;
CREATE TABLE targets (
    key     INTEGER PRIMARY KEY,
    run_id  TEXT NOT NULL REFERENCES runs,
    scorer  TEXT NOT NULL,
    options TEXT NOT NULL,
    {", ".join(TARGET_COLUMNS)},
    UNIQUE (run_id, scorer, options)
);
CREATE TABLE credits (
    target  INTEGER NOT NULL REFERENCES targets ON DELETE CASCADE,
    episode INTEGER NOT NULL REFERENCES episodes ON DELETE CASCADE,
    step    INTEGER NOT NULL,
    credit,
    PRIMARY KEY (target, episode, step)
) WITHOUT ROWID;
CREATE TABLE results (
    group_id TEXT NOT NULL REFERENCES groups,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (group_id, name)
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


def connect(file: Path, *, writable: bool = True) -> sqlite3.Connection:
    """Open a store's database, making it when there is none.

    The write-ahead log lets readers and other processes go on while one writes. ``synchronous=FULL`` costs one fsync a
    commit and is what makes "committed" mean "survives a power cut"; whoever has many short episodes commits them
    together.

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
            _check(connection, file)
            connection.execute("PRAGMA synchronous = FULL")
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
            connection.executescript(_SCHEMA)
        with suppress(FileExistsError):
            os.link(aside, file)
    finally:
        aside.unlink(missing_ok=True)


def _check(connection: sqlite3.Connection, file: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(f"{file} is the database of another program: choose another folder.")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{file} was written by a newer credit_gym (schema {version}, this one reads {SCHEMA_VERSION}): "
            "upgrade credit-gym."
        )
    if version < SCHEMA_VERSION or _lacking(connection):
        _upgrade(connection)


def _upgrade(connection: sqlite3.Connection) -> None:
    """Add the columns that an older store lacks: its episodes did not record them, and its credits are stale.

    Older versions kept episodes with numbers that no scorer can compute with; these did not complete.
    """
    with transaction(connection):
        for table, name in _lacking(connection):
            connection.execute(f'ALTER TABLE {table} ADD COLUMN "{name}"')
        for key, fault in list(_faults(connection)):
            connection.execute("UPDATE episodes SET error = ? WHERE key = ?", (f"BatchError: {fault}", key))
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _lacking(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """The tables and the columns that they lack: a new entry in the table of columns needs no new version."""
    return [
        (table, name)
        for table, columns in (("episodes", EPISODE_COLUMNS), ("steps", STEP_COLUMNS), ("targets", TARGET_COLUMNS))
        for present in [{found for _, found, *_ in connection.execute(f"PRAGMA table_info({table})")}]
        for name in columns
        if name not in present
    ]


def _faults(connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """Yield the key of each completed episode with such a number, and what is wrong with it."""
    names = [column.name for column in NUMBERS]
    cells = ", ".join(f'"{name}"' for name in names)
    for key, recorded in connection.execute("SELECT key, recorded FROM episodes WHERE error IS NULL").fetchall():
        rows = connection.execute(f"SELECT {cells} FROM steps WHERE episode = ? ORDER BY step", (key,))
        kept = frozenset(load(recorded))
        columns = {
            column.name: [math.nan if cell is None else cell for cell in values][: None if column.extra else -1]
            for column, values in zip(NUMBERS, zip(*rows, strict=True), strict=False)
            if column.name in kept
        }
        fault = first_fault(columns)
        if fault is not None:
            yield key, fault


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Run a block of reads on one state of the store, whatever other processes write meanwhile."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Run a block as one write transaction: all of it is committed, or nothing is."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
