"""The flat primitives equal their plain-Python definitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.data import grouping

ids = st.lists(st.integers(0, 10**12), max_size=40)


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**30), st.integers(0, 3)), max_size=40))
def test_compact_numbers_distinct_rows_in_sorted_order(rows: list[tuple[int, int, int]]) -> None:
    columns = np.asarray(rows, dtype=np.int64).reshape(-1, 3).T
    numbered, count = grouping.compact(*columns)
    expected = {row: i for i, row in enumerate(sorted(set(rows)))}
    assert count == len(expected)
    assert numbered.tolist() == [expected[row] for row in rows]


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-1e6, 1e6)), min_size=1, max_size=40))
def test_group_statistics_match_numpy_on_each_group(pairs: list[tuple[int, float]]) -> None:
    ids, values = np.asarray([p[0] for p in pairs]), np.asarray([p[1] for p in pairs])
    for group in range(6):
        members = values[ids == group]
        mean = members.mean() if members.size else 0.0
        std = members.std() if members.size else 0.0
        assert grouping.group_size(ids, 6)[group] == members.size
        np.testing.assert_allclose(grouping.group_mean(values, ids, 6)[group], mean, rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(grouping.group_std(values, ids, 6)[group], std, rtol=1e-7, atol=1e-6)


@given(
    st.lists(st.lists(st.floats(-100, 100), max_size=9), min_size=1, max_size=6),
    st.sampled_from([0.0, 0.5, 0.95, 1.0]),
)
def test_discounted_sum_is_the_backward_recursion_of_each_episode(episodes: list[list[float]], discount: float) -> None:
    offsets = np.concatenate([[0], np.cumsum([len(e) for e in episodes])]).astype(np.int64)
    expected: list[float] = []
    for rewards in episodes:
        total, column = 0.0, []
        for reward in reversed(rewards):
            total = reward + discount * total
            column.append(total)
        expected += column[::-1]
    values = np.asarray([r for e in episodes for r in e], dtype=np.float64)
    np.testing.assert_allclose(grouping.discounted_sum(values, offsets, discount), expected, rtol=1e-9, atol=1e-9)
