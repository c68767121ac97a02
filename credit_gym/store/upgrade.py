"""A store of an older version becomes one of this version when it is opened."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

from credit_gym.data.soundness import marked
from credit_gym.store.codecs import EPISODE_COLUMNS
from credit_gym.store.column_cells import STEP_COLUMNS
from credit_gym.store.episode_cells import encode_episode
from credit_gym.store.older_layout import older_credits, older_episodes
from credit_gym.store.schema import COLUMNS_OF_EPISODES, CREDITS, SCHEMA_VERSION, TARGET_COLUMNS, TOTAL_COLUMNS, quoted

_TABLES = {
    "episodes": (*EPISODE_COLUMNS, *TOTAL_COLUMNS),
    "columns": tuple(STEP_COLUMNS),
    "targets": TARGET_COLUMNS,
}


def upgrade(connection: sqlite3.Connection, folder: Path) -> None:
    """Bring a store to the present version; called inside a transaction, and harmless where another process did it.

    Columns that it lacks are added: its episodes did not record them, and its credits are stale. Up to version 4 a step
    was a row; up to version 3 episodes with numbers that no scorer can compute with counted as completed.

    Args:
        connection: the store.
        folder: folder of its files.

    Raises:
        StoreError: an episode is damaged; the store stays as it was.
    """
    by_step = bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'steps'").fetchall())
    if by_step:
        connection.execute(COLUMNS_OF_EPISODES)
    for table, name in _lacking(connection):
        connection.execute(f'ALTER TABLE {table} ADD COLUMN "{name}"')
    if by_step:
        _one_row_an_episode(connection, folder)
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


def _one_row_an_episode(connection: sqlite3.Connection, folder: Path) -> None:
    once = (*EPISODE_COLUMNS, *TOTAL_COLUMNS)
    update = f"UPDATE episodes SET {', '.join(f'{quoted((name,))} = ?' for name in once)} WHERE key = ?"
    insert = f"INSERT INTO columns (episode, {quoted(tuple(STEP_COLUMNS))}) VALUES (?{', ?' * len(STEP_COLUMNS)})"
    for key, episode in older_episodes(connection, folder):
        cells, columns = encode_episode(folder, marked(episode))
        connection.execute(update, (*cells, key))
        connection.execute(insert, (key, *columns))
    credits = [(*at, struct.pack(f"<{len(row)}d", *row)) for *at, row in older_credits(connection)]
    for statement in ("DROP TABLE credits", CREDITS, "DROP TABLE steps", "ALTER TABLE episodes DROP COLUMN recorded"):
        connection.execute(statement)
    connection.executemany("INSERT INTO credits VALUES (?, ?, ?)", credits)
