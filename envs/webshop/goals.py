"""Goals: what a shopper is asked to buy, from the requests of people or the machine-written ones."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from typing import NamedTuple

from credit_gym import rng
from credit_gym.envs.webshop.catalogue import Catalogue
from credit_gym.envs.webshop.records import Request, text_seed, unit_interval
from credit_gym.errors import ManifestError, unknown

SPLITS = {"test": (0.0, 0.04), "eval": (0.04, 0.125), "train": (0.125, 1.0), "all": (0.0, 1.0)}
"""Which share of the goals each split holds, about as the published split does."""

UNLIMITED = 1_000_000.0
"""The price limit of a goal without one."""

_LIMITS = tuple(range(10, 1000, 10))


class Want(NamedTuple):
    """An option that a goal asks for; the name is "" where people gave only the value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """One task.

    Attributes:
        id: the asin and the number of the goal among those of its product.
        product: position of the product that it was written about.
        instruction: what the shopper reads.
        attributes: what the product must have.
        wants: the options to choose.
        price_upper: what the product may cost at most, dollars.
        split: train, eval or test.
        weight: how often it is drawn, relative to others.
    """

    id: str
    product: int
    instruction: str
    attributes: tuple[str, ...]
    wants: tuple[Want, ...]
    price_upper: float
    split: str
    weight: float = 1.0


def make_goals(catalogue: Catalogue, kind: str, *, split: str = "all", limit: int | None = None) -> tuple[Goal, ...]:
    """Return the goals of a catalogue, those of its first product first.

    A goal belongs to a split by the hash of its asin and its request, so no draw of prices, no order of the file and no
    other goal can move it.

    Args:
        catalogue: the products and requests.
        kind: "human", or "synthetic": the machine's request with every combination of the product's options.
        split: one of :data:`SPLITS`.
        limit: keep only so many goals, drawn by weight without replacement.

    Raises:
        UnknownNameError: there is no such kind or split.
        ManifestError: the split is empty.
    """
    if kind not in KINDS:
        raise unknown("kind of goals", kind, KINDS)
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    goals = [goal for goal in KINDS[kind](catalogue) if split in ("all", goal.split)]
    if not goals:
        raise ManifestError(
            f'No {kind} goal of this catalogue is in the split {split!r}: take split="all" or more products.'
        )
    return tuple(goals if limit is None or limit >= len(goals) else _drawn(goals, limit, catalogue.seed))


def price_limit(price: float, bits: int) -> float:
    """Return the price limit of a goal whose product costs ``price``: 64 random bits choose it.

    Of the first four multiples of 10 (up to 990) above the price two are drawn and the larger one is taken. Where there
    are fewer than two, there is no limit.
    """
    above = [limit for limit in _LIMITS if limit > price][:4]
    if len(above) < 2:
        return UNLIMITED
    pairs = [larger for place, larger in enumerate(above) for _ in range(place)]
    return float(pairs[bits * len(pairs) >> 64])


class Lottery:
    """Draws goals by their weights.

    Args:
        weights: of the goals, positive.
        off_by_one: draw as published: never the first goal, and the last one with the weight of two.
    """

    def __init__(self, weights: Sequence[float], *, off_by_one: bool = False) -> None:
        self._bounds = list(accumulate(weights))
        self._shift = 1 if off_by_one else 0
        self._last = len(weights) - 1

    def draw(self, bits: int) -> int:
        """Return the goal that 64 random bits choose."""
        point = bits * 2.0**-64 * self._bounds[-1]
        return min(bisect_right(self._bounds, point) + self._shift, self._last)


def _human(catalogue: Catalogue) -> Iterator[Goal]:
    count: Counter[int] = Counter()
    for number, request in catalogue.human:
        wants = tuple(Want("", value) for value in request.options or ())
        yield _goal(catalogue, number, count[number], request, request.text, wants, 1.0)
        count[number] += 1


def _synthetic(catalogue: Catalogue) -> Iterator[Goal]:
    """The machine's requests, times the options; an attribute that many goals share makes them all less likely."""
    frequency: Counter[str] = Counter()
    for number, request in catalogue.synthetic:
        frequency.update(dict.fromkeys(request.attributes, _combinations(catalogue, number)))
    for number, request in catalogue.synthetic:
        if not request.attributes or not _combinations(catalogue, number):
            continue
        rarity = sum(1 / frequency[attribute] for attribute in request.attributes) / len(request.attributes)
        options = catalogue.products[number].options
        for count, values in enumerate(product(*(values for _, values in options))):
            wants = tuple(Want(name, value) for (name, _), value in zip(options, values, strict=True))
            clause = ", and ".join(f"{name}: {value}" for name, value in wants)
            text = f"{request.text} with {clause}" if wants else request.text
            yield _goal(catalogue, number, count, request, text, wants, rarity)


KINDS: dict[str, Callable[[Catalogue], Iterator[Goal]]] = {"human": _human, "synthetic": _synthetic}


def _combinations(catalogue: Catalogue, number: int) -> int:
    count = 1
    for _, values in catalogue.products[number].options:
        count *= len(values)
    return count


def _goal(
    catalogue: Catalogue, number: int, count: int, request: Request, text: str, wants: tuple[Want, ...], weight: float
) -> Goal:
    bought = catalogue.products[number]
    key = text_seed(bought.asin, request.text)
    limit = price_limit(bought.price, rng.derive(catalogue.seed, key))
    clause = "" if limit == UNLIMITED else f", and price lower than {limit:.2f} dollars"
    return Goal(
        id=f"{bought.asin}-{count}",
        product=number,
        instruction=text + clause,
        attributes=request.attributes,
        wants=wants,
        price_upper=limit,
        split=_split(key),
        weight=weight,
    )


def _split(key: int) -> str:
    place = unit_interval(key)
    return next(name for name, (low, high) in SPLITS.items() if low <= place < high)


def _drawn(goals: list[Goal], limit: int, seed: int) -> list[Goal]:
    """Weighted sampling without replacement: the largest of ``u ** (1 / weight)`` (Efraimidis and Spirakis, 2006)."""

    def rank(place: int) -> float:
        return float(unit_interval(seed, place) ** (1 / goals[place].weight))

    return [goals[place] for place in sorted(sorted(range(len(goals)), key=rank)[-limit:])]
