"""How a replay tree lies in a batch, and the estimates that the methods on such trees are built from.

A tree is a group, and each of its leaves is one episode that lists its whole path from the root; a step that leads to
five leaves has a row in each of their five episodes. Column ``parent`` numbers the *points* of the tree: -1 is the
root, and every step that did not end the episode leads to a point of its own, numbered from 0 within the group. A step
carries the point it was *taken at*. So, with rows compared inside one group:

* rows with one ``parent`` were taken in exactly the same context, the environment's hidden state included;
* rows with one ``parent`` whose next rows also have one ``parent`` are the same *play*, listed once a leaf below it;
* the last row of an episode is a play of its own.

The plays of one context are its siblings. As many times as the policy drew an action, so many plays there are of it:
equal actions are not merged, which keeps the mean over siblings an unbiased estimate of the context's value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, compact, discounted_sum, group_sum
from credit_gym.errors import BatchError

_FOUND: WeakKeyDictionary[EpisodeBatch, Siblings] = WeakKeyDictionary()  # a modulator asks again what its base asked


class Siblings(NamedTuple):
    """The plays of a batch and what they are compared with.

    Attributes:
        context: (S,) int64 dense id of the context of each row.
        contexts: number of contexts.
        play: (S,) int64 dense id of the play of each row.
        plays: number of plays.
        share: (S,) float64, 1 over the number of rows of the row's play: sums over rows then count a play once.
        size: (contexts,) float64 number of plays of each context.
    """

    context: IntArray
    contexts: int
    play: IntArray
    plays: int
    share: FloatArray
    size: FloatArray


def siblings(batch: EpisodeBatch, *, replay: bool = True) -> Siblings:
    """Find the plays and contexts of a batch.

    Args:
        batch: trees, one a group. Without a column ``parent`` every row is a play, alone in its context.
        replay: False compares all plays of a group at equal turn, whatever was said before (the "no replay" ablation).

    Raises:
        BatchError: ``parent`` holds a number below -1.
    """
    if not replay:
        return _siblings(batch, replay=False)
    if batch not in _FOUND:
        _FOUND[batch] = _siblings(batch, replay=True)
    return _FOUND[batch]


def compared(play: IntArray, plays: int, context: IntArray, contexts: int) -> Siblings:
    """Return plays to be compared within contexts; (S,) dense ids of both and their numbers."""
    owner = np.zeros(plays, dtype=np.int64)
    owner[play] = context
    share = 1.0 / np.bincount(play, minlength=plays)[play]
    return Siblings(context, contexts, play, plays, share, np.bincount(owner, minlength=contexts).astype(np.float64))


def play_value(batch: EpisodeBatch, tree: Siblings, reward: FloatArray | None = None) -> FloatArray:
    """Estimate what each play is worth: its reward plus the mean over the plays of the context that it led to.

    ``q(play) = r + mean over plays p of the next context of q(p)``. Every level is averaged evenly over its plays, so a
    branch is not worth more for having been explored more; on a tree of equal fan-out it is the mean over the leaves
    below. For draws from the policy it is unbiased for Q(context, action).

    Args:
        batch: the trees.
        tree: their :func:`siblings`, with ``replay``.
        reward: (S,) r of each step; the recorded one if None.

    Returns:
        (S,) float64, reward units, equal on the rows of one play.
    """
    branching = np.log(tree.size)[tree.context]
    later = discounted_sum(branching, batch.offsets, 1.0) - branching  # log of the plays passed over after this step
    weight = np.exp(-later)
    to_go = discounted_sum(batch.reward if reward is None else reward, batch.offsets, 1.0)
    total, norm = (group_sum(w, tree.play, tree.plays) for w in (weight * to_go, weight))
    return (total / np.maximum(norm, np.finfo(np.float64).tiny))[tree.play]


def context_mean(values: FloatArray, tree: Siblings) -> FloatArray:
    """Mean over the plays of each row's context, each play counted once; (S,) -> (S,)."""
    return (group_sum(tree.share * values, tree.context, tree.contexts) / tree.size)[tree.context]


def others_mean(values: FloatArray, tree: Siblings) -> FloatArray:
    """Mean over the other plays of each row's context, the play's own value where there is none; (S,) -> (S,)."""
    size = tree.size[tree.context]
    others = (size * context_mean(values, tree) - values) / np.maximum(size - 1.0, 1.0)
    return np.where(size > 1.0, others, values)


def check_product_tree(batch: EpisodeBatch, fanout: Sequence[int]) -> None:
    """Check that every group is one product tree: ``fanout[d]`` plays in every context of depth d.

    Raises:
        MissingColumnError: there is no column ``parent``.
        BatchError: a context has another number of plays (a leaf is missing, or listed twice), a step lies deeper than
            the fan-out, or two plays claim to have led to one point.
    """
    parent: IntArray = batch.require("parent")
    tree = siblings(batch)
    if batch.num_steps and int(batch.step.max()) >= len(fanout):
        raise BatchError(f"A step lies at depth {batch.step.max()}, but the fan-out has {len(fanout)} depths.")
    wrong = np.flatnonzero(tree.size[tree.context] != np.asarray(fanout)[batch.step])
    if wrong.size:
        row = int(wrong[0])
        raise BatchError(
            f"The context of step {row} has {tree.size[tree.context[row]]:.0f} plays; "
            f"the fan-out asks for {fanout[batch.step[row]]} at depth {batch.step[row]}."
        )
    inner = np.flatnonzero(~batch.is_last)
    reached = np.stack([batch.step_group[inner], parent[inner + 1], tree.play[inner]], axis=1)
    distinct = np.unique(reached, axis=0)
    if len(np.unique(distinct[:, :2], axis=0)) != len(distinct):
        raise BatchError("Two plays lead to one point; points must be numbered uniquely within a group.")


def _siblings(batch: EpisodeBatch, *, replay: bool) -> Siblings:
    rows = np.arange(batch.num_steps, dtype=np.int64)
    at, after = rows, rows
    if batch.parent is not None:
        if batch.parent.size and int(batch.parent.min()) < -1:
            raise BatchError("Column 'parent' holds a number below -1, which is neither the root nor a point.")
        points, count = compact(batch.parent - batch.parent.min(initial=0))
        at, after = points, np.where(batch.is_last, count + rows, np.roll(points, -1))
    taken, contexts = compact(batch.step_group, batch.step, at)
    play = compact(taken, after)
    return compared(*play, *((taken, contexts) if replay else compact(batch.step_group, batch.step)))
