"""Batches put together into one: what a scorer of whole runs is given, without the texts of a run in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.columns import COLUMNS
from credit_gym.data.grouping import IntArray
from credit_gym.data.interning import DTYPES
from credit_gym.errors import BatchError

_SEEN = tuple(column for column in COLUMNS if column.batch)


def joined(batches: Sequence[EpisodeBatch]) -> EpisodeBatch:
    """Return the batch of the episodes of several batches, one after the other.

    It is the batch that the same episodes give at once, to the id.

    Args:
        batches: at least one, each with its vocabularies.

    Raises:
        BatchError: one has a column of tokens that another with tokens lacks.
    """
    if len(batches) == 1:
        return batches[0]
    columns: dict[str, Any] = {"offsets": _ends([np.diff(batch.offsets) for batch in batches])}
    for column in _SEEN:
        if all(getattr(batch, column.batch) is None for batch in batches):
            continue
        if column.type == "text":
            columns |= _texts(column.batch, batches)
        elif column.kind == "token":
            columns[column.batch] = np.concatenate([_tokens(column.batch, batch) for batch in batches])
        else:
            dtype = DTYPES[column.type]
            columns[column.batch] = np.concatenate(
                [_or_filled(getattr(batch, column.batch), _size(column.kind, batch), column.missing, dtype)
                 for batch in batches]
            )  # fmt: skip
    if any(batch.logprob_offsets is not None for batch in batches):
        columns["logprob_offsets"] = _ends([_widths(batch) for batch in batches])
    return EpisodeBatch(**columns)


def _ends(lengths: Sequence[IntArray]) -> IntArray:
    """Offsets of rows that lie one after the other."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.concatenate(lengths))])


def _texts(name: str, batches: Sequence[EpisodeBatch]) -> dict[str, Any]:
    """Ids of a column of texts in one vocabulary; with the states go those that follow them."""
    table: dict[str, int] = {}
    names = ("state", "next_state") if name == "state" else (name,)
    ids: dict[str, list[IntArray]] = {each: [] for each in names}
    for batch in batches:
        recorded = getattr(batch, name) is not None
        own = getattr(batch, f"{name}_vocabulary") if recorded else ("",) * bool(batch.num_steps)
        renamed = np.asarray([table.setdefault(text, len(table)) for text in own], dtype=np.int64)
        for each, found in ids.items():
            column = getattr(batch, each)
            found.append(renamed[np.zeros(batch.num_steps, dtype=np.int64) if column is None else column])
    return {**{each: np.concatenate(found) for each, found in ids.items()}, f"{name}_vocabulary": tuple(table)}


def _or_filled(column: Any, size: int, missing: Any, dtype: type[np.generic]) -> Any:
    return np.full(size, missing, dtype=dtype) if column is None else column


def _size(kind: str, batch: EpisodeBatch) -> int:
    sizes = {"step": batch.num_steps, "point": batch.num_steps + batch.num_episodes, "episode": batch.num_episodes}
    return sizes[kind]


def _tokens(name: str, batch: EpisodeBatch) -> Any:
    column = getattr(batch, name)
    if column is None and batch.logprob_offsets is not None and int(batch.logprob_offsets[-1]):
        raise BatchError(f"Column {name!r} does not have the same tokens as the policy's log-probabilities.")
    return np.zeros(0, dtype=np.float32) if column is None else column


def _widths(batch: EpisodeBatch) -> IntArray:
    if batch.logprob_offsets is None:
        return np.zeros(batch.num_steps, dtype=np.int64)
    return np.diff(batch.logprob_offsets)
