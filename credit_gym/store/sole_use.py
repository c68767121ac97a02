"""One at a time: whoever plays into a folder has it alone, until it ends or dies."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from credit_gym.errors import StoreError
from credit_gym.store.database import is_writable


@contextmanager
def sole_use(folder: str | Path) -> Iterator[None]:
    """Hold a folder while the block runs; a second holder, in this process or another, is refused at once.

    The lock is SQLite's own on a file beside the store, so it works wherever stores do, and the system lets go of it
    however its holder dies. Reading needs no lock.

    Raises:
        StoreError: somebody else holds the folder, or it cannot be written.
    """
    file = Path(folder) / "in-use.lock"
    with closing(_taken(file)):
        yield


def _taken(file: Path) -> sqlite3.Connection:
    """A connection that holds a file until it is closed."""
    if not is_writable(file):
        raise StoreError(f"The folder {file.parent} cannot be written: nothing can be played into it.")
    try:
        connection = sqlite3.connect(file, timeout=0.0, isolation_level=None, check_same_thread=False)
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
