"""States of a tool log, worked by hand: calls are canonical, errors change nothing, words are counted."""

from __future__ import annotations

from typing import Any

import pytest
from builders.episodes import episodes as any_episode
from builders.episodes import walk
from hypothesis import given

from credit_gym.data.call_history import calls_so_far, last_calls
from credit_gym.data.episode import Episode

FIND = '{"name": "find", "arguments": {"a": 1, "b": 2}}'
HOLD = '{"name": "hold", "arguments": {}}'


def log(actions: list[str], answers: list[str] | None = None, **columns: Any) -> Episode:
    seen = ("Hello.", *(answers or ["ok"] * len(actions)))
    return walk(steps=len(actions), actions=tuple(actions), observations=seen, **columns)


def test_a_point_is_known_by_the_last_calls_whether_they_erred_and_what_was_said_since() -> None:
    played = log(
        ["Who are you?", "Really?", "find(b=2, a=1)", "Well.", HOLD, HOLD],
        ["Ann.", "Yes.", '{"id": 7}', "So?", "Error: not now", "ok"],
    )
    assert last_calls(played) == [
        "start",
        "start\nsaid 1",
        "start\nsaid 2",
        FIND,
        f"{FIND}\nsaid 1",
        f"{HOLD}\nerred",
        HOLD,
    ]


def test_calls_of_the_column_and_of_the_text_are_one_state_in_whichever_dialect() -> None:
    recorded = ({"id": "x1", "name": "find", "arguments": {"b": 2, "a": 1}},)
    column = log(["calls a tool", HOLD], tool_calls=(recorded, ()))
    text = log(['{"name": "find", "arguments": {"b": 2, "a": 1}}', "hold()"])
    assert last_calls(column) == last_calls(text) == ["start", FIND, HOLD]
    assert calls_so_far(column) == calls_so_far(text)
    both = log([f"[{FIND}, {HOLD}]"])
    assert last_calls(both) == ["start", f"{FIND}\n{HOLD}"]


def test_the_set_of_calls_forgets_their_order_their_repeats_and_those_that_erred() -> None:
    one = calls_so_far(log([FIND, HOLD, FIND]))
    other = calls_so_far(log([HOLD, HOLD, FIND], ["ok", "ok", "ok"]))
    erred = calls_so_far(log([HOLD, FIND, FIND], ["ok", "tool: Error: busy", "ok"]))
    assert one[0] == "0 calls"
    assert one[1] != one[2] == one[3]
    assert one[2] == other[3] == erred[3]
    assert erred[1] == erred[2] == other[1] == other[2]
    assert one[2].startswith("2 calls ")


def test_words_count_until_the_next_call_that_did_something() -> None:
    found = calls_so_far(log(["Hm.", HOLD, "Hm.", FIND, HOLD], ["?", "ok", "?", "error", "ok"]))
    assert found == ["0 calls", "0 calls\nsaid 1", found[2], f"{found[2]}\nsaid 1", f"{found[2]}\nsaid 1", found[2]]


def test_without_any_tool_every_action_is_a_call_case_and_white_space_apart() -> None:
    played = log(
        ["go to  Desk 1", "GO TO desk 2", "go to desk 1"], ["ok", "nothing happens", "ok"], invalid=(False, True, False)
    )
    assert last_calls(played) == ["start", "go to desk 1", "go to desk 2\nerred", "go to desk 1"]
    found = calls_so_far(played)
    assert found[1] == found[2] == found[3]


@pytest.mark.parametrize(
    ("answer", "erred"),
    [
        ("Error: no such user", True),
        ('{"error": "no such user"}', True),
        ("tool: Traceback (most recent call last)", True),
        ("[EXCEPTION] boom", True),
        ("errors: 0", False),
        ("The error is gone", False),
        ("no error", False),
        ("", False),
        ("{" * 10**6, False),
    ],
)
def test_an_answer_says_that_a_call_erred_by_its_first_word(answer: str, erred: bool) -> None:
    assert last_calls(log([HOLD], [answer])) == ["start", f"{HOLD}\nerred" if erred else HOLD]


@pytest.mark.slow
@given(any_episode())
def test_any_episode_has_a_state_at_every_point(episode: Episode) -> None:
    for of in (last_calls, calls_so_far):
        found = of(episode)
        assert len(found) == len(episode) + 1
        assert found == of(episode)
