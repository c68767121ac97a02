"""The tasks of a served environment, as a client browses them: splits, how many, and what each is about."""

from __future__ import annotations

from threading import Lock
from typing import Any

from credit_gym.errors import CreditGymError
from credit_gym.wrappers.doors.served_session import ServedGame, own_split, refuse_split

MOST = 1000
"""Tasks that are described at a time."""

PREVIEW = 100
"""Tasks of a listing that asks for all."""


class ServedTasks:
    """Describes tasks, without a session. One environment a split is made when it is first asked about, and stays.

    Args:
        game: what is served.
    """

    def __init__(self, game: ServedGame) -> None:
        self._game = game
        self._envs: dict[str | None, Any] = {}
        self._lock = Lock()  # an environment answers one question at a time

    def splits(self) -> list[str]:
        """Return the names of the splits that a reset may choose."""
        if self._game.splits:
            return list(self._game.splits)
        with self._lock:
            return [own_split(self._env(None))]

    def count(self, split: str) -> int:
        """Return how many tasks a split has.

        Raises:
            NotImplementedError: the environment has no list of tasks.
            CreditGymError: the split is not served.
        """
        with self._lock:
            return self._count(split)

    def task(self, split: str, index: int) -> dict[str, Any]:
        """Return what a task is about: its number, its id, its split and its goal.

        Raises:
            IndexError: there is none of that number.
        """
        (found,) = self._described(split, [index])
        return found

    def tasks(self, split: str, start: int | None = None, stop: int | None = None) -> list[dict[str, Any]]:
        """Return what the tasks of a slice are about.

        Raises:
            CreditGymError: they are too many.
        """
        wanted = range(self.count(split))[start:stop]
        if len(wanted) > MOST:
            raise CreditGymError(f"Those are {len(wanted)} tasks: ask for at most {MOST} at a time.")
        return self._described(split, wanted)

    def preview(self, split: str) -> list[dict[str, Any]]:
        """Return what the first tasks of a split are about."""
        return self.tasks(split, 0, PREVIEW)

    def _described(self, split: str, indices: Any) -> list[dict[str, Any]]:
        with self._lock:
            env, count = self._env(split), self._count(split)
            found = []
            for index in indices:
                if not 0 <= index < count:
                    raise IndexError(index)
                _, info = env.reset(seed=0, options={"task": index})
                task = info["task"]
                found.append({"index": index, "id": task["id"], "split": task["split"], "goal": task["goal"]})
            return found

    def _count(self, split: str) -> int:
        count = getattr(self._env(split).unwrapped, "num_tasks", None)
        if count is None:
            raise NotImplementedError(f"{self._game.env_id} has no list of tasks.")
        return int(count)

    def _env(self, split: str | None) -> Any:
        name = split if self._game.splits else None
        if name not in self._envs:
            self._envs[name] = self._game.made(name)
        if split is not None and not self._game.splits:
            refuse_split(split, self._envs[name])
        return self._envs[name]
