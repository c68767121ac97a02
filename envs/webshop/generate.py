"""An invented catalogue in the published raw schema: nothing in it was ever for sale."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from credit_gym import rng

_BASE32 = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_OPENINGS = ("i am looking for", "i need", "i want to buy", "find me", "can you get me", "i'm shopping for", "show me")
_SERIES = ("Aero", "Prime", "Nova", "Studio", "Heritage", "Pure", "Atlas", "Bloom", "Core", "Luxe", "Terra", "Vela")
_PRAISE = (
    "Made for {use}: {attribute} from the first day on.",
    "{attribute} - what buyers of this {noun} ask for most.",
    "Think of {use}, and of how much nicer they are with a {noun} that is {attribute}.",
    "{attribute}, tested by {brand} in everyday use.",
)


class RawCatalogue(NamedTuple):
    """The contents of the three published files.

    Attributes:
        products: of ``items_shuffle.json``.
        annotations: of ``items_ins_v2.json``, asin -> annotation.
        requests: of ``items_human_ins.json``, asin -> requests.
    """

    products: list[dict[str, Any]]
    annotations: dict[str, dict[str, Any]]
    requests: dict[str, list[dict[str, Any]]]


def generate(num_products: int = 1000, seed: int = 0) -> RawCatalogue:
    """Return an invented catalogue over the five published categories.

    Product i is a function of (i, seed) alone. About 6 in 10 products carry one or two requests in the words of people,
    and 4 in 10 a machine-written one, as in the published data; one product in eight has a price range, one in fifty
    none at all.
    """
    raw = RawCatalogue([], {}, {})
    for number in range(num_products):
        chance = Random(rng.derive(seed, number))
        kind = chance.choice(_vocabulary()["kinds"])
        asin = _asin(number, seed)
        attributes = chance.sample(kind["attributes"], chance.randint(3, min(6, len(kind["attributes"]))))
        options = {name: _some(values, chance) for name, values in kind["options"].items() if chance.random() < 0.9}
        use = chance.choice(kind["uses"])
        raw.products.append(_product(asin, kind, use, attributes, options, chance))
        raw.annotations[asin] = _annotation(kind, attributes, chance)
        people = chance.choices((0, 1, 2), (0.4, 0.45, 0.15))[0]
        if people:
            raw.requests[asin] = [_request(asin, kind, use, attributes, options, chance) for _ in range(people)]
    return raw


def write(raw: RawCatalogue, folder: Path) -> None:
    """Write a catalogue as the three published files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(("items_shuffle", "items_ins_v2", "items_human_ins"), raw, strict=True):
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


@cache
def _vocabulary() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (files("credit_gym.envs.webshop") / "vocabulary.json").read_text(encoding="utf-8")
    )
    return content


def _asin(number: int, seed: int) -> str:
    """Ten characters; the last six count, so that no two products of a catalogue share one."""
    bits = rng.derive(seed, number, 1)
    mark = "".join(_BASE32[bits >> 5 * place & 31] for place in range(3))
    return f"B{mark}{number:06d}"


def _some(values: Sequence[str], chance: Random) -> list[str]:
    """Some of an option's values, in the order of the vocabulary."""
    count = chance.randint(min(2, len(values)), min(6, len(values)))
    chosen = set(chance.sample(range(len(values)), count))
    return [value for place, value in enumerate(values) if place in chosen]


def _product(
    asin: str, kind: dict[str, Any], use: str, attributes: list[str], options: dict[str, list[str]], chance: Random
) -> dict[str, Any]:
    brand, noun = chance.choice(_vocabulary()["brands"]), kind["noun"]
    series = f"{chance.choice(_SERIES)} {chance.randint(1, 99)}"
    shown = [attribute.title() for attribute in attributes[: chance.randint(1, 3)]]
    title = f"{brand} {series} {shown[0]} {noun.title()} for {use.title()}"
    if shown[1:]:
        title += f", {', '.join(shown[1:])}"
    bullets = [
        chance.choice(_PRAISE).format(use=use, noun=noun, attribute=attribute.capitalize(), brand=brand)
        for attribute in attributes
    ]
    low, high = kind["price"]
    price = chance.randint(100 * low, 100 * high) / 100
    dearer = price * (1 + chance.random())
    pricing = chance.choices((f"${price:,.2f}", f"${price:,.2f}${dearer:,.2f}", ""), (0.855, 0.125, 0.02))[0]
    return {
        "asin": asin,
        "name": title,
        "full_description": f"The {brand} {series} is a {noun} for {use}. " + " ".join(chance.sample(bullets, 2)),
        "small_description": bullets,
        "pricing": pricing,
        "images": [f"https://shop.invalid/{asin}.jpg"],
        "product_category": kind["path"],
        "category": kind["category"],
        "query": kind["query"],
        "customization_options": {
            name.title(): [{"value": value, "image": None} for value in values] for name, values in options.items()
        },
        "average_rating": "",
        "page": 1,
    }


def _annotation(kind: dict[str, Any], attributes: list[str], chance: Random) -> dict[str, Any]:
    annotation: dict[str, Any] = {"attributes": attributes}
    if chance.random() < 0.4:
        wanted = chance.sample(attributes, chance.randint(1, 3))
        annotation |= {"instruction": f"Find me {', '.join(wanted)} {kind['query']}", "instruction_attributes": wanted}
    return annotation


def _request(
    asin: str, kind: dict[str, Any], use: str, attributes: list[str], options: dict[str, list[str]], chance: Random
) -> dict[str, Any]:
    wanted = chance.sample(attributes, chance.randint(1, 3))
    chosen = {name: chance.choice(values) for name, values in options.items() if chance.random() < 0.8}
    text = f"{chance.choice(_OPENINGS)} {kind['noun']} for {use}"
    text += f" that {chance.choice(('is', 'should be', 'must be'))} {' and '.join(wanted)}"
    if chosen:
        text += ", " + " and ".join(f"{chance.choice(('in', 'with'))} {value} {name}" for name, value in chosen.items())
    return {
        "asin": asin,
        "instruction": text + chance.choice(("", ".", ".")),
        "attributes": attributes,
        "options": [f"{name}: {value}" for name, value in chosen.items()],
        "instruction_attributes": wanted,
        "instruction_options": list(chosen.values()),
        "worker_id": "generated",
        "assignment_id": f"{asin}-{chance.randint(0, 9999):04d}",
    }
