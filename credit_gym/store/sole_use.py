"""One at a time: whoever plays into a folder has it alone, until it ends or dies."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from credit_gym.errors import StoreError
from credit_gym.store.database import is_writable

_LOCK = "in-use.lock"
_GLANCE = 0.2  # seconds; whoever only looks whether a folder is in use holds it for less


@contextmanager
def sole_use(folder: str | Path) -> Iterator[None]:
    """Hold a folder while the block runs; a second holder, in this process or another, is refused at once.

    The lock is SQLite's own on a file beside the store, so it works wherever stores do, and the system lets go of it
    however its holder dies. Reading needs no lock.

    Raises:
        StoreError: somebody else holds the folder, or it cannot be written.
    """
    with closing(_taken(Path(folder) / _LOCK)):
        yield


def in_use(folder: str | Path) -> bool:
    """Return whether somebody holds a folder now; where that cannot be told, nobody does."""
    file = Path(folder) / _LOCK
    if not file.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=0.0)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        return error.sqlite_errorcode == sqlite3.SQLITE_BUSY
    return False


def _taken(file: Path) -> sqlite3.Connection:
    """A connection that holds a file until it is closed."""
    if not is_writable(file):
        raise StoreError(f"The folder {file.parent} cannot be written: nothing can be played into it.")
    try:
        connection = sqlite3.connect(file, timeout=_GLANCE, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise StoreError(
                f"Somebody else is playing into {file.parent}: wait until that ends, or stop it, and go on then."
            ) from None
        raise StoreError(f"The folder {file.parent} cannot be written ({error}): choose another one.") from error
    return connection
