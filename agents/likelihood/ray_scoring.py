"""Score tokens in worker processes, on this machine or on a cluster, with Ray.

The forward passes are those that :func:`credit_gym.agents.likelihood.logprobs.score_tokens` makes here, each put
together of the same sequences in the same order, and only spread over workers. On equal hardware, with equal libraries
and as many threads, the scores are therefore the same to the bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from credit_gym.agents.likelihood.divergence import divergence
from credit_gym.agents.likelihood.forest import TokenSequence
from credit_gym.agents.likelihood.language_model import LanguageModel
from credit_gym.agents.likelihood.logprobs import COLUMNS, Columns, evaluate
from credit_gym.agents.likelihood.passes import Limits, Share
from credit_gym.agents.likelihood.score_cache import Table
from credit_gym.agents.rollout.ray_tasks import Work, Workers, cluster, map_chunks
from credit_gym.data.grouping import IntArray
from credit_gym.errors import BackendError, CreditGymError

_SHARES_PER_WORKER = 4  # a worker that dies, or ends last, costs no more than a quarter of its work

_Found: TypeAlias = tuple[IntArray, Table]
"""Places among all predictions, and their columns."""


def columns_on_ray(
    lm: LanguageModel, sequences: Sequence[TokenSequence], limits: Limits, *, workers: Workers
) -> list[Columns]:
    """Return the columns of each sequence; give it to ``score_tokens`` as ``compute``.

    The sequences travel once a node through the object store; each worker loads the model from its folder, which must
    be there on every node, and plans all passes, but computes only its share of them.

    Args:
        lm: the model, by its folder or its name on the hub.
        sequences: what is scored.
        limits: memory and length.
        workers: who computes; with ``gpus=1`` each has a GPU of its own.

    Raises:
        MissingExtraError: Ray is not installed.
        CreditGymError: the model is in memory only.
        BackendError: no worker survives, or the model cannot be loaded on a worker, or is another one there.
    """
    return _spread((lm,), columns_of, len(COLUMNS), sequences, limits, workers, shares(workers))


def divergence_on_ray(
    policy: LanguageModel,
    reference: LanguageModel,
    sequences: Sequence[TokenSequence],
    limits: Limits,
    *,
    workers: Workers,
) -> list[Table]:
    """Return the divergence at the tokens of each sequence; give it to ``token_divergence`` as ``compute``.

    As :func:`columns_on_ray`; a worker has one share, because it must load one model after the other for each.
    """
    parts: list[Sequence[Share]] = [[Share(part, workers.count)] for part in range(workers.count)]
    found = _spread((policy, reference), _divergences, 1, sequences, limits, workers, parts)
    return [table[0] for table in found]


def shares(workers: Workers) -> list[Sequence[Share]]:
    """Return how a call is cut for some workers."""
    of = workers.count * _SHARES_PER_WORKER
    return [[Share(part, of)] for part in range(of)]


Compute: TypeAlias = Callable[[Sequence[LanguageModel], Sequence[TokenSequence], Limits, Share], list[Table]]
"""Computes a share of what some models say of each sequence: (rows, L) or (L,) tables, NaN where others compute."""


@contextmanager
def scoring_job(
    models: Sequence[LanguageModel],
    identities: Sequence[str],
    compute: Compute,
    sequences: Sequence[TokenSequence],
    limits: Limits,
    threads: int,
) -> Iterator[Work[Share, _Found]]:
    """In a worker: computes shares of the passes; the model is kept from share to share."""
    for lm, identity in zip(models, identities, strict=True):
        if lm.identity != identity:
            raise BackendError(f"The model in {lm.path!r} on a worker's node is another one than here: copy it there.")
    torch.set_num_threads(threads)

    def found(share: Share) -> _Found:
        tables = [np.atleast_2d(table) for table in compute(models, sequences, limits, share)]
        table = np.concatenate(tables, axis=1)
        slots = np.flatnonzero(~np.isnan(table).all(axis=0))
        return slots, table[:, slots]

    yield lambda wanted: [found(share) for share in wanted]


def columns_of(
    models: Sequence[LanguageModel], sequences: Sequence[TokenSequence], limits: Limits, share: Share
) -> list[Table]:
    """Return a model's columns of each sequence, as far as a share of the passes gives them."""
    return evaluate(models[0], sequences, limits=limits, share=share)[0]


def _divergences(
    models: Sequence[LanguageModel], sequences: Sequence[TokenSequence], limits: Limits, share: Share
) -> list[Table]:
    return divergence(models[0], models[1], sequences, limits, share)


def _spread(
    models: Sequence[LanguageModel],
    compute: Compute,
    rows: int,
    sequences: Sequence[TokenSequence],
    limits: Limits,
    workers: Workers,
    parts: Sequence[Sequence[Share]],
) -> list[Table]:
    """What workers make of their shares, put together: (rows, L) of each sequence."""
    if not all(lm.path for lm in models):
        raise CreditGymError("A model in memory cannot be sent to other processes; save it to a folder first.")
    if not sequences:
        return []
    widths = [each.positions.size for each in sequences]
    table: npt.NDArray[np.float32] = np.full((rows, sum(widths)), np.nan, dtype=np.float32)
    identities = [lm.identity for lm in models]
    job = partial(scoring_job, models, identities, compute, list(sequences), limits, workers.cpus)
    with cluster(workers) as ray:
        for found in map_chunks(ray, job, deque(parts), workers, lost=_lost):
            for slots, columns in found:
                table[:, slots] = columns
    return np.split(table, np.cumsum(widths)[:-1], axis=1)


def _lost(_: Share, error: Exception) -> NoReturn:
    raise BackendError(
        f"Every worker that scored these tokens died ({type(error).__name__}): give workers more memory, or lower "
        "batch_tokens."
    )
