"""WebShop's state machine: what can be clicked, where it leads, and each published oddity, kept and mended."""

from __future__ import annotations

from bisect import bisect
from dataclasses import fields
from itertools import accumulate
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from builders.shops import save
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.envs.webshop.env import WebShopEnv
from credit_gym.envs.webshop.generate import RawCatalogue
from credit_gym.envs.webshop.goals import Lottery
from credit_gym.envs.webshop.rules import Quirks, parse
from credit_gym.errors import OptionError, UnknownNameError


def raw_shop(count: int = 12) -> RawCatalogue:
    """Twelve shirts; the first has options, some of them hard to tell from buttons."""
    values = ("Small", "x-large", "Buy Now", "next >", "search", "a/b", "Red")
    options = {"Size": [{"value": value} for value in values], "None": None, "Other": [{"value": "red"}]}
    products = [
        {
            "asin": f"B{number:09d}",
            "name": f"Shirt {number}",
            "full_description": "<b>Nice</b> & warm",
            "small_description": ["soft", "light"],
            "pricing": "$80.50" if number else "$10.00$20.00",
            "product_category": "Clothing › Shirts",
            "category": "fashion",
            "query": " Shirts ",
            "customization_options": {} if number else options,
        }
        for number in range(count)
    ]
    request = {"instruction": "a small shirt.", "instruction_attributes": ["soft"], "instruction_options": ["small"]}
    return RawCatalogue(products, {"B000000000": {"attributes": ["soft"]}}, {"B000000000": [request, request]})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(raw_shop(), tmp_path_factory.mktemp("shirts"))


def opened(shop: Path, *actions: str, **settings: Any) -> tuple[WebShopEnv, str, dict[str, Any]]:
    """An environment after some actions, the last observation and info."""
    env = WebShopEnv("all", data=shop, max_steps=100, **settings)
    observation, info = env.reset(seed=0, options={"task": 0})
    for action in actions:
        observation, *_, info = env.step(action)
    return env, observation, info


HEAD = "Instruction: [SEP] a small shirt, and price lower than "
ITEM = ("search[shirt 0]", "click[b000000000]")


def body(observation: str) -> str:
    """An observation below the instruction, whose price limit is a draw."""
    assert observation.startswith(HEAD)
    return observation.split(" dollars [SEP] ", 1)[1]


def test_the_pages_read_as_published(shop):
    _, start, _ = opened(shop)
    assert start.startswith(f"WebShop [SEP] {HEAD}")
    assert start.endswith("dollars [SEP] Search")
    _, results, info = opened(shop, "search[Shirt 0]")
    assert body(results).startswith(
        "Back to Search [SEP] Page 1 (Total results: 12) [SEP] Next > [SEP] "
        "B000000000 [SEP] Shirt 0 [SEP] $10.0 to $20.0 [SEP] B000000001 [SEP] Shirt 1 [SEP] $80.5"
    )
    assert info["admissible_actions"][:3] == ["click[back to search]", "click[next >]", "click[b000000000]"]
    _, item, info = opened(shop, *ITEM)
    assert body(item) == (
        "Back to Search [SEP] < Prev [SEP] size [SEP] small [SEP] x-large [SEP] buy now [SEP] next > [SEP] search "
        "[SEP] a | b [SEP] red [SEP] other [SEP] red [SEP] Shirt 0 [SEP] Price: $10.0 to $20.0 [SEP] Rating: N.A. "
        "[SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now"
    )
    clicks = ("back to search", "< prev", "description", "features", "reviews", "buy now", "small", "x-large", "next >")
    assert info["admissible_actions"] == [f"click[{text}]" for text in (*clicks, "a | b", "red")]
    texts = {"description": "<b>Nice</b> & warm", "features": "soft [SEP] light", "reviews": None}
    for name, text in texts.items():
        _, page, _ = opened(shop, *ITEM, f"click[{name}]")
        assert body(page) == " [SEP] ".join(filter(None, ("Back to Search", "< Prev", text)))
    _, page, _ = opened(shop, *ITEM, "click[attributes]", show_attributes=True)
    assert body(page) == "Back to Search [SEP] < Prev [SEP] soft [SEP] fashion [SEP] shirts [SEP] Clothing › Shirts"


def test_options_do_not_show_in_the_text_but_in_address_and_rich_text(shop):
    chosen = ("click[small]", "click[red]", "click[X-LARGE]")
    env, text, _ = opened(shop, *ITEM, *chosen)
    assert text == opened(shop, *ITEM)[1]
    _, url, _ = opened(shop, *ITEM, *chosen, observation="url")
    assert url == 'http://127.0.0.1:3000/item_page/0/B000000000/shirt+0/1/{"size": "x-large", "other": "red"}'
    assert env.clone_state().state.options == (("size", "x-large"), ("other", "red"))  # of equal values the last wins
    _, rich, _ = opened(shop, *ITEM, *chosen, observation="text_rich")
    assert rich.startswith("You have clicked red.\nYou have clicked red.\nYou have clicked x-large.\nInstruction:\n")
    assert "  [clicked button] x-large [clicked button_]\n" in rich
    assert "  [button] small [button_]\n" in rich
    assert rich.endswith("[button] Buy Now [button_]\n")


def test_addresses(shop):
    def url(*actions, **settings):
        return opened(shop, *actions, observation="url", **settings)[1].removeprefix("http://127.0.0.1:3000/")

    assert url() == "0"
    assert url("search[Red  Shirt]", "click[next >]") == "search_results/0/red++shirt/2"
    assert url(*ITEM, "click[small]", "click[features]") == (
        "item_sub_page/0/B000000000/shirt+0/1/Features/{'size': 'small'}"
    )
    assert url(*ITEM, "click[small]", "click[buy now]") == "done/0/B000000000/{'size': 'small'}"


def test_opened_products_are_marked_until_the_search_field_is_seen_again(shop):
    mark = "\n[clicked button] B000000000 [clicked button_]\n"
    for back in (("click[< prev]",), ("click[< prev]", "click[next >]", "click[< prev]")):
        assert mark in opened(shop, *ITEM, *back, observation="text_rich")[1]
    assert mark not in opened(shop, *ITEM, "click[back to search]", "search[shirt 0]", observation="text_rich")[1]


def test_the_last_page_tells_the_score_only_where_that_is_kept(shop):
    buy = (*ITEM, "click[small]", "click[buy now]")
    _, mended, info = opened(shop, *buy)
    assert mended == (
        "Thank you for shopping with us! [SEP] Purchased [SEP] asin [SEP] B000000000 [SEP] options [SEP] "
        '{"size": "small"}'
    )
    assert info["success"] is True
    assert info["admissible_actions"] == []
    _, kept, _ = opened(shop, *buy, compat=["show_score"])
    assert kept == (
        "Thank you for shopping with us! [SEP] Your code: [SEP] None [SEP] (Paste it in your MTurk interface.) [SEP] "
        'Purchased [SEP] asin [SEP] B000000000 [SEP] options [SEP] {"size": "small"} [SEP] attrs [SEP] None [SEP] '
        "category [SEP] None [SEP] query [SEP] None [SEP] product category [SEP] None [SEP] Target [SEP] asin [SEP] "
        "options [SEP] attrs [SEP] price upper [SEP] instuction text [SEP] category [SEP] product category [SEP] query "
        "[SEP] Goal [SEP] None [SEP] Reward [SEP] Your score (min 0.0, max 1.0) [SEP] 1.0 [SEP] "
        "Reward Details [SEP] None"
    )


@pytest.mark.parametrize(
    ("action", "parsed"),
    [
        ("search[Red Shirt]", ("search", "red shirt")),
        ("click[a]b] and so on", ("click", "a]b")),
        ("search[a[b] c]", ("search[a", "b] c")),
        (" click[x]", (" click", "x")),
        ("CLICK[x]", ("CLICK", "x")),
        ("search[]", None),
        ("foo", None),
        ("search[a\nb]", None),
        ("[x]", None),
    ],
)
def test_the_action_grammar(action, parsed):
    assert parse(action) == parsed


@pytest.mark.parametrize(
    "action", ["CLICK[red]", " click[red]", "click[Search]", "click[search]", "click[blue]", "red"]
)
def test_a_refused_action_changes_nothing_but_the_number_of_steps(shop, action):
    env, before, info = opened(shop, *ITEM)
    state = env.clone_state().state
    observation, reward, terminated, truncated, after = env.step(action)
    assert (observation, reward, terminated, truncated) == (before, 0.0, False, False)
    assert after["invalid"] is True
    assert after["state_key"] == info["state_key"]
    assert env.clone_state().state == state


def test_buttons_beat_options_of_the_same_text_only_where_the_button_is(shop):
    _, _, info = opened(shop, *ITEM, "click[buy now]")
    assert info["success"] is False
    env, _, _ = opened(shop, *ITEM, "click[next >]")
    assert env.clone_state().state.options == (("size", "next >"),)


def test_going_back(shop):
    env, _, _ = opened(shop, "search[shirt]", "click[next >]", "click[b000000000]", "click[features]")
    start = env.clone_state()
    pages = []
    for _ in range(4):
        env.step("click[< prev]")
        pages.append((env.clone_state().state.page, env.clone_state().state.number))
    assert pages == [("item", 2), ("results", 2), ("results", 1), ("results", 1)]
    env.restore_state(start)
    env.step("click[back to search]")
    assert env.clone_state().state == type(start.state)()


def test_searching_anywhere(shop):
    assert opened(shop, *ITEM, "search[shirt]")[2]["invalid"] is True
    env, _, info = opened(shop, *ITEM, "search[shirt]", compat=["search_anywhere"])
    assert info["invalid"] is False
    assert (env.clone_state().state.page, env.clone_state().state.product) == ("results", -1)


def test_forgetting_options(shop):
    again = (*ITEM, "click[small]", "click[< prev]", "click[b000000000]")
    assert opened(shop, *again)[0].clone_state().state.options == (("size", "small"),)
    assert opened(shop, *again, compat=["forget_options"])[0].clone_state().state.options == ()
    other = (*again[:-1], "click[b000000001]")
    env, _, info = opened(shop, *other)
    assert (info["invalid"], env.clone_state().state.options) == (False, ())


def test_endless_results(shop):
    last = ("search[shirt]", "click[next >]")
    _, page, info = opened(shop, *last)
    assert "click[next >]" not in info["admissible_actions"]
    assert "Next >" not in page
    for _ in range(5):
        last += ("click[next >]",)
    _, page, info = opened(shop, *last, compat=["endless_results"])
    assert body(page) == "Back to Search [SEP] Page 7 (Total results: 12) [SEP] < Prev [SEP] Next >"
    assert info["admissible_actions"] == ["click[back to search]", "click[< prev]", "click[next >]"]


def test_playing_on(shop):
    env, _, _ = opened(shop, *ITEM, "click[buy now]")
    with pytest.raises(gym.error.ResetNeeded):
        env.step("search[shirt]")
    env, _, _ = opened(shop, *ITEM, "click[buy now]", compat=True)
    assert env.step("click[back to search]")[4]["invalid"] is True
    for action in (*ITEM, "click[small]"):
        env.step(action)
    _, reward, terminated, _, _ = env.step("click[buy now]")
    assert (reward, terminated) == (1.0, True)


def test_the_zero_of_a_step_that_earns_nothing(shop):
    assert type(opened(shop)[0].step("search[shirt]")[1]) is float
    assert type(opened(shop, compat=["integer_zero"])[0].step("search[shirt]")[1]) is int


def test_the_first_goal_is_drawn_like_the_others_unless_that_is_kept():
    def counts(**settings: bool) -> list[int]:
        lottery = Lottery([1.0] * 5, **settings)
        drawn = [lottery.draw((2 * point + 1) << 58) for point in range(32)]
        return [drawn.count(goal) for goal in range(5)]

    assert min(counts()) >= 6
    kept = counts(off_by_one=True)
    assert kept[0] == 0
    assert kept[4] >= 12


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 2**64 - 1))
def test_the_published_draw_of_goals_is_kept_to_the_letter(weights, bits):
    """It bisects the cumulated weights with a 0 before them, and takes the last goal for what lies beyond."""
    cumulated = [0, *accumulate(weights)]
    published = min(bisect(cumulated, bits * 2.0**-64 * cumulated[-1]), len(cumulated) - 2)
    assert Lottery(weights, off_by_one=True).draw(bits) == published


@pytest.mark.slow
@pytest.mark.parametrize("query", ["<r>", "<c>", "<c> fashion", "<q> shirts", "<a> soft", "<a>"])
def test_prefixes_of_queries_are_words_like_any_other(shop, query):
    _, page, info = opened(shop, f"search[{query}]", compat=True)
    assert info["invalid"] is False
    assert body(page) == body(opened(shop, f"search[{query.replace('<', ' ').replace('>', ' ')}]", compat=True)[1])


def test_only_buying_earns(shop):
    env, _, _ = opened(shop)
    rewards = [env.step(action)[1] for action in (*ITEM, "click[small]", "click[features]", "click[< prev]")]
    assert rewards == [0.0] * 5
    assert env.step("click[buy now]")[1] == 1.0


def test_options_of_one_name_replace_each_other_and_choosing_twice_changes_nothing(shop):
    env, _, _ = opened(shop, *ITEM, "click[small]", "click[a | b]", "click[a | b]")
    assert env.clone_state().state.options == (("size", "a | b"),)


PAGES = ("search[shirt 0]", "click[nothing]", "click[next >]")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pages", "actions", "shown"),
    [
        (0, 0, "3"),
        (1, 0, "2 3"),
        (0, 1, "c 3"),
        (1, 1, "2 c 3"),
        (1, 2, "b 2 c 3"),
        (2, 1, "1 2 c 3"),
        (9, 9, "0 a 1 b 2 c 3"),
    ],
)
def test_earlier_pages_and_actions_come_before_the_page_oldest_first(shop, pages, actions, shown):
    alone = [opened(shop, *PAGES[:count])[1] for count in range(4)]
    parts = dict(zip("0123", alone, strict=True)) | dict(zip("abc", PAGES, strict=True))
    settings = {"num_prev_obs": pages, "num_prev_actions": actions}
    env, observation, _ = opened(shop, *PAGES, **settings)
    assert observation == " [SEP] ".join(parts[part] for part in shown.split())
    fork, *_ = opened(shop, **settings)
    assert fork.restore_state(env.clone_state())[0] == observation
    assert fork.step("click[b000000000]")[0] == env.step("click[b000000000]")[0]
    assert env.reset(seed=0, options={"task": 0})[0] == alone[0]


def test_a_negative_history_is_told(shop):
    with pytest.raises(OptionError, match=r"num_prev_obs .* whole number in \[0, inf\), not -1"):
        opened(shop, num_prev_obs=-1)


def test_quirks_are_kept_one_by_one_and_unknown_ones_are_named(shop):
    assert Quirks.of(False) == Quirks()
    assert Quirks.of(["play_on"]) == Quirks(play_on=True)
    assert all(getattr(Quirks.of(True), field.name) for field in fields(Quirks))
    with pytest.raises(UnknownNameError, match="play_on"):
        WebShopEnv(data=shop, compat=["play_no"])
    with pytest.raises(UnknownNameError, match="text"):
        WebShopEnv(data=shop, observation="rich_text")
