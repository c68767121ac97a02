"""WebShop's reward: the published vectors, and every oddity of its rules."""

from __future__ import annotations

from dataclasses import replace
from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.envs.webshop.colours import COLOURS, normalise
from credit_gym.envs.webshop.fuzzy import common_subsequence, ratio, similar, token_set_ratio
from credit_gym.envs.webshop.goals import UNLIMITED, Goal, Want
from credit_gym.envs.webshop.records import Product
from credit_gym.envs.webshop.reward import (
    attributes_met,
    category_match,
    ceiling,
    match_product,
    reward,
    title_score,
    type_factor,
    wants_met,
)

BARE = Product(
    asin="A", title="", description="", features=(), attributes=(), options=(), price=10.0, price_tag="$10.0",
    query="q", product_category="a › b › c", category="", nouns=("shirt", "cotton"), image="",
)  # fmt: skip
PLAIN = Goal("A-0", 0, "", (), (), 20.0, "train")


def worth(product=BARE, *, attributes=(), wants=(), choices=(), price_upper=20.0, wanted=BARE, by_name=False):
    goal = replace(PLAIN, attributes=attributes, wants=wants, price_upper=price_upper)
    return reward(product, wanted, goal, choices, by_name=by_name)


def wanted(*values):
    return tuple(Want("", value) for value in values)


def bought(*values):
    return tuple((f"option {place}", value) for place, value in enumerate(values))


@pytest.mark.parametrize(
    ("first", "second", "score"),
    [
        ("large", "x-large", 100),
        ("7.5", "7.5 wide", 100),
        ("8", "8.5", 100),
        ("pack of 6", "pack of 12", 88),
        ("x-large", "xx-large", 93),
        ("essential oil", "essential oils", 96),
        ("hand wash", "machine wash", 67),
        ("30w x 32l", "32w x 30l", 78),
        ("caf\u00e9", "caf", 100),  # Latin-1 letters are dropped
        ("\u4e2d\u6587", "\u4e2d\u6587", 100),  # other letters are not
        ("", "", 0),
        ("!?", "!?", 0),
    ],
)
def test_published_scores_of_pairs(first, second, score):
    assert token_set_ratio(first, second) == token_set_ratio(second, first) == score


def test_the_threshold_is_strict():
    assert ratio("a" * 17 + "bbb", "a" * 17 + "ccc") == 85
    assert not similar("a" * 17 + "bbb", "a" * 17 + "ccc")
    assert similar("a" * 43 + "b" * 7, "a" * 43 + "c" * 7)  # 86


@given(st.text("abc ", max_size=12), st.text("abc ", max_size=12))
def test_the_common_subsequence_is_the_longest(first, second):
    row = [0] * (len(second) + 1)
    for one in first:
        before = row[:]
        for place, other in enumerate(second):
            row[place + 1] = before[place] + 1 if one == other else max(before[place + 1], row[place])
    assert common_subsequence(first, second) == row[-1]
    blocks = SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    assert common_subsequence(first, second) >= sum(block.size for block in blocks)


def test_the_first_colour_in_the_list_that_occurs_anywhere_stands_for_the_value():
    assert len(COLOURS) == 102
    assert list(COLOURS) == sorted(COLOURS)
    values = ("washed silver", "redwood", "standard", "10-inch stand", "dark navy", "large", "x-large", "")
    assert [normalise(value) for value in values] == ["ash", "red", "tan", "tan", "dark", "large", "x-large", ""]


@pytest.mark.parametrize(
    ("first", "second", "matches"),
    [
        ("a › b › c", "a › b › c", True),
        ("a › b › c", "c › x › a", True),
        ("a › b › c", "a › x › y", False),
        ("a › a › d", "a › b › c", False),
        ("a", "a", False),
    ],
)
def test_categories_match_in_two_different_steps(first, second, matches):
    assert category_match(first, second) is category_match(second, first) is matches


def test_the_title_score_counts_repeated_nouns_of_the_wanted_title_only():
    assert title_score(("shirt", "shirt"), ("shirt", "cotton", "shirt")) == pytest.approx(1 / 3)
    assert title_score(("shirt", "cotton"), ("shirt", "cotton")) == 1.0
    assert title_score(("shirt",), ()) == 0.2


@pytest.mark.parametrize(
    ("title", "related", "factor"),
    [(1.0, False, 1.0), (0.21, False, 1.0), (0.2, False, 0.5), (0.2, True, 1.0), (0.1, False, 0.5), (0.1, True, 1.0),
     (0.09, False, 0.1), (0.09, True, 0.1), (0.0, False, 0.0), (0.0, True, 0.0)],
)  # fmt: skip
def test_a_title_with_nothing_in_common_overrules_query_and_category(title, related, factor):
    assert type_factor(title, query_match=related, category_match=False) == factor
    assert type_factor(title, query_match=False, category_match=related) == factor


def test_attributes_are_met_by_like_attributes_or_by_the_texts():
    product = replace(BARE, attributes=("essential oils", "machine washable"))
    assert attributes_met(product, ("essential oil", "hand wash")) == 1
    told = replace(BARE, title="Tea Tree Soap", features=("vegan", "Cruelty", "Free"), description="It is FRESH.")
    assert attributes_met(told, ("tree soap", "cruelty free", "fresh", "fragrant")) == 3
    assert attributes_met(told, ("Tea Tree",)) == 0  # the texts are lower-cased, the attribute is not


def test_chosen_values_meet_wants_whatever_their_option_is_called():
    assert worth(wants=wanted("red", "large"), choices=bought("large", "dark red")).n_opt == 1  # "dark" is a colour
    assert worth(wants=wanted("powder snow", "small"), choices=bought("cool powder snow", "small")).n_opt == 2
    assert worth(wants=wanted("large"), choices=()).n_opt == 0
    assert worth(wants=(), choices=bought("large")).components()["r_option"] is None
    assert worth(wants=wanted("large"), choices=bought("large", "not asked for")).value == 1.0


def test_named_wants_compare_as_written_out_pairs_where_names_are_ignored():
    size = (Want("size", "small"),)
    assert wants_met(("fit", "small"), size, by_name=False) == 1
    assert wants_met(("fit", "size"), size, by_name=False) == 1  # the words of the name count as words of the value
    assert wants_met(("fit", "washed silver"), (Want("colour", "silver"),), by_name=False) == 0  # "ash" is not silver
    assert wants_met(("fit", "dark red"), (Want("colour", "red"),), by_name=False) == 0
    assert wants_met(("fit", "ruby red"), (Want("colour", "red"),), by_name=False) == 1


def test_named_wants_are_met_by_options_of_that_name_by_default():
    size = (Want("size", "small"),)
    assert wants_met(("size", "small"), size, by_name=True) == 1
    assert wants_met(("fit", "small"), size, by_name=True) == 0
    assert wants_met(("fit", "size"), size, by_name=True) == 0


def test_published_rewards():
    product = replace(BARE, attributes=("soft", "warm", "light"))
    asked = {"attributes": ("soft", "warm", "light"), "wants": wanted("xl", "wool", "long")}
    assert worth(product, **asked, choices=bought("xl", "wool", "long")).value == 1.0
    three = {"attributes": ("soft", "round"), "price_upper": 20.0}
    assert worth(product, **three).value == pytest.approx(2 / 3)
    four = worth(product, **asked, choices=bought(), price_upper=20.0)
    assert four.value == pytest.approx(4 / 7)
    other = replace(product, query="other", product_category="z", nouns=("cotton", "x"))
    asks = replace(BARE, nouns=("cotton", "a", "b", "c", "d"))
    assert worth(other, **asked, wanted=asks).value == pytest.approx(0.5 * 4 / 7)
    assert worth(product, price_upper=9.99).value == 0.0
    assert worth(product, price_upper=10.0).value == 1.0
    assert worth(product, price_upper=UNLIMITED).value == 1.0


def test_components_add_up_to_the_reward():
    product = replace(BARE, attributes=("soft",))
    found = worth(product, attributes=("soft", "round"), wants=wanted("xl"), choices=bought("xl"))
    c = found.components()
    parts = c["r_att"] * c["w_att"] + c["r_option"] * c["w_option"] + c["r_price"] * c["w_price"]
    assert found.value == pytest.approx(c["r_type"] * parts) == pytest.approx(3 / 4)
    assert match_product(product, BARE, PLAIN).r_price is True


@pytest.mark.parametrize(
    ("bought", "score", "factor"),
    [
        ("red shirt", 2 / 2, 1.0),
        ("shirt", 1 / 2, 1.0),
        ("hat", 0.0, 0.0),
    ],
)
def test_published_types_of_short_titles(bought, score, factor):
    found = match_product(replace(BARE, nouns=tuple(bought.split())), replace(BARE, nouns=("red", "shirt")), PLAIN)
    assert (found.title_score, found.r_type) == (score, factor)


@pytest.mark.parametrize(("shared", "total", "score"), [(1, 3, 0.333), (3, 10, 0.3), (3, 20, 0.15), (1, 21, 0.048)])
def test_published_title_scores_from_the_numbers_of_nouns_behind_them(shared, total, score):
    wanted_title = tuple(f"noun{place}" for place in range(total))
    assert title_score(wanted_title[:shared], wanted_title) == pytest.approx(score, abs=0.01)


def test_query_and_category_are_compared_whole_and_step_by_step():
    other = replace(BARE, query="Q", product_category="c › a")
    found = match_product(other, BARE, PLAIN)
    assert (found.query_match, found.category_match) == (False, True)


@pytest.mark.parametrize(
    ("has", "features", "description", "met"),
    [
        (("tea tree", "essential oils", "natural ingredients"), (), "", 3),
        (("essential oils", "natural ingredients"), (), "", 2),
        ((), ("This shampoo has Essential Oil and", "smells of lemons"), "Best natural ingredients ever.", 2),
        ((), (), "", 0),
    ],
)
def test_published_attribute_rewards(has, features, description, met):
    product = replace(BARE, attributes=has, features=features, description=description)
    asked = ("tea tree", "essential oil", "natural ingredients")
    found = worth(product, attributes=asked)
    assert found.match.n_att == met
    assert found.components()["r_att"] == pytest.approx(met / 3)


@pytest.mark.parametrize(
    ("asked", "chosen", "share"),
    [
        (("grey", "xl", "pack of 12"), ("pack of 12", "grey", "xl"), 1.0),
        (("grey", "xl", "pack of 12"), ("grey", "xl", "pack of one"), 2 / 3),
        (("cool powder snow", "xl"), ("powder snow", "xl"), 1.0),
        ((), ("grey",), None),
        (("grey", "xl"), (), 0.0),
    ],
)
def test_published_option_rewards(asked, chosen, share):
    assert worth(wants=wanted(*asked), choices=bought(*chosen)).components()["r_option"] == share


@pytest.mark.parametrize(
    ("value", "colour"),
    [("", ""), ("forest green", "green"), ("dark red", "dark"), ("silvergrey", "grey"), ("blue, red", "blue"),
     ("13-inch black", "black"), ("xx-large", "xx-large"), ("10", "10")],
)  # fmt: skip
def test_published_colours_and_sizes(value, colour):
    assert normalise(value) == colour


def test_options_nobody_asked_for_cost_nothing():
    assert worth(choices=bought("red", "xl")).value == worth().value == 1.0


def test_one_chosen_value_may_meet_several_wants():
    assert worth(wants=wanted("large", "x-large"), choices=bought("x-large")).n_opt == 2


def test_a_number_of_pieces_is_met_by_a_like_number():
    assert worth(wants=wanted("pack of 6"), choices=bought("pack of 12")).n_opt == 1


def test_the_price_may_be_the_limit_itself():
    assert worth(price_upper=BARE.price).match.r_price is True


def test_a_factor_of_nought_takes_everything_else_with_it():
    product = replace(BARE, nouns=("sofa",), attributes=("soft",))
    found = worth(product, attributes=("soft",), wants=wanted("xl"), choices=bought("xl"))
    assert (found.match.query_match, found.match.n_att, found.n_opt, found.value) == (True, 1, 1, 0.0)


def test_what_broke_the_published_reward_earns_a_plain_one():
    """No wanted attribute divided by zero there, and a limit of 0 dollars added None."""
    assert worth(wants=wanted("xl"), choices=bought("xl")).components()["r_att"] is None
    assert worth(attributes=("round",), price_upper=0.0).value == 0.0


@given(
    st.lists(st.sampled_from(["soft", "round", "essential oil"]), max_size=3).map(tuple),
    st.lists(st.sampled_from(["shirt", "cotton", "hat"]), max_size=3).map(tuple),
    st.sampled_from([5.0, 10.0]),
)
def test_the_quick_bound_is_never_below_the_reward(attributes, nouns, limit):
    product = replace(BARE, attributes=("soft",), nouns=nouns, product_category="z", query="other")
    goal = replace(PLAIN, attributes=attributes, wants=wanted("xl"), price_upper=limit)
    found = reward(product, BARE, goal, bought("xl"))
    assert ceiling(product, BARE, goal) >= found.value
    if found.match.n_att == len(attributes):
        assert ceiling(product, BARE, goal) == found.value
