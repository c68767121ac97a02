"""Guesses in the many shapes that are written, and what a published list means for the rules."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from credit_gym.envs.information.guess_my_city import GuessMyCityEnv, city_grammar, names_city, unknown_city
from credit_gym.envs.information.language import is_guess
from credit_gym.envs.information.twenty_questions import TwentyQuestionsEnv

SHAPES = [
    "{}", "{}?", "Is it {}?", "is it {}", "Is it the city of {}?", 'Is it "{}"?', "Is it '{}'?", "Is it “{}”?",
    "**{}**", "Is it *{}*?", "My guess: {}.", "My final guess is {}!", "I guess {}", "Final answer: {}",
    "Could it be {}?",
    "Is the city you are thinking of {}?", "Is your home city {}?", "Is your hometown {}?", "Are you in {}?",
    "So, is it {}?", "Is the secret city {}?",
]  # fmt: skip
NAMES = [
    "Mumbai", "Mumbai, India", "Mumbai (Bombay), India", "Mumbai (India)", "Mumbai [India]", "Mumbai/India",
    "Mumbai - India", "Bombay, India", "Bombay (Mumbai), India", "Mumbai, in India", "Mumbai, which is in India",
    "Mumbai, Republic of India", "Mumbai, formerly Bombay, India", "Mumbai (also known as Bombay), India",
    "Mumbai (Maharashtra), India",
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_a_city_is_guessed_in_many_shapes(shape: str, name: str) -> None:
    asked = city_grammar().parse(shape.format(name))
    if "Republic" in name:
        asked = city_grammar().parse(shape.format(name.replace(" Republic of", "")))
    assert asked is not None
    assert asked.guess is not None
    assert city_grammar().world.names[asked.guess] == "Mumbai, India"
    assert names_city(shape.format(name), "Mumbai (Bombay), India") or "which" in name


@pytest.mark.parametrize(
    "action",
    [
        "Is it Astana (Nur-Sultan), Kazakhstan?", "Is it Nur-Sultan (Astana), Kazakhstan?", "Is it Nur-Sultan?",
        "Is it Astana, the capital of Kazakhstan?", "Is it Astana (now Nur-Sultan)?", "Is it in Kazakhstan: Astana?",
    ],
)  # fmt: skip
def test_a_published_secret_is_guessed_under_any_of_its_names(action: str) -> None:
    assert names_city(action, "Astana (Nur-Sultan), Kazakhstan")


@pytest.mark.parametrize(
    "action",
    [
        "Is it Almaty, Kazakhstan?", "Is it in Kazakhstan?", "Is it near Astana?", "Is it Astana or Almaty?",
        "Is it Almaty (Astana)?", "Is it Astana, Texas?", "Is it not Astana?", "Is Astana large?",
    ],
)  # fmt: skip
def test_what_asks_something_else_is_no_guess(action: str) -> None:
    assert not names_city(action, "Astana (Nur-Sultan), Kazakhstan")


@pytest.mark.parametrize("action", ["Is it a tiger (the animal)?", 'Is it a "tiger"?', "Final guess: tigers?"])
def test_a_noun_is_guessed_in_many_shapes(action: str) -> None:
    assert is_guess(action, ["tiger"])
    env = TwentyQuestionsEnv("all")
    env.reset(options={"task": [task.secret for task in env.tasks].index("tiger")})
    assert env.step(action)[:2] == ("finished", 1.0)


def test_several_cities_in_one_guess_win_nothing() -> None:
    grammar = city_grammar()
    for action in ("Is it Paris (London)?", "Is it Paris, London?", "Is it London (Paris), France?"):
        asked = grammar.parse(action)
        assert asked is None or asked.guess is None


def test_a_city_on_no_map_is_a_guess_that_is_wrong() -> None:
    env = GuessMyCityEnv("all")
    env.reset(options={"task": [task.secret for task in env.tasks].index("Mumbai, India")})
    for action in ("Is it Astana (Nur-Sultan), Kazakhstan?", "Is it Rio das Ostras, Brazil?", '"Oz, Nowhere"'):
        before = env.remaining()
        observation, _, _, _, info = env.step(action)
        assert (observation, info["invalid"]) == ("No.", False)
        assert env.remaining() == before
        assert env.step(action)[4]["invalid"] or env.step(action)[0].startswith("You have already")
    for action in (
        "Is it Greater Mumbai Area, India?",
        "Is it Big, Beautiful and old?",
        "What is the sky like, Friend?",
    ):
        assert env.step(action)[0] not in ("No.", "Goal reached")
    assert env.step("Is it Mumbai (Bombay), the largest, India?")[1] == 0.0
    assert env.step("Is it Mumbai, the Republic of India?")[:2] == ("Goal reached", 1.0)


@pytest.mark.parametrize(
    ("action", "named"),
    [
        ("Is it Astana (Nur-Sultan), Kazakhstan?", "Astana"),
        ("My guess: San Pedro de Macorís, Dominican Republic!", "San Pedro de Macorís"),
        ("Is it warm, Kazakhstan?", None),
        ("Is it Astana?", None),
        ("Is it , Kazakhstan?", None),
        ("Is it Astana, ?", None),
        ("", None),
    ],
)
def test_the_form_that_the_goal_asks_for_is_known_by_its_capitals(action: str, named: str | None) -> None:
    assert unknown_city(action) == named


@pytest.mark.parametrize("action", ["(" * 100_000, "Is it " * 50_000, "A, " * 100_000, "[" * 50_000 + "]" * 50_000])
def test_hostile_guesses_are_read_in_a_moment(action: str) -> None:
    env = GuessMyCityEnv("all")
    env.reset(seed=0)
    before = time.process_time()
    unknown_city(action)
    names_city(action, "Astana (Nur-Sultan), Kazakhstan")
    assert time.process_time() - before < 0.5


def test_a_list_that_the_rules_know_little_of_is_said_to_make_another_game(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("tiger\nquark\nphlogiston\n")
    with pytest.warns(UserWarning, match=re.escape("2 of 3 secrets")) as said:
        TwentyQuestionsEnv("all", words=path)
    assert "among the other 1 the game is easier, and results are not comparable" in str(said[0].message)
