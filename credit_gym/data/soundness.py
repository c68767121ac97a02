"""Which numbers an episode may hold: those that scorers can compute with.

A reward is finite. Another number of a step or a point may be NaN, where there was no reading; a logarithm may be that
of 0. An episode with any other value has no outcome: it is kept with the reason in its ``error``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from credit_gym.data.columns import COLUMNS, Column
from credit_gym.data.episode import Episode

NUMBERS = tuple(column for column in COLUMNS if column.type == "number" and column.kind in ("step", "point"))
"""The columns that this is about."""


def is_sound(column: Column, value: float) -> bool:
    """Whether a column of :data:`NUMBERS` may hold a value."""
    if column.required:
        return math.isfinite(value)
    return value != math.inf and (column.unit == "nats" or value != -math.inf)


def wanted(column: Column) -> str:
    """Return in words what :func:`is_sound` asks for."""
    return "a finite number" if column.required else "a finite number, or NaN where there was no reading"


def first_fault(columns: Mapping[str, Sequence[float] | None]) -> str | None:
    """Return a sentence about the first number that may not be there, None if all are sound.

    Args:
        columns: by name, those of :data:`NUMBERS` that were recorded.
    """
    for column in NUMBERS:
        for index, value in enumerate(columns.get(column.name) or ()):
            if not is_sound(column, value):
                where = "step" if column.kind == "step" else "point"
                return f"{column.name} at {where} {index} is {value}: it must be {wanted(column)}."
    return None


def marked(episode: Episode) -> Episode:
    """Return the episode, with a reason in its ``error`` if a number in it cannot be computed with."""
    if episode.error is not None:
        return episode
    fault = first_fault({column.name: getattr(episode, column.name) for column in NUMBERS})
    return episode if fault is None else replace(episode, error=f"BatchError: {fault}")


def sound(episodes: Iterable[Episode]) -> list[Episode]:
    """Return the episodes that completed and can be computed with; a warning counts the others and names the first."""
    checked = [marked(episode) for episode in episodes]
    faulty = [episode for episode in checked if episode.error is not None]
    if faulty:
        first = f"{faulty[0].episode_id!r}: {faulty[0].error}"
        warnings.warn(f"{len(faulty)} of {len(checked)} episodes are left out, first {first}", stacklevel=3)
    return [episode for episode in checked if episode.error is None]
