"""The store itself: what is written, when it counts as committed, and how it is read back."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from credit_gym import __version__
from credit_gym.data.episode import Episode
from credit_gym.data.soundness import marked
from credit_gym.data.target import TrainingTarget, pair_with_credit
from credit_gym.errors import StoreError, unknown
from credit_gym.store import blobs
from credit_gym.store.codecs import dump, load, load_mapping
from credit_gym.store.database import connect, is_writable, snapshot, transaction
from credit_gym.store.episode_cells import ManyCells, encode_episode, put_cells, read_cells
from credit_gym.store.kept_credits import by_episode, put_credits, read_credits
from credit_gym.store.naming import candidate_ids, digest_of, ordered, target_key
from credit_gym.store.records import RUN_COLUMNS, GroupRecord, Outcomes, RunRecord, run_of_row
from credit_gym.store.stored_episodes import Layout, StoredEpisodes, read_layout, read_outcomes

_NO_OPTIONS: Mapping[str, Any] = {}
_SUGGESTED = 10  # ids, the newest, that an error about an unknown one may list
_SYNCED_EVERY = 0.1  # seconds
_TARGETS = "run_id = ? AND scorer = ? AND options = ?"


class Store:
    """Runs, episodes, targets and results in ``<folder>/store.sqlite``; long values in ``<folder>/blobs/``.

    Whatever a method has written when it returns survives ``kill -9``, and nothing of what it was writing when it was
    killed is ever seen: files are on the disk before the row that names them is committed, and the rows of one call
    are one transaction. A power cut takes no run, no targets and no episode that came a tenth of a second or more after
    the one before it; of those that come faster it takes at most the last tenth of a second. Any number of threads may
    share a store, any number of processes may open it; the folder must be on a local disk, because SQLite's
    write-ahead log needs shared memory.

    Ids are digests of what they name (and of how many equal ones came before), so the same commands in an empty folder
    give the same ids. :mod:`credit_gym.store.folders` gives each run and each sweep a folder, and a store, of its own.

    Attributes:
        folder: where it is.
        kept: whether what is written stays; a store that cannot be written is worked with in memory.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, *, kept: bool = True) -> None:
        self.folder = folder
        self.kept = kept
        self._blobs = folder / "blobs"
        self._connection = connection
        self._lock = threading.RLock()
        self._synced = -math.inf  # when all that had been committed was last on the disk

    @classmethod
    def open(cls, folder: str | Path, *, create: bool = True) -> Self:
        """Open the store in a folder.

        Args:
            folder: where it is, or shall be.
            create: make it if there is none.

        Raises:
            StoreError: there is none, the folder cannot be written, the file is something else, or it is newer.
        """
        folder = Path(folder)
        file = folder / "store.sqlite"
        if not create and not file.exists():
            raise StoreError(f"There is no store in {folder}: `credit-gym run --out {folder}` makes one.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The folder {folder} cannot be made ({error.strerror}): choose another one.") from error
        kept = is_writable(file)
        return cls(folder, connect(file, writable=kept), kept=kept)

    def close(self) -> None:
        """Close the database; closing twice is harmless."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # Groups and their results

    def start_group(self, config: Mapping[str, Any], *, group_id: str | None = None) -> str:
        """Record a sweep and return its id: the given one, else ``group_`` and 12 hexadecimal digits."""
        with self._write() as database:
            group_id = group_id or self._free_id("group", [config])
            database.execute("INSERT INTO groups VALUES (?, ?, ?, ?)", (group_id, dump(config), _now(), __version__))
        return group_id

    def group(self, group_id: str) -> GroupRecord:
        """Return one sweep.

        Raises:
            UnknownNameError: there is no sweep of that id.
        """
        for record in self.groups():
            if record.group_id == group_id:
                return record
        raise unknown("group", group_id, (record.group_id for record in self.groups()[-_SUGGESTED:]))

    def groups(self) -> list[GroupRecord]:
        """Return all sweeps, oldest first."""
        rows = self._read("SELECT group_id, config, created, version FROM groups ORDER BY rowid")
        return [GroupRecord(group_id, load_mapping(config), created, made) for group_id, config, created, made in rows]

    def set_result(self, group_id: str, name: str, value: Any) -> None:
        """Keep the result of one cell of a sweep, made of JSON's types; a second value replaces the first."""
        self.group(group_id)
        with self._write() as database:
            database.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (group_id, name, dump(value)))

    def results(self, group_id: str) -> dict[str, Any]:
        """Return the results of a sweep by name, in the order of the names."""
        rows = self._read("SELECT name, value FROM results WHERE group_id = ? ORDER BY name", group_id)
        return {name: load(value) for name, value in rows}

    # Runs

    def start_run(
        self,
        *,
        env_id: str,
        agent_id: str,
        config: Mapping[str, Any] = _NO_OPTIONS,
        seed: int | None = None,
        group_id: str | None = None,
        run_id: str | None = None,
    ) -> str:
        """Record a run and return its id.

        Args:
            env_id: Gymnasium id.
            agent_id: who plays.
            config: everything else that fixes the run, made of JSON's types.
            seed: the run's seed.
            group_id: the sweep that it belongs to.
            run_id: its id, where it was settled before; else ``run_`` and 12 hexadecimal digits.

        Raises:
            UnknownNameError: there is no such sweep.
        """
        if group_id is not None:
            self.group(group_id)
        with self._write() as database:
            run_id = run_id or self._free_id("run", [group_id, env_id, agent_id, config, seed])
            seed_text = None if seed is None else str(seed)
            row = (run_id, group_id, env_id, agent_id, dump(config), seed_text, "running", _now())
            database.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, __version__))
        return run_id

    def finish_run(self, run_id: str, status: str = "finished") -> None:
        """Note how a run ended; it can be taken up again afterwards."""
        self.run(run_id)
        with self._write() as database:
            database.execute("UPDATE runs SET status = ? WHERE run_id = ?", (status, run_id))

    def run(self, run_id: str) -> RunRecord:
        """Return one run.

        Raises:
            UnknownNameError: there is no run of that id.
        """
        for record in self._runs("WHERE run_id = ?", run_id):
            return record
        raise unknown("run", run_id, (record.run_id for record in self.runs()[-_SUGGESTED:]))

    def runs(self, group_id: str | None = None) -> list[RunRecord]:
        """Return the runs, oldest first: all of them, or those of one sweep."""
        return self._runs() if group_id is None else self._runs("WHERE group_id = ?", group_id)

    # Episodes

    def add_episode(self, run_id: str, episode: Episode) -> None:
        """Commit one episode; see :meth:`add_episodes`."""
        self.add_episodes(run_id, [episode])

    def add_episodes(self, run_id: str, episodes: Iterable[Episode]) -> None:
        """Commit some episodes of a run, all or none.

        An episode with a number that scorers cannot compute with (a reward of NaN) did not complete: it is kept with
        the reason in its ``error`` (:mod:`credit_gym.data.soundness`).

        Raises:
            UnknownNameError: there is no such run.
            StoreError: the run has an episode of that id already, or the disk refuses.
        """
        self._check_run(run_id)
        try:
            with blobs.together():
                encoded = [(episode, encode_episode(self._blobs, marked(episode))) for episode in episodes]
        except (OSError, ValueError, TypeError, OverflowError) as error:
            raise StoreError(f"An episode of {run_id} cannot be written: {error}.") from error
        with self._write(on_disk=False) as database:
            for episode, cells in encoded:
                try:
                    put_cells(database, run_id, cells)
                except sqlite3.IntegrityError as error:
                    raise StoreError(f"The run {run_id} has an episode {episode.episode_id!r} already.") from error

    def remove_failed(self, run_id: str) -> None:
        """Drop the episodes of a run that did not complete, and their targets, so that they can be played again."""
        with self._write() as database:
            database.execute("DELETE FROM episodes WHERE run_id = ? AND error IS NOT NULL", (run_id,))

    def episode_ids(self, run_id: str) -> list[str]:
        """Return the ids of a run's committed episodes, numbers inside them in numeric order."""
        self._check_run(run_id)
        rows = self._read("SELECT episode_id FROM episodes WHERE run_id = ?", run_id)
        return ordered([str(episode_id) for (episode_id,) in rows])  # one that is damaged is refused when it is read

    def episodes(self, run_id: str) -> StoredEpisodes:
        """Return a run's episodes as they are now, read when they are wanted, in the order of :meth:`episode_ids`."""
        self._check_run(run_id)
        with self._reading(), self._lock:
            return StoredEpisodes(self._cells, self._blobs, read_layout(self._connection, run_id))

    def load_episodes(self, run_id: str) -> list[Episode]:
        """Return all of :meth:`episodes`, exactly as they were added, whichever worker finished first."""
        return list(self.episodes(run_id))

    def outcomes(self, run_id: str) -> Outcomes:
        """Return how the episodes of a run ended, without reading them."""
        with self._reading(), self._lock:
            return read_outcomes(self._connection, run_id)

    def _cells(self, layout: Layout) -> ManyCells:
        with self._reading(), self._lock:
            return read_cells(self._connection, layout.key.tolist(), layout.id.tolist(), layout.steps.tolist())

    # Targets

    def add_targets(
        self,
        run_id: str,
        scorer: str,
        options: Mapping[str, Any],
        targets: Iterable[TrainingTarget],
        *,
        episodes: Iterable[str] | None = None,
        fingerprint: str = "",
    ) -> None:
        """Commit what a scorer with some options said of a run's steps; a second time replaces the first.

        Args:
            run_id: the run.
            scorer: the scorer's name.
            options: its options.
            targets: one a step.
            episodes: ids of all episodes that were scored, those without steps included; all that are complete by
                default. The targets are stale as soon as the run's completed episodes are not these.
            fingerprint: the mark of what they were computed from, under which :meth:`find_credits` finds them.

        Raises:
            StoreError: a target is of an episode that the run does not have.
        """
        rows: list[Any] = self._read("SELECT episode_id, steps FROM episodes WHERE run_id = ?", run_id)
        given, scored = by_episode(targets, dict(rows)), self._completed(run_id) if episodes is None else episodes
        self.add_credits(run_id, scorer, options, given, episodes=scored, fingerprint=fingerprint)

    def add_credits(
        self,
        run_id: str,
        scorer: str,
        options: Mapping[str, Any],
        credits: Iterable[tuple[str, Sequence[float]]],
        *,
        episodes: Iterable[str],
        fingerprint: str = "",
    ) -> None:
        """Commit the credits of :meth:`add_targets`, given as whole episodes: an id, and a credit for each step."""
        self._check_run(run_id)
        named = target_key(run_id, scorer, options)
        with self._write() as database:
            put_credits(database, named, credits, digest=digest_of(episodes), fingerprint=fingerprint)

    def target_sets(self, run_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the scorers, each with its options, whose targets a run has."""
        self.run(run_id)
        rows = self._read("SELECT scorer, options FROM targets WHERE run_id = ? ORDER BY scorer, options", run_id)
        return [(scorer, load_mapping(options)) for scorer, options in rows]

    def load_credits(
        self, run_id: str, scorer: str, options: Mapping[str, Any] = _NO_OPTIONS
    ) -> dict[str, tuple[float, ...]]:
        """Return the credit of each step of each scored episode, by episode id; NaN where a step was not scored.

        Raises:
            StoreError: the run has no such targets, or they are of other episodes than it now has.
        """
        self.run(run_id)
        named = target_key(run_id, scorer, options)
        again = f"`credit-gym score {run_id} --scorer {scorer}`"
        with self._snapshot():
            found = self._read(f"SELECT key, episodes FROM targets WHERE {_TARGETS}", *named)
            if not found:
                raise StoreError(f"{run_id} has no targets of {scorer!r} with {named[2]}: {again} makes them.")
            if found[0][1] != digest_of(self._completed(run_id)):
                raise StoreError(
                    f"The targets of {scorer!r} with {named[2]} are stale, of other episodes than {run_id} now has "
                    f"or by an older version: score it again with {again}."
                )
            return self._credits(found[0][0])

    def has_credits(self, run_id: str, scorer: str, options: Mapping[str, Any]) -> bool:
        """Whether a run has credits of a scorer with some options, be they stale."""
        return bool(self._read(f"SELECT 1 FROM targets WHERE {_TARGETS}", *target_key(run_id, scorer, options)))

    def find_credits(
        self, run_id: str, scorer: str, options: Mapping[str, Any], fingerprint: str
    ) -> dict[str, tuple[float, ...]] | None:
        """Return the credits of :meth:`load_credits` that carry a mark; None if the run has none with it."""
        named = target_key(run_id, scorer, options)
        with self._snapshot():
            found = self._read(f"SELECT key FROM targets WHERE {_TARGETS} AND fingerprint = ?", *named, fingerprint)
            return self._credits(found[0][0]) if found else None

    def _credits(self, target: int) -> dict[str, tuple[float, ...]]:
        found = read_credits(self._connection, target)
        return {name: found[name] for name in ordered(list(found))}

    def load_targets(self, run_id: str, scorer: str, options: Mapping[str, Any] = _NO_OPTIONS) -> list[TrainingTarget]:
        """Return a run's training targets: the credits of :meth:`load_credits` beside their steps."""
        credits = self.load_credits(run_id, scorer, options)
        episodes = [episode for episode in self.load_episodes(run_id) if episode.episode_id in credits]
        flat = np.asarray([c for episode in episodes for c in credits[episode.episode_id]], dtype=np.float64)
        return pair_with_credit(episodes, flat, key=options.get("key", "state"))

    # Reading and writing

    @contextmanager
    def _write(self, *, on_disk: bool = True) -> Iterator[sqlite3.Connection]:
        """Run a block as a transaction; without ``on_disk`` it is there at the latest with the next one that is due."""
        try:
            with self._lock:
                on_disk = on_disk or time.monotonic() - self._synced >= _SYNCED_EVERY
                with transaction(self._connection, on_disk=on_disk) as database:
                    yield database
                if on_disk:
                    self._synced = time.monotonic()
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise StoreError(f"The store in {self.folder} cannot be written: {error}.") from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise StoreError(f"The store in {self.folder} cannot be read: {error}.") from error

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        with self._reading(), self._lock, snapshot(self._connection):
            yield

    def _read(self, query: str, *values: Any) -> list[Sequence[Any]]:
        with self._reading(), self._lock:
            return self._connection.execute(query, values).fetchall()

    def _check_run(self, run_id: str) -> None:
        if not self._read("SELECT 1 FROM runs WHERE run_id = ?", run_id):
            self.run(run_id)  # which says that there is none

    def _runs(self, where: str = "", *values: Any) -> list[RunRecord]:
        rows = self._read(f"SELECT {RUN_COLUMNS} FROM runs {where} ORDER BY rowid", *values)
        return [run_of_row(row) for row in rows]

    def _completed(self, run_id: str) -> list[str]:
        completed = "SELECT episode_id FROM episodes WHERE run_id = ? AND error IS NULL"
        return [name for (name,) in self._read(completed, run_id)]

    def _free_id(self, kind: str, content: Any) -> str:
        """The first id of some content that is not taken, inside the transaction that takes it."""
        taken = f"SELECT 1 FROM {kind}s WHERE {kind}_id = ?"
        return next(each for each in candidate_ids(kind, content) if not self._read(taken, each))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
