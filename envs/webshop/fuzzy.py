"""When two texts count as the same: the token-set ratio that WebShop's reward takes from thefuzz 0.19."""

from __future__ import annotations

import re
from functools import lru_cache

from credit_gym.envs.webshop import remembered

THRESHOLD = 85

_LATIN_1 = dict.fromkeys(range(0x80, 0x100))  # dropped: thefuzz calls that forcing ASCII
_NO_WORD = re.compile(r"\W")


@lru_cache(remembered.TEXTS)
def similar(first: str, second: str) -> bool:
    """Return whether the token-set ratio of two texts is above 85."""
    return token_set_ratio(first, second) > THRESHOLD


def token_set_ratio(first: str, second: str) -> int:
    """Return how alike two texts are as sets of words, 0 to 100.

    With the common words ``s`` and each text's words sorted behind them, ``c1`` and ``c2``, it is the largest of
    ``ratio(s, c1)``, ``ratio(s, c2)`` and ``ratio(c1, c2)``: a text whose words are all in the other scores 100.
    """
    one, two = _words(first), _words(second)
    if not one or not two:
        return 0
    common = " ".join(sorted(one & two))
    longer = f"{common} {' '.join(sorted(one - two))}".strip()
    other = f"{common} {' '.join(sorted(two - one))}".strip()
    return max(ratio(common, longer), ratio(common, other), ratio(longer, other))


def ratio(first: str, second: str) -> int:
    """Return ``100 * 2M / (len + len)`` rounded, where M is the length of the longest common subsequence."""
    if not first or not second:
        return 0
    if first == second:
        return 100
    return round(100 * (2.0 * common_subsequence(first, second) / (len(first) + len(second))))


def common_subsequence(first: str, second: str) -> int:
    """Return the length of the longest common subsequence, by one row of bits (Hyyrö, 2004)."""
    places: dict[str, int] = {}
    for place, character in enumerate(first):
        places[character] = places.get(character, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for character in second:
        met = row & places.get(character, 0)
        row = (row + met | row - met) & full
    return len(first) - row.bit_count()


@lru_cache(remembered.TEXTS)
def _words(text: str) -> frozenset[str]:
    return frozenset(_NO_WORD.sub(" ", text.translate(_LATIN_1)).lower().split())
