"""The engine against TextWorld's own, and its states as values."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("textworld")
pytest.importorskip("fast_downward")

from builders import TESTS
from builders.alfworld_games import messy

from credit_gym.envs.alfworld.env import NOTHING_HAPPENS
from credit_gym.envs.alfworld.games import Game, file_form, texts_of
from credit_gym.envs.alfworld.generate import generate_game
from credit_gym.envs.alfworld.grammar import parse_grammar
from credit_gym.envs.alfworld.textworld_engine import CompiledGame, Engine, State, compile_game
from credit_gym.errors import ManifestError

SMALL = generate_game("train", 1)
DOMAIN, GRAMMAR = texts_of(SMALL)


def compiled(game: Game) -> CompiledGame:
    domain, grammar = texts_of(game)
    return compile_game(domain, game.problem, grammar)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


def walk(engine: Engine, state: State, random: Random, steps: int) -> tuple[State, list[tuple[str, str, str]]]:
    """Play random commands; return the last state and (command, answer, key) of each step."""
    trace = []
    for _ in range(steps):
        commands = engine.commands(state)
        command = random.choice(list(commands))
        state = engine.step(state, commands[command])
        trace.append((command, engine.answer(state, commands[command]), state.key))
    return state, trace


@pytest.mark.slow
@pytest.mark.parametrize("index", range(6))
def test_text_commands_and_wins_are_those_of_textworld(index, engine, tmp_path, monkeypatch):
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))  # importing alfworld creates this folder
    demangler = pytest.importorskip("alfworld.agents.utils.misc").Demangler
    from textworld.envs.pddl import PddlEnv

    game = messy(generate_game("valid_unseen", index), index)
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    stock = PddlEnv()
    stock.load(file_form(game))
    names = demangler(game_infos=stock._entity_infos)
    for info in stock._entity_infos.values():
        info.name = names.demangle_alfred_name(info.id)

    state = engine.load(compiled(game))
    theirs = stock.reset()
    assert engine.introduction() == theirs.feedback
    random, commands_before = Random(index), ["open  drawer 1"]
    for _ in range(40):
        commands = engine.commands(state)
        assert list(commands) == theirs["admissible_commands"]
        assert state.won == theirs["won"]
        for refused in (random.choice(commands_before), random.choice(list(commands)).upper(), "examine moon 1"):
            if refused not in commands:
                assert engine.find(state, refused) is None
                assert stock.step(refused)[0].feedback == NOTHING_HAPPENS
        commands_before = [*commands]
        busy = [c for c in commands if c.split()[0] not in ("go", "help", "inventory", "examine")]
        command = random.choice(busy if random.random() < 0.6 else list(commands))
        state = engine.step(state, commands[command])
        theirs, _, _ = stock.step(command)
        assert engine.answer(state, commands[command]) == theirs.feedback
        facts = {(f.name, tuple(a.name for a in f.arguments)) for f in theirs["_facts"]}
        ours = {(name, row) for name, rows in state.facts.items() for row in rows}
        assert ours == {fact for fact in facts if not fact[0].startswith("new-axiom@")}


def test_stepping_a_state_twice_gives_the_same_state_and_leaves_it_as_it_was(engine):
    start = engine.load(compiled(SMALL))
    fork, _ = walk(engine, start, Random(3), 12)
    facts, commands = dict(fork.facts), list(engine.commands(fork))
    first = walk(engine, fork, Random(4), 20)
    second = walk(engine, fork, Random(4), 20)
    assert first == second
    assert fork.facts == facts
    assert list(engine.commands(fork)) == commands


def test_a_pickled_state_is_restored_in_another_engine_and_after_another_game(engine):
    game = compiled(SMALL)
    state, _ = walk(engine, engine.load(game), Random(5), 15)
    copy = pickle.loads(pickle.dumps(state))
    assert copy.commands == state.commands
    assert len(pickle.dumps(state)) < 2000
    elsewhere = Engine()
    elsewhere.load(game)
    adopted = elsewhere.adopt(copy)
    assert (adopted.key, adopted.facts) == (state.key, state.facts)
    elsewhere.close()
    engine.load(game)
    assert engine.adopt(state).key == state.key


def test_a_state_of_another_game_is_refused(engine):
    state, _ = walk(engine, engine.load(compiled(SMALL)), Random(5), 3)
    engine.load(compiled(generate_game("train", 5)))
    with pytest.raises(ManifestError, match="another game"):
        engine.adopt(state)


def test_the_key_of_a_state_ignores_how_it_was_reached(engine):
    start = engine.load(compiled(SMALL))
    commands = engine.commands(start)
    places = [c for c in commands if c.startswith("go to")][:2]
    once = engine.step(start, commands[places[0]])
    detour = engine.step(start, commands[places[1]])
    detour = engine.step(detour, engine.commands(detour)[places[0]])
    assert detour.key == once.key
    assert once.key != start.key


@pytest.mark.slow
def test_states_and_texts_are_the_same_in_another_process(engine):
    _, trace = walk(engine, engine.load(compiled(SMALL)), Random(6), 10)
    program = (
        "from random import Random\n"
        "from test_alfworld_textworld_engine import *\n"
        "engine = Engine()\n"
        "print(walk(engine, engine.load(compiled(SMALL)), Random(6), 10)[1])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), str(TESTS)))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == str(trace)


def test_translating_leaves_argv_and_stdout_alone():
    arguments, output = sys.argv, sys.stdout
    before = list(arguments)
    compile_game.__wrapped__(DOMAIN, SMALL.problem, GRAMMAR)
    assert sys.argv is arguments
    assert sys.argv == before
    assert sys.stdout is output


def test_a_malformed_problem_is_refused_in_one_sentence():
    with pytest.raises(ManifestError, match="cannot be compiled"):
        compile_game(DOMAIN, SMALL.problem[: len(SMALL.problem) // 2], GRAMMAR)


def test_a_grammar_cannot_run_code():
    hostile = GRAMMAR.replace("{o.indefinite + ' ' + o.name |", "{__import__('os').getcwd() |")
    assert hostile != GRAMMAR
    with pytest.raises(ManifestError, match="not allowed"):
        parse_grammar(hostile)


@pytest.mark.slow
@pytest.mark.parametrize("expression", ["o.name" + "+o.name" * 90_000, "o" + ".name" * 20_000, "(" * 300 + "o.name"])
def test_an_expression_of_a_grammar_may_be_as_long_as_it_likes(expression):
    with pytest.raises(ManifestError, match="expression"):
        parse_grammar(GRAMMAR.replace("{o.indefinite + ' ' + o.name |", f"{{{expression} |"))
