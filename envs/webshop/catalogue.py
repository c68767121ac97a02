"""A catalogue: the products of a shop and what people asked for, from the published files or generated ones."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from credit_gym.envs.webshop.nouns import BUNDLED, Tagger, best_tagger, load_nouns
from credit_gym.envs.webshop.records import (
    Annotation,
    Product,
    Request,
    asin_of,
    document,
    read_annotation,
    read_product,
    read_requests,
    reading,
)
from credit_gym.envs.webshop.streaming import members
from credit_gym.errors import ManifestError

Members = Iterable[tuple[str, Any]]


class RawData(NamedTuple):
    """The three published files, each as ``(name of the record, record)``.

    Attributes:
        products: ``items_shuffle.json``.
        annotations: ``items_ins_v2.json``, by asin.
        requests: ``items_human_ins.json``, by asin.
        source: what to call them in an error.
    """

    products: Members
    annotations: Members
    requests: Members
    source: tuple[str, str, str]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The products of a shop and what people asked for.

    Attributes:
        products: in the order of the file.
        human: ``(position of the product, request)`` of people.
        synthetic: the same of the machine, at most one a product.
        tagger: who found the nouns of the titles.
        seed: seed of the drawn prices.
    """

    products: tuple[Product, ...]
    human: tuple[tuple[int, Request], ...]
    synthetic: tuple[tuple[int, Request], ...]
    tagger: str
    seed: int

    @property
    def documents(self) -> tuple[str, ...]:
        """What the search engine reads of each product; made anew each time, for they are long and read once."""
        return tuple(map(document, self.products))


def build_catalogue(
    raw: RawData,
    tagger: Tagger,
    *,
    nouns: Mapping[str, tuple[str, ...]] | None = None,
    num_products: int | None = None,
    seed: int = 0,
) -> Catalogue:
    """Turn raw records into a catalogue by the published rules; a product whose id came before is left out.

    So is a malformed record, with one warning that counts them and names the first.

    Args:
        raw: the records; those of products are taken one at a time.
        tagger: finds the nouns of titles.
        nouns: the nouns of some products, found before; the tagger sees only the others.
        num_products: read only so many records.
        seed: seed of the drawn prices.

    Raises:
        ManifestError: a file is no JSON, or there is no product at all.
    """
    in_products, in_annotations, in_requests = raw.source
    faults: list[str] = []
    annotations: dict[str, Annotation] = {}
    for asin, record in raw.annotations:
        with reading(in_annotations, asin, faults):
            annotations[asin] = read_annotation(record)

    products: dict[str, Product] = {}
    for where, record in islice(raw.products, num_products):
        with reading(in_products, where, faults):
            found = asin_of(record)
            if found is not None and found not in products:
                known = annotations.get(found)
                tagged = nouns.get(found) if nouns is not None else None
                tagged = tagger.nouns(str(record.get("name"))) if tagged is None else tagged
                products[found] = read_product(record, known.attributes if known else (), tagged, seed)
    if not products:
        raise ManifestError(f"There is no product in {in_products}: check the file.{_first_of(faults)}")

    position = {asin: number for number, asin in enumerate(products)}
    human: list[tuple[int, Request]] = []
    for asin, records in raw.requests:
        if asin in position:
            with reading(in_requests, asin, faults):
                requests = read_requests(records)
                human.extend((position[asin], request) for request in requests)
    synthetic = (
        (number, known.request)
        for asin, number in position.items()
        if (known := annotations.get(asin)) is not None and known.request is not None
    )
    if faults:
        warnings.warn(f"{len(faults)} malformed records are left out.{_first_of(faults)}", stacklevel=2)
    return Catalogue(tuple(products.values()), tuple(human), tuple(synthetic), tagger.name, seed)


def read_catalogue(
    folder: Path, tagger: Tagger | None = None, *, num_products: int | None = 1000, seed: int = 0
) -> Catalogue:
    """Read the published files from a folder, streaming.

    ``items_shuffle_1000.json`` and ``items_ins_v2_1000.json`` are enough for at most 1,000 products; beyond that the
    full files are needed. Nouns are taken from ``items_nouns.json`` where :mod:`credit_gym.envs.webshop.tag` has
    written it.

    Args:
        folder: where the files are.
        tagger: finds the nouns that are not in ``items_nouns.json``; by default the bundled tagger where there is that
            file, else the best at hand.
        num_products: read only so many records; None reads all.
        seed: seed of the drawn prices.

    Raises:
        ManifestError: a file is missing, is no JSON, or has no product.
    """
    small = num_products is not None and num_products <= 1000
    products = _file(folder, "items_shuffle", small=small)
    annotations = _file(folder, "items_ins_v2", small=small)
    requests = folder / "items_human_ins.json"
    raw = RawData(
        members(products),
        members(annotations),
        members(requests) if requests.exists() else (),
        (str(products), str(annotations), str(requests)),
    )
    found = load_nouns(folder)
    if found is None:
        return build_catalogue(raw, tagger or best_tagger(), num_products=num_products, seed=seed)
    catalogue = build_catalogue(raw, tagger or BUNDLED, nouns=found.nouns, num_products=num_products, seed=seed)
    return replace(catalogue, tagger=found.tagger)


def _first_of(faults: list[str]) -> str:
    return f" The first: {faults[0]}" if faults else ""


def _file(folder: Path, stem: str, *, small: bool) -> Path:
    names = (f"{stem}_1000.json", f"{stem}.json")
    path = next((folder / name for name in names[0 if small else 1 :] if (folder / name).exists()), None)
    if path is None:
        raise ManifestError(f"{folder} has no {names[1]}: put WebShop's data files there, as its setup.sh does.")
    return path
