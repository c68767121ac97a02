"""Games: one household task in ALFWorld's own file format, and the folders that hold them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.envs.alfworld.published import Texts, published_texts
from credit_gym.envs.alfworld.solvable import without_unsolvable
from credit_gym.envs.alfworld.tables import TASK_TYPES
from credit_gym.errors import ManifestError

SPLITS = ("train", "valid_seen", "valid_unseen")

_GOAL = re.compile(r'"Your task is to: ((?:[^"\\]|\\.)*?)\.?"')
_RESERVED = str.maketrans(dict.fromkeys(';|"<>[]{}#\\', " "))  # characters of the grammar language


@dataclass(frozen=True, slots=True)
class Game:
    """One task.

    Attributes:
        id: ``<task>-<object>-None-<receptacle>-<scene>/<trial>``, as in the published data.
        split: train, valid_seen or valid_unseen.
        task_type: one of ``TASK_TYPES``.
        target: type of the object to find, ``Apple``.
        parent: type of the receptacle to fill, empty where the task has none.
        toggle: type of the lamp to use, empty where the task has none.
        goal: the goal sentence, ``put a clean mug in coffeemachine``.
        problem: the PDDL problem.
        texts: the domain and the grammar of its file; None for a game made here, which goes by the rules and the
            wording of this package.
    """

    id: str
    split: str
    task_type: str
    target: str
    parent: str
    toggle: str
    goal: str
    problem: str
    texts: Texts | None = None


def find_games(root: Path, split: str, task_types: Collection[str]) -> tuple[Path, ...]:
    """Return the game files of one split of the published layout, in sorted order.

    Args:
        root: the data folder; the split is looked for in ``root/json_2.1.1`` and then in ``root`` itself.
        split: the name of the split.
        task_types: which task types to keep, told from the names of the folders.

    Returns:
        Paths of ``game.tw-pddl`` files. Games known to be unsolvable are left out, as are those that ALFWorld's text
        engine does not support (a movable receptacle, a sliced object); a damaged file is kept, and fails when played.

    Raises:
        ManifestError: there is no such folder, or no playable game in it.
    """
    folder = next((f for f in (root / "json_2.1.1" / split, root / split) if f.is_dir()), None)
    if folder is None:
        raise ManifestError(f"There is no folder {split!r} in {root} or {root / 'json_2.1.1'}: run alfworld-download.")
    files = [
        path
        for path in sorted(folder.glob("*/*/game.tw-pddl"))
        if path.parent.parent.name.partition("-")[0] in task_types and "Sliced" not in path.parent.parent.name
    ]
    found = without_unsolvable(folder, files)
    if not found:
        raise ManifestError(f"There is no solvable game of the wanted task types in {folder}.")
    return found


def read_game(path: Path, split: str) -> Game:
    """Read a game file and the ``traj_data.json`` beside it.

    Raises:
        ManifestError: a file is missing, damaged, or of an unsupported kind; the sentence names it.
    """
    game, trajectory = _object(path), _object(path.with_name("traj_data.json"))
    parameters = trajectory.get("pddl_params")
    if not isinstance(parameters, dict):
        parameters = {}
    fields = {
        "task_type": trajectory.get("task_type"),
        "target": parameters.get("object_target"),
        "parent": parameters.get("parent_target", ""),
        "toggle": parameters.get("toggle_target", ""),
        "domain": game.get("pddl_domain"),
        "problem": game.get("pddl_problem"),
        "grammar": game.get("grammar"),
    }
    for name, value in fields.items():
        if not isinstance(value, str):
            raise ManifestError(f"{path} cannot be played: its {name} is missing or not a text.")
    if fields["task_type"] not in TASK_TYPES or parameters.get("object_sliced"):
        raise ManifestError(f"{path} cannot be played: the text engine does not support its task type.")
    texts = Texts(fields.pop("domain"), fields.pop("grammar"))
    name, goal = f"{path.parent.parent.name}/{path.parent.name}", _goal(texts.grammar)
    return Game(id=name, split=split, goal=goal, texts=texts, **fields)


def human_goal(game: Game, path: Path, number: int) -> Game:
    """Return a game with a goal sentence that a person wrote, in place of the templated one.

    Args:
        game: the game.
        path: its ``game.tw-pddl``; the sentences are in the ``traj_data.json`` beside it.
        number: which of them, counted round and round.

    Raises:
        ManifestError: there are no such sentences.
    """
    try:
        annotations = _object(path.with_name("traj_data.json"))["turk_annotations"]["anns"]
        sentence = str(annotations[number % len(annotations)]["task_desc"])
    except (LookupError, TypeError, ZeroDivisionError) as error:
        raise ManifestError(f"{path} has no goal sentences written by people (turk_annotations).") from error
    plain = " ".join(sentence.translate(_RESERVED).split()).removesuffix(".")
    domain, grammar = texts_of(game)
    grammar = _GOAL.sub(lambda _: f'"Your task is to: {plain}."', grammar, count=1)
    return replace(game, goal=_goal(grammar), texts=Texts(domain, grammar))


def texts_of(game: Game) -> Texts:
    """Return the domain and the grammar of a game: those of its file, or the installed package's if it was made here.

    Raises:
        MissingExtraError: it was made here, and alfworld is not installed.
    """
    return game.texts or published_texts(game.goal)


def write_game(game: Game, root: Path) -> Path:
    """Write a game below ``root`` in the published layout; return the path of its ``game.tw-pddl``.

    Raises:
        MissingExtraError: the game was made here, and alfworld, whose texts its file must hold, is not installed.
    """
    content = json.dumps(file_form(game))
    folder = root / game.split / game.id
    folder.mkdir(parents=True, exist_ok=True)
    parameters = {
        "object_target": game.target,
        "parent_target": game.parent,
        "toggle_target": game.toggle,
        "mrecep_target": "",
        "object_sliced": False,
    }
    trajectory = {"task_id": folder.name, "task_type": game.task_type, "pddl_params": parameters}
    (folder / "traj_data.json").write_text(json.dumps(trajectory, indent=1), encoding="utf-8")
    (folder / "initial_state.pddl").write_text(game.problem, encoding="utf-8")
    path = folder / "game.tw-pddl"
    path.write_text(content, encoding="utf-8")
    return path


def file_form(game: Game) -> dict[str, Any]:
    """Return the contents of a ``game.tw-pddl`` file, which TextWorld's own ``PddlEnv`` plays too.

    Raises:
        MissingExtraError: as :func:`texts_of`.
    """
    domain, grammar = texts_of(game)
    return {
        "pddl_domain": domain,
        "grammar": grammar,
        "pddl_problem": game.problem,
        "solvable": True,
        "walkthrough": None,
    }


def _goal(grammar: str) -> str:
    """The goal sentence of a grammar; empty if it has none that can be read, which the engines refuse by name."""
    found = _GOAL.search(grammar)
    try:
        return str(read_json(f'"{found[1]}"')) if found else ""
    except ValueError:
        return ""


def _object(path: Path) -> dict[str, Any]:
    try:
        value = read_json(file_text(path))
    except FileNotFoundError as error:
        raise ManifestError(f"{path} is missing.") from error
    except (ValueError, OSError, RecursionError) as error:
        raise ManifestError(f"{path} is damaged and cannot be read ({error}): download it again.") from error
    if not isinstance(value, dict):
        raise ManifestError(f"{path} is damaged: it must hold a JSON object.")
    return value
