"""A run in parts of whole groups, so that a run of any length can be scored with a few of its episodes in memory.

A scorer of episodes or of groups says the same of a part as of the whole. One of whole batches is given one batch of
all parts, which holds columns and vocabularies but no episode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import IntArray
from credit_gym.data.joining import joined
from credit_gym.data.keys import Key
from credit_gym.store.stored_episodes import Layout, StoredEpisodes, chosen

PART = 1 << 14
"""Steps of a part, unless a group alone has more."""


class Part(NamedTuple):
    """Some completed episodes of a run.

    Attributes:
        numbers: (E,) their places in the run.
        ids: (E,) their ids.
        batch: of them.
    """

    numbers: IntArray
    ids: list[str]
    batch: EpisodeBatch


def in_parts(episodes: Sequence[Episode], key: Key, *, whole: bool, most: int | None = None) -> Iterator[Part]:
    """Yield the completed episodes of a run, each group in one part.

    Args:
        episodes: the run; one that is stored (:class:`credit_gym.store.StoredEpisodes`) is read part after part.
        key: what states are pooled by.
        whole: as one part.
        most: steps of a part; :data:`PART` by default.

    Raises:
        CreditGymError: those of :meth:`~credit_gym.data.batch.EpisodeBatch.from_episodes`.
    """
    layout = layout_of(episodes)
    parts = (
        Part(numbers, layout.id[numbers].tolist(), EpisodeBatch.from_episodes(chosen(episodes, numbers), key=key))
        for numbers in part_numbers(layout, most)
    )
    if not whole:
        yield from parts
        return
    numbers, ids, batches = zip(*parts, strict=True)
    together, all_ids, batch = np.concatenate(numbers), [name for each in ids for name in each], joined(batches)
    order = np.argsort(together)
    if bool((np.diff(together) < 0).any()):  # groups that were played in turn: back to the order of the run
        batch, all_ids, together = batch.select(order), [all_ids[i] for i in order], together[order]
    yield Part(together, all_ids, batch)


def layout_of(episodes: Sequence[Episode]) -> Layout:
    """Return the layout of some episodes; keys are their places unless they are stored."""
    if isinstance(episodes, StoredEpisodes):
        return episodes.layout
    groups: dict[str, int] = {}
    return Layout(
        np.arange(len(episodes), dtype=np.int64),
        np.asarray([episode.episode_id for episode in episodes], dtype=np.object_),
        np.asarray([groups.setdefault(episode.group_id, len(groups)) for episode in episodes], dtype=np.int64),
        np.asarray(list(map(len, episodes)), dtype=np.int64),
        np.asarray([episode.error is None for episode in episodes], dtype=np.bool_),
    )


def part_numbers(layout: Layout, most: int | None = None) -> list[IntArray]:
    """Return the places of the completed episodes of each part, at least one part, in the order of first episodes."""
    most = PART if most is None else most
    completed = np.flatnonzero(layout.completed)
    _, first, group = np.unique(layout.group[completed], return_index=True, return_inverse=True)
    place = np.empty(first.size, dtype=np.int64)
    place[np.argsort(first)] = np.arange(first.size)  # of each group among those that began before it
    steps = np.bincount(place[group], weights=layout.steps[completed], minlength=first.size)
    part_of_group = [part for part, _ in accumulate(steps.tolist(), _filled(most), initial=(0, 0.0))][1:]
    part = np.asarray(part_of_group, dtype=np.int64)[place[group]] if first.size else np.zeros(0, dtype=np.int64)
    by_part = np.argsort(part, kind="stable")
    return np.split(completed[by_part], np.cumsum(np.bincount(part))[:-1]) if first.size else [completed]


def first_part(episodes: Sequence[Episode]) -> Sequence[Episode]:
    """Return the completed episodes of the first part, read."""
    return list(chosen(episodes, part_numbers(layout_of(episodes))[0]))


def beginning(episodes: Sequence[Episode]) -> Sequence[Episode]:
    """Return the episodes of the first part, read, with those between them that failed; all of a short run."""
    layout = layout_of(episodes)
    first, *others = part_numbers(layout)
    if not others:
        return list(episodes)
    failed = np.flatnonzero(~layout.completed[: first.max()])
    return list(chosen(episodes, np.sort(np.concatenate([first, failed]))))


def _filled(most: int) -> Callable[[tuple[int, float], float], tuple[int, float]]:
    """How parts are filled: the number of the part, and the steps that are in it, after one more group."""

    def add(filled: tuple[int, float], steps: float) -> tuple[int, float]:
        part, held = filled
        return (part, held + steps) if held == 0.0 or held + steps <= most else (part + 1, steps)

    return add
