"""Procedural games: rooms and contents made here, solvable by construction, in the published format when written out.

A game is a pure function of (split, index). Receptacles, object types, what may lie in what, the goals and their
sentences are ALFWorld's own (:mod:`.tables`); the rooms are made here (:mod:`.rooms`), and which objects lie where is
drawn. As in the real data, an object that stands in an appliance on a worktop may be listed on the worktop too, a few
objects lie where they do not belong or inside others, and a few facts are told twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from credit_gym import rng
from credit_gym.envs.alfworld.games import SPLITS, Game, write_game
from credit_gym.envs.alfworld.problem_text import Item, Wish, problem_text
from credit_gym.envs.alfworld.tables import TASK_TYPES, Place, identifier, scene, world

_APPLIANCE = {
    "pick_clean_then_place_in_recep": ("SinkBasin", "cleanable"),
    "pick_heat_then_place_in_recep": ("Microwave", "heatable"),
    "pick_cool_then_place_in_recep": ("Fridge", "coolable"),
}
_TARGETS = {"pick_two_obj_and_place": (2, 4)}  # how many objects of the target type there are, at least and at most

_LAMP_STANDS = ("Desk", "SideTable", "Dresser", "DiningTable", "CoffeeTable", "TVStand", "CounterTop", "Shelf", "Sofa")
_ON_WORKTOP = frozenset({"CoffeeMachine", "Microwave", "StoveBurner", "Toaster"})

_MISPLACED = 0.03  # share of objects that lie where their type does not belong
_NESTED = 0.3  # share of bowls, mugs, ... with something in them
_REPEATED = 4  # facts told twice


def generate_game(split: str, index: int) -> Game:
    """Return a game; task types take turns, so that index i is of type ``TASK_TYPES[i % 6]``.

    Args:
        split: ``train`` and ``valid_seen`` share 96 scenes but no game, ``valid_unseen`` has 24 scenes of its own.
        index: any non-negative integer.
    """
    chance = Random(rng.derive(SPLITS.index(split), index))
    task_type = TASK_TYPES[index % len(TASK_TYPES)]
    for number in _scenes(task_type, split, chance):
        places, objects = scene(number).places, scene(number).objects
        kinds = [kind for kind in objects if _homes(kind, places)]
        lamps = [kind for kind in objects if kind in world().properties["toggleable"]]
        wishes = list(_wishes(task_type, kinds, lamps, places))
        if wishes:
            wish = chance.choice(wishes)
            items = _items(task_type, wish, kinds, lamps, places, chance)
            return _game(split, index, task_type, number, wish, items, chance)
    raise AssertionError(f"No scene can host {task_type}.")


def write_games(root: Path, split: str, games: int) -> list[Path]:
    """Write the first games of a split below ``root`` in the published layout; return their ``game.tw-pddl`` files.

    With ``ALFWORLD_DATA`` (or ``data=``) naming ``root`` they are played from there, and ALFWorld's own ``AlfredTWEnv``
    and ``alfworld-generate`` read them as they read the published ones.
    """
    return [write_game(generate_game(split, index), root / "json_2.1.1") for index in range(games)]


def _scenes(task_type: str, split: str, chance: Random) -> list[int]:
    """Every scene that the split and the task type allow, in random order."""
    facts, unseen = world(), split == "valid_unseen"
    rooms = facts.settings[task_type]
    scenes = [n for room in rooms for n in facts.scenes[room] if (n in facts.held_out) == unseen]
    return chance.sample(scenes, len(scenes))


def _homes(kind: str, places: Iterable[Place]) -> list[Place]:
    """The receptacles that objects of a type may lie in."""
    return [place for place in places if kind in world().contents[place.kind]]


def _wishes(task_type: str, kinds: list[str], lamps: list[str], places: tuple[Place, ...]) -> Iterator[Wish]:
    """Every goal of a task type that the scene can offer with its target outside the goal's receptacles."""
    if task_type == "look_at_obj_in_light":
        yield from (Wish(kind, toggle=lamp) for kind in kinds for lamp in lamps)
        return
    appliance, treatment = _APPLIANCE.get(task_type, ("", ""))
    present = sorted({place.kind for place in places})
    if appliance and appliance not in present:
        return
    for kind in kinds:
        if treatment and kind not in world().properties[treatment]:
            continue
        homes = sorted({place.kind for place in _homes(kind, places)})
        yield from (Wish(kind, parent=home) for home in homes if home != appliance and len(homes) > 1)


def _items(
    task_type: str, wish: Wish, kinds: list[str], lamps: list[str], places: tuple[Place, ...], chance: Random
) -> list[Item]:
    """Put one object of each type and some duplicates into receptacles, the targets outside the goal's."""
    targets = chance.randint(*_TARGETS.get(task_type, (1, 3)))
    others = [kind for kind in kinds if kind != wish.target]
    duplicates = chance.choices(others, k=chance.randint(5, 15)) if others else []
    stands = [place for place in places if place.kind in _LAMP_STANDS] or list(places)
    worktops = [place for place in places if place.kind == "CounterTop"]
    taken: set[str] = set()
    items = []
    for kind in [wish.target] * targets + others + duplicates + lamps:
        homes = stands if kind in lamps else _homes(kind, places)
        if kind == wish.target:
            homes = [place for place in homes if place.kind != wish.parent]
        elif chance.random() < _MISPLACED:
            homes = list(places)
        home = chance.choice(homes)
        both = home.kind in _ON_WORKTOP and worktops and not (kind == wish.target and wish.parent == "CounterTop")
        also = (chance.choice(worktops),) if both and chance.random() < 0.5 else ()
        items.append(Item(_beside(home, kind, taken, chance), kind, (home, *also)))
    return sorted(items, key=lambda item: item.id)


def _oddities(items: list[Item], chance: Random) -> list[str]:
    """Facts as real files have them: some told twice, and things in bowls and mugs."""
    facts = [f"objectType {item.id} {item.kind}Type" for item in chance.sample(items, min(_REPEATED, len(items)))]
    for outer in items:
        if outer.kind in world().containers and chance.random() < _NESTED:
            beside = [item.id for item in items if item.places[0] is outer.places[0] and item is not outer]
            facts += [f"inReceptacleObject {chance.choice(beside)} {outer.id}"] if beside else []
    return facts


def _beside(place: Place, kind: str, taken: set[str], chance: Random) -> str:
    """A new id for an object near a receptacle."""
    x, y, z = (float(part) for part in place.id.split("|")[1:4])
    while True:
        name = identifier(
            kind, x + chance.uniform(-0.4, 0.4), y + chance.uniform(0.0, 0.2), z + chance.uniform(-0.4, 0.4)
        )
        if name not in taken:
            taken.add(name)
            return name


def _game(split: str, index: int, task_type: str, number: int, wish: Wish, items: list[Item], chance: Random) -> Game:
    places = scene(number).places
    goal = chance.choice(world().sentences[task_type]).format(
        obj=wish.target.lower(), recep=wish.parent.lower(), toggle=wish.toggle.lower()
    )
    start = chance.choice(scene(number).starts)
    opened = [place.id for place in places if place.kind in world().openable and chance.random() < 0.1]
    name, oddities = f"plan_{split}_{index}", _oddities(items, chance)
    return Game(
        id=f"{task_type}-{wish.target}-None-{wish.parent or wish.toggle}-{number}/trial_{split}_{index:05d}",
        split=split,
        task_type=task_type,
        target=wish.target,
        parent=wish.parent,
        toggle=wish.toggle,
        goal=goal,
        problem=problem_text(name, places, items, opened, start, task_type, wish, oddities),
    )
