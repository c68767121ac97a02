"""Where tasks are from: made here from a seed, or published ones in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from credit_gym.envs.function_calls.embedded import BACK_ENDS, embedded_task, tool_documents
from credit_gym.envs.function_calls.published import find_folder, library, read_tasks
from credit_gym.envs.function_calls.tasks import CATEGORIES, Category, Task
from credit_gym.envs.function_calls.world import Library
from credit_gym.errors import unknown

EMBEDDED, FOLDER = "embedded", "folder"
SPLITS = ("train", "test")

_FIRST = {"train": 0, "test": 1_000_000}  # index of the first task of a category
_OURS = Library(BACK_ENDS, tool_documents, in_place=False)


class Tasks(Sequence[Task]):
    """Embedded tasks, each made when it is asked for."""

    def __init__(self, categories: Sequence[Category], split: str, count: int, seed: int) -> None:
        self._categories, self._first, self._count, self._seed = categories, _FIRST[split], count, seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Task:  # type: ignore[override]
        if not 0 <= number < self._count:
            raise IndexError(number)
        round_, place = divmod(number, len(self._categories))
        return embedded_task(self._categories[place], self._first + round_, self._seed)


@dataclass(frozen=True)
class Source:
    """Tasks and the back ends that they need.

    Attributes:
        library: the back ends.
        tasks: in order.
        split: what the tasks are called together.
    """

    library: Library
    tasks: Sequence[Task]
    split: str

    def numbers(self) -> dict[str, int]:
        """Return the id of each task -> its number."""
        return {task.id: number for number, task in enumerate(self.tasks)}


def open_source(
    name: str,
    category: str = "all",
    split: str | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    count: int = 120,
    seed: int = 0,
) -> Source:
    """Return tasks.

    Args:
        name: ``embedded`` or ``folder``.
        category: one of the four, or ``all``.
        split: ``train`` (the default) or ``test`` of the embedded ones; ``all`` of a folder.
        folder: of the published ones; by default the variable ``BFCL_DIR``.
        count: of the embedded ones.
        seed: of the embedded ones.

    Raises:
        UnknownNameError: there is no such source, category or split.
        ManifestError: the folder is not set, or a file in it is missing or malformed.
    """
    if name not in (EMBEDDED, FOLDER):
        raise unknown("source", name, (EMBEDDED, FOLDER))
    if category not in (*CATEGORIES, "all"):
        raise unknown("category", category, (*CATEGORIES, "all"))
    chosen = tuple(each for each in CATEGORIES if category in (each, "all"))
    splits = SPLITS if name == EMBEDDED else ("all",)
    split = splits[0] if split is None else split
    if split not in splits:
        raise unknown("split", split, splits)
    if name == EMBEDDED:
        return Source(_OURS, Tasks(chosen, split, count, seed), split)
    place = find_folder(folder)
    return Source(library(place), [task for each in chosen for task in read_tasks(place, each)], split)
