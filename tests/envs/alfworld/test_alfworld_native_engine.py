"""The native engine beside the real one, step by step, and what it refuses."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from credit_gym.envs.alfworld.env import ALFWorldEnv
from credit_gym.envs.alfworld.games import SPLITS, Game, read_game, texts_of, write_game
from credit_gym.envs.alfworld.generate import generate_game
from credit_gym.envs.alfworld.keys import Replay
from credit_gym.envs.alfworld.layout import compile_layout
from credit_gym.envs.alfworld.native_engine import NativeEngine, NativeGame, State
from credit_gym.envs.alfworld.problem import UnsupportedGameError, parse_problem
from credit_gym.envs.alfworld.progress import Progress
from credit_gym.envs.alfworld.published import Texts
from credit_gym.envs.alfworld.wording import own_wording, read_wording
from credit_gym.errors import ManifestError

pytest.importorskip("textworld")
pytest.importorskip("fast_downward")

from builders.alfworld_games import messy, odd, published, reworded

from credit_gym.envs.alfworld.textworld_engine import Engine, compile_game

SMALL = generate_game("train", 1)
DOMAIN, GRAMMAR = texts_of(SMALL)
ENGINE = NativeEngine()


def native(game: Game) -> NativeGame:
    return NativeGame(compile_layout(game))


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def real() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


def flat(facts) -> set[tuple[str, tuple[str, ...]]]:
    return {(predicate, row) for predicate, rows in facts.items() for row in rows}


def lockstep(real: Engine, game: Game, steps: int, seed: int) -> None:
    """Play one game on both engines: mostly what changes something, now and then what the expert would do.

    At every step both refuse what the real one does not list, commands of other moments and near misses among it.
    """
    domain, grammar = texts_of(game)
    theirs = real.load(compile_game.__wrapped__(domain, game.problem, grammar))
    compiled = native(game)
    ours = ENGINE.load(compiled)
    progress = Progress(game, parse_problem(game.problem).facts)
    assert ENGINE.introduction() == real.introduction()
    random, typed = Random(seed), Typed(compiled, seed)
    for _ in range(steps):
        commands = list(real.commands(theirs))
        for text in typed.guesses(commands):
            assert (ENGINE.find(ours, text) is None) == (text not in commands) == (real.find(theirs, text) is None)
        assert list(ENGINE.admissible(ours)) == commands
        assert (ours.won, ours.key, ours.place) == (theirs.won, theirs.key, theirs.place)
        assert flat(ours.facts) == flat(theirs.facts)
        assert ours.situation(progress.watch) == theirs.situation(progress.watch)
        best = progress.optimal(ours, ENGINE.commands(ours), ENGINE.step)
        busy = [c for c in commands if c.split()[0] not in ("go", "help", "inventory", "examine")]
        command = random.choice(best if best and random.random() < 0.3 else random.choice((busy, commands)))
        mine, yours = ENGINE.find(ours, command), real.find(theirs, command)
        ours, theirs = ENGINE.step(ours, mine), real.step(theirs, yours)
        assert ENGINE.answer(ours, mine) == real.answer(theirs, yours)


class Typed:
    """What players type: commands of this moment and of others, with other objects, misspelt or made up."""

    def __init__(self, game: NativeGame, seed: int) -> None:
        self._random, self._before = Random(seed), {"", "go to", "nothing", "take all", "examine", "open  drawer 1"}
        self._names = [*game.thing_names, *game.receptacle_names, "moon 1"]

    def guesses(self, commands: list[str], count: int = 8) -> list[str]:
        self._before |= set(commands)
        known, random = sorted(self._before), self._random
        guesses = random.sample(known, min(count, len(known)))
        for text in random.sample(known, min(count, len(known))):
            words = text.split()
            if len(words) > 2:
                place = random.randrange(1, len(words) - 1)
                words[place : place + 2] = [random.choice(self._names)]
            guesses += [" ".join(words), text.upper(), text + " ", text[:-1], text.replace(" 1", " 2")]
        return guesses


def irregular(game: Game, number: int) -> Game:
    """A third of the games as they are made, a third like real files, a third worse than those."""
    return (game, messy(game, number), odd(messy(game, number), number))[number // 6 % 3]


@pytest.mark.parametrize("number", [pytest.param(i, marks=[pytest.mark.slow] if i % 6 else []) for i in range(18)])
def test_texts_commands_facts_keys_and_wins_are_those_of_the_real_engine(number, real):
    lockstep(real, irregular(generate_game("valid_seen", number), number), 20, number)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(200))
def test_hundreds_of_games_are_played_alike(number, real):
    lockstep(real, irregular(generate_game(SPLITS[number % 2 * 2], number), number), 70, number)


@pytest.mark.parametrize("number", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, 60))])
def test_games_from_files_are_played_alike(number, real, tmp_path):
    made = irregular(generate_game("valid_unseen", number), number)
    game = read_game(write_game(made, tmp_path), made.split)
    assert game == published(made)
    assert native(game).start.key == native(made).start.key
    lockstep(real, game, 70, number)


def test_the_wording_of_games_made_here_is_that_of_the_published_grammar():
    assert own_wording(SMALL.goal) == read_wording(texts_of(SMALL).grammar)


def test_the_older_wording_of_real_files_is_read_from_them(real):
    older = reworded(SMALL, "move {o} to {r}", "put {o} in/on {r}")
    older = reworded(older, "You move the {o.name} to the", "You put the {o.name} in/on the")
    lockstep(real, older, 60, 1)
    assert read_wording(texts_of(older).grammar).commands["putobject"] == "put {o} in/on {r}"


def test_a_state_is_a_value(real):
    start, random = ENGINE.load(native(SMALL)), Random(2)
    state = start
    for _ in range(12):
        state = ENGINE.step(state, random.choice(list(ENGINE.commands(state).values())))
    facts, commands = flat(state.facts), ENGINE.admissible(state)
    after = [ENGINE.step(state, operator).key for operator in ENGINE.commands(state).values()]
    assert [ENGINE.step(state, operator).key for operator in ENGINE.commands(state).values()] == after
    assert (flat(state.facts), ENGINE.admissible(state)) == (facts, commands)


def test_a_pickled_state_is_replayed_in_another_game_object_and_in_the_other_engine(real):
    state = ENGINE.load(native(SMALL))
    random = Random(3)
    for _ in range(15):
        state = ENGINE.step(state, random.choice(list(ENGINE.commands(state).values())))
    copy = pickle.loads(pickle.dumps(state))
    assert copy == Replay(state.commands, state.key)
    elsewhere = native(SMALL)
    ENGINE.load(elsewhere)
    adopted = ENGINE.adopt(copy)
    assert isinstance(adopted, State)
    assert adopted.game is elsewhere
    assert (adopted.key, flat(adopted.facts)) == (state.key, flat(state.facts))
    real.load(compile_game(DOMAIN, SMALL.problem, GRAMMAR))
    assert real.adopt(copy).key == state.key
    ENGINE.load(native(generate_game("train", 5)))
    with pytest.raises(ManifestError, match="another game"):
        ENGINE.adopt(copy)


REFUSED = {
    "domain": ("domain", "(checked ?l)", "(examined ?l)", "domain is not ALFWorld's"),
    "rules": ("grammar", "Next to it, you see", "Beside it, you see", "other rules"),
    "template": ("grammar", "You close the {r.name}.", "You close [{r.name}].", "not plain text"),
    "task": ("grammar", "Your task is to: ", "Your task is to: {o} ", "characters"),
    "holding": ("problem", "(:init", "(:init\n(holdsAny agent1)", "held at the start"),
    "undeclared": ("problem", "(:init", "(:init\n(opened nowhere)", "'nowhere', which is not declared"),
    "types": ("problem", "(:init", "(:init\n(objectAtLocation agent1 agent1)", "other types"),
    "twice": ("problem", "agent1 - agent", "agent1 agent1 - agent", "twice"),
    "goal": ("problem", "(:goal", "(:goal (forall (?r - receptacle) (opened ?r)))\n(:goal", "forall"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_it_cannot_play_it_refuses_by_name(reason):
    part, old, new, message = REFUSED[reason]
    parts = {"domain": DOMAIN, "grammar": GRAMMAR, "problem": SMALL.problem}
    assert old in parts[part]
    parts[part] = parts[part].replace(old, new, 1)
    game = replace(SMALL, problem=parts["problem"], texts=Texts(parts["domain"], parts["grammar"]))
    with pytest.raises(UnsupportedGameError, match=message):
        native(game)


@pytest.mark.parametrize(
    "text", ["", "(define (problem x) (:objects a - b) (:init (p a", "(:objects)(:init)(:goal", "(" * 9999]
)
def test_malformed_problems_are_errors_of_one_sentence(text):
    with pytest.raises(ManifestError) as caught:
        native(replace(SMALL, problem=text))
    assert "\n" not in str(caught.value)


def test_a_refused_game_is_named_and_textworld_plays_it(tmp_path):
    kept, other = generate_game("train", 0), generate_game("train", 6)
    path = write_game(reworded(kept, "Next to it", "Beside it"), tmp_path)
    write_game(other, tmp_path)
    env = ALFWorldEnv(data=tmp_path)
    with pytest.raises(UnsupportedGameError, match='engine="textworld"') as caught:
        env.reset(options={"task": kept.id})
    assert path.parent.name in str(caught.value)
    assert "Your task is to" in env.reset(options={"task": other.id})[0]
    real = ALFWorldEnv(data=tmp_path, engine="textworld")
    assert "Your task is to" in real.reset(options={"task": kept.id})[0]
    env.close()
    real.close()


@pytest.mark.parametrize("task", [0, 1, 3, 5])
def test_values_of_actions_are_those_of_the_distance_after_them(task):
    env = ALFWorldEnv(num_tasks=6)
    _, info = env.reset(options={"task": task})
    while True:
        values, advantages = env.optimal_values(0.9), env.optimal_advantages(0.9)
        assert list(values) == info["admissible_actions"]
        assert [a for a in values if advantages[a] == 0.0] == info["expert_actions"]
        moment = env.clone_state()
        for action, value in values.items():
            env.restore_state(moment)
            assert value == pytest.approx(0.9 ** env.step(action)[4]["distance"])
        env.restore_state(moment)
        _, _, over, _, info = env.step(info["expert_actions"][0])
        if over:
            break


def test_signals_tell_no_ops_revisits_new_containers_and_parts_of_the_goal():
    env = ALFWorldEnv(num_tasks=6, signals=True)
    _, info = env.reset(options={"task": 5})
    assert info["signals"]["goal_conditions"] == 0.0
    places = [a for a in info["admissible_actions"] if a.startswith("go to")]
    seen = 0
    for action in (places[0], "look", "look", "sing", places[1], places[0]):
        *_, info = env.step(action)
        seen += info["signals"]["new_containers"]
    assert info["signals"]["revisit"] is True
    assert info["signals"]["no_op"] is False
    assert seen <= 2
    assert env.step("sing")[4]["signals"] == {
        **info["signals"], "admissible": False, "no_op": True, "revisit": True, "new_containers": 0
    }  # fmt: skip
    reached = []
    while "success" not in info:
        info = env.step(info["expert_actions"][0])[4]
        reached.append(info["signals"]["goal_conditions"])
    assert reached[-1] == 1.0
    assert info["signals"]["subgoals"] == {"one placed": True, "two placed": True}
    env.close()


def test_the_words_of_people_replace_the_templated_goal(tmp_path):
    path = write_game(SMALL, tmp_path)
    beside = path.with_name("traj_data.json")
    said = ['Look at it; under "the" lamp.', "Use {the} lamp", "third"]
    notes = {"turk_annotations": {"anns": [{"task_desc": sentence} for sentence in said]}}
    beside.write_text(json.dumps(json.loads(beside.read_text()) | notes))
    goals = set()
    for engine in ("native", "textworld"):
        env = ALFWorldEnv(data=tmp_path, human_goals=True, engine=engine)
        for seed in range(12):
            observation, info = env.reset(seed=seed)
            assert observation.endswith(f"Your task is to: {info['task']['goal']}.")
            goals.add(info["task"]["goal"])
        env.close()
    assert goals == {"Look at it under the lamp", "Use the lamp", "third"}
