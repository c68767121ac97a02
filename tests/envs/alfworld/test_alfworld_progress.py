"""The closed-form distance against exhaustive search, the Bellman equation and the games themselves."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from random import Random
from typing import Any

import pytest

pytest.importorskip("textworld")
pytest.importorskip("fast_downward")

from builders.alfworld_games import messy

from credit_gym.envs.alfworld.games import Game, texts_of
from credit_gym.envs.alfworld.generate import generate_game
from credit_gym.envs.alfworld.layout import compile_layout
from credit_gym.envs.alfworld.native_engine import NativeEngine, NativeGame, State
from credit_gym.envs.alfworld.problem import parse_problem
from credit_gym.envs.alfworld.problem_text import Item, Wish, problem_text
from credit_gym.envs.alfworld.progress import Progress
from credit_gym.envs.alfworld.tables import TASK_TYPES, Place
from credit_gym.envs.alfworld.textworld_engine import Engine, compile_game


@pytest.fixture(scope="module", params=[NativeEngine, Engine])
def engine(request) -> Iterator[Engine | NativeEngine]:
    engine = request.param()
    yield engine
    engine.close()


def load(engine: Engine | NativeEngine, game: Game) -> tuple[Any, Progress]:
    progress = Progress(game, parse_problem(game.problem).facts)
    if isinstance(engine, NativeEngine):
        return engine.load(NativeGame(compile_layout(game))), progress
    domain, grammar = texts_of(game)
    return engine.load(compile_game(domain, game.problem, grammar)), progress


def tiny_game(task_type: str, twice: bool) -> Game:
    """Four receptacles, two of them at one location and two closed; two mugs, one perhaps listed twice; a spoon."""
    appliance = {
        "pick_clean_then_place_in_recep": "SinkBasin",
        "pick_cool_then_place_in_recep": "Fridge",
    }.get(task_type, "Microwave")
    counter = Place("CounterTop|+01.00|+01.00|+01.00", "CounterTop", "loc|1|1|0|0")
    shelf = Place("Shelf|+01.00|+02.00|+01.00", "Shelf", "loc|1|1|0|0")
    cabinet = Place("Cabinet|+02.00|+01.00|+01.00", "Cabinet", "loc|2|1|0|0")
    machine = Place(f"{appliance}|+03.00|+01.00|+01.00", appliance, "loc|3|1|0|0")
    other = shelf if task_type == "pick_and_place_simple" else cabinet
    items = [
        Item("Mug|+01.00|+01.10|+01.00", "Mug", (counter, other) if twice else (counter,)),
        Item("Mug|+03.00|+01.10|+01.00", "Mug", (machine,)),
        Item("Spoon|+01.10|+01.10|+01.00", "Spoon", (counter,)),
        Item("DeskLamp|+02.00|+02.10|+01.00", "DeskLamp", (shelf,)),
    ]
    wish = Wish("Mug", toggle="DeskLamp") if task_type == "look_at_obj_in_light" else Wish("Mug", parent="Cabinet")
    places = (counter, shelf, cabinet, machine)
    return Game(
        id=f"tiny-{task_type}",
        split="train",
        task_type=task_type,
        target=wish.target,
        parent=wish.parent,
        toggle=wish.toggle,
        goal="do something with a mug",
        problem=problem_text("tiny", places, items, [], "loc|9|9|0|0", task_type, wish),
    )


def explore(engine: NativeEngine, start: State) -> tuple[list[State], dict[int, list[int]]]:
    """Every reachable state, what has been looked at aside, and the predecessors of each."""
    changing = ("atlocation", "opened", "inreceptacle", "holds", "isclean", "ishot", "iscool", "istoggled")
    blocks = [start.game.layout.blocks[predicate] for predicate in changing]
    relevant = sum(((1 << len(block)) - 1) << block.start for block in blocks)

    def essence(state: State) -> int:
        return state.bits & relevant

    numbers, states = {essence(start): 0}, [start]
    before: dict[int, list[int]] = defaultdict(list)
    for number, state in enumerate(states):
        if state.won:
            continue
        for command, operator in engine.commands(state).items():
            if command.split()[0] in ("look", "inventory", "help", "examine", "slice"):
                continue
            after = engine.step(state, operator)
            found = numbers.setdefault(essence(after), len(states))
            if found == len(states):
                states.append(after)
            before[found].append(number)
    return states, before


@pytest.mark.slow
@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_distance_is_that_of_breadth_first_search_from_every_reachable_state(task_type, twice):
    engine = NativeEngine()  # the engines' situations are compared in test_alfworld_native_engine.py
    start, progress = load(engine, tiny_game(task_type, twice))
    states, before = explore(engine, start)
    exact = {number: 0.0 for number, state in enumerate(states) if state.won}
    queue = deque(exact)
    while queue:
        here = queue.popleft()
        for number in before[here]:
            if number not in exact:
                exact[number] = exact[here] + 1
                queue.append(number)
    wrong = [
        (state.commands, exact.get(number, inf), progress.distance(state))
        for number, state in enumerate(states)
        if progress.distance(state) != exact.get(number, inf)
    ]
    assert len(states) > 500
    assert not wrong, wrong[:3]


@pytest.mark.parametrize("index", [*range(6), *(pytest.param(i, marks=pytest.mark.slow) for i in range(6, 48))])
def test_optimal_commands_win_in_exactly_the_distance(index, engine):
    state, progress = load(engine, generate_game("train", index))
    distance = progress.distance(state)
    assert distance > 0
    for left in range(int(distance), 0, -1):
        assert progress.distance(state) == left
        commands = engine.commands(state)
        state = engine.step(state, commands[Random(left).choice(progress.optimal(state, commands, engine.step))])
    assert state.won


@pytest.mark.parametrize("index", [1, 5, *(pytest.param(i, marks=pytest.mark.slow) for i in range(60, 96))])
def test_distance_satisfies_the_bellman_equation_on_random_play_of_messy_games(index, engine):
    state, progress = load(engine, messy(generate_game("valid_seen", index), index))
    random = Random(index)
    for _ in range(40):
        distance, commands = progress.distance(state), engine.commands(state)
        assert (distance == 0) == state.won
        if state.won:
            break
        after = {c: progress.distance(engine.step(state, operator)) for c, operator in commands.items()}
        assert min(after.values()) == distance - 1
        assert progress.optimal(state, commands, engine.step) == [c for c in commands if after[c] < distance]
        busy = [c for c in commands if c.split()[0] in ("take", "move", "open", "heat", "cool", "clean", "use")]
        command = random.choice(busy if busy and random.random() < 0.6 else list(commands))
        state = engine.step(state, commands[command])


def test_a_state_from_which_the_goal_cannot_be_reached_is_infinitely_far(engine):
    game = tiny_game("pick_and_place_simple", twice=False)
    nowhere = game.problem.replace("(canContain CabinetType MugType)", "")
    start, progress = load(engine, replace(game, problem=nowhere))
    assert progress.distance(start) == inf
    assert progress.optimal(start, engine.commands(start), engine.step) == []
