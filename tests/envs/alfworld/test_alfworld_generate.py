"""Generated games: deterministic, of every kind, and what they promise."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest

from credit_gym.envs.alfworld.games import SPLITS, Game, texts_of
from credit_gym.envs.alfworld.generate import generate_game
from credit_gym.envs.alfworld.rooms import rooms_text
from credit_gym.envs.alfworld.tables import FOLDER, TASK_TYPES, scene, world

PUBLISHED = ("constants.py", "goal_library.py")


def facts(game: Game, predicate: str) -> set[tuple[str, ...]]:
    lines = (line.strip("()").split() for line in game.problem.splitlines())
    return {tuple(words[1:]) for words in lines if words and words[0] == predicate and "?" not in words[1]}


def scene_of(game: Game) -> int:
    return int(game.id.split("/")[0].rsplit("-", 1)[1])


@pytest.mark.slow
def test_split_and_index_fix_every_byte_in_every_process(tmp_path):
    program = (
        "from hashlib import sha256\n"
        "from credit_gym.envs.alfworld.generate import generate_game\n"
        "games = [generate_game(split, i) for split in ('train', 'valid_seen') for i in range(12)]\n"
        "print([sha256(repr(game).encode()).hexdigest() for game in games])"
    )
    environment = {"PYTHONHASHSEED": "11", "HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    here = [sha256(repr(generate_game(s, i)).encode()).hexdigest() for s in ("train", "valid_seen") for i in range(12)]
    assert run.stdout.strip() == str(here)
    assert not any(tmp_path.iterdir()), "nothing may be written to the home directory"


def test_task_types_take_turns():
    assert [generate_game("train", i).task_type for i in range(6)] == list(TASK_TYPES)


def test_games_of_a_split_and_of_different_splits_differ():
    problems = [generate_game(split, i).problem for split in SPLITS for i in range(40)]
    assert len(set(problems)) == len(problems)


@pytest.mark.slow
def test_unseen_games_are_set_in_scenes_that_training_never_shows():
    seen = {scene_of(generate_game(split, i)) for split in ("train", "valid_seen") for i in range(200)}
    unseen = {scene_of(generate_game("valid_unseen", i)) for i in range(200)}
    assert seen.isdisjoint(unseen)
    assert unseen == set(world().held_out)


@pytest.mark.parametrize("index", range(60))
def test_targets_start_outside_the_goal_and_there_are_enough(index):
    game = generate_game("train", index)
    targets = {item for item, kind in facts(game, "objectType") if kind == f"{game.target}Type"}
    goals = {place for place, kind in facts(game, "receptacleType") if kind == f"{game.parent}Type"}
    where = facts(game, "inReceptacle")
    assert len(targets) >= (2 if game.task_type == "pick_two_obj_and_place" else 1)
    assert all(item not in targets or place not in goals for item, place in where)
    assert targets <= {item for item, _ in where}
    assert targets <= {item for (item,) in facts(game, "pickupable")}
    assert bool(goals) == bool(game.parent)
    if game.parent:
        assert (f"{game.parent}Type", f"{game.target}Type") in facts(game, "canContain")


def test_nothing_is_at_the_place_where_the_agent_starts():
    for index in range(30):
        game = generate_game("train", index)
        ((_, start),) = facts(game, "atLocation")
        assert start not in {place for _, place in facts(game, "receptacleAtLocation")}


def test_the_goal_sentence_of_a_file_is_in_its_grammar():
    pytest.importorskip("alfworld")
    game = generate_game("train", 0)
    grammar = texts_of(game).grammar
    assert game.goal
    assert "UNKNOWN GOAL" not in grammar
    assert f"Your task is to: {game.goal}." in grammar


@pytest.mark.slow
@pytest.mark.parametrize("name", ["world", "rooms"])
def test_the_data_files_are_as_their_schemas_say(name):
    schema, data = (json.loads((FOLDER / f"{name}{suffix}").read_text("utf-8")) for suffix in (".schema.json", ".json"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema)
    assert data["$schema"] == f"{name}.schema.json"


def test_the_rooms_are_made_again_byte_for_byte():
    assert rooms_text() == (FOLDER / "rooms.json").read_text("utf-8")


def test_every_scene_is_furnished_with_what_the_world_knows():
    facts = world()
    homes = {kind for held in facts.contents.values() for kind in held} | facts.properties["toggleable"]
    numbers = [number for numbers in facts.scenes.values() for number in numbers]
    assert len(numbers) == len(set(numbers)) == 120
    assert facts.held_out < set(numbers)
    for room in map(scene, numbers):
        assert {place.kind for place in room.places} <= facts.contents.keys()
        assert set(room.objects) <= homes
        assert list(room.objects) == sorted(set(room.objects))
        assert len({place.id for place in room.places}) == len(room.places)
        assert not {place.location for place in room.places} & set(room.starts)


@pytest.mark.slow
def test_every_room_type_hosts_the_task_types_that_are_set_in_it():
    hosts = {task_type: set() for task_type in TASK_TYPES}
    for index in range(600):
        game = generate_game("train", index)
        (room,) = (room for room, numbers in world().scenes.items() if scene_of(game) in numbers)
        hosts[game.task_type].add(room)
    assert hosts == {task_type: set(rooms) for task_type, rooms in world().settings.items()}


def test_the_tables_are_those_of_the_published_game():
    """Read where they are published: in the constants of the installed alfworld, which are loaded by path."""
    package = find_spec("alfworld")
    if package is None:
        pytest.skip("alfworld is not installed")
    constants, goals = (runpy.run_path(str(Path(package.origin).parent / "gen" / name)) for name in PUBLISHED)
    facts = world()
    for kind, held in facts.contents.items():
        assert held == {name for name in constants["VAL_RECEPTACLE_OBJECTS"][kind] if not name.endswith("Sliced")}
    for name, kinds in facts.properties.items():
        published = constants["VAL_ACTION_OBJECTS"][name.capitalize()]
        assert kinds == {kind for kind in published if not kind.endswith("Sliced")}
    assert facts.openable == set(constants["OPENABLE_CLASS_SET"]) & facts.contents.keys()
    assert facts.containers == set(constants["MOVABLE_RECEPTACLES"])
    assert facts.scenes == constants["SCENE_TYPE"]
    assert facts.held_out == set(constants["TEST_SCENE_NUMBERS"])
    for task_type in TASK_TYPES:
        assert facts.sentences[task_type] == tuple(goals["gdict"][task_type]["templates"])
        assert set(facts.settings[task_type]) == set(constants["GOALS_VALID"][task_type])
