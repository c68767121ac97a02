"""Normal text: what it replaces, that it is its own normal text, and what it costs."""

from __future__ import annotations

import sys
from time import process_time

import pytest
from builders.episodes import texts
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.data.normal_text import normal

VECTORS = {
    "You Are\tin \n the  ROOM.": "you are in the room.",
    "Order W2378156, 3 items of 50": "order <id>, <n> items of <n>",
    "shipped 2024-05-15T10:30:00Z": "shipped <date>",
    "2024-05-15 10:00:00.123456+02:00 and 2024/5/1": "<date> and <date>",
    "15.05.2024, 12/31/24, May 15, 2024, 3rd Sept. 2024": "<date>, <date>, <date>, <date>",
    "at 10:30 pm, 09:15:02.5 or 3:5": "at <time>, <time> or <n>:<n>",
    "abcdef12-1234-1234-1234-1234567890AB": "<uuid>",
    "0xDEADBEEF, deadbeef1, deadbeef, 1234567890123": "<hex>, <hex>, deadbeef, <n>",
    "1,234.50 + 1.5e-10 = -2 (10.0.0.1)": "<n> + <n> = -<n> (<n>)",
    "sara_doe_496 took python3 and a-12 for $49.99": "<id> took <id> and a-<n> for $<n>",
    "2024-05-155, 24:00:61:5": "<n>-<n>-<n>, <n>:<n>:<n>:<n>",
    "maybe 3, marching 4": "maybe <n>, marching <n>",
    "STRASSE straße ١٢ x²": "strasse strasse <n> x²",
    "": "",
    " \u2028 ": "",
}

pieces = st.sampled_from(
    [
        "2024",
        "-",
        ":",
        "05",
        "15",
        " ",
        "may",
        "12",
        "0x",
        "a",
        "F",
        "e",
        ".",
        ",",
        "+",
        "_",
        "<n>",
        "é",
        "\x00",
        "z",
        "²",
    ]
)


@pytest.mark.parametrize("text", VECTORS)
def test_what_changes_from_visit_to_visit_is_replaced(text: str) -> None:
    assert normal(text) == VECTORS[text]


@given(st.one_of(texts, st.lists(pieces, max_size=30).map("".join)))
def test_a_normal_text_is_its_own_normal_text_and_has_no_digit(text: str) -> None:
    found = normal(text)
    assert normal(found) == found
    assert not any(letter.isdecimal() for letter in found)


@pytest.mark.slow
def test_folding_case_is_done_at_once_and_makes_no_white_space() -> None:
    """What the two properties above rest on, for every character there is."""
    folded = {letter: letter.casefold() for letter in map(chr, range(sys.maxunicode + 1))}
    assert [letter for letter, once in folded.items() if once.casefold() != once] == []
    assert [letter for letter, once in folded.items() if len(once.split()) > 1] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", ["a", "1", "1 ", "_", "12:", "1,", "1.", "0x", "jan ", "2024-05-15", "abcdef12-abcd-", "1e+", "a1 ", "\n"]
)
def test_a_megabyte_costs_twice_what_half_of_it_costs(part: str) -> None:
    def seconds(size: int) -> float:
        text = part * (size // len(part))
        start = process_time()
        normal(text)
        return process_time() - start

    half, whole = (min(seconds(size) for _ in range(3)) for size in (500_000, 1_000_000))
    assert whole < 4 * half + 0.05
    assert whole < 5
