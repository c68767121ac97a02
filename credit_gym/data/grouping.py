"""Grouped arithmetic on flat columns: the O(M) primitives that every scorer is built from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_SQUARED_SAFELY = 1e-100


def compact(*columns: IntArray) -> tuple[IntArray, int]:
    """Number the distinct rows of some non-negative integer columns.

    Args:
        columns: one or more (M,) int64 arrays of non-negative ids.

    Returns:
        ids: (M,) int64, equal where all columns are equal, dense in ``0..count-1``, in the rows' sorted order.
        count: the number of distinct rows.
    """
    key, size = columns[0], _extent(columns[0])
    for column in columns[1:]:
        extent = _extent(column)
        if size > 0 and extent > (2**62) // size:
            key, size = _number(key, size)
        key, size = key * extent, size * extent
        key += column
    return _number(key if len(columns) > 1 else key.copy(), size)


def _extent(column: IntArray) -> int:
    return int(column.max()) + 1 if column.size else 0


def _number(key: IntArray, size: int) -> tuple[IntArray, int]:
    """Dense ids of keys in ``0..size-1``, which are overwritten: by a table when it is small, else by sorting."""
    if size <= 8 * key.size + 1024:
        present = np.zeros(size, dtype=np.bool_)
        present[key] = True
        rank = np.cumsum(present, dtype=np.int32 if size < 2**31 else np.int64)
        np.subtract(rank, 1, out=rank)
        return rank[key].astype(np.int64, copy=False), int(rank[-1]) + 1 if size else 0
    if size > 2**62 // key.size:
        values, ids = np.unique(key, return_inverse=True)
        return ids.astype(np.int64, copy=False), int(values.size)
    key *= key.size  # key and place in one number: sorting these in place takes no second array
    key += np.arange(key.size)
    key.sort()
    own = key // key.size
    first = np.ones(key.size, dtype=np.bool_)
    np.not_equal(own[1:], own[:-1], out=first[1:])
    del own
    key %= key.size
    rank = np.cumsum(first, dtype=np.int32 if key.size < 2**31 else np.int64)
    del first
    np.subtract(rank, 1, out=rank)
    ids = np.empty(key.size, dtype=np.int64)
    ids[key] = rank
    return ids, int(rank[-1]) + 1


def group_sum(values: npt.ArrayLike, ids: IntArray, count: int) -> FloatArray:
    """Sum of ``values`` in each group; (M,), (M,) ids in ``0..count-1`` -> (count,)."""
    total = np.bincount(ids, weights=np.asarray(values, dtype=np.float64), minlength=count)
    return total.astype(np.float64, copy=False)  # numpy counts in integers when there is nothing to weigh


def group_size(ids: IntArray, count: int) -> IntArray:
    """Number of members of each group; (count,) int64."""
    return np.bincount(ids, minlength=count).astype(np.int64, copy=False)


def group_mean(values: npt.ArrayLike, ids: IntArray, count: int) -> FloatArray:
    """Mean of each group, 0 where a group is empty; (count,)."""
    mean = group_sum(values, ids, count)
    mean /= np.maximum(group_size(ids, count), 1)
    return mean


def group_std(values: npt.ArrayLike, ids: IntArray, count: int) -> FloatArray:
    """Population standard deviation of each group (two passes), 0 where a group is empty; (count,)."""
    values = np.asarray(values, dtype=np.float64)
    if squares_safely(values):
        power = np.ones(count)
    else:
        power = group_power(values, ids, count)
        values = values / power[ids]
    centred = group_mean(values, ids, count)[ids]
    np.subtract(values, centred, out=centred)
    centred *= centred
    return power * np.sqrt(group_mean(centred, ids, count))


def squares_safely(values: FloatArray) -> bool:
    """Whether the squares of some values, and of rounding errors of them, are far from both ends of a float64.

    Almost always they are, and then there is no need to divide by :func:`group_power` first.
    """
    magnitude = np.abs(values)
    smallest = np.min(magnitude, initial=np.inf, where=magnitude > 0.0)
    return bool(np.max(magnitude, initial=0.0) < 1.0 / _SQUARED_SAFELY and smallest > _SQUARED_SAFELY)


def group_power(values: FloatArray, ids: IntArray, count: int) -> FloatArray:
    """Largest power of two up to the largest magnitude of each group, 1 where all are 0 or there are none; (count,).

    What is divided by it lies in (-2, 2), so sums and squares can neither overflow nor vanish; and because it is a
    power of two, the division changes no digit: whatever is computed so is, to the last bit, what it would have been.
    """
    largest = np.zeros(count)
    np.maximum.at(largest, ids, np.abs(values))
    return np.where(largest > 0.0, np.ldexp(1.0, np.frexp(largest)[1] - 1), 1.0)


def discounted_sum(values: FloatArray, offsets: IntArray, discount: float) -> FloatArray:
    """Discounted sum of the present and later values of the same episode.

    ``out[t] = sum_{k>=0} discount**k * values[t+k]`` within ``offsets[e]:offsets[e+1]``, by pointer doubling:
    ``ceil(log2(longest episode))`` passes, no Python loop over steps.

    Args:
        values: (M,) float64.
        offsets: (E+1,) int64.
        discount: in [0, 1].

    Returns:
        (M,) float64.
    """
    total = np.array(values, dtype=np.float64)
    lengths = np.diff(offsets)
    if discount == 0.0 or total.size == 0:
        return total
    later = np.repeat(offsets[1:], lengths) - np.arange(total.size) - 1  # steps left after this one
    shift, weight, longest = 1, float(discount), int(lengths.max())
    while shift < longest and weight > 0.0:
        total[:-shift] += np.where(later[:-shift] >= shift, weight * total[shift:], 0.0)
        shift, weight = 2 * shift, weight * weight
    return total


def backward_sum(values: FloatArray, weights: FloatArray, offsets: IntArray) -> FloatArray:
    """Sum of the present and later values of the same episode, each step weighing what comes after it.

    ``out[t] = values[t] + weights[t] * out[t+1]`` within an episode, by pointer doubling as :func:`discounted_sum`.

    Args:
        values: (M,) float64.
        weights: (M,) float64 in [0, 1]; that of an episode's last step is not read.
        offsets: (E+1,) int64.

    Returns:
        (M,) float64.
    """
    total = np.array(values, dtype=np.float64)
    lengths = np.diff(offsets)
    if total.size == 0:
        return total
    last = offsets[1:][lengths > 0] - 1
    reach = np.array(weights, dtype=np.float64)
    reach[last] = 0.0  # nothing that follows belongs to the episode
    shift, longest = 1, int(lengths.max())
    while shift < longest:
        total[:-shift] += reach[:-shift] * total[shift:]
        reach[:-shift] *= reach[shift:]
        reach[-shift:] = 0.0
        shift *= 2
    return total
