"""How often states recur: the share of steps at which another episode of the group has been too.

Where it is 0 a scorer that pools states has nothing to pool: every state term is that of a single visit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from credit_gym.data.grouping import BoolArray, IntArray, compact, group_size

if TYPE_CHECKING:
    from credit_gym.data.batch import EpisodeBatch


def recurrence(batch: EpisodeBatch, *, starts: bool = True) -> float:
    """Return the share of steps whose (group, state) another episode of the group visited too.

    Args:
        batch: the episodes.
        starts: count the first steps, which recur by themselves wherever the episodes of a group begin alike.

    Returns:
        In [0, 1]; 0 without steps.
    """
    counted = recurring(batch)[starts | (batch.step > 0)]
    return float(counted.mean()) if counted.size else 0.0


def recurring(batch: EpisodeBatch) -> BoolArray:
    """Return whether the (group, state) of each step was visited by another episode of the group; (S,)."""
    return visited_by_others(batch.step_group, batch.state, batch.episode)


def visited_by_others(group: IntArray, state: IntArray, episode: IntArray) -> BoolArray:
    """Return whether some visits, (M,) ids of group, state and episode each, are to where another episode was; (M,)."""
    node, nodes = compact(group, state)
    visit, visits = compact(node, episode)
    owner = np.zeros(visits, dtype=np.int64)
    owner[visit] = node
    return np.asarray(group_size(owner, nodes)[node] > 1)
