"""A thing is known by all its names: synonyms, other spellings, what it was called before and is called at home."""

from __future__ import annotations

from pathlib import Path

import pytest

from credit_gym.envs.information.atlas import atlas, cities
from credit_gym.envs.information.guess_my_city import GuessMyCityEnv, city_grammar, names_city
from credit_gym.envs.information.language import forms, words
from credit_gym.envs.information.twenty_questions import TwentyQuestionsEnv, noun_grammar
from credit_gym.envs.information.world import World, nouns

NOUNS = {
    "airplane": ("plane", "aeroplane", "planes"),
    "television": ("TV", "telly", "TVs", "television set"),
    "refrigerator": ("fridge", "icebox"),
    "bicycle": ("bike", "bikes"),
    "sofa": ("couch", "settee"),
    "car": ("automobile", "motor car"),
    "motorcycle": ("motorbike",),
    "truck": ("lorry",),
    "phone": ("telephone", "cell phone", "mobile phone", "smartphone"),
    "flashlight": ("torch",),
    "hippopotamus": ("hippo",),
    "rhinoceros": ("rhino",),
    "cookie": ("biscuit",),
    "corn": ("maize",),
    "gasoline": ("petrol",),
    "bathtub": ("bath", "tub"),
    "violin": ("fiddle",),
    "yogurt": ("yoghurt",),
    "racket": ("racquet",),
    "backpack": ("rucksack",),
    "ladybug": ("ladybird",),
    "sweater": ("jumper", "pullover"),
    "bookcase": ("bookshelf", "bookshelves"),
    "pan": ("frying pan",),
    "lawnmower": ("lawn mower",),
}
CITIES = {
    "New York": ("NYC", "New York City"),
    "Mumbai": ("Bombay",),
    "Munich": ("München", "Munchen", "Muenchen", "MÜNCHEN", "Mu\u0308nchen"),
    "Cologne": ("Köln", "Koeln", "Koln"),
    "Copenhagen": ("København", "Kobenhavn"),
    "Zurich": ("Zürich", "Zuerich"),
    "Krakow": ("Kraków", "Cracow"),
    "Warsaw": ("Warszawa",),
    "Prague": ("Praha",),
    "Saint Petersburg": ("St. Petersburg", "Leningrad", "Petrograd"),
    "Ho Chi Minh City": ("Saigon", "HCMC"),
    "Izmir": ("İzmir", "Smyrna"),
    "Sao Paulo": ("São Paulo",),
    "Bogota": ("Bogotá",),
    "Reykjavik": ("Reykjavík",),
    "Bucharest": ("București", "Bucuresti"),
    "Beijing": ("Peking",),
    "Guangzhou": ("Canton",),
    "Tehran": ("Teheran",),
    "Kinshasa": ("Léopoldville",),
    "Harare": ("Salisbury",),
    "Vientiane": ("Viangchan",),
    "Gothenburg": ("Göteborg",),
    "Seville": ("Sevilla",),
    "Mexico City": ("Ciudad de México", "CDMX"),
}
COUNTRIES = {"New York": ("US", "U.S.", "U.S.A.", "USA"), "Yangon": ("Burma",), "Kinshasa": ("Zaire", "DRC")}


@pytest.mark.parametrize("noun", NOUNS)
def test_a_noun_is_guessed_by_any_of_its_names(noun: str) -> None:
    env = TwentyQuestionsEnv(split="all")
    task = [known.secret for known in env.tasks].index(noun)
    for other in NOUNS[noun]:
        for shape in ("Is it a {}?", "Is it the {}?", "Could it be a {}?"):
            env.reset(seed=0, options={"task": task})
            observation, reward, terminated, _, info = env.step(shape.format(other))
            assert (observation, terminated, info["kind"]) == ("finished", True, "won")
            assert reward >= 0.0
            env.reset(seed=0, options={"task": (task + 1) % env.num_tasks})
            assert env.step(shape.format(other))[0] == "no"


@pytest.mark.parametrize("city", CITIES)
def test_a_city_is_guessed_by_any_of_its_names(city: str) -> None:
    env = GuessMyCityEnv(split="all")
    (task,) = (number for number, known in enumerate(env.tasks) if known.secret.startswith(f"{city}, "))
    country = env.tasks[task].secret.split(", ")[1]
    for other in CITIES[city]:
        for shape in ("Is it {}?", "Is it {}, {}?", "Do you live in {}?"):
            env.reset(seed=0, options={"task": task})
            assert env.step(shape.format(other, country))[4]["kind"] == "won"


@pytest.mark.parametrize("city", COUNTRIES)
def test_a_country_has_other_names_too(city: str) -> None:
    (known,) = (known for known in atlas() if known.name == city)
    for other in COUNTRIES[city]:
        question = city_grammar().parse(f"Is it {city}, {other}?")
        assert question is not None
        assert question.guess == cities().index[known.full_name]


@pytest.mark.parametrize(("world", "grammar"), [(nouns(), noun_grammar()), (cities(), city_grammar())])
def test_every_name_means_one_thing_and_is_read_as_a_guess_of_it(world: World, grammar: object) -> None:
    owner: dict[tuple[str, ...], int] = {}
    for thing, (name, others) in enumerate(zip(world.names, world.forms, strict=True)):
        for known in (name, *others):
            for form in forms(known):
                assert owner.setdefault(form, thing) == thing, f"{known} also means {world.names[owner[form]]}"
            question = grammar.parse(f"Is it {known}?")  # type: ignore[attr-defined]
            assert question is not None, known
            assert question.guess == thing, known


def test_a_judged_game_knows_the_names_too() -> None:
    def never(chat: object) -> str:
        raise AssertionError("a guess needs no judge")

    for env, secret, guess in (
        (TwentyQuestionsEnv(split="all", answerer=never), "airplane", "Is it a plane?"),
        (GuessMyCityEnv(split="all", answerer=never), "Munich, Germany", "Is it München, Germany?"),
    ):
        env.reset(seed=0, options={"task": [known.secret for known in env.tasks].index(secret)})
        assert env.step(guess)[4]["kind"] == "won"
    assert names_city("Is it Bombay?", "Mumbai, India")
    assert not names_city("Is it Bombay?", "Kolkata, India")


def test_a_list_may_use_any_name(tmp_path: Path) -> None:
    (tmp_path / "nouns.txt").write_text("plane\nTV\nfridge\n")
    assert [task.secret for task in TwentyQuestionsEnv(words=tmp_path / "nouns.txt", split="all").tasks] == [
        "airplane",
        "television",
        "refrigerator",
    ]
    (tmp_path / "cities.txt").write_text("München, Germany\nBombay, India\n", encoding="utf-8")
    assert [task.secret for task in GuessMyCityEnv(words=tmp_path / "cities.txt", split="all").tasks] == [
        "Munich, Germany",
        "Mumbai, India",
    ]


def test_a_thing_is_compared_by_any_name() -> None:
    grammar = noun_grammar()
    for one, other in (("an airplane", "a plane"), ("a refrigerator", "a fridge"), ("a car", "an automobile")):
        asked = [grammar.parse(f"Is it bigger than {thing}?") for thing in (one, other)]
        assert asked[0] is not None
        assert asked[1] is not None
        assert asked[0].cells == asked[1].cells


@pytest.mark.parametrize(("text", "plain"), [("Łódź", "lodz"), ("Tromsø", "tromso"), ("Đà Nẵng", "da nang")])
def test_letters_with_a_stroke_are_letters(text: str, plain: str) -> None:
    assert " ".join(words(text)) == plain
