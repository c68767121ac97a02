"""Token sequences through a model's trunk, in as few passes as its sharing and the limits allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import NamedTuple

import numpy as np
from torch import Tensor

from credit_gym.agents.likelihood.forest import Job, Row, TokenSequence, batches, plant
from credit_gym.agents.likelihood.network import MASK_PAIRS, Network
from credit_gym.agents.likelihood.sharing import Method, joining
from credit_gym.data.grouping import IntArray
from credit_gym.errors import CreditGymError

_LAID_OUT = 8_000_000  # tokens, shared ones counted again, that are laid out as rows at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a call may take.

    Attributes:
        batch_tokens: tokens of one forward pass, padding included; None chooses by the device.
        chunk_bytes: memory of the float32 logits that exist at a time, their log-softmax not counted; None likewise.
        max_tokens: longest sequence; of a longer one the first quarter of this and the end are kept, and tokens
            between them are lost. None keeps all.
        top_k: k of the top-k mean.
    """

    batch_tokens: int | None = None
    chunk_bytes: int | None = None
    max_tokens: int | None = None
    top_k: int = 20

    def __post_init__(self) -> None:
        for name in ("batch_tokens", "chunk_bytes", "max_tokens", "top_k"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise CreditGymError(f"{name} must be at least 1, not {value}.")

    def tokens(self, network: Network) -> int:
        """Return the most tokens of one forward pass."""
        return self.batch_tokens or (2048 if network.device.type == "cpu" else 32_768)

    def rows(self, network: Network) -> int:
        """Return the most rows of logits that may exist at a time."""
        size = self.chunk_bytes or (1 << 24 if network.device.type == "cpu" else 1 << 28)
        return max(1, size // (4 * network.vocabulary))


class Share(NamedTuple):
    """Every ``of``-th pass of a call, from number ``part`` on: what one of several processes computes of it."""

    part: int
    of: int


WHOLE = Share(0, 1)
"""All passes."""


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What one pass gives: states, and what they are to predict.

    Attributes:
        states: (N, width) states of all tokens of the pass, padding included.
        places: (P,) row of the state that makes each prediction.
        targets: (P,) the token that is predicted.
        slots: (P,) number of the prediction, counted over all positions of all sequences.
        methods: how each sequence of the pass was computed, and why not in one tree.
    """

    states: Tensor
    places: IntArray
    targets: IntArray
    slots: IntArray
    methods: Mapping[int, tuple[Method, str]]


def passes(
    network: Network, sequences: Sequence[TokenSequence], limits: Limits, share: Share = WHOLE
) -> Iterator[Pass]:
    """Yield the passes that compute every prediction of some sequences once, or a share of these passes.

    Raises:
        CreditGymError: a token id lies outside the vocabulary.
        BackendError: a sequence is longer than the model's positions.
    """
    offsets = np.concatenate([[0], np.cumsum([each.positions.size for each in sequences])])
    jobs = [_job(each, first, limits.max_tokens) for each, first in zip(sequences, offsets, strict=False)]
    _check_ids(jobs, network.vocabulary)
    joins = joining(network.sharing, network.pair_cost)
    turns = cycle(range(share.of))
    for part in _portions(jobs):
        rows = plant([jobs[index] for index in part], joins, whole=network.sharing.alone)
        for method, batch in _planned(network, rows, limits):
            if next(turns) != share.part:
                continue
            states = network.states(batch, method)
            yield Pass(
                states.flatten(0, 1),
                np.concatenate([number * states.shape[1] + row.predictor for number, row in enumerate(batch)]),
                np.concatenate([row.target for row in batch]),
                np.concatenate([row.slot for row in batch]),
                {part[member]: network.method_of(row) for row in batch for member in row.members},
            )


def chunks(places: IntArray, size: int) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Yield (rows, row of each prediction among them, index of each prediction): at most ``size`` distinct rows each.

    Args:
        places: (P,) row of each prediction.
        size: most rows at a time.
    """
    order = np.argsort(places, kind="stable")
    rows, row_of = np.unique(places[order], return_inverse=True)
    for first in range(0, rows.size, size):
        here = slice(*np.searchsorted(row_of, (first, first + size)))
        yield rows[first : first + size], row_of[here] - first, order[here]


def _job(sequence: TokenSequence, first: int, cap: int | None) -> Job:
    """A sequence with its slots from ``first`` on, its middle cut out where it is too long."""
    ids, positions = sequence.ids, sequence.positions
    slots = first + np.arange(positions.size)
    known = positions > 0
    if cap is not None and ids.size > cap:
        head, tail = cap // 4, ids.size - (cap - cap // 4)
        known &= (positions < head) | (positions > tail)  # the first token after the cut has lost its predecessor
        positions = np.where(positions < head, positions, positions - (tail - head))
        ids = np.concatenate([ids[:head], ids[tail:]])
    return Job(ids, positions[known], slots[known])


def _portions(jobs: Sequence[Job]) -> Iterator[range]:
    """Consecutive jobs, few enough at a time that laying them out takes little memory."""
    start, size = 0, 0
    for index, job in enumerate(jobs):
        if size and size + job.ids.size > _LAID_OUT:
            yield range(start, index)
            start, size = index, 0
        size += job.ids.size
    yield range(start, len(jobs))


def _planned(network: Network, rows: list[Row], limits: Limits) -> Iterator[tuple[Method, list[Row]]]:
    """Batches of rows, each with the way to compute it."""
    tokens = 1 if network.sharing.alone else limits.tokens(network)
    by_method: dict[Method, list[Row]] = {}
    for row in rows:
        by_method.setdefault(network.method_of(row)[0], []).append(row)
    for method, chosen in by_method.items():
        pairs = MASK_PAIRS if method == "tree" else 0  # branches over a cache are walked row by row
        for batch in batches(chosen, tokens=tokens, pairs=pairs):
            yield method, batch


def _check_ids(jobs: Sequence[Job], vocabulary: int) -> None:
    largest = max((int(job.ids.max(initial=0)) for job in jobs), default=0)
    if largest >= vocabulary:
        raise CreditGymError(
            f"Token {largest} lies outside the model's vocabulary of {vocabulary:,}; score tokens with a model of the "
            "family whose tokenizer made them."
        )
