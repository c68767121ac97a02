"""What scorers said of a run's steps: of each episode the numbers' bytes, NaN where a step was not scored."""

from __future__ import annotations

import math
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

from credit_gym.data.target import TrainingTarget
from credit_gym.errors import StoreError


def by_episode(targets: Iterable[TrainingTarget], steps: Mapping[str, int]) -> Iterator[tuple[str, list[float]]]:
    """Yield the credits of some targets by episode, each with a number for each of its ``steps``."""
    credits: dict[str, dict[int, float]] = {}
    for target in targets:
        credits.setdefault(target.episode_id, {})[target.step] = target.credit
    for episode_id, given in credits.items():
        yield episode_id, [given.get(step, math.nan) for step in range(steps.get(episode_id, 0))]


def put_credits(
    database: sqlite3.Connection,
    named: tuple[str, str, str],
    credits: Iterable[tuple[str, Sequence[float]]],
    *,
    digest: str,
    fingerprint: str,
) -> None:
    """Put the credits of a run in the place of those of the same name; called inside a transaction.

    Args:
        database: the store.
        named: run, scorer and options (:func:`credit_gym.store.naming.target_key`).
        credits: ids of episodes, with a credit for each step.
        digest: of the episodes that were scored.
        fingerprint: the mark of what they were computed from.

    Raises:
        StoreError: the run has no episode of an id.
    """
    database.execute("DELETE FROM targets WHERE run_id = ? AND scorer = ? AND options = ?", named)
    insert = "INSERT INTO targets (run_id, scorer, options, fingerprint, episodes) VALUES (?, ?, ?, ?, ?)"
    key = database.execute(insert, (*named, fingerprint, digest)).lastrowid
    add = "INSERT INTO credits SELECT ?, key, ? FROM episodes WHERE run_id = ? AND episode_id = ?"
    for episode_id, row in credits:
        if not database.execute(add, (key, struct.pack(f"<{len(row)}d", *row), named[0], episode_id)).rowcount:
            raise StoreError(f"The run {named[0]} has no episode {episode_id!r}: add it before its targets.")


def read_credits(connection: sqlite3.Connection, target: int) -> dict[str, tuple[float, ...]]:
    """Return the credits of each scored episode.

    Args:
        connection: the store.
        target: key of the set of credits.

    Raises:
        StoreError: a cell is damaged.
    """
    rows = connection.execute(
        "SELECT episode_id, credit FROM credits JOIN episodes ON key = episode WHERE target = ?", (target,)
    )
    try:
        return {episode_id: struct.unpack(f"<{len(cell) // 8}d", cell) for episode_id, cell in rows}
    except (struct.error, TypeError) as error:
        raise StoreError(f"Kept credits are damaged ({error}): score the run again.") from error
