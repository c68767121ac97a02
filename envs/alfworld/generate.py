"""Procedural games in ALFWorld's own format: real floor plans, invented contents, solvable by construction.

A game is a pure function of (split, index). The floor plans, receptacles, object types, what may lie in what, the goals
and their sentences are ALFWorld's own; which objects lie where, and the few receptacles that the floor plans lack, are
drawn. As in the real data, an object that stands in an appliance on a worktop may be listed on the worktop too, a few
objects lie where they do not belong or inside others, and a few facts are told twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from credit_gym import rng
from credit_gym.envs.alfworld.games import SPLITS, Game, write_game
from credit_gym.envs.alfworld.tables import TASK_TYPES, Tables, floor_plan, tables

_APPLIANCE = {
    "pick_clean_then_place_in_recep": ("SinkBasin", "Cleanable"),
    "pick_heat_then_place_in_recep": ("Microwave", "Heatable"),
    "pick_cool_then_place_in_recep": ("Fridge", "Coolable"),
}
_TARGETS = {"pick_two_obj_and_place": (2, 4)}  # how many objects of the target type there are, at least and at most

_MISSING = {"StoveBurner": 4, "CoffeeMachine": 1, "Toaster": 1, "GarbageCan": 1}  # receptacles absent from floor plans
_HANGERS = {"ToiletPaperHanger": 1, "HandTowelHolder": 1, "TowelHolder": 1}
_LAMP_STANDS = ("Desk", "SideTable", "Dresser", "DiningTable", "CoffeeTable", "TVStand", "CounterTop", "Shelf", "Sofa")
_ON_WORKTOP = frozenset({"CoffeeMachine", "Microwave", "StoveBurner", "Toaster"})
_NEEDED_TYPES = ("SinkBasin", "Microwave", "Fridge")  # the domain names these and two knives without declaring them

_MISPLACED = 0.03  # share of objects that lie where their type does not belong
_NESTED = 0.3  # share of bowls, mugs, ... with something in them
_REPEATED = 4  # facts told twice

_MANGLED = {"|": "_bar_", "-": "_minus_", "+": "_plus_", ".": "_dot_", ",": "_comma_"}


@dataclass(frozen=True, slots=True)
class Place:
    """A receptacle of a scene: its id, its type, and where one stands to use it."""

    id: str
    kind: str
    location: str


@dataclass(frozen=True, slots=True)
class Item:
    """An object of a scene: its id, its type, and the receptacles that it is in (the first is where it stands)."""

    id: str
    kind: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a task asks for: an object type, and a receptacle type or a lamp type."""

    target: str
    parent: str = ""
    toggle: str = ""


def generate_game(split: str, index: int) -> Game:
    """Return a game; task types take turns, so that index i is of type ``TASK_TYPES[i % 6]``.

    Args:
        split: ``train`` and ``valid_seen`` share 96 scenes but no game, ``valid_unseen`` has 24 scenes of its own.
        index: any non-negative integer.
    """
    chance = Random(rng.derive(SPLITS.index(split), index))
    task_type = TASK_TYPES[index % len(TASK_TYPES)]
    world = tables()
    for scene in _scenes(task_type, split, chance):
        places = _places(scene)
        kinds = [kind for kind in floor_plan(scene).objects if _homes(kind, places)]
        lamps = [kind for kind in floor_plan(scene).objects if kind in world.properties["Toggleable"]]
        wishes = list(_wishes(task_type, kinds, lamps, places))
        if wishes:
            wish = chance.choice(wishes)
            items = _items(task_type, wish, kinds, lamps, places, chance)
            return _game(split, index, task_type, scene, wish, places, items, chance)
    raise AssertionError(f"No scene can host {task_type}.")


def write_games(root: Path, split: str, games: int) -> list[Path]:
    """Write the first games of a split below ``root`` in the published layout; return their ``game.tw-pddl`` files.

    With ``ALFWORLD_DATA`` (or ``data=``) naming ``root`` they are played from there, and ALFWorld's own ``AlfredTWEnv``
    and ``alfworld-generate`` read them as they read the published ones.
    """
    return [write_game(generate_game(split, index), root / "json_2.1.1") for index in range(games)]


def _scenes(task_type: str, split: str, chance: Random) -> list[int]:
    """Every scene that the split and the task type allow, in random order."""
    world = tables()
    unseen = split == "valid_unseen"
    scenes = [n for room in world.rooms[task_type] for n in world.scenes[room] if (n in world.held_out) == unseen]
    return chance.sample(scenes, len(scenes))


@cache
def _places(scene: int) -> tuple[Place, ...]:
    """The receptacles of a scene, the same in all its games, sorted by id."""
    plan, world = floor_plan(scene), tables()
    chance = Random(rng.derive(scene))
    places = [Place(name, _kind(name), _location(*pose)) for name, pose in plan.receptacles.items()]
    present = {place.kind for place in places}
    for kind, count in {**_MISSING, **_HANGERS}.items():
        if kind in plan.objects and kind not in present:
            for _ in range(count):
                x, z = chance.choice(plan.floor)
                name = _identifier(kind, x + chance.uniform(0.3, 0.7), chance.uniform(0.4, 1.4), z)
                places.append(Place(name, kind, _location(x, z, 90 * chance.randrange(4), chance.choice((0, 30, 60)))))
    return tuple(sorted((p for p in places if p.kind in world.contents), key=lambda place: place.id))


@cache
def _spots(scene: int) -> tuple[str, ...]:
    """Where an agent may start: on the floor, at no receptacle."""
    used = {place.location for place in _places(scene)}
    return tuple(spot for x, z in floor_plan(scene).floor if (spot := _location(x, z, 0, 30)) not in used)


def _homes(kind: str, places: Iterable[Place]) -> list[Place]:
    """The receptacles that objects of a type may lie in."""
    return [place for place in places if kind in tables().contents[place.kind]]


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
        if treatment and kind not in tables().properties[treatment]:
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
        if outer.kind in tables().containers and chance.random() < _NESTED:
            beside = [item.id for item in items if item.places[0] is outer.places[0] and item is not outer]
            facts += [f"inReceptacleObject {chance.choice(beside)} {outer.id}"] if beside else []
    return facts


def _beside(place: Place, kind: str, taken: set[str], chance: Random) -> str:
    """A new id for an object near a receptacle."""
    x, y, z = (float(part) for part in place.id.split("|")[1:4])
    while True:
        name = _identifier(
            kind, x + chance.uniform(-0.4, 0.4), y + chance.uniform(0.0, 0.2), z + chance.uniform(-0.4, 0.4)
        )
        if name not in taken:
            taken.add(name)
            return name


def _game(
    split: str,
    index: int,
    task_type: str,
    scene: int,
    wish: Wish,
    places: tuple[Place, ...],
    items: list[Item],
    chance: Random,
) -> Game:
    world = tables()
    sentence = chance.choice(world.sentences[task_type]).format(
        obj=wish.target.lower(), recep=wish.parent.lower(), toggle=wish.toggle.lower()
    )
    goal = world.goals[task_type].format(obj=wish.target, recep=wish.parent, toggle=wish.toggle)
    start = chance.choice(_spots(scene))
    opened = [place.id for place in places if place.kind in world.openable and chance.random() < 0.1]
    return Game(
        id=f"{task_type}-{wish.target}-None-{wish.parent or wish.toggle}-{scene}/trial_{split}_{index:05d}",
        split=split,
        task_type=task_type,
        target=wish.target,
        parent=wish.parent,
        toggle=wish.toggle,
        domain=world.domain,
        problem=problem_text(f"plan_{split}_{index}", places, items, opened, start, goal, _oddities(items, chance)),
        grammar=world.grammar.replace("UNKNOWN GOAL", sentence),
    )


def problem_text(
    name: str,
    places: tuple[Place, ...],
    items: list[Item],
    opened: list[str],
    start: str,
    goal: str,
    more: Iterable[str] = (),
) -> str:
    """Return the PDDL problem of a scene.

    Args:
        name: a PDDL name for the problem.
        places: its receptacles.
        items: its objects.
        opened: ids of the receptacles that are open at the start; other openable ones are closed.
        start: the location of the agent.
        goal: PDDL of the goal, with the parenthesis that closes the problem.
        more: further facts, without parentheses.
    """
    world = tables()
    place_kinds = sorted({place.kind for place in places} | set(_NEEDED_TYPES))
    item_kinds = sorted({item.kind for item in items} | {"Knife", "ButterKnife"})
    locations = sorted({place.location for place in places} | {start})
    objects = ["agent1 - agent"]
    objects += [f"{kind} - object" for kind in sorted({item.kind for item in items})]
    objects += [f"{kind}Type - otype" for kind in item_kinds]
    objects += [f"{kind}Type - rtype" for kind in place_kinds]
    objects += [f"{item.id} - object" for item in items]
    objects += [f"{place.id} - receptacle" for place in places]
    objects += [f"{location} - location" for location in locations]
    lines = [*_place_facts(places, world), *(f"opened {place}" for place in opened), *_item_facts(items, world)]
    lines += [f"canContain {p}Type {i}Type" for p in place_kinds for i in item_kinds if i in world.contents[p]]
    lines += [f"atLocation agent1 {start}", *more]
    declared, facts = "\n".join(objects), ")\n(".join(lines)
    body = _mangled(f"(define (problem {name})\n(:domain alfred)\n(:objects\n{declared}\n)\n(:init\n({facts})\n)\n")
    return body + re.sub(r"\n\s*", "\n", goal).lstrip()


def _place_facts(places: Iterable[Place], world: Tables) -> Iterator[str]:
    for place in places:
        yield f"receptacleType {place.id} {place.kind}Type"
        yield f"receptacleAtLocation {place.id} {place.location}"
        if place.kind in world.openable:
            yield f"openable {place.id}"


def _item_facts(items: Iterable[Item], world: Tables) -> Iterator[str]:
    for item in items:
        yield f"objectType {item.id} {item.kind}Type"
        for name in sorted(world.properties):
            if item.kind in world.properties[name]:
                yield f"{name.lower()} {item.id}"
        if item.kind not in world.properties["Toggleable"]:
            yield f"pickupable {item.id}"
        if item.kind in world.containers:
            yield f"isReceptacleObject {item.id}"
        yield f"objectAtLocation {item.id} {item.places[0].location}"
        for place in item.places:
            yield f"inReceptacle {item.id} {place.id}"


def _kind(name: str) -> str:
    """The type of a receptacle id; the basin of a sink or bathtub is named last."""
    parts = name.split("|")
    return parts[4] if len(parts) > 4 else parts[0]


def _identifier(kind: str, x: float, y: float, z: float) -> str:
    return f"{kind}|{x:+06.2f}|{y:+06.2f}|{z:+06.2f}"


def _location(x: float, z: float, rotation: int, horizon: int) -> str:
    """A location's id, in ALFRED's units: quarter metres, quarter turns, degrees."""
    return f"loc|{round(x / 0.25)}|{round(z / 0.25)}|{rotation // 90}|{horizon}"


def _mangled(text: str) -> str:
    """PDDL has no ``|``, ``+`` or ``.`` in names; the `` - type`` of a declaration stays."""
    for character, word in _MANGLED.items():
        text = text.replace(character, word)
    return text.replace(" _minus_ ", " - ")
