"""Stores as older versions wrote them: two that were kept, and any new one put back into its layout."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from builders import TESTS

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.store import Store
from credit_gym.store.codecs import EPISODE_COLUMNS as _ONCE
from credit_gym.store.schema import LISTED

KEPT = TESTS / "core" / "store"
_STEPS = [column for column in COLUMNS if column.kind != "episode"]


def unpacked(folder: Path, version: int = 4) -> list[dict[str, str]]:
    """Unpack a store that a version wrote, 4 or 5; return the fields of its episodes as text, None left out."""
    with zipfile.ZipFile(KEPT / f"version_{version}.zip") as kept:
        kept.extractall(folder)
    return [dict(fields) for fields in json.loads((folder / "episodes.json").read_text())]


def as_version_4(folder: Path) -> None:
    """Put a store of short texts back into the layout of version 4, a row a step."""
    with Store.open(folder, create=False) as store:
        episodes = {e.episode_id: e for record in store.runs() for e in store.load_episodes(record.run_id)}
    with closing(sqlite3.connect(folder / "store.sqlite")) as database, database:
        keys = database.execute("SELECT key, episode_id FROM episodes").fetchall()
        credits = database.execute("SELECT target, episode, credit FROM credits").fetchall()
        names = ", ".join(f'"{column.name}"' for column in _STEPS)
        database.executescript(
            "DROP TABLE credits; DROP TABLE columns;"
            + "".join(f"ALTER TABLE episodes DROP COLUMN {name};" for name in ("steps", "episode_return", "checksum"))
            + "".join(f"ALTER TABLE episodes ADD COLUMN {name};" for name in _ONCE if name not in LISTED)
            + "ALTER TABLE episodes ADD COLUMN recorded TEXT NOT NULL DEFAULT '[]';"
            f"CREATE TABLE steps (episode INTEGER NOT NULL REFERENCES episodes ON DELETE CASCADE,"
            f" step INTEGER NOT NULL, {names}, PRIMARY KEY (episode, step)) WITHOUT ROWID;"
            "CREATE TABLE credits (target INTEGER NOT NULL REFERENCES targets ON DELETE CASCADE, episode INTEGER NOT"
            " NULL REFERENCES episodes ON DELETE CASCADE, step INTEGER NOT NULL, credit,"
            " PRIMARY KEY (target, episode, step)) WITHOUT ROWID;"
            "PRAGMA user_version = 4;"
        )
        for key, episode_id in keys:
            episode = episodes[episode_id]
            recorded = [column.name for column in _STEPS if getattr(episode, column.name) is not None]
            once = {name: codec.encode(folder / "blobs", getattr(episode, name)) for name, codec in _ONCE.items()}
            for name, cell in {**once, "recorded": json.dumps(recorded)}.items():
                database.execute(f"UPDATE episodes SET {name} = ? WHERE key = ?", (cell, key))
            for row in _rows(key, episode):
                database.execute(f"INSERT INTO steps VALUES ({', '.join('?' * (len(_STEPS) + 2))})", row)
        for target, key, cell in credits:
            values = memoryview(cell).cast("d").tolist()
            database.executemany(
                "INSERT INTO credits VALUES (?, ?, ?, ?)", [(target, key, t, v) for t, v in enumerate(values)]
            )


def _rows(key: int, episode: Episode) -> Iterator[tuple[Any, ...]]:
    for t in range(len(episode) + 1):
        columns = [getattr(episode, column.name) for column in _STEPS]
        yield key, t, *(None if row is None or t == len(row) else _cell(row[t]) for row in columns)


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, tuple) else value
