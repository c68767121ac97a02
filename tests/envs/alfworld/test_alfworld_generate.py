"""Generated games: deterministic, of every kind, and what they promise."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256

import pytest

pytest.importorskip("textworld")

from credit_gym.envs.alfworld.games import SPLITS, Game
from credit_gym.envs.alfworld.generate import generate_game
from credit_gym.envs.alfworld.tables import TASK_TYPES, tables


def facts(game: Game, predicate: str) -> set[tuple[str, ...]]:
    lines = (line.strip("()").split() for line in game.problem.splitlines())
    return {tuple(words[1:]) for words in lines if words and words[0] == predicate and "?" not in words[1]}


def scene(game: Game) -> int:
    return int(game.id.split("/")[0].rsplit("-", 1)[1])


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


def test_unseen_games_are_set_in_scenes_that_training_never_shows():
    seen = {scene(generate_game(split, i)) for split in ("train", "valid_seen") for i in range(200)}
    unseen = {scene(generate_game("valid_unseen", i)) for i in range(200)}
    assert seen.isdisjoint(unseen)
    assert unseen == set(tables().held_out)


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


def test_the_goal_sentence_is_in_the_grammar():
    game = generate_game("train", 0)
    assert game.goal
    assert "UNKNOWN GOAL" not in game.grammar
    assert f"Your task is to: {game.goal}." in game.grammar


def test_reading_the_tables_does_not_import_alfworld():
    program = (
        "import sys\nfrom credit_gym.envs.alfworld.tables import tables, floor_plan\ntables(); floor_plan(1)\n"
        "print('alfworld' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
