"""What a model computed for earlier token sequences, for the next ones that begin alike."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class Prefix(NamedTuple):
    """The keys and values of N tokens, per layer (heads, N, width) each."""

    layers: list[tuple[Tensor, Tensor]]
    length: int


class Prefixes:
    """Keys and values of token sequences, found again by what a new sequence has in common with any of them.

    The turns of an episode grow one sequence, the episodes of a task begin alike, and a replayed branch repeats its
    trunk: each is computed from where it departs. What was not used for longest goes first.

    Args:
        tokens: most tokens kept; 0 keeps nothing.
    """

    def __init__(self, tokens: int) -> None:
        self._room = tokens
        self._kept: OrderedDict[bytes, list[tuple[Tensor, Tensor]]] = OrderedDict()
        self._sorted: list[bytes] = []

    def longest(self, ids: Sequence[int]) -> Prefix | None:
        """Return the longest known beginning of a sequence, its last token never included."""
        key = _key(ids[:-1])
        place = bisect_left(self._sorted, key)
        near = self._sorted[max(place - 1, 0) : place + 1]  # of all keys in order, a neighbour has most in common
        length, found = max(((_common(key, other), other) for other in near), default=(0, b""))
        if not length:
            return None
        self._kept.move_to_end(found)
        return Prefix([(keys[:, :length], values[:, :length]) for keys, values in self._kept[found]], length)

    def keep(self, ids: Sequence[int], cache: Any, row: int, places: Tensor) -> None:
        """Keep what a cache holds of a row.

        Args:
            ids: (N,) the tokens.
            cache: the model's cache; one that holds anything but the keys and values of all tokens is left alone.
            row: the row of the cache.
            places: (N,) where the row's tokens lie in the cache.
        """
        if len(ids) > self._room or not all(type(layer) is DynamicLayer for layer in cache.layers):
            return
        key = _key(ids)
        place = bisect_left(self._sorted, key)
        if place < len(self._sorted) and self._sorted[place].startswith(key):
            return
        if place and key.startswith(self._sorted[place - 1]):
            self._forget(self._sorted[place - 1])
        self._kept[key] = [(layer.keys[row][:, places], layer.values[row][:, places]) for layer in cache.layers]
        insort(self._sorted, key)
        while sum(map(len, self._sorted)) > 4 * self._room:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: bytes) -> None:
        del self._kept[key]
        del self._sorted[bisect_left(self._sorted, key)]


def joined(prefixes: Sequence[Prefix | None]) -> tuple[Any, Tensor] | None:
    """Return a cache that begins each row with its prefix, on the left of it the padding, and the (B, N) mask of both.

    Args:
        prefixes: of each row; None for a row without one. If there is none at all, the result is None.
    """
    longest = max((prefix for prefix in prefixes if prefix is not None), key=lambda prefix: prefix.length, default=None)
    if longest is None:
        return None
    width = longest.length
    cache = DynamicCache()
    for index, like in enumerate(longest.layers):
        keys, values = (tensor.new_zeros(len(prefixes), *tensor.shape) for tensor in like)
        for row, prefix in enumerate(prefixes):
            if prefix is not None:
                keys[row, :, width - prefix.length :], values[row, :, width - prefix.length :] = prefix.layers[index]
        cache.update(keys, values, index)
    lengths = [0 if prefix is None else prefix.length for prefix in prefixes]
    mask = [[0] * (width - length) + [1] * length for length in lengths]
    return cache, torch.tensor(mask, device=longest.layers[0][0].device)


def _key(ids: Sequence[int]) -> bytes:
    return np.asarray(ids, dtype=">u4").tobytes()  # most significant byte first: the order of bytes is that of ids


def _common(a: bytes, b: bytes) -> int:
    """Number of ids that two keys have in common at their beginnings."""
    size = min(len(a), len(b)) // 4
    different = np.frombuffer(a, ">u4", size) != np.frombuffer(b, ">u4", size)
    return int(different.argmax()) if different.any() else size
