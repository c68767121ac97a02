"""WebShop's reward: how much of what was asked for a purchase brings.

``R = r_type (n_att + n_opt + [price <= price_upper]) / (|A| + |O| + 1)`` for the wanted attributes A and options O,
paid when something is bought (Yao et al., 2022, "WebShop", section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from credit_gym.envs.webshop import remembered
from credit_gym.envs.webshop.colours import COLOURS, normalise
from credit_gym.envs.webshop.fuzzy import similar
from credit_gym.envs.webshop.goals import Goal, Want
from credit_gym.envs.webshop.records import Product

Choice = tuple[str, str]
"""``(option name, chosen value)``."""

_WITHOUT_NOUNS = 0.2  # the title score where the wanted title has no noun


class Match(NamedTuple):
    """What a product brings before any option is chosen.

    Attributes:
        r_type: the factor for being the wanted kind of thing at all: 1, 0.5, 0.1 or 0.
        n_att: wanted attributes that the product has.
        r_price: whether it is cheap enough.
        title_score: share of the wanted title's nouns.
        query_match: whether both were collected with one search.
        category_match: whether their places in the shop share two steps.
    """

    r_type: float
    n_att: int
    r_price: bool
    title_score: float
    query_match: bool
    category_match: bool


class Reward(NamedTuple):
    """The reward of a purchase and its components.

    Attributes:
        value: R, in [0, 1].
        match: the part of the product.
        n_opt: wanted options that were chosen.
        num_attributes: |A|.
        num_options: |O|.
    """

    value: float
    match: Match
    n_opt: int
    num_attributes: int
    num_options: int

    def components(self) -> dict[str, float | bool | None]:
        """Return the published components: shares r_att, r_option, r_price and their weights, and what made r_type.

        r_option and w_option are None where no option was asked for.
        """
        match, total = self.match, self.num_attributes + self.num_options + 1
        attributes, options = self.num_attributes, self.num_options
        return {
            "r_type": match.r_type,
            "r_att": match.n_att / attributes if attributes else None,
            "w_att": attributes / total,
            "r_option": self.n_opt / options if options else None,
            "w_option": options / total if options else None,
            "r_price": match.r_price,
            "w_price": 1 / total,
            "title_score": match.title_score,
            "query_match": match.query_match,
            "category_match": match.category_match,
        }


def reward(product: Product, wanted: Product, goal: Goal, choices: Iterable[Choice], *, by_name: bool = True) -> Reward:
    """Return the reward of buying a product.

    Args:
        product: what is bought.
        wanted: the product that the goal was written about.
        goal: what was asked for.
        choices: the chosen options; one that nobody asked for costs nothing.
        by_name: whether a named option is met only by a value of the option of that name. The published rule, False,
            compares values alone.
    """
    match = match_product(product, wanted, goal)
    met = 0
    for choice in choices:
        met |= wants_met(choice, goal.wants, by_name=by_name)
    return priced(match, met.bit_count(), goal)


def priced(match: Match, n_opt: int, goal: Goal) -> Reward:
    """Return the reward of a product with so many of the wanted options chosen."""
    attributes, options = len(goal.attributes), len(goal.wants)
    value = match.r_type * (match.n_att + n_opt + match.r_price) / (attributes + options + 1)
    return Reward(value, match, n_opt, attributes, options)


def match_product(product: Product, wanted: Product, goal: Goal) -> Match:
    """Return what a product brings before any option is chosen."""
    r_type, title, query, category = _kind(product, wanted)
    affordable = product.price <= goal.price_upper
    return Match(r_type, attributes_met(product, goal.attributes), affordable, title, query, category)


def ceiling(product: Product, wanted: Product, goal: Goal) -> float:
    """Return what a product would earn with every attribute and every option: quick to tell, and never too low."""
    asked = len(goal.attributes) + len(goal.wants)
    return _kind(product, wanted)[0] * (asked + (product.price <= goal.price_upper)) / (asked + 1)


def _kind(product: Product, wanted: Product) -> tuple[float, float, bool, bool]:
    """The factor for being the wanted kind of thing, and what it comes from: title score, query, category."""
    title = title_score(product.nouns, wanted.nouns)
    query = product.query == wanted.query
    category = category_match(product.product_category, wanted.product_category)
    return type_factor(title, query_match=query, category_match=category), title, query, category


def type_factor(title: float, *, query_match: bool, category_match: bool) -> float:
    """Return r_type; a title score near 0 overrules everything else."""
    if title == 0.0:
        return 0.0
    if title < 0.1:
        return 0.1
    return 1.0 if query_match or category_match or title > 0.2 else 0.5


def title_score(bought: Iterable[str], wanted: tuple[str, ...]) -> float:
    """Return the share of the wanted title's nouns, repeats counted, that the bought title has, repeats not counted."""
    return len(set(wanted).intersection(bought)) / len(wanted) if wanted else _WITHOUT_NOUNS


@lru_cache(remembered.TEXTS)
def category_match(first: str, second: str) -> bool:
    """Return whether two paths "A › B › C" share at least two different steps, wherever they stand."""
    return len(_steps(first) & _steps(second)) >= 2


def attributes_met(product: Product, attributes: tuple[str, ...]) -> int:
    """Return how many wanted attributes a product has: one like it is listed, or a text of the product says it.

    The texts are lower-cased and the attribute is not, as published.
    """
    return sum(_has(product, wanted) for wanted in attributes)


def wants_met(choice: Choice, wants: tuple[Want, ...], *, by_name: bool) -> int:
    """Return which wants a chosen value meets, as bits: bit i stands for want i."""
    name, value = choice
    value = normalise(value)
    return sum(
        1 << place
        for place, want in enumerate(wants)
        if (
            want.name in ("", name) and similar(value, normalise(want.value))
            if by_name
            else similar(value, _loose(want))
        )
    )


@lru_cache(remembered.TEXTS)
def _has(product: Product, wanted: str) -> bool:
    return (
        any(similar(attribute, wanted) for attribute in product.attributes)
        or wanted in product.title.lower()
        or wanted in " ".join(product.features).lower()
        or wanted in product.description.lower()
    )


@lru_cache(remembered.TEXTS)
def _steps(category: str) -> frozenset[str]:
    return frozenset(step.strip() for step in category.split("›"))


def _loose(want: Want) -> str:
    """What the published rule compares values with: of a named want, the pair itself, written out.

    Whether a colour occurs in it asks for an equal element, so only an exact colour is taken out; else the words of
    the name count as words of the value.
    """
    if not want.name:
        return normalise(want.value)
    pair = (want.name, want.value)
    return next((colour for colour in COLOURS if colour in pair), str(pair))
