"""The published raw schema: what the shop makes of one record of each of WebShop's three data files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from sys import intern
from typing import Any, NamedTuple

from credit_gym import rng

Options = tuple[tuple[str, tuple[str, ...]], ...]
"""Option name -> its values, in the order in which the page shows them."""

_NOT_A_PRICE = re.compile(r"[^\d.]")
_WITHOUT_PRICE = (100.0,)  # what a product costs that has no price
_WITHOUT_ATTRIBUTES = ("DUMMY_ATTR",)
_LONGEST_ASIN = 10


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """One product as the shop sees it.

    Attributes:
        asin: its id.
        title: its name.
        description: its text.
        features: its bullet points.
        attributes: what it has been found to be ("machine wash"); ``("DUMMY_ATTR",)`` where nothing is known.
        options: what the buyer may choose.
        price: what it costs in dollars; a draw that depends on (seed, asin) alone where the price is a range.
        price_tag: what the page says it costs.
        query: the search that it was collected with.
        product_category: its place in the shop, "A › B › C".
        category: which of the five catalogues it belongs to.
        nouns: the nouns of its title, in order, repeats included.
        image: address of its picture.
    """

    asin: str
    title: str
    description: str
    features: tuple[str, ...]
    attributes: tuple[str, ...]
    options: Options
    price: float
    price_tag: str
    query: str
    product_category: str
    category: str
    nouns: tuple[str, ...]
    image: str


class Request(NamedTuple):
    """What somebody wrote about a product that they want.

    Attributes:
        text: the instruction.
        attributes: what the product must have.
        options: the values that the buyer must choose; None where it is left to the shop.
    """

    text: str
    attributes: tuple[str, ...]
    options: tuple[str, ...] | None


class Annotation(NamedTuple):
    """What ``items_ins_v2.json`` says of a product: its attributes and the machine-written request, if there is one."""

    attributes: tuple[str, ...]
    request: Request | None


@contextmanager
def reading(source: str, where: str, faults: list[str]) -> Iterator[None]:
    """Add to the faults whatever is wrong with a record, and which record of which file it is; the rest is left undone.

    Args:
        source: the file.
        where: the record.
        faults: sentences.
    """
    try:
        yield
    except KeyError as error:
        faults.append(f"{source}, record {where}: the field {error.args[0]!r} is missing.")
    except (TypeError, ValueError, RecursionError) as error:
        faults.append(f"{source}, record {where}: {error}.")


def asin_of(record: Any) -> str | None:
    """Return the id of a product record, None if the shop leaves such a product out."""
    asin = _text(_mapping(record), "asin", required=True)
    return None if asin == "nan" or len(asin) > _LONGEST_ASIN else asin


def read_product(record: Mapping[str, Any], attributes: tuple[str, ...], nouns: tuple[str, ...], seed: int) -> Product:
    """Return the product of a record of ``items_shuffle.json``.

    Args:
        record: the record.
        attributes: of its annotation.
        nouns: of its name.
        seed: decides the price where it is a range.

    Raises:
        KeyError, TypeError, ValueError: the record is malformed.
    """
    asin = _text(record, "asin", required=True)
    prices = _prices(_text(record, "pricing"))
    images = record.get("images")
    return Product(
        asin=asin,
        title=_text(record, "name", required=True),
        description=_text(record, "full_description"),
        features=_features(record),
        attributes=attributes or _WITHOUT_ATTRIBUTES,
        options=_options(record.get("customization_options")),
        price=_price(prices, asin, seed),
        price_tag=" to ".join(f"${price}" for price in prices),
        query=intern(_text(record, "query").lower().strip()),
        product_category=intern(_text(record, "product_category")),
        category=intern(_text(record, "category")),
        nouns=nouns,
        image=next(iter(images), "") if isinstance(images, list) else "",
    )


def read_annotation(record: Any) -> Annotation:
    """Return what a record of ``items_ins_v2.json`` says."""
    record = _mapping(record)
    text = _text(record, "instruction")
    request = Request(text, _texts(record, "instruction_attributes"), None) if text else None
    return Annotation(tuple(map(intern, _texts(record, "attributes"))), request)


def read_requests(records: Any) -> tuple[Request, ...]:
    """Return the requests of a product in ``items_human_ins.json``; those without an attribute count for nothing."""
    if not isinstance(records, list):
        raise TypeError(f"a list of requests was expected, not {_shown(records)}")
    requests = (
        Request(
            _text(_mapping(record), "instruction", required=True).strip("."),
            _texts(record, "instruction_attributes"),
            _texts(record, "instruction_options"),
        )
        for record in records
    )
    return tuple(request for request in requests if request.attributes)


def document(product: Product) -> str:
    """Return what the search engine reads: title, description, the first bullet point alone, and the options."""
    options = ", and ".join(f"{name}: {', '.join(values)}" for name, values in product.options)
    return " ".join((product.title, product.description, *(product.features[:1] or ("",)), options)).lower()


def text_seed(*parts: str) -> int:
    """Return a 64-bit seed that depends on some texts, the same in every process."""
    return int.from_bytes(hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest())


def unit_interval(*parts: int) -> float:
    """Return a number in [0, 1) that depends on some seeds."""
    return (rng.derive(*parts) >> 11) * 2.0**-53


def _prices(pricing: str) -> tuple[float, ...]:
    """One number is a price, two are a range ("$5.00$9.50"), and what follows them is ignored."""
    if not pricing:
        return _WITHOUT_PRICE
    numbers = [_NOT_A_PRICE.sub("", part) for part in pricing.split("$")[1:]]
    try:
        prices = tuple(map(float, numbers))[:2]
    except ValueError:
        prices = ()
    if not prices:
        raise ValueError(f"'pricing' must read like $10.00 or $5.00$9.50, not {_shown(pricing)}")
    return prices


def _price(prices: tuple[float, ...], asin: str, seed: int) -> float:
    low, high = prices[0], prices[-1]
    return low if low == high else low + (high - low) * unit_interval(seed, text_seed(asin))


def _features(record: Mapping[str, Any]) -> tuple[str, ...]:
    found = record.get("small_description")
    return (found,) if isinstance(found, str) else _texts(record, "small_description")


def _options(found: Any) -> Options:
    options: dict[str, tuple[str, ...]] = {}
    for name, contents in _mapping({} if found is None else found).items():
        if contents is not None:
            if not isinstance(contents, list):
                raise TypeError(f"the option {name!r} must be a list or null, not {_shown(contents)}")
            values = (_text(_mapping(content), "value", required=True) for content in contents)
            options[name.lower()] = tuple(value.strip().replace("/", " | ").lower() for value in values)
    return tuple(options.items())


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"an object was expected, not {_shown(value)}")
    return value


def _text(record: Mapping[str, Any], key: str, *, required: bool = False) -> str:
    value = record[key] if required else record.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{key!r} must be text, not {_shown(value)}")
    return value


def _texts(record: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = record.get(key)
    if values is None:
        return ()
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{key!r} must be a list of texts, not {_shown(values)}")
    return tuple(values)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
