"""What games made here are made of: ``world.json`` (facts of the published game) and ``rooms.json`` (rooms made here).

``world.schema.json`` and ``rooms.schema.json`` say what the two files hold, field by field; :mod:`.rooms` makes the
second.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TASK_TYPES = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
"""The six task types, in ALFWorld's order (its numbers 1 to 6)."""

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class World:
    """Facts of the published game.

    Attributes:
        sentences: task type -> how its goal may be said, with ``{obj}``, ``{recep}`` and ``{toggle}`` to fill in.
        contents: receptacle type -> object types that it can hold.
        properties: ``cleanable``, ``heatable``, ``coolable``, ``sliceable``, ``toggleable`` -> object types.
        openable: receptacle types that can be opened.
        containers: object types that are receptacles too.
        settings: task type -> room types that it is set in, sorted.
        scenes: room type -> scene numbers.
        held_out: scene numbers kept for ``valid_unseen``.
    """

    sentences: dict[str, tuple[str, ...]]
    contents: dict[str, frozenset[str]]
    properties: dict[str, frozenset[str]]
    openable: frozenset[str]
    containers: frozenset[str]
    settings: dict[str, tuple[str, ...]]
    scenes: dict[str, range]
    held_out: frozenset[int]


@dataclass(frozen=True, slots=True)
class Place:
    """A receptacle of a scene: its id, its type, and where one stands to use it."""

    id: str
    kind: str
    location: str


@dataclass(frozen=True, slots=True)
class Scene:
    """One room.

    Attributes:
        places: its receptacles, sorted by id.
        objects: object types that its games have, sorted.
        starts: locations where an agent may begin, at no receptacle.
    """

    places: tuple[Place, ...]
    objects: tuple[str, ...]
    starts: tuple[str, ...]


@cache
def world() -> World:
    """Return the facts of the published game."""
    facts = _read("world.json")
    receptacles = facts["receptacles"]
    return World(
        sentences={task: tuple(facts["tasks"][task]["sentences"]) for task in TASK_TYPES},
        contents={kind: frozenset(about["holds"]) for kind, about in receptacles.items()},
        properties={name: frozenset(kinds) for name, kinds in facts["properties"].items()},
        openable=frozenset(kind for kind, about in receptacles.items() if about["openable"]),
        containers=frozenset(facts["containers"]),
        settings={task: tuple(facts["tasks"][task]["rooms"]) for task in TASK_TYPES},
        scenes={room: range(numbers["first"], numbers["last"] + 1) for room, numbers in facts["rooms"].items()},
        held_out=frozenset(facts["held_out"]),
    )


@cache
def scene(number: int) -> Scene:
    """Return a room by its number (kitchens 1.., living rooms 201.., bedrooms 301.., bathrooms 401..)."""
    room = _rooms()[str(number)]
    places = [
        Place(_receptacle_id(kind, x, y, z), kind, location(*stand))
        for kind, all_of_it in room["receptacles"].items()
        for x, y, z, *stand in all_of_it
    ]
    return Scene(
        places=tuple(sorted(places, key=lambda place: place.id)),
        objects=tuple(room["objects"]),
        starts=tuple(location(x, z, 0, 30) for x, z in room["starts"]),
    )


def identifier(kind: str, x: float, y: float, z: float) -> str:
    """Return the id of an object or a receptacle, by where it is in metres."""
    return f"{kind}|{x:+06.2f}|{y:+06.2f}|{z:+06.2f}"


def location(x: int, z: int, turn: int, tilt: int) -> str:
    """Return a location's id, in ALFRED's units: quarter metres, quarter turns, degrees."""
    return f"loc|{x}|{z}|{turn}|{tilt}"


def _receptacle_id(kind: str, *centimetres: int) -> str:
    """The id of a receptacle; the basin of a sink or bathtub is named last, after what it is part of."""
    whole = kind.removesuffix("Basin")
    name = identifier(whole, *(part / 100 for part in centimetres))
    return name if whole == kind else f"{name}|{kind}"


@cache
def _rooms() -> dict[str, Any]:
    return dict(_read("rooms.json")["scenes"])


def _read(name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / name).read_text(encoding="utf-8")))
