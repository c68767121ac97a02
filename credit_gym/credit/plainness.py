"""What a credit does not tell apart: steps that all have one number, said where no later state recurs.

Where each state is met once, as in most imported chats, whoever pools states has nothing to pool: outcomes spread over
all steps alike, or everything falls on the first step, which the episodes of a group share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.data.keys import Key, measure_key

_ROUNDING = 1e-9  # of the largest credit


def plainness(episodes: Sequence[Episode], credits: Sequence[Sequence[float] | None], key: Key = "state") -> str:
    """Return what the credits of some episodes leave alike, as the end of a sentence that a scorer's name begins.

    Args:
        episodes: E episodes.
        credits: E rows, one number a step; None for an episode that was not scored.
        key: what states were pooled by.

    Returns:
        Empty where some later state recurs, where no episode has two steps, and where later steps differ.
    """
    scored = [(episode, row) for episode, row in zip(episodes, credits, strict=True) if row is not None]
    rows = [np.asarray(row, dtype=np.float64) for _, row in scored if len(row) > 1]
    if not rows or measure_key([episode for episode, _ in scored], key).later > 0.0:
        return ""
    unit = max(float(np.abs(row).max()) for row in rows) or 1.0
    found = next((said for alike, said in _FORMS if all(alike(row / unit) for row in rows)), "")
    return f"{found} here: no later state recurs; `credit-gym advise RUN` says whether a key helps." if found else ""


def _even(row: FloatArray) -> bool:
    return bool(np.ptp(row) <= _ROUNDING)


_FORMS = (
    (lambda row: not np.abs(row).max(), "gives every step 0"),
    (_even, "gives all steps of an episode one number"),
    (lambda row: bool(np.abs(row[1:]).max() <= _ROUNDING), "credits the first step of an episode alone"),
    (lambda row: _even(row[1:]), "gives all steps of an episode after the first one number"),
)
"""Shapes of an episode's credits, the plainest first, and what is said of them."""
