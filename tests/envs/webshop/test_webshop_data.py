"""WebShop's data: the published schema, generated and read back, streamed, and every way in which it can be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from builders.shops import save
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.envs.webshop.catalogue import Catalogue, read_catalogue
from credit_gym.envs.webshop.env import open_shop
from credit_gym.envs.webshop.generate import RawCatalogue, generate, write
from credit_gym.envs.webshop.goals import UNLIMITED, make_goals, price_limit
from credit_gym.envs.webshop.nouns import BUNDLED, bundled_nouns, load_nouns
from credit_gym.envs.webshop.records import document
from credit_gym.envs.webshop.streaming import members
from credit_gym.errors import ManifestError, UnknownNameError

SHIRT: dict[str, Any] = {"asin": "B1", "name": "Blue Shirt"}
json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@given(
    st.lists(json_values, max_size=5) | st.dictionaries(st.text(max_size=4), json_values, max_size=5), st.integers(1, 9)
)
@settings(deadline=None)
def test_streaming_gives_what_reading_at_once_gives(tmp_path_factory, value, chunk):
    path = tmp_path_factory.mktemp("stream") / "file.json"
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
    named = value.items() if isinstance(value, dict) else ((str(place), item) for place, item in enumerate(value))
    assert list(members(path, chunk=chunk)) == list(named)


@pytest.mark.parametrize(
    ("text", "record"),
    [("", 0), ("7", 0), ("[1, 2", 2), ("[1, 2}", 2), ("[1 2]", 1), ("[1,]", 1), ("[] []", 0), ('{"a" 1}', 0),
     ("{1: 2}", 0), ("[" * 100_000, 0), ("[1, nul]", 1)],
)  # fmt: skip
def test_what_is_no_json_is_named_with_its_record(tmp_path, text, record):
    path = tmp_path / "items.json"
    path.write_text(text)
    with pytest.raises(ManifestError, match=rf"items\.json, record {record},"):
        list(members(path))


def test_bytes_that_are_no_text_and_missing_files_are_named(tmp_path):
    (tmp_path / "items.json").write_bytes(b'["\xff"]')
    for name in ("items.json", "absent.json"):
        with pytest.raises(ManifestError, match=name):
            list(members(tmp_path / name))


def shop_of(tmp_path: Path, *products: Any, annotations: Any = None, requests: Any = None, seed: int = 0) -> Catalogue:
    write(RawCatalogue(list(products), annotations or {}, requests or {}), tmp_path)
    return read_catalogue(tmp_path, BUNDLED, num_products=None, seed=seed)


@pytest.mark.parametrize(
    ("pricing", "tag", "low", "high"),
    [
        ("$80.50", "$80.5", 80.5, 80.5),
        ("$1,299.00", "$1299.0", 1299.0, 1299.0),
        ("$5.00$7.50", "$5.0 to $7.5", 5.0, 7.5),
        ("$5.00$7.50$9.99", "$5.0 to $7.5", 5.0, 7.5),
        ("", "$100.0", 100.0, 100.0),
        (None, "$100.0", 100.0, 100.0),
    ],
)
def test_prices(tmp_path, pricing, tag, low, high):
    (product,) = shop_of(tmp_path, SHIRT | {"pricing": pricing}).products
    assert product.price_tag == tag
    assert low <= product.price <= high
    (other,) = shop_of(tmp_path, SHIRT | {"pricing": pricing}, seed=1).products
    assert (other.price == product.price) is (low == high)


def test_products_are_read_by_the_published_rules(tmp_path):
    odd = {
        "asin": "B2",
        "name": "Hat",
        "full_description": None,
        "small_description": "one text",
        "query": " Red HATS ",
        "customization_options": {"Size/Fit": [{"value": " L/XL "}, {"value": "s"}], "Gone": None, "Void": []},
    }
    left_out = [SHIRT | {"asin": "nan"}, SHIRT | {"asin": "B1234567890"}, SHIRT | {"name": "came second"}]
    catalogue = shop_of(
        tmp_path, SHIRT, odd, *left_out, annotations={"B1": {"attributes": ["soft"]}, "B9": {"attributes": []}}
    )
    shirt, hat = catalogue.products
    assert (shirt.title, shirt.attributes, shirt.nouns) == ("Blue Shirt", ("soft",), ("shirt",))
    assert (hat.description, hat.features, hat.attributes, hat.query) == (
        "",
        ("one text",),
        ("DUMMY_ATTR",),
        "red hats",
    )
    assert hat.options == (("size/fit", ("l | xl", "s")), ("void", ()))
    assert document(hat) == "hat  one text size/fit: l | xl, s, and void: "
    assert catalogue.documents == tuple(map(document, catalogue.products))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"asin": None}, "'asin' must be text, not None"),
        ({"name": 5}, "'name' must be text, not 5"),
        ({"pricing": "free"}, "'pricing' must read like"),
        ({"pricing": "$1.2.3"}, "'pricing' must read like"),
        ({"small_description": [1]}, "'small_description' must be a list of texts"),
        ({"customization_options": []}, "an object was expected"),
        ({"customization_options": {"size": "small"}}, "the option 'size' must be a list"),
        ({"customization_options": {"size": [{}]}}, "the field 'value' is missing"),
    ],
)
def test_a_malformed_product_is_left_out_and_named_with_its_file_and_number(tmp_path, change, sentence):
    bad = {"asin": "B2", "name": "Hat"} | change
    hat = {"asin": "B3", "name": "Hat"}
    with pytest.warns(UserWarning, match=r"2 malformed records .*items_shuffle\.json, record 1: ") as warned:
        shop = shop_of(tmp_path, SHIRT, bad, bad, hat)
    assert sentence in str(warned[0].message)
    assert len(warned) == 1
    assert [product.asin for product in shop.products] == ["B1", "B3"]
    with pytest.raises(ManifestError, match=r"There is no product .*items_shuffle\.json, record 0: "):
        shop_of(tmp_path, bad)


@pytest.mark.parametrize(
    ("annotations", "requests", "named"),
    [
        ({"B1": []}, {}, r"items_ins_v2\.json, record B1: an object"),
        ({"B1": {"attributes": "soft"}}, {}, r"items_ins_v2\.json, record B1: 'attributes'"),
        ({}, {"B1": {}}, r"items_human_ins\.json, record B1: a list"),
        ({}, {"B1": [{}]}, r"items_human_ins\.json, record B1: the field 'instruction' is missing"),
    ],
)
def test_a_malformed_annotation_or_request_is_left_out_and_named(tmp_path, annotations, requests, named):
    good = {"instruction": "a hat", "instruction_attributes": ["soft"], "instruction_options": []}
    with pytest.warns(UserWarning, match=rf"1 malformed records .*{named}"):
        shop = shop_of(
            tmp_path,
            SHIRT,
            {"asin": "B2", "name": "Hat"},
            annotations=annotations | {"B2": {"attributes": ["soft"]}},
            requests=requests | {"B2": [good]},
        )
    assert [product.attributes for product in shop.products] == [("DUMMY_ATTR",), ("soft",)]
    assert [number for number, _ in shop.human] == [1]


def test_missing_files_and_empty_ones_are_told(tmp_path):
    with pytest.raises(ManifestError, match=r"has no items_shuffle\.json"):
        read_catalogue(tmp_path, BUNDLED)
    with pytest.raises(ManifestError, match="There is no product"):
        shop_of(tmp_path)


def test_the_small_files_serve_small_shops(tmp_path):
    folder = save(generate(30, seed=1), tmp_path)
    for stem in ("items_shuffle", "items_ins_v2"):
        (folder / f"{stem}.json").rename(folder / f"{stem}_1000.json")
    assert len(read_catalogue(folder, BUNDLED, num_products=20).products) == 20
    with pytest.raises(ManifestError, match=r"has no items_shuffle\.json"):
        read_catalogue(folder, BUNDLED, num_products=None)


def test_the_invented_catalogue_survives_its_own_files(tmp_path):
    write(generate(150), tmp_path)
    read, made = read_catalogue(tmp_path, BUNDLED), open_shop(None, 150).catalogue
    assert read.documents == made.documents
    assert (read.human, read.synthetic) == (made.human, made.synthetic)
    for one, other in zip(read.products, made.products, strict=True):
        assert all(getattr(one, name) == getattr(other, name) for name in one.__slots__)


def test_the_invented_catalogue_is_like_the_published_one():
    catalogue = open_shop(None).catalogue
    assert len(catalogue.products) == 1000
    assert Counter(product.category for product in catalogue.products).keys() == {
        "beauty", "electronics", "fashion", "garden", "grocery"
    }  # fmt: skip
    assert 500 <= len(catalogue.human) <= 900
    assert 350 <= len(catalogue.synthetic) <= 450
    assert any(" to " in product.price_tag for product in catalogue.products)
    assert len({product.title for product in catalogue.products}) >= 990


def test_a_product_does_not_depend_on_how_many_there_are():
    assert generate(20, 5).products == generate(30, 5).products[:20]
    assert generate(20, 5) != generate(20, 6)


@pytest.mark.parametrize(
    ("price", "limits"),
    [
        (5.0, {20.0, 30.0, 40.0}),
        (10.0, {30.0, 40.0, 50.0}),
        (969.0, {980.0, 990.0}),
        (970.0, {990.0}),
        (980.0, {UNLIMITED}),
    ],
)
def test_price_limits(price, limits):
    drawn = Counter(price_limit(price, (2 * point + 1) << 57) for point in range(64))
    assert drawn.keys() == limits
    assert max(drawn, key=lambda limit: drawn[limit]) == max(limits)  # three of the six pairs have the last one


def test_human_goals(tmp_path):
    requests = [
        {"instruction": "a soft shirt.", "instruction_attributes": ["soft"], "instruction_options": ["red", "xl"]},
        {"instruction": "whatever", "instruction_attributes": []},
    ]
    catalogue = shop_of(tmp_path, SHIRT | {"pricing": "$12.00"}, requests={"B1": requests, "B404": requests})
    (goal,) = make_goals(catalogue, "human")
    assert goal.instruction == f"a soft shirt, and price lower than {goal.price_upper:.2f} dollars"
    assert goal.price_upper in {30.0, 40.0, 50.0}
    assert [tuple(want) for want in goal.wants] == [("", "red"), ("", "xl")]
    assert (goal.id, goal.attributes, goal.weight) == ("B1-0", ("soft",), 1.0)


def test_synthetic_goals_are_the_product_of_the_options_and_rare_attributes_weigh_more(tmp_path):
    shirt = SHIRT | {
        "pricing": "$2000.00",
        "customization_options": {
            "Size": [{"value": "S"}, {"value": "L"}],
            "Colour": [{"value": "red"}, {"value": "tan"}],
        },
    }
    hat = {"asin": "B2", "name": "Hat"}
    annotations = {
        "B1": {"attributes": ["soft"], "instruction": "Find me soft shirts", "instruction_attributes": ["soft"]},
        "B2": {"attributes": [], "instruction": "Find me warm soft hats", "instruction_attributes": ["warm", "soft"]},
    }
    goals = make_goals(shop_of(tmp_path, shirt, hat, annotations=annotations), "synthetic")
    assert [goal.instruction for goal in goals[:4]] == [
        f"Find me soft shirts with size: {size}, and colour: {colour}" for size in "sl" for colour in ("red", "tan")
    ]
    assert goals[0].price_upper == UNLIMITED
    assert [goal.weight for goal in goals] == [1 / 5] * 4 + [(1 + 1 / 5) / 2]
    assert [tuple(want) for want in goals[3].wants] == [("size", "l"), ("colour", "tan")]


def test_limited_goals_are_a_weighted_sample(tmp_path):
    catalogue = open_shop(None, 150).catalogue
    everything = make_goals(catalogue, "synthetic")
    some = make_goals(catalogue, "synthetic", limit=40)
    assert len(some) == 40
    ids = [goal.id for goal in everything]
    assert sorted((goal.id for goal in some), key=ids.index) == [goal.id for goal in some]
    assert sum(goal.weight for goal in some) / 40 > sum(goal.weight for goal in everything) / len(everything)


def test_unknown_kinds_splits_and_empty_splits_are_told():
    catalogue = open_shop(None, 150).catalogue
    with pytest.raises(UnknownNameError, match="human"):
        make_goals(catalogue, "humans")
    with pytest.raises(UnknownNameError, match="train"):
        make_goals(catalogue, "human", split="trian")
    with pytest.raises(ManifestError, match="in the split 'test'"):
        make_goals(open_shop(None, 3).catalogue, "human", split="test")


def test_the_bundled_tagger_keeps_what_may_be_a_noun():
    assert bundled_nouns("Alderway 2-Pack Soft Cotton Shirt for Men, Machine Wash, XL") == (
        "alderway", "pack", "cotton", "shirt", "men", "machine", "wash"
    )  # fmt: skip
    assert bundled_nouns("") == bundled_nouns("for the 12 of 5") == ()


def test_the_command_tags_a_folder_and_says_who_did(tmp_path):
    folder = save(generate(12), tmp_path)
    (folder / "items_nouns.json").unlink()
    command = [sys.executable, "-m", "credit_gym.envs.webshop.tag", str(folder), "--tagger", "bundled"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out.startswith("12 titles tagged by bundled: ")
    found = load_nouns(folder)
    assert found is not None
    catalogue = read_catalogue(folder, BUNDLED._replace(nouns=lambda title: ("never asked",)))
    assert [product.nouns for product in catalogue.products] == [bundled_nouns(p.title) for p in catalogue.products]
    assert catalogue.tagger == "bundled"
    (folder / "items_nouns.json").write_text("[]")
    with pytest.raises(ManifestError, match=r"items_nouns\.json"):
        load_nouns(folder)
