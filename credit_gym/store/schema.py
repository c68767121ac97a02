"""The tables of a store and their version."""

from __future__ import annotations

from credit_gym.store.codecs import EPISODE_COLUMNS
from credit_gym.store.column_cells import STEP_COLUMNS
from credit_gym.store.packing import PACKED

APPLICATION_ID = 0x43475354  # "CGST", so that another program's database is never written to
SCHEMA_VERSION = 6

TARGET_COLUMNS = ("fingerprint", "episodes")
"""What tells credits that are stale: the mark of what they were computed from, and a digest of the run's episodes."""

LISTED = ("episode_id", "group_id", "success", "error")
"""What an episode has once that runs are listed and parts of them found by."""

LISTED_COLUMNS = (*LISTED, "steps", "episode_return", "checksum")
"""The cells of an episode in the table of episodes; the checksum is that of the others."""

COLUMN_CELLS = (*PACKED, "checksum", *EPISODE_COLUMNS, *STEP_COLUMNS)
"""The cells of an episode in the table of columns; the checksum is that of the others that there are."""


def quoted(names: tuple[str, ...]) -> str:
    """Return the names of some columns as SQL lists them."""
    return ", ".join(f'"{name}"' for name in names)


# An episode is two rows, so that runs are listed and parts of them found without passing over what was seen and said.
# Columns carry no type on purpose: SQLite then keeps every value as it was given (REAL would turn -0.0 into 0.0).
EPISODES = f"""
CREATE TABLE episodes (
    key      INTEGER PRIMARY KEY,
    run_id   TEXT NOT NULL REFERENCES runs,
    {quoted(LISTED_COLUMNS)},
    UNIQUE (run_id, episode_id)
)"""
COLUMNS_OF_EPISODES = f"""
CREATE TABLE columns (
    episode INTEGER PRIMARY KEY REFERENCES episodes ON DELETE CASCADE,
    {quoted(COLUMN_CELLS)}
)"""
CREDITS = """
CREATE TABLE credits (
    target  INTEGER NOT NULL REFERENCES targets ON DELETE CASCADE,
    episode INTEGER NOT NULL REFERENCES episodes ON DELETE CASCADE,
    credit  BLOB NOT NULL,
    PRIMARY KEY (target, episode)
) WITHOUT ROWID"""

SCHEMA = f"""
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
{EPISODES};
{COLUMNS_OF_EPISODES};
CREATE TABLE targets (
    key     INTEGER PRIMARY KEY,
    run_id  TEXT NOT NULL REFERENCES runs,
    scorer  TEXT NOT NULL,
    options TEXT NOT NULL,
    {quoted(TARGET_COLUMNS)},
    UNIQUE (run_id, scorer, options)
);
{CREDITS};
CREATE TABLE results (
    group_id TEXT NOT NULL REFERENCES groups,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (group_id, name)
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""
