"""Sampling: from the right distribution, by the right noise, beside anybody."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from credit_gym import rng
from credit_gym.agents.llm.sampling import choice_trie, gumbel, sample

bits = st.integers(0, 2**64 - 1)


@given(st.lists(bits, min_size=1, max_size=4), st.integers(1, 9))
def test_the_noise_is_that_of_the_streams_of_credit_gym(states, size):
    drawn = gumbel(states, size)
    for row, state in zip(drawn.tolist(), states, strict=True):
        for value in row:
            state = rng.advance(state)
            uniform = ((rng.mix(state) >> 11) + 0.5) * 2.0**-53
            assert value == pytest.approx(-math.log(-math.log(uniform)), rel=1e-12)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_come_from_the_softmax_at_their_temperature(temperature):
    logits = torch.tensor([0.0, 1.0, -2.0, 2.5, -30.0])
    draws = 20_000
    tokens, _ = sample(
        logits.expand(draws, -1), [temperature] * draws, [rng.derive(7, draw) for draw in range(draws)], {}
    )
    expected = (logits.double() / temperature).softmax(0).numpy() * draws
    counts = np.bincount(tokens, minlength=5)
    assert counts[4] == 0
    assert stats.chisquare(counts[:4], expected[:4] * counts[:4].sum() / expected[:4].sum()).pvalue > 1e-3


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(2, 40), st.integers(0, 2**31), st.data())
def test_a_row_is_sampled_alike_beside_any_other_rows(rows, size, seed, data):
    logits = torch.randn(rows, size, generator=torch.Generator().manual_seed(seed)) * 3
    heat = data.draw(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=rows, max_size=rows))
    states = [rng.derive(seed, row) for row in range(rows)]
    allowed = {0: [0, size - 1]}
    tokens, logprobs = sample(logits, heat, states, allowed)
    for row in range(rows):
        alone = sample(logits[row : row + 1], heat[row : row + 1], states[row : row + 1], allowed if row == 0 else {})
        assert alone == ([tokens[row]], [pytest.approx(logprobs[row], abs=1e-6)])
    assert tokens[0] in (0, size - 1)


def test_temperature_zero_is_greedy_and_logprobs_are_those_of_temperature_one_unmasked():
    logits = torch.tensor([[1.0, 3.0, 2.0]])
    expected = logits.log_softmax(1)[0].tolist()
    for heat in (0.0, 5.0):
        tokens, logprobs = sample(logits, [heat], [1], {0: [0, 2]})
        assert logprobs == [pytest.approx(expected[tokens[0]])]
    assert sample(logits, [0.0], [1], {})[0] == [1]
    assert sample(logits, [0.0], [1], {0: [0, 2]})[0] == [2]


def test_rounding_of_the_logits_hardly_ever_changes_a_token():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(500, 2000, generator=generator) * 2
    moved = logits + torch.randn(500, 2000, generator=generator) * 1e-6
    states = [rng.derive(row) for row in range(500)]
    assert sample(logits, [1.0] * 500, states, {})[0] == sample(moved, [1.0] * 500, states, {})[0]


def test_the_trie_allows_every_choice_and_nothing_else():
    trie = choice_trie({"a": (1,), "ab": (1, 2), "c": (3, 4)}, ends=(0, 9))
    assert trie == {1: {0: "a", 9: "a", 2: {0: "ab", 9: "ab"}}, 3: {4: {0: "c", 9: "c"}}}
