"""Near-duplicates among texts at a bounded cost: MinHash sketches, banded into buckets, compared within them.

A text is the set of its windows of 8 bytes (UTF-8; a shorter text is one window). One hash sends each window to one of
64 bins, and a bin keeps the least of its hashes (one-permutation MinHash; an empty bin borrows from the next full one,
Shrivastava and Li 2014): the share of bins in which two sketches agree estimates the Jaccard similarity of the sets,
with a deviation of .06 at most. Texts whose sketches agree in four neighbouring bins share a bucket (16 bands of them),
and are compared with its first text and with the one before them there: 32 comparisons of 64 numbers a text, however
many texts there are and however long. Texts that are alike are joined, and what is joined with one of them too.

Every byte is read once, in blocks, so the memory does not grow with a text. The order of a bucket is by length and
digest, hence the result depends on the set of texts alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from credit_gym.data.grouping import FloatArray, IntArray, compact
from credit_gym.rng import UIntArray, advance_array, derive_array, mix_array

BINS, BAND = 64, 4
THRESHOLD = 0.7
"""Share of bins in which two texts agree that makes them alike."""

_WINDOW = 8
_BLOCK = 1 << 21  # bytes that are hashed at a time
_UNSEEN = np.uint64(2**64 - 1)


def alike(texts: Sequence[str], group: IntArray, *, threshold: float = THRESHOLD) -> IntArray:
    """Return for each text the index of the first text that it is joined with, itself if it has no company.

    Args:
        texts: (N,) texts, distinct within a group.
        group: (N,) group of each; texts of different groups are never joined, not even through others.
        threshold: share of bins in which sketches must agree.

    Returns:
        (N,) int64; first is the shortest, among equally long ones that of the least digest.
    """
    if not texts:
        return np.zeros(0, dtype=np.int64)
    raw = [text.encode("utf-8", "surrogatepass") for text in texts]
    order = sorted(range(len(raw)), key=lambda i: (len(raw[i]), blake2b(raw[i], digest_size=16).digest()))
    first = np.empty(len(raw), dtype=np.int64)
    first[order] = np.arange(len(raw))  # the rank of each text
    sketch = _sketches(raw)
    pairs = np.concatenate([_candidates(sketch, band, first, group) for band in range(0, BINS, BAND)], axis=1)
    pairs = np.stack(np.divmod(np.unique(pairs[0] * len(raw) + pairs[1]), len(raw)))  # many share several buckets
    left, right = pairs[:, _agreeing(sketch, pairs) >= threshold]
    joined = coo_array((np.ones(left.size, dtype=np.bool_), (left, right)), shape=(len(raw), len(raw)))
    part = connected_components(joined, directed=False)[1]
    least = np.full(int(part.max()) + 1, len(raw))
    np.minimum.at(least, part, first)
    joined_with: IntArray = np.asarray(order, dtype=np.int64)[least[part]]
    return joined_with


def _candidates(sketch: UIntArray, band: int, rank: IntArray, group: IntArray) -> IntArray:
    """(2, K) pairs of neighbours in one band's buckets: each text with its bucket's first and with the one before."""
    seen = derive_array(*sketch[:, band : band + BAND].T)
    bucket, _ = compact(group, np.unique(seen, return_inverse=True)[1].astype(np.int64))
    order = np.lexsort((rank, bucket))
    ordered = bucket[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    leader = np.repeat(starts, np.diff(np.r_[starts, order.size]))
    here = np.flatnonzero(leader != np.arange(order.size))
    pairs: IntArray = order[np.stack([np.r_[here, here], np.r_[leader[here], here - 1]])]
    return pairs


def _agreeing(sketch: UIntArray, pairs: IntArray) -> FloatArray:
    """(K,) share of bins in which the sketches of each pair agree."""
    rows = range(0, pairs.shape[1], _BLOCK // BINS)
    parts = [pairs[:, at : at + _BLOCK // BINS] for at in rows]
    equal = [np.count_nonzero(sketch[left] == sketch[right], axis=1) for left, right in parts]
    return np.concatenate([np.zeros(0), *equal]) / BINS


def _sketches(raw: Sequence[bytes]) -> UIntArray:
    """(N, BINS) least hash of each bin."""
    least = np.full(len(raw) * BINS, _UNSEEN)
    for owner, block in _blocks(raw):
        hashes = mix_array(advance_array(block))
        np.minimum.at(least, owner * BINS + (hashes >> np.uint64(58)).astype(np.int64), hashes)
    return _densified(least.reshape(len(raw), BINS))


def _blocks(raw: Sequence[bytes]) -> Iterator[tuple[IntArray, UIntArray]]:
    """The windows of all texts and whose they are, some megabytes at a time."""
    pieces, owners, size = list[bytes](), list[int](), 0
    for index, text in enumerate(raw):
        padded = text.ljust(_WINDOW, b"\0")
        for at in range(0, len(padded) - _WINDOW + 1, _BLOCK):
            piece = padded[at : at + _BLOCK + _WINDOW - 1]
            pieces.append(piece)
            owners.append(index)
            size += len(piece)
            if size >= _BLOCK:
                yield _windows(pieces, owners)
                pieces, owners, size = [], [], 0
    if pieces:
        yield _windows(pieces, owners)


def _windows(pieces: Sequence[bytes], owners: Sequence[int]) -> tuple[IntArray, UIntArray]:
    joined = np.frombuffer(b"".join(pieces), dtype=np.uint8)
    values = np.zeros(joined.size - _WINDOW + 1, dtype=np.uint64)
    for offset in range(_WINDOW):
        values |= joined[offset : offset + values.size].astype(np.uint64) << np.uint64(8 * offset)
    lengths = np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))
    ends = np.cumsum(lengths)
    whole = np.ones(values.size, dtype=np.bool_)  # windows that lie within one piece
    for offset in range(1, _WINDOW):
        across = ends[:-1] - offset
        whole[across[across < whole.size]] = False
    owner = np.repeat(np.asarray(owners, dtype=np.int64), lengths)[: values.size]
    return owner[whole], values[whole]


def _densified(least: UIntArray) -> UIntArray:
    """The sketches, an empty bin filled from the next full one, marked by how far that is."""
    full = least != _UNSEEN
    twice = np.concatenate([full, full], axis=1)
    columns = np.where(twice, np.arange(2 * BINS), 2 * BINS)
    nearest = np.minimum.accumulate(columns[:, ::-1], axis=1)[:, ::-1][:, :BINS]
    found = np.take_along_axis(least, nearest % BINS, axis=1)
    away = (nearest - np.arange(BINS)).astype(np.uint64)[~full]
    found[~full] = derive_array(found[~full], away)
    return found
