"""What environments remember is bounded: no text of a model stays, and no number of tasks adds up."""

from __future__ import annotations

import gc
import tracemalloc

import gymnasium as gym
import pytest

from credit_gym.envs.remembering import remember_short
from credit_gym.registration import ENVIRONMENTS

LENGTH, NUMBERS = 20_000, 25
COMMON = "red shoes " * (LENGTH // 10)


def long_texts(number: int) -> tuple[str, ...]:
    """Return long texts that nobody said before, in the forms that readers take apart."""
    word = f"w{number}" + "x" * LENGTH
    return word, f"search[{word}]", f"search[w{number} {COMMON}]", f"Is it a {word}?", f"find_member(email='{word}')"


@pytest.mark.parametrize("env_id", [spec.id for spec in ENVIRONMENTS])
def test_long_texts_are_forgotten_with_the_episode(env_id: str) -> None:
    env = gym.make(env_id).unwrapped

    def say(number: int) -> None:
        for text in long_texts(number):
            env.reset(seed=0)
            env.step(text)

    say(0)
    tracemalloc.start()
    try:
        for number in range(1, NUMBERS + 1):
            say(number)
        env.reset(seed=0)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    env.close()
    assert kept < NUMBERS * LENGTH / 2, "less than half of the texts of one form"


def test_short_texts_are_remembered_and_of_long_ones_the_last() -> None:
    asked: list[str] = []

    @remember_short(4, 3)
    def doubled(text: str, times: int = 2) -> str:
        asked.append(text)
        return text * times

    assert [doubled(text) for text in ("ab", "ab", "abcd", "abcd", "")] == ["abab", "abab", "abcdabcd", "abcdabcd", ""]
    assert doubled("ab", 3) == "ababab"
    assert [doubled("abcde"), doubled("abcd")] == ["abcdeabcde", "abcdabcd"]
    assert asked == ["ab", "abcd", "", "ab", "abcde", "abcd"]
