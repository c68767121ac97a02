"""Shapley values of a small game: what each player is worth to the coalitions of the others, exactly.

``phi_i = sum over C without i of |C|! (n - |C| - 1)! / n! (v(C + i) - v(C))`` (Shapley 1953, "A value for n-person
games").
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import comb

import numpy as np

from credit_gym.data.grouping import FloatArray


def shapley_values(players: int, worth: Callable[[tuple[int, ...]], FloatArray]) -> FloatArray:
    """Shapley values of many games at once, by enumerating all coalitions.

    Args:
        players: n.
        worth: of a coalition (ascending players), (G,) for G games; asked once for each of the 2^n coalitions.

    Returns:
        (n, G) float64; over the players they sum to the worth of all less that of none.
    """
    members = range(players)
    found = {c: worth(c) for size in range(players + 1) for c in combinations(members, size)}
    value = np.zeros((players, found[()].size))
    for coalition, alone in found.items():
        share = 1.0 / (players * comb(players - 1, len(coalition))) if len(coalition) < players else 0.0
        for player in set(members).difference(coalition):
            value[player] += share * (found[tuple(sorted((*coalition, player)))] - alone)
    return value
