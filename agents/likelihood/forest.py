"""Token sequences as forests: what several of them begin with is computed once.

Trajectories, the rollouts of a group, the beliefs after every turn, their surface forms and distractors are all the
same thing here: sequences with a common beginning. A :class:`Row` holds some of them as a tree: its longest path, the
stem, which plain causal attention computes, and then the branches, which see the first ``attach`` tokens of the stem
and, being in depth-first order, exactly those branch tokens j before them with ``j <= i < end[j]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np

from credit_gym.data.grouping import IntArray
from credit_gym.errors import BatchError


class Offer(NamedTuple):
    """A sequence that might join a row.

    Attributes:
        shared: tokens that it shares with the row's last sequence.
        last: tokens of that sequence.
        length: tokens of the sequence itself.
        size: tokens of the row.
        stem: tokens of the row's longest sequence.
    """

    shared: int
    last: int
    length: int
    size: int
    stem: int


Joins: TypeAlias = Callable[[Offer], bool]
"""Whether a sequence joins a row."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenSequence:
    """Token ids, and the spans of them that are scored.

    Attributes:
        ids: (N,) token ids.
        spans: ``[start, end)`` of each scored span (an action, a target), in any order; an empty span has no tokens.
    """

    ids: IntArray
    spans: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        ids = np.asarray(self.ids)
        if ids.ndim != 1 or (ids.size and (not np.issubdtype(ids.dtype, np.integer) or int(ids.min()) < 0)):
            raise BatchError("The ids of a token sequence must be a flat array of non-negative integers.")
        object.__setattr__(self, "ids", ids.astype(np.int64, copy=False))
        object.__setattr__(self, "spans", tuple((int(start), int(end)) for start, end in self.spans))
        for start, end in self.spans:
            if not 0 <= start <= end <= ids.size:
                raise BatchError(f"The span [{start}, {end}) does not lie within a sequence of {ids.size} tokens.")

    @property
    def positions(self) -> IntArray:
        """(P,) index of every scored token, span after span."""
        return np.concatenate([np.arange(0), *(np.arange(start, end) for start, end in self.spans)])


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Sequences laid out as one tree of N tokens, C of them the stem and R = N - C in branches, with P predictions.

    Attributes:
        tokens: (N,) token ids, the stem first, then the branches, those that leave it last first.
        depth: (N,) position of each token within its own sequences.
        attach: (R,) number of stem tokens that a branch token sees.
        end: (R,) one past the last branch token below (or at) each branch token, counted from the first of them.
        predictor: (P,) index of the token whose output predicts.
        target: (P,) token id that is predicted.
        slot: (P,) where the caller wants the result.
        members: index of each job of the row.
    """

    tokens: IntArray
    depth: IntArray
    attach: IntArray
    end: IntArray
    predictor: IntArray
    target: IntArray
    slot: IntArray
    members: tuple[int, ...]

    @property
    def stem(self) -> int:
        """C."""
        return self.tokens.size - self.end.size

    @property
    def branches(self) -> int:
        """R."""
        return self.end.size


class Job(NamedTuple):
    """What is to be predicted in one sequence.

    Attributes:
        ids: (N,) token ids.
        positions: (P,) index of each predicted token, at least 1: a token that nothing precedes has no prediction.
        slots: (P,) where the caller wants each result.
    """

    ids: IntArray
    positions: IntArray
    slots: IntArray


def plant(jobs: Sequence[Job], joins: Joins, *, whole: bool = False) -> list[Row]:
    """Lay sequences out as rows.

    Args:
        jobs: the sequences; those without predictions are in no row.
        joins: decides which sequences share a row.
        whole: keep the last predicted token and what follows it; nothing depends on them where attention is causal.

    Returns:
        The rows, in the lexicographic order of their first sequences.
    """
    inputs = [job.ids if whole else job.ids[: int(job.positions.max(initial=0))] for job in jobs]
    order = [index for index, job in enumerate(jobs) if job.positions.size]
    order.sort(key=lambda index: inputs[index].astype(">u4").tobytes())  # a prefix comes before what extends it
    trees: list[_Tree] = []
    for index in order:
        own = inputs[index]
        shared = _shared_prefix(trees[-1].last, own) if trees else 0
        if not trees or not joins(Offer(shared, trees[-1].last.size, own.size, trees[-1].size, trees[-1].stem)):
            trees.append(_Tree())
            shared = 0
        trees[-1].add(index, jobs[index], own, shared)
    return [tree.row() for tree in trees]


def batches(rows: Iterable[Row], *, tokens: int, pairs: int) -> Iterator[list[Row]]:
    """Yield rows to be computed together: all with branches or all without, and of similar length.

    Args:
        rows: what is to be computed.
        tokens: most tokens of a batch, padding included; a longer row comes alone.
        pairs: most entries of a batch's attention mask.
    """
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.branches > 0, row.stem, row.branches), reverse=True):
        if batch:
            stem, branches = batch[0].stem, max(row.branches, *(each.branches for each in batch))
            count, length = len(batch) + 1, stem + branches
            other = (row.branches > 0) != (batch[0].branches > 0)
            if other or count * length > tokens or count * branches * length > pairs:
                yield batch
                batch = []
        batch.append(row)
    if batch:
        yield batch


def _shared_prefix(a: IntArray, b: IntArray) -> int:
    size = min(a.size, b.size)
    different = a[:size] != b[:size]
    return int(different.argmax()) if different.any() else size


@dataclass(slots=True)
class _Tree:
    """A row that still grows, in depth-first order."""

    size: int = 0
    stem: int = 0
    last: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    path: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    members: list[int] = field(default_factory=list)
    parts: list[tuple[IntArray, ...]] = field(default_factory=list)
    closed: list[tuple[IntArray, int]] = field(default_factory=list)

    def add(self, index: int, job: Job, inputs: IntArray, shared: int) -> None:
        self.closed.append((self.path[shared:], self.size))
        grown = self.size + inputs.size - shared
        self.path = np.concatenate([self.path[:shared], np.arange(self.size, grown)])
        predictors = self.path[job.positions - 1]
        self.parts.append(
            (inputs[shared:], np.arange(shared, inputs.size), predictors, job.ids[job.positions], job.slots)
        )
        self.members.append(index)
        self.last, self.size, self.stem = inputs, grown, max(self.stem, inputs.size)

    def row(self) -> Row:
        tokens, depth, predictor, target, slot = (np.concatenate(column) for column in zip(*self.parts, strict=True))
        end = np.full(self.size, self.size)
        for nodes, at in self.closed:
            end[nodes] = at
        deepest, index = int(depth.argmax()), np.arange(self.size)
        on_stem = (index <= deepest) & (deepest < end)
        stem, rest = index[on_stem], index[~on_stem]
        attach = np.minimum(np.searchsorted(stem, rest), np.searchsorted(-end[stem], -rest))  # before it, and open
        order = np.argsort(-attach, kind="stable")  # whole branches move: all tokens of one attach at one place
        attach, rest = attach[order], rest[order]
        layout = np.concatenate([stem, rest])
        place = np.empty_like(layout)
        place[layout] = index
        span = end[rest] - rest  # tokens below a branch token, itself included; none of them on the stem
        return Row(
            tokens[layout],
            depth[layout],
            attach,
            np.arange(rest.size) + span,
            place[predictor],
            target,
            slot,
            tuple(self.members),
        )
