"""A game made here as a planning problem: the PDDL text that both engines read, and that a game file holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from credit_gym.envs.alfworld.tables import Place, world

_NEEDED_TYPES = ("SinkBasin", "Microwave", "Fridge")  # the domain names these and two knives without declaring them

_PLACED = """\
(exists (?r - receptacle ?o - object)
(and (receptacleType ?r {recep}Type) (objectType ?o {obj}Type) (inReceptacle ?o ?r)))"""
_TREATED = """\
(exists (?r - receptacle ?o - object)
(and (receptacleType ?r {recep}Type) (objectType ?o {obj}Type) (%s ?o) (%s ?o) (inReceptacle ?o ?r)))"""
_GOALS = {
    "pick_and_place_simple": _PLACED,
    "look_at_obj_in_light": """\
(and
(exists (?lamp - object ?r - receptacle ?a - agent ?l - location)
(and (objectType ?lamp {toggle}Type) (toggleable ?lamp) (isToggled ?lamp)
(inReceptacle ?lamp ?r) (receptacleAtLocation ?r ?l) (atLocation ?a ?l)))
(exists (?o - object ?a - agent)
(and (objectType ?o {obj}Type) (holds ?a ?o))))""",
    "pick_clean_then_place_in_recep": _TREATED % ("cleanable", "isClean"),
    "pick_heat_then_place_in_recep": _TREATED % ("heatable", "isHot"),
    "pick_cool_then_place_in_recep": _TREATED % ("coolable", "isCool"),
    "pick_two_obj_and_place": """\
(exists (?r - receptacle ?o1 - object ?o2 - object)
(and (receptacleType ?r {recep}Type) (objectType ?o1 {obj}Type) (objectType ?o2 {obj}Type) (not (= ?o1 ?o2))
(inReceptacle ?o1 ?r) (inReceptacle ?o2 ?r)))""",
}
"""Task type -> what must hold in the end, in PDDL, with ``{obj}``, ``{recep}`` and ``{toggle}`` to fill in."""

_MANGLED = {"|": "_bar_", "-": "_minus_", "+": "_plus_", ".": "_dot_", ",": "_comma_"}


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


def problem_text(
    name: str,
    places: tuple[Place, ...],
    items: list[Item],
    opened: list[str],
    start: str,
    task_type: str,
    wish: Wish,
    more: Iterable[str] = (),
) -> str:
    """Return the PDDL problem of a game.

    Args:
        name: a PDDL name for the problem.
        places: the receptacles of its scene.
        items: its objects.
        opened: ids of the receptacles that are open at the start; other openable ones are closed.
        start: the location of the agent.
        task_type: one of ``TASK_TYPES``, which says what the goal is.
        wish: what the goal is about.
        more: further facts, without parentheses.
    """
    contents = world().contents
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
    lines = [*_place_facts(places), *(f"opened {place}" for place in opened), *_item_facts(items)]
    lines += [f"canContain {p}Type {i}Type" for p in place_kinds for i in item_kinds if i in contents[p]]
    lines += [f"atLocation agent1 {start}", *more]
    declared, facts = "\n".join(objects), ")\n(".join(lines)
    body = _mangled(f"(define (problem {name})\n(:domain alfred)\n(:objects\n{declared}\n)\n(:init\n({facts})\n)\n")
    goal = _GOALS[task_type].format(obj=wish.target, recep=wish.parent, toggle=wish.toggle)
    return f"{body}(:goal\n{goal}\n)\n)\n"


def _place_facts(places: Iterable[Place]) -> Iterator[str]:
    for place in places:
        yield f"receptacleType {place.id} {place.kind}Type"
        yield f"receptacleAtLocation {place.id} {place.location}"
        if place.kind in world().openable:
            yield f"openable {place.id}"


def _item_facts(items: Iterable[Item]) -> Iterator[str]:
    properties, containers = world().properties, world().containers
    for item in items:
        yield f"objectType {item.id} {item.kind}Type"
        for name in sorted(properties):
            if item.kind in properties[name]:
                yield f"{name} {item.id}"
        if item.kind not in properties["toggleable"]:
            yield f"pickupable {item.id}"
        if item.kind in containers:
            yield f"isReceptacleObject {item.id}"
        yield f"objectAtLocation {item.id} {item.places[0].location}"
        for place in item.places:
            yield f"inReceptacle {item.id} {place.id}"


def _mangled(text: str) -> str:
    """PDDL has no ``|``, ``+`` or ``.`` in names; the `` - type`` of a declaration stays."""
    for character, word in _MANGLED.items():
        text = text.replace(character, word)
    return text.replace(" _minus_ ", " - ")
