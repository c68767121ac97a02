"""A fingerprint of what credits were computed from: other episodes, other readings or other options give another one.

It is the SHA-256 of the batch that the scorer saw (every column and vocabulary), the ids of its episodes, the scorer,
its options and the version of the package. Equal fingerprints mean equal credits; anything else means "score it again".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from credit_gym import __version__
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.key_functions import function_name


def fingerprint(batch: EpisodeBatch, episode_ids: Sequence[str], scorer: str, options: Mapping[str, Any]) -> str:
    """Return the fingerprint of a scorer's credits.

    Args:
        batch: the completed episodes, as the scorer sees them.
        episode_ids: (E,) their ids.
        scorer: the scorer's name.
        options: its options, plain values; a whole number and the same float count as one, and a function goes by its
            qualified name (what a ``key`` says of the episodes is in their batch).

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    plain = {name: _plain(value) for name, value in sorted(options.items())}
    _add(digest, json.dumps([__version__, scorer, plain, list(episode_ids)], default=repr).encode())
    for field in fields(batch):
        column = getattr(batch, field.name)
        if isinstance(column, np.ndarray):
            _add(digest, f"{field.name} {column.dtype.str} {column.shape}".encode())
            _add(digest, np.where(np.isnan(column), np.nan, column).tobytes() if column.dtype.kind == "f" else column)
        elif column is not None:
            _add(digest, json.dumps([field.name, list(column)]).encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if callable(value):
        return function_name(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _add(digest: Any, data: bytes | np.ndarray[Any, Any]) -> None:
    """Add a part after its length, so that no two lists of parts look the same."""
    raw = data if isinstance(data, bytes) else data.tobytes()
    digest.update(len(raw).to_bytes(8, "little"))
    digest.update(raw)
