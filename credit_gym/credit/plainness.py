"""What a credit does not tell apart: steps that all have one number, said where no later state recurs.

Where each state is met once, as in most imported chats, whoever pools states has nothing to pool: outcomes spread over
all steps alike, or everything falls on the first step, which the episodes of a group share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from credit_gym.credit.run_parts import layout_of, part_numbers
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.data.keys import Key, measure_key
from credit_gym.errors import MissingColumnError
from credit_gym.store.stored_episodes import chosen

_ROUNDING = 1e-9  # of the largest credit


def plainness(episodes: Sequence[Episode], credits: Sequence[Sequence[float] | None], key: Key = "state") -> str:
    """Return what the credits of some episodes leave alike, as the end of a sentence that a scorer's name begins.

    Args:
        episodes: E episodes; a stored run is read part after part (:mod:`credit_gym.credit.run_parts`).
        credits: E rows, one number a step; None for an episode that did not complete.
        key: what states were pooled by.

    Returns:
        Empty where some later state recurs, where no episode has two steps, and where later steps differ.
    """
    unit = max((float(np.abs(row).max()) for row in _long(credits)), default=None)
    if unit is None or any(_recurs(list(chosen(episodes, part)), key) for part in part_numbers(layout_of(episodes))):
        return ""
    found = next((said for alike, said in _FORMS if all(alike(row / (unit or 1.0)) for row in _long(credits))), "")
    return f"{found} here: no later state recurs; `credit-gym advise RUN` says whether a key helps." if found else ""


def _long(credits: Iterable[Sequence[float] | None]) -> Iterator[FloatArray]:
    """Yield the rows of episodes of two steps and more."""
    for row in credits:
        if row is not None and len(row) > 1:
            yield np.asarray(row, dtype=np.float64)


def _recurs(episodes: Sequence[Episode], key: Key) -> bool:
    """Whether a later state recurs among some whole groups, of which a part of a run may lack what the key reads."""
    try:
        return measure_key(episodes, key).later > 0.0
    except MissingColumnError:
        return False


def _even(row: FloatArray) -> bool:
    return bool(np.ptp(row) <= _ROUNDING)


_FORMS = (
    (lambda row: not np.abs(row).max(), "gives every step 0"),
    (_even, "gives all steps of an episode one number"),
    (lambda row: bool(np.abs(row[1:]).max() <= _ROUNDING), "credits the first step of an episode alone"),
    (lambda row: _even(row[1:]), "gives all steps of an episode after the first one number"),
)
"""Shapes of an episode's credits, the plainest first, and what is said of them."""
