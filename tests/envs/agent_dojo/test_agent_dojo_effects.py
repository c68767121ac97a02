"""What changed, and whose effect is there: vectors worked out by hand, and what holds of any values."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from credit_gym.envs.agent_dojo.effects import Effects, differences

VALUES = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)


def test_a_new_row_is_one_fact_whatever_its_number_and_time() -> None:
    before = {"mail": {"1": {"id_": "1", "text": "a"}}}
    first = {"mail": {**before["mail"], "2": {"id_": "2", "text": "b", "timestamp": "noon"}}}
    later = {"mail": {**before["mail"], "7": {"id_": "7", "text": "b", "timestamp": "night"}}}
    assert differences(before, first) == differences(before, later) == {'/mail + {"text": "b"}': 1}


def test_a_changed_cell_is_a_fact_of_its_own_and_a_removed_row_too() -> None:
    before = {"a": {"x": 1, "y": 2}, "b": {"x": 3}}
    assert differences(before, {"a": {"x": 1, "y": 5}}) == {"/a/y = 5": 1, " - b": 1}


def test_lists_are_collections_without_order() -> None:
    assert differences([1, 2, 2], [2, 1]) == {" - 2": 1}
    assert differences(["a"], ["b", "a", "b"]) == {' + "b"': 2}


@given(VALUES, VALUES)
def test_what_is_the_same_differs_in_nothing_and_what_is_added_can_be_taken_away(first: object, second: object) -> None:
    assert differences(first, first) == Counter()
    there, back = differences([first], [first, second]), differences([first, second], [first])
    assert sum(there.values()) == sum(back.values()) == 1


def test_an_effect_is_there_when_its_facts_are_or_those_that_replaced_it() -> None:
    along = [{}, {"a": 1}, {"a": 1}, {"b": 1}, {"b": 1, "c": 2}]  # the third call replaces what the first did
    effects = Effects(along)
    assert effects.made({}) == (False, False, False, False)
    assert effects.made({"a": 1}) == (True, False, False, False)
    assert effects.made({"b": 1}) == (True, False, True, False)
    assert effects.made({"c": 1}) == (False, False, False, False)  # one of two
    assert effects.made({"c": 2, "z": 9}) == (False, False, False, True)


def test_the_same_change_twice_is_two_changes() -> None:
    effects = Effects([{}, {"paid": 1}, {"paid": 2}])
    assert effects.made({"paid": 1}) == (True, False)
    assert effects.made({"paid": 2}) == (True, True)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(1, 3), max_size=3), min_size=1, max_size=5))
def test_along_the_ground_truth_every_call_with_an_effect_has_it(facts: list[dict[str, int]]) -> None:
    along = [{}, *facts]
    effects = Effects(along)
    for call, (need, after) in enumerate(zip(effects.needs, along[1:], strict=True)):
        assert effects.made(after)[call] is bool(need)
