"""Rows: whatever sequences they hold, each token sees its own beginning and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.agents.likelihood.forest import Job, Row, TokenSequence, batches, plant
from credit_gym.agents.likelihood.sharing import Sharing, joining
from credit_gym.errors import BatchError

SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=9), min_size=1, max_size=8)
RULES = {
    "all": lambda _: True,
    "none": lambda _: False,
    "tree": joining(Sharing("tree"), 1e-3),
    "dear": joining(Sharing("tree"), 0.5),
    "cache": joining(Sharing("cache"), 1e-3),
    "naive": joining(Sharing("naive"), 1e-3),
}


def jobs_of(sequences: list[list[int]]) -> list[Job]:
    jobs, first = [], 0
    for ids in sequences:
        positions = np.arange(1, len(ids))
        jobs.append(Job(np.array(ids), positions, first + positions - 1))
        first += len(ids) - 1
    return jobs


def sees(row: Row, token: int) -> list[int]:
    """What a token of a row may attend to, from the definition of a row."""
    if token < row.stem:
        return list(range(token + 1))
    own = token - row.stem
    branch = [j + row.stem for j in range(own + 1) if j <= own < row.end[j]]
    return [*range(row.attach[own]), *branch]


@given(SEQUENCES, st.sampled_from(sorted(RULES)))
def test_every_predictor_sees_exactly_the_beginning_of_its_sequence(sequences: list[list[int]], rule: str) -> None:
    rows = plant(jobs_of(sequences), RULES[rule])
    found = {}
    for row in rows:
        for predictor, target, slot in zip(row.predictor, row.target, row.slot, strict=True):
            seen = sees(row, predictor)
            assert [row.depth[j] for j in seen] == list(range(len(seen)))
            found[int(slot)] = ([int(row.tokens[j]) for j in seen], int(target))
    expected = [(ids[:position], ids[position]) for ids in sequences for position in range(1, len(ids))]
    assert [found[slot] for slot in range(len(expected))] == expected


@given(SEQUENCES)
def test_one_tree_computes_every_distinct_beginning_once(sequences: list[list[int]]) -> None:
    (row,) = plant(jobs_of(sequences), RULES["all"])
    distinct = {tuple(ids[:end]) for ids in sequences for end in range(1, len(ids))}
    assert row.tokens.size == len(distinct)
    assert row.stem == max(map(len, sequences)) - 1


@given(SEQUENCES)
def test_without_sharing_only_beginnings_of_each_other_are_merged(sequences: list[list[int]]) -> None:
    for rule in ("naive", "none"):
        assert all(row.branches == 0 for row in plant(jobs_of(sequences), RULES[rule]))
    alone = plant(jobs_of(sequences), joining(Sharing("naive", alone=True), 0.0), whole=True)
    assert sorted(map(tuple, {tuple(row.tokens) for row in alone})) == sorted({tuple(ids) for ids in sequences})


@given(SEQUENCES, st.integers(1, 30), st.integers(0, 200))
def test_batches_hold_every_row_once_within_their_limits(sequences: list[list[int]], tokens: int, pairs: int) -> None:
    rows = plant(jobs_of(sequences), RULES["dear"])
    formed = list(batches(rows, tokens=tokens, pairs=pairs))
    assert sorted(id(row) for batch in formed for row in batch) == sorted(map(id, rows))
    for batch in formed:
        length = max(row.stem for row in batch) + max(row.branches for row in batch)
        assert len({row.branches > 0 for row in batch}) == 1
        if len(batch) > 1:
            assert len(batch) * length <= tokens
            assert len(batch) * max(row.branches for row in batch) * length <= pairs or not batch[0].branches


def test_a_shared_prefix_is_split_off_only_where_attention_would_cost_more() -> None:
    pair = jobs_of([[1] * 5 + [2] * 50, [1] * 5 + [3] * 50])
    # 5 tokens saved; 54^2/2 + 49 * 103 instead of 54^2 entries of the attention matrix
    assert len(plant(pair, joining(Sharing("tree"), 5 / 3590))) == 1
    assert len(plant(pair, joining(Sharing("tree"), 5 / 3588))) == 2


@pytest.mark.parametrize(
    ("ids", "spans"), [([1, -1], []), ([[1]], []), ([0.5], []), ([1, 2], [(0, 3)]), ([1, 2], [(1, 0)])]
)
def test_a_malformed_sequence_is_refused(ids: list[int], spans: list[tuple[int, int]]) -> None:
    with pytest.raises(BatchError):
        TokenSequence(np.array(ids), tuple(spans))
