"""A store of an older version becomes one of this version when it is opened."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable
from pathlib import Path

from credit_gym.data.soundness import marked
from credit_gym.store.episode_cells import EpisodeCells, encode_episode, put_columns
from credit_gym.store.older_layout import cells_of_version_5, older_credits, older_episodes
from credit_gym.store.schema import (
    COLUMN_CELLS,
    COLUMNS_OF_EPISODES,
    CREDITS,
    LISTED_COLUMNS,
    SCHEMA_VERSION,
    TARGET_COLUMNS,
    quoted,
)

_TABLES = {"episodes": LISTED_COLUMNS, "columns": COLUMN_CELLS, "targets": TARGET_COLUMNS}


def upgrade(connection: sqlite3.Connection, folder: Path) -> None:
    """Bring a store to the present version; called inside a transaction, and harmless where another process did it.

    Columns that it lacks are added: its episodes did not record them, and its credits are stale. Version 5 had a cell
    for each column of an episode, version 4 a row for each step. Up to version 3 episodes with numbers that no scorer
    can compute with counted as completed.

    Args:
        connection: the store.
        folder: folder of its files.

    Raises:
        StoreError: an episode of version 4 or before is damaged; the store stays as it was.
    """
    by_step = bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'steps'").fetchall())
    if by_step:
        connection.execute(COLUMNS_OF_EPISODES)
    lacking = _lacking(connection)
    for table, name in lacking:
        connection.execute(f'ALTER TABLE {table} ADD COLUMN "{name}"')
    if by_step:
        episodes = older_episodes(connection, folder)
        _put_again(connection, ((key, encode_episode(folder, marked(episode))) for key, episode in episodes))
        _one_row_an_episode(connection)
    elif ("columns", "recorded") in lacking:
        _put_again(connection, cells_of_version_5(connection))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def lacks_columns(connection: sqlite3.Connection) -> bool:
    """Whether a store has not all columns: a new entry in the table of columns needs no new version."""
    return bool(_lacking(connection))


def _lacking(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """The tables and the columns that they lack."""
    return [
        (table, name)
        for table, columns in _TABLES.items()
        for present in [{found for _, found, *_ in connection.execute(f"PRAGMA table_info({table})")}]
        for name in columns
        if name not in present
    ]


def _put_again(connection: sqlite3.Connection, episodes: Iterable[tuple[int, EpisodeCells]]) -> None:
    """Put what is kept of each episode, by its key, in the place of what was."""
    for key, cells in episodes:
        connection.execute("DELETE FROM columns WHERE episode = ?", (key,))
        put_columns(connection, key, cells.columns)
        listed = ", ".join(f"{quoted((name,))} = ?" for name in cells.listed)
        connection.execute(f"UPDATE episodes SET {listed} WHERE key = ?", (*cells.listed.values(), key))
    for _, name, *_ in connection.execute("PRAGMA table_info(episodes)").fetchall():
        if name not in ("key", "run_id", *LISTED_COLUMNS):
            connection.execute(f"ALTER TABLE episodes DROP COLUMN {quoted((name,))}")


def _one_row_an_episode(connection: sqlite3.Connection) -> None:
    credits = [(*at, struct.pack(f"<{len(row)}d", *row)) for *at, row in older_credits(connection)]
    for statement in ("DROP TABLE credits", CREDITS, "DROP TABLE steps"):
        connection.execute(statement)
    connection.executemany("INSERT INTO credits VALUES (?, ?, ?)", credits)
