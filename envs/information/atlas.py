"""The world of GuessMyCity-v0: cities, with open questions and yes-or-no questions made from the facts about them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from credit_gym.envs.information.world import Property, Question, World, phrases, read_yaml
from credit_gym.errors import ManifestError

CLIMATES = {
    "A": "tropical: hot all year",
    "B": "dry: desert or steppe",
    "C": "mild, with cool or short winters",
    "D": "continental, with cold and snowy winters",
}
SIZES = {
    "S": "fewer than one million people",
    "M": "between one and five million people",
    "L": "between five and ten million people",
    "X": "more than ten million people",
}
TROPIC = 23.44  # degrees

Wordings: TypeAlias = Mapping[str, Mapping[str, str]]


class Country(NamedTuple):
    """One country.

    Attributes:
        name: its name.
        others: other names.
        region: part of the world.
        continent: where that lies.
        language: main language.
        currency: what is paid with.
        drives: side of the road, ``left`` or ``right``.
        marks: of ``eu``, ``landlocked``, ``island``, ``monarchy``.
    """

    name: str
    others: tuple[str, ...]
    region: str
    continent: str
    language: str
    currency: str
    drives: str
    marks: frozenset[str]


class City(NamedTuple):
    """One city.

    Attributes:
        name: its name.
        others: other names.
        country: where it is.
        latitude: degrees, north positive.
        longitude: degrees, east positive.
        elevation: metres above the sea.
        size: a key of :data:`SIZES`.
        climate: a key of :data:`CLIMATES`.
        marks: capital C, largest of its country L, Olympics O, metro M, island I, older than 1500 A.
        river: its river, empty where none is known.
        sea: the sea that it lies at, empty inland.
        language: main language.
    """

    name: str
    others: tuple[str, ...]
    country: Country
    latitude: float
    longitude: float
    elevation: float
    size: str
    climate: str
    marks: frozenset[str]
    river: str
    sea: str
    language: str

    @property
    def full_name(self) -> str:
        """City and country, as the published lists write them."""
        return f"{self.name}, {self.country.name}"


@lru_cache(maxsize=1)
def atlas() -> tuple[City, ...]:
    """Return the cities that come with the package; read once a process."""
    data = read_yaml("cities.yaml")
    countries = {}
    for heading, text in data["countries"].items():
        name, others = _names(heading)
        region, language, currency, drives, *marks = (part.strip() for part in text.split(";"))
        known = frozenset(" ".join(marks).split())
        countries[name] = Country(name, others, region, data["regions"][region], language, currency, drives, known)
    return tuple(_city(line, countries) for line in data["cities"].splitlines())


@lru_cache(maxsize=1)
def cities() -> World:
    """Return the world made of them."""
    known = atlas()
    world = World(
        names=tuple(city.full_name for city in known),
        forms=tuple(
            (city.name, *city.others, *(f"{other}, {city.country.name}" for other in city.others)) for city in known
        ),
        properties=(),
        sizes=(float("nan"),) * len(known),
        reference={},
        adjectives=frozenset(),
        groups={},
    )
    data = read_yaml("cities.yaml")
    properties = (
        *_open_questions(known, data["open"]),
        *_yes_or_no_questions(world, known, data["yes_or_no"]),
        *_value_questions(world, known, data["values"]),
    )
    return replace(world, properties=properties)


def size_of(people: int) -> str:
    """Return the entry of :data:`SIZES` for a number of people."""
    return SIZES["X" if people > 10_000_000 else "L" if people > 5_000_000 else "M" if people > 1_000_000 else "S"]


def degrees_from_equator(latitude: float) -> str:
    """Return a sentence that says roughly how far from the equator a latitude is."""
    return f"It is {_band(abs(latitude), (10, 20, 30, 40, 50))} degrees from the equator."


def degrees_from_greenwich(longitude: float) -> str:
    """Return a sentence that says roughly what a longitude is."""
    side = "east" if longitude >= 0 else "west"
    return f"It is {_band(abs(longitude), (15, 30, 60, 90, 120))} degrees {side} of Greenwich."


def _open_questions(known: Sequence[City], wordings: Wordings) -> Iterator[Property]:
    for name, answer in _OPEN.items():
        cells: dict[str, int] = {}
        for number, city in enumerate(known):
            cells[answer(city)] = cells.get(answer(city), 0) | 1 << number
        yield Property(
            name, wordings[name]["ask"], phrases(wordings[name]["say"]), Question(name, tuple(cells.items()))
        )


def _yes_or_no_questions(world: World, known: Sequence[City], wordings: Wordings) -> Iterator[Property]:
    for name, holds in _YES_OR_NO.items():
        chosen = sum(1 << number for number, city in enumerate(known) if holds(city))
        deny = phrases(wordings[name].get("deny", ""))
        yield Property(name, wordings[name]["ask"], phrases(wordings[name]["say"]), world.yes_or_no(chosen, name), deny)


def _value_questions(world: World, known: Sequence[City], wordings: Wordings) -> Iterator[Property]:
    """Yes-or-no questions for each value of a fact: "Is it in Asia?", "Is the main language Arabic?"."""
    for name, value_of in _VALUES.items():
        sets: dict[tuple[str, ...], int] = {}
        for number, city in enumerate(known):
            value = value_of(city)
            if value:
                sets[value] = sets.get(value, 0) | 1 << number
        ask, say = wordings[name]["ask"], phrases(wordings[name]["say"])
        for value, chosen in sets.items():
            said = tuple(text.format(other) for other in value for text in (ask, *say))
            key = f"{name}={value[0]}"
            offered = name != "country" and chosen.bit_count() >= _ENOUGH
            question = world.yes_or_no(chosen, key)
            yield Property(key, ask.format(value[0]), said, question, listed=offered, place=name in _PLACES)


_CLIMATE_WORDS: dict[str, tuple[str, ...]] = {
    "A": ("tropical", "hot and humid", "hot all year"),
    "B": ("dry", "arid", "desert", "semi-arid"),
    "C": ("mild", "temperate", "moderate", "mediterranean"),
    "D": ("continental", "cold", "snowy"),
}
_OPEN: dict[str, Callable[[City], str]] = {
    "continent": lambda city: f"It is in {city.country.continent}.",
    "region": lambda city: f"It is in {city.country.region}.",
    "language": lambda city: f"The main language is {city.language}.",
    "currency": lambda city: f"People pay with the {city.country.currency}.",
    "population": lambda city: f"It has {SIZES[city.size]}.",
    "climate": lambda city: f"The climate is {CLIMATES[city.climate]}.",
    "sea": lambda city: f"It lies at {city.sea}." if city.sea else "It does not lie at the sea.",
    "river": lambda city: _river(city),
    "elevation": lambda city: f"It lies {_band(city.elevation, (50, 200, 600, 1500))} metres above the sea.",
    "latitude": lambda city: degrees_from_equator(city.latitude),
    "longitude": lambda city: degrees_from_greenwich(city.longitude),
    "hemisphere": lambda city: f"It is in the {'northern' if city.latitude >= 0 else 'southern'} hemisphere.",
    "drives": lambda city: f"People drive on the {city.country.drives}.",
    "government": lambda city: f"The country is a {'monarchy' if 'monarchy' in city.country.marks else 'republic'}.",
}
_YES_OR_NO: dict[str, Callable[[City], bool]] = {
    "capital": lambda city: "C" in city.marks,
    "largest": lambda city: "L" in city.marks,
    "olympics": lambda city: "O" in city.marks,
    "metro": lambda city: "M" in city.marks,
    "on-island": lambda city: "I" in city.marks,
    "old": lambda city: "A" in city.marks,
    "coastal": lambda city: bool(city.sea),
    "on-river": lambda city: bool(city.river),
    "southern": lambda city: city.latitude < 0,
    "western": lambda city: city.longitude < 0,
    "tropics": lambda city: abs(city.latitude) < TROPIC,
    "millions": lambda city: city.size != "S",
    "five-million": lambda city: city.size in "LX",
    "megacity": lambda city: city.size == "X",
    "high": lambda city: city.elevation > 1000,
    "left": lambda city: city.country.drives == "left",
    "eu": lambda city: "eu" in city.country.marks,
    "landlocked": lambda city: "landlocked" in city.country.marks,
    "island-country": lambda city: "island" in city.country.marks,
    "monarchy": lambda city: "monarchy" in city.country.marks,
}
_VALUES: dict[str, Callable[[City], tuple[str, ...]]] = {  # a value with its other names, empty for none
    "continent": lambda city: (city.country.continent,),
    "region": lambda city: (city.country.region,),
    "language": lambda city: (city.language,),
    "currency": lambda city: (city.country.currency,),
    "climate": lambda city: _CLIMATE_WORDS[city.climate],
    "sea": lambda city: (city.sea,) if city.sea else (),
    "river": lambda city: (city.river,) if city.river and "river" not in city.river.lower() else (),
    "country": lambda city: (city.country.name, *city.country.others),
}
_PLACES = frozenset({"continent", "region", "country"})
_ENOUGH = 5  # a value that fewer cities have is understood, but not offered; nor are countries


def _river(city: City) -> str:
    if not city.river:
        return "No well-known river flows through it."
    return f"{city.river[0].upper()}{city.river[1:]}." if "river" in city.river else f"The {city.river}."


def _band(value: float, bounds: Sequence[float]) -> str:
    lower = [bound for bound in bounds if value >= bound]
    upper = [bound for bound in bounds if value < bound]
    if not lower:
        return f"less than {upper[0]:g}"
    return f"between {lower[-1]:g} and {upper[0]:g}" if upper else f"more than {lower[-1]:g}"


def _city(line: str, countries: Mapping[str, Country]) -> City:
    heading, _, text = line.partition(":")
    place, _, country = heading.rpartition(", ")
    name, others = _names(place)
    if country not in countries:
        raise ManifestError(f"cities.yaml puts {name} in {country!r}, which is not among its countries.")
    where, kind, marks, river, sea, *language = (part.strip() for part in text.split(";"))
    latitude, longitude, elevation = map(float, where.split())
    size, climate = kind.split()
    home = countries[country]
    return City(
        name, others, home, latitude, longitude, elevation, size, climate,
        frozenset(marks.replace("-", "").split()),
        river.removeprefix("-"), sea.removeprefix("-"), language[0] if language else home.language,
    )  # fmt: skip


def _names(heading: str) -> tuple[str, tuple[str, ...]]:
    match = re.fullmatch(r"([^()]+?)(?: \(([^()]*)\))?", heading.strip())
    if match is None:
        raise ManifestError(f"cities.yaml has the name {heading!r}: write it as NAME (OTHER, OTHER).")
    return match[1], tuple(other.strip() for other in (match[2] or "").split(",") if other.strip())
