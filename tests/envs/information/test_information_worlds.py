"""The facts that the games are played on, and the language in which they are asked for."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym import rng
from credit_gym.envs.information.atlas import atlas, cities
from credit_gym.envs.information.guess_my_city import city_grammar
from credit_gym.envs.information.language import forms, is_guess, words
from credit_gym.envs.information.twenty_questions import noun_grammar
from credit_gym.envs.information.world import Question, information_gain, log_belief, members, nouns

WORLDS = {"nouns": (nouns, noun_grammar), "cities": (cities, city_grammar)}
EXCLUSIVE = ("mammal", "bird", "reptile", "fish", "insect", "plant", "vehicle", "building", "body", "drink", "worn")
IMPLIED = (
    ("animal", "alive"),
    ("plant", "alive"),
    ("mammal", "warm"),
    ("bird", "eggs"),
    ("bird", "wings"),
    ("fish", "no-legs"),
    ("fish", "aquatic"),
    ("marine", "aquatic"),
    ("pet", "animal"),
    ("farm", "animal"),
    ("feline", "mammal"),
    ("feline", "hunter"),
    ("savanna", "animal"),
    ("tree", "plant"),
    ("flower", "plant"),
    ("drink", "food"),
    ("baked", "grain-based"),
    ("berry", "fruit"),
    ("organ", "body"),
    ("face", "body"),
    ("furniture", "made"),
    ("weapon", "made"),
    ("electronic", "made"),
    ("engine", "metal"),
    ("strings", "made"),
    ("feet", "clothing"),
    ("clothing", "worn"),
    ("upper", "clothing"),
    ("sky", "nature"),
    ("over-house", "over-car"),
    ("over-car", "over-person"),
)
DISJOINT = (
    ("alive", "made"),
    ("hunter", "grazer"),
    ("warm", "cold-blooded"),
    ("four-legs", "two-legs"),
    ("four-legs", "no-legs"),
    ("eggs", "fur"),
    ("metal", "paper"),
    ("wood", "cloth"),
    ("sweet", "salty"),
    ("ball-shaped", "pole-shaped"),
    ("liquid", "wood"),
    ("weather", "landscape"),
)


def holds(name: str) -> int:
    return next(p.question.cells[0][1] for p in nouns().properties if p.name == name)


def named(chosen: int) -> list[str]:
    return [nouns().names[number] for number in members(chosen)]


def test_there_are_enough_things_and_facts():
    assert nouns().matrix.shape[0] >= 250
    assert nouns().matrix.shape[1] >= 60
    assert len(cities().names) >= 150
    facts = {p.name.split("=")[0] for p in cities().questions}
    assert len(facts) >= 20


@pytest.mark.parametrize("world", WORLDS)
def test_every_two_things_differ_in_an_answer_that_can_be_asked_for(world):
    known = WORLDS[world][0]()
    alike = defaultdict(list)
    for number, name in enumerate(known.names):
        alike[tuple(p.question.cell(number)[0] for p in known.questions)].append(name)
    assert [names for names in alike.values() if len(names) > 1] == []


@pytest.mark.parametrize("world", WORLDS)
def test_the_answers_of_every_question_part_all_things(world):
    known = WORLDS[world][0]()
    for item in known.properties:
        union = 0
        for _, chosen in item.question.cells:
            assert union & chosen == 0
            union |= chosen
        assert union == known.everything


def test_no_two_questions_about_nouns_are_the_same_and_each_is_true_of_five():
    partitions = [min(p.question.cells[0][1], p.question.cells[1][1]) for p in nouns().questions]
    assert len(set(partitions)) == len(partitions)
    assert [p.name for p in nouns().questions if p.question.cells[0][1].bit_count() < 5] == []


@pytest.mark.parametrize(("narrow", "wide"), IMPLIED)
def test_what_is_one_is_the_other(narrow, wide):
    assert named(holds(narrow) & ~holds(wide)) == []


@pytest.mark.parametrize(("one", "other"), DISJOINT)
def test_nothing_is_both(one, other):
    assert named(holds(one) & holds(other)) == []


def test_kinds_exclude_each_other():
    for number, one in enumerate(EXCLUSIVE):
        for other in EXCLUSIVE[:number]:
            assert named(holds(one) & holds(other)) == []


def test_cities_are_where_their_facts_say():
    for city in atlas():
        assert -56 < city.latitude < 70
        assert -180 <= city.longitude <= 180
        assert city.elevation < 4000
        assert not ("landlocked" in city.country.marks and city.sea)
    for sea in ("the Baltic Sea", "the Mediterranean Sea"):
        assert {city.country.continent for city in atlas() if city.sea == sea} <= {"Europe", "Asia", "Africa"}
    assert all(c.longitude < 0 for c in atlas() if "America" in c.country.continent)
    assert all(c.longitude > 0 for c in atlas() if c.country.continent in ("Asia", "Oceania"))


def test_no_country_has_two_largest_cities_or_capitals():
    for mark in "LC":
        countries = [city.country.name for city in atlas() if mark in city.marks]
        assert len(countries) == len(set(countries))


def test_no_answer_tells_the_name_of_its_city_or_country():
    for number, city in enumerate(atlas()):
        hidden = [city.name, *city.others, city.country.name, *city.country.others]
        for item in (p for p in cities().questions if p.question.cells[0][0] != "yes"):
            answer = f" {' '.join(words(item.question.cell(number)[0]))} "
            assert not [name for name in hidden if f" {' '.join(words(name))} " in answer], (city.name, answer)


# Language


@pytest.mark.parametrize("world", WORLDS)
def test_every_wording_is_understood_as_what_it_asks(world):
    known, grammar = WORLDS[world][0](), WORLDS[world][1]()
    for item in known.properties:
        for wording in (item.ask, *item.say):
            question = grammar.parse(wording)
            assert question is not None, wording
            assert question.cells == item.question.cells, wording
        for wording in item.deny:
            question = grammar.parse(f"Is it {wording}?")
            assert question is not None, wording
            assert question.cells == (("yes", item.question.cells[1][1]), ("no", item.question.cells[0][1])), wording


@pytest.mark.parametrize("world", WORLDS)
def test_every_thing_can_be_guessed_by_each_of_its_names(world):
    known, grammar = WORLDS[world][0](), WORLDS[world][1]()
    for number, name in enumerate(known.names):
        for other in (name, *known.forms[number]):
            for text in (f"Is it {other}?", f"Are you thinking of {other}?", f"{other}?"):
                question = grammar.parse(text)
                assert question is not None, text
                assert question.guess == number, text


@pytest.mark.parametrize(
    ("text", "some", "others"),
    [
        ("Isn't it alive?", "dog oak", "car gold"),
        ("Is it not alive?", "car gold", "dog oak"),
        ("Is it a non-living thing?", "car gold", "dog oak"),
        ("Is it natural?", "dog gold", "car bread"),
        ("Is it bigger than a dog?", "horse car", "cat dog"),
        ("Is it smaller than a cat?", "ant ring", "cat car"),
        ("Does it fit in a pocket?", "ring coin", "dog car"),
        ("Is it a red fruit?", "cherry apple", "banana ladybug"),
        ("Is it an animal that lives in water?", "whale shark", "dog boat"),
        ("Is it a tool used for cutting?", "saw scissors", "hammer knife"),
        ("Is it a plant or an animal?", "dog oak", "car gold"),
        ("Is it alive and bigger than a car?", "whale oak", "dog bus"),
        ("Is it smaller than a cat but not alive?", "ring spoon", "ant car"),
        ("Is it a musical instrument with strings?", "guitar harp", "racket drum"),
        ("Is it a dog or a cat?", "dog cat", "wolf lion"),
        ("Is it usually made of wood or metal?", "chair knife", "dog pillow"),
        ("Is it a person?", "", "dog hand statue"),
    ],
)
def test_questions_in_plain_english(text, some, others):
    question = noun_grammar().parse(text)
    assert question is not None
    assert question.guess is None
    chosen = question.cells[0][1]
    index = nouns().index
    assert [noun for noun in some.split() if not chosen >> index[noun] & 1] == []
    assert [noun for noun in others.split() if chosen >> index[noun] & 1] == []


@pytest.mark.parametrize(
    "text",
    [
        "Is it related to a tiger?",
        "Does it have a tiger?",
        "Is it made of gold?",
        "Is it a dog and a cat or a horse?",
        "What is it?",
        "is it",
        "",
        "?",
        "Is it soft?",
        "flurb",
        "Ist es ein Tier?",
    ],
)
def test_what_is_not_understood_is_not_guessed_at(text):
    assert noun_grammar().parse(text) is None


def test_two_wordings_of_one_question_have_one_key():
    parse = noun_grammar().parse
    for group in (
        ("Is it alive?", "Is it a living thing?", "Is it not alive?", "isn't it alive", "Is it inanimate?"),
        ("Is it a tiger?", "tigers?", 'Is the secret word "Tiger"?'),
        ("Is it bigger than a dog?", "Is it larger than dogs?"),
        ("Is it red and a fruit?", "Is it a red fruit?", "Is it a fruit that is red?"),
    ):
        questions = [parse(text) for text in group]
        assert all(questions), group
        assert len({question.key for question in questions if question}) == 1, group
    assert parse("Is it an animal?") != parse("Is it a mammal?")


@pytest.mark.parametrize(
    ("text", "city", "answer"),
    [
        ("What continent is your city on?", "Lima, Peru", "It is in South America."),
        ("Which language do people speak there?", "Zurich, Switzerland", "The main language is German."),
        ("What is the currency?", "Warsaw, Poland", "People pay with the zloty."),
        ("Is your city the capital of its country?", "Sydney, Australia", "no"),
        ("Is it in Brazil?", "Salvador, Brazil", "yes"),
        ("Is it in the northern hemisphere?", "Perth, Australia", "no"),
        ("Does the Danube flow through it?", "Vienna, Austria", "yes"),
        ("Did your city host the Olympics?", "Seoul, South Korea", "yes"),
        ("Is it Paris or London?", "Paris, France", "yes"),
        ("Is it Paris, Canada?", "Paris, France", "no"),
    ],
)
def test_questions_about_cities(text, city, answer):
    question = city_grammar().parse(text)
    assert question is not None
    assert question.cell(cities().index[city])[0] == answer


@given(st.text())
def test_any_text_can_be_read(text):
    for grammar in (noun_grammar(), city_grammar()):
        question = grammar.parse(text)
        assert question is None or isinstance(question, Question)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("tiger", "tigers"),
        ("box", "boxes"),
        ("berry", "berries"),
        ("wolf", "wolves"),
        ("knife", "knives"),
        ("tooth", "teeth"),
        ("potato", "potatoes"),
        ("scissors", "scissor"),
        ("teeth", "tooth"),
        ("polar bear", "polar bears"),
        ("e-mail", "E mails"),
    ],
)
def test_a_guess_may_be_inflected(name, other):
    assert is_guess(f"Is it {other}?", [name])
    assert (tuple(words(other))) in forms(name)


@pytest.mark.parametrize(
    "text", ["Is it like a tiger?", "Is it a tiger's tail?", "Is it not a tiger?", "Is it tigerish?"]
)
def test_to_mention_is_not_to_guess(text):
    assert not is_guess(text, ["tiger"])


def test_organs_are_no_organizations():
    assert not is_guess("Is it an organization?", ["organ"])
    assert not is_guess("Is it a universe?", ["university"])


# Information


@given(st.integers(0), st.integers(0, 10_000))
def test_gain_is_the_mutual_information_of_answer_and_secret(seed, pick):
    world = nouns()
    candidates = sum(1 << n for n in range(len(world.names)) if rng.derive(seed, n) & 3 == 0)
    question = world.questions[pick % len(world.questions)].question
    things = list(members(candidates))
    if not things:
        assert information_gain(candidates, question) == 0.0
        return
    share = np.mean([question.cells[0][1] >> thing & 1 for thing in things])
    entropy = -sum(p * math.log(p) for p in (share, 1 - share) if p > 0)
    assert information_gain(candidates, question) == pytest.approx(entropy, abs=1e-12)
    # it is the mean rise of the log posterior over the secrets
    rises = [log_belief(candidates & question.cell(thing)[1]) - log_belief(candidates) for thing in things]
    assert information_gain(candidates, question) == pytest.approx(np.mean(rises), abs=1e-12)


def test_open_questions_gain_the_entropy_of_their_answers():
    world = cities()
    question = next(p.question for p in world.questions if p.name == "climate")
    shares = np.array([chosen.bit_count() for _, chosen in question.cells]) / len(world.names)
    assert information_gain(world.everything, question) == pytest.approx(-(shares * np.log(shares)).sum())
    assert information_gain(world.everything, question) > math.log(2)
