"""Near-duplicates: who is joined with whom, whatever the order, within groups, at a cost that grows with the text."""

from __future__ import annotations

import random
from time import process_time

import numpy as np
import pytest
from builders.episodes import texts
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.data.similarity import BINS, _sketches, alike

SENTENCE = "you arrive at the desk by the window and on it you see a lamp, a book, a pen and an old newspaper"
NEARLY = SENTENCE.replace("pen", "cup")
OTHER = "the fridge is closed, and whoever wants to know what is in it has to open it, which takes a moment"


def groups(count: int, group: int = 0) -> np.ndarray:
    return np.full(count, group, dtype=np.int64)


def words(number: int, seed: int) -> str:
    letters = random.Random(seed)
    return " ".join("".join(letters.choices("abcdefghij", k=5)) for _ in range(number))


def jaccard(one: str, other: str) -> float:
    left, right = ({text[i : i + 8] for i in range(len(text) - 7)} for text in (one, other))
    return len(left & right) / len(left | right)


def test_what_differs_in_a_word_is_joined_with_the_shortest_of_least_digest_and_nothing_else_is() -> None:
    found = alike([OTHER, SENTENCE + "!", NEARLY, SENTENCE], groups(4)).tolist()
    assert found[0] == 0
    assert found[1] == found[2] == found[3]
    assert found[3] in (2, 3)  # NEARLY and SENTENCE are equally long
    assert alike(["", "a", "b", "aa", "yes", "no"], groups(6)).tolist() == [0, 1, 2, 3, 4, 5]
    assert alike([], groups(0)).tolist() == []


def test_agreement_of_sketches_estimates_the_jaccard_similarity_of_windows() -> None:
    base = words(200, 0).split()
    for changed in (5, 20, 60):
        other = [*base]
        for place in random.Random(changed).sample(range(200), changed):
            other[place] = "zzzzz"
        pair = (" ".join(base), " ".join(other))
        left, right = _sketches([text.encode() for text in pair])
        assert float((left == right).mean()) == pytest.approx(jaccard(*pair), abs=3 * 0.5 / BINS**0.5)


@pytest.mark.slow
@given(st.lists(st.one_of(texts, st.sampled_from((SENTENCE, NEARLY, OTHER))), max_size=8, unique=True), st.randoms())
def test_the_order_of_the_texts_does_not_matter(given_texts: list[str], order: random.Random) -> None:
    shuffled = order.sample(given_texts, len(given_texts))
    one, other = (
        {text: listed[first] for text, first in zip(listed, alike(listed, groups(len(listed))), strict=True)}
        for listed in (given_texts, shuffled)
    )
    assert one == other


def test_likes_of_likes_are_joined_but_not_through_another_group() -> None:
    first = words(60, 1).split()
    middle = [*first[:-7], *words(7, 2).split()]
    last = [*words(7, 3).split(), *middle[7:]]
    chain = [" ".join(each) for each in (first, middle, last)]
    assert len(set(alike(chain, groups(3)).tolist())) == 1
    assert alike(chain[::2], groups(2)).tolist() == [0, 1]
    assert alike(chain, np.asarray([0, 1, 0])).tolist() == [0, 1, 2]


@pytest.mark.slow
def test_a_long_text_is_hashed_in_blocks_and_to_its_end() -> None:
    long = words(500_000, 2)  # three megabytes
    other = long.split()
    other[-300_000:] = words(300_000, 3).split()
    found = alike([long, long + " x", " ".join(other)], groups(3)).tolist()
    assert found == [0, 0, 2]


@pytest.mark.slow
def test_a_hundred_thousand_texts_cost_in_proportion_also_if_all_are_alike() -> None:
    def seconds(listed: list[str]) -> float:
        start = process_time()
        alike(listed, groups(len(listed)))
        return process_time() - start

    for many in (
        [words(30, seed) for seed in range(100_000)],
        [f"{SENTENCE} {words(1, i)}{i}" for i in range(100_000)],
    ):
        half, whole = seconds(many[:50_000]), seconds(many)
        assert whole < 4 * half + 1
        assert whole < 60
