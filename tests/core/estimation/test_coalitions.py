"""Shapley values of games worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from credit_gym.estimation.coalitions import shapley_values


def test_the_left_glove_is_worth_two_thirds_of_a_pair() -> None:
    """Player 0 has a left glove, players 1 and 2 a right one; only a pair is worth anything. In 4 of the 6 orders
    player 0 completes it, in 1 of 6 each of the others."""

    def worth(coalition: tuple[int, ...]) -> np.ndarray:
        return np.array([float(0 in coalition and len(coalition) > 1)])

    assert shapley_values(3, worth)[:, 0] == pytest.approx([4 / 6, 1 / 6, 1 / 6])


def test_values_add_up_to_what_all_are_worth_and_games_are_valued_apart() -> None:
    draws = np.random.default_rng(0)
    table: dict[tuple[int, ...], np.ndarray] = {}
    value = shapley_values(4, lambda coalition: table.setdefault(coalition, draws.normal(size=2)))
    assert value.shape == (4, 2)
    assert value.sum(axis=0) == pytest.approx(table[0, 1, 2, 3] - table[()])
    for game in range(2):
        alone = shapley_values(4, lambda coalition, g=game: table[coalition][[g]])
        np.testing.assert_allclose(alone[:, 0], value[:, game])
