"""The rooms of the games made here: 120 scenes, numbered as ALFWorld's and furnished by a seeded generator.

    python -m credit_gym.envs.alfworld.rooms     # writes rooms.json again, byte for byte

How many cabinets a kitchen has, and how many kitchens have a kettle, follows the published scenes in the large: the
numbers below are quantiles and counts over the thirty rooms of a type. Where things stand, and what stands together in
one room, is drawn here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import floor
from random import Random
from typing import Any

import jsonschema

from credit_gym import rng
from credit_gym.envs.alfworld.tables import FOLDER, world

Stand = tuple[int, int, int, int]
"""Where one stands to use a receptacle: x and z in quarter metres, quarter turns, degrees down."""

_FURNITURE: dict[str, dict[str, tuple[int, ...]]] = {
    "Kitchen": {
        "Cabinet": (2, 6, 9, 15, 28),
        "CoffeeMachine": (1,),
        "CounterTop": (1, 2, 2, 3, 4),
        "DiningTable": (0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 3),
        "Drawer": (0, 0, 1, 3, 3, 4, 5, 6, 8, 10, 18),
        "Fridge": (1,),
        "GarbageCan": (1,),
        "Microwave": (1,),
        "Shelf": (0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3),
        "SideTable": (0, 0, 0, 0, 0, 1),
        "SinkBasin": (1,),
        "StoveBurner": (4,),
        "Toaster": (1,),
    },
    "LivingRoom": {
        "ArmChair": (0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2),
        "Cabinet": (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9),
        "CoffeeTable": (0, 1, 1, 1, 2),
        "DiningTable": (0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2),
        "Drawer": (0, 0, 0, 1, 1, 3, 4, 5, 6, 8, 19),
        "Dresser": (0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1),
        "GarbageCan": (1,),
        "Ottoman": (0, 0, 0, 0, 0, 1),
        "Safe": (0, 0, 0, 0, 0, 0, 0, 1),
        "Shelf": (0, 0, 0, 0, 0, 0, 0, 3, 8, 10, 14),
        "SideTable": (0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 4),
        "Sofa": (1, 1, 1, 1, 2),
        "TVStand": (0, 0, 0, 1, 2),
    },
    "Bedroom": {
        "ArmChair": (0, 0, 0, 0, 2),
        "Bed": (1, 1, 1, 1, 2),
        "Cabinet": (0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4),
        "Desk": (0, 0, 1, 1, 2),
        "DiningTable": (0, 0, 0, 1),
        "Drawer": (0, 2, 3, 9, 14),
        "Dresser": (0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2),
        "GarbageCan": (1,),
        "Safe": (0, 0, 0, 0, 1),
        "Shelf": (0, 0, 0, 0, 1, 1, 2, 3, 5, 8, 12),
        "SideTable": (0, 0, 1, 1, 2),
    },
    "Bathroom": {
        "BathtubBasin": (0, 0, 1, 1, 1),
        "Cabinet": (0, 0, 0, 0, 0, 1, 4, 4, 4, 5, 6),
        "Cart": (0, 0, 0, 0, 0, 0, 0, 1),
        "CounterTop": (0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2),
        "Drawer": (0, 0, 0, 0, 0, 0, 0, 4, 6, 7, 8),
        "Dresser": (0, 0, 0, 0, 0, 0, 0, 1),
        "GarbageCan": (1,),
        "HandTowelHolder": (1,),
        "Shelf": (0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4),
        "SideTable": (0, 0, 0, 0, 0, 0, 0, 1),
        "SinkBasin": (0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2),
        "Toilet": (0, 0, 1, 1, 1, 1, 1, 1, 1),
        "ToiletPaperHanger": (1,),
        "TowelHolder": (1,),
    },
}
"""Room type -> receptacle type -> how many there are: evenly spaced quantiles, from the least to the most."""

_BELONGINGS = {
    "Kitchen": (
        "Apple 30, Book 2, Bowl 30, Bread 30, ButterKnife 29, CellPhone 4, CreditCard 3, Cup 30, DishSponge 30, "
        "Egg 30, Fork 30, Glassbottle 7, Kettle 15, Knife 30, Ladle 10, Lettuce 30, Mug 30, Pan 30, Pen 2, Pencil 2, "
        "PepperShaker 30, Plate 30, Pot 30, Potato 30, SaltShaker 30, SoapBottle 30, Spatula 30, Spoon 30, "
        "SprayBottle 2, Statue 4, Tomato 30, Vase 4, WineBottle 10"
    ),
    "LivingRoom": (
        "Book 7, Bowl 4, Box 30, Candle 3, CellPhone 7, CreditCard 30, DeskLamp 7, FloorLamp 30, KeyChain 30, "
        "Laptop 30, Newspaper 18, Pen 5, Pencil 4, Pillow 30, Plate 10, RemoteControl 30, Statue 29, TissueBox 9, "
        "Vase 18, Watch 16, WateringCan 13"
    ),
    "Bedroom": (
        "AlarmClock 30, BaseballBat 13, BasketBall 11, Book 30, Bowl 13, Box 12, CD 30, CellPhone 30, Cloth 5, "
        "CreditCard 30, DeskLamp 20, KeyChain 30, Laptop 30, Mug 16, Pen 30, Pencil 30, Pillow 30, RemoteControl 3, "
        "Statue 4, TennisRacket 10, TissueBox 4, Vase 3, Watch 2"
    ),
    "Bathroom": (
        "Candle 30, Cloth 30, DishSponge 6, FloorLamp 2, HandTowel 30, Plunger 30, SoapBar 30, SoapBottle 30, "
        "SprayBottle 30, TissueBox 9, ToiletPaper 30, Towel 30"
    ),
}
"""Room type -> object types, each with the number of rooms that have some."""

_IN_THE_MIDDLE = frozenset({"CoffeeTable", "DiningTable", "Ottoman"})
_HEIGHTS = {  # centimetres; what is not listed stands on the floor
    "Cabinet": (35, 220),
    "CoffeeMachine": (90, 95),
    "CounterTop": (90, 98),
    "Drawer": (15, 90),
    "HandTowelHolder": (150, 158),
    "Microwave": (85, 170),
    "Shelf": (15, 165),
    "SinkBasin": (70, 98),
    "StoveBurner": (90, 95),
    "Toaster": (90, 95),
    "ToiletPaperHanger": (80, 115),
    "TowelHolder": (120, 140),
}
_TOGETHER = 4  # how many of one type stand side by side, at most
_STACKED = frozenset({"Cabinet", "Drawer", "Shelf"})  # one above the other, now and then
_SHARED = (0.02, 0.17)  # stand where the one before does: share of all, and of what is stacked
_STARTS = 12
_AHEAD = ((0, 1), (1, 0), (0, -1), (-1, 0))  # quarter turns -> x, z


def rooms_text(seed: int = 0) -> str:
    """Return the content of ``rooms.json``: one line a scene."""
    lines = [
        f"    {json.dumps(str(number))}: {json.dumps(scene, separators=(',', ':'))}"
        for kind, numbers in world().scenes.items()
        for number, scene in zip(numbers, _scenes(kind, numbers, seed), strict=True)
    ]
    scenes = ",\n".join(lines)
    return f'{{\n  "$schema": "rooms.schema.json",\n  "seed": {seed},\n  "scenes": {{\n{scenes}\n  }}\n}}\n'


def _scenes(kind: str, numbers: range, seed: int) -> Iterator[dict[str, Any]]:
    """The rooms of one type."""
    chance = Random(rng.derive(seed, sorted(_FURNITURE).index(kind)))
    furniture: dict[int, dict[str, int]] = {number: {} for number in numbers}
    for name, quantiles in _FURNITURE[kind].items():
        counts = [_quantile(quantiles, (room + 0.5) / len(numbers)) for room in range(len(numbers))]
        for number, count in _dealt(counts, numbers, chance):
            furniture[number][name] = count
    objects: dict[int, list[str]] = {number: [] for number in numbers}
    for name, share in (entry.split() for entry in _BELONGINGS[kind].split(", ")):
        for number, has in _dealt([room >= len(numbers) - int(share) for room in range(len(numbers))], numbers, chance):
            objects[number] += [name] * has
    for number in numbers:
        yield {**_furnished(furniture[number], chance), "objects": objects[number]}


def _dealt(values: Sequence[int], numbers: range, chance: Random) -> Iterator[tuple[int, int]]:
    """Deal sorted values to the rooms; those that are held out get one of every few, so that they are like the rest."""
    held_out = world().held_out.intersection(numbers)
    few = len(numbers) // len(held_out)
    kept = [first + chance.randrange(few) for first in range(0, few * len(held_out), few)]
    others = [place for place in range(len(values)) if place not in kept]
    chance.shuffle(kept)
    chance.shuffle(others)
    for number in numbers:
        yield number, values[(kept if number in held_out else others).pop()]


def _quantile(quantiles: Sequence[int], share: float) -> int:
    """The value below which a share of the rooms lies, between evenly spaced quantiles, rounded half up."""
    place = share * (len(quantiles) - 1)
    below = min(int(place), len(quantiles) - 2)
    if below < 0:
        return quantiles[0]
    return floor(quantiles[below] + (place - below) * (quantiles[below + 1] - quantiles[below]) + 0.5)


def _furnished(counts: dict[str, int], chance: Random) -> dict[str, Any]:
    """Put receptacles along the walls and in the middle of a room that is large enough for them."""
    along = [name for name in _side_by_side(counts, chance) if name not in _IN_THE_MIDDLE]
    middle = [name for name, count in counts.items() if name in _IN_THE_MIDDLE for _ in range(count)]
    half = max(22, len(along) + 4) + chance.randrange(8)  # quarter metres of two walls
    width = round(half * (0.4 + 0.2 * chance.random()))
    west, south = -chance.randrange(width), -chance.randrange(half - width)
    east, north = west + width, south + half - width
    wall = _wall(west, east, south, north)
    inner = [(x, z) for x in range(west + 3, east - 2) for z in range(south + 3, north - 2)]
    chance.shuffle(inner)

    receptacles: defaultdict[str, list[list[int]]] = defaultdict(list)
    stand = (0, 0, 0)
    for number, name in enumerate(along):
        stacked = number > 0 and name == along[number - 1] and name in _STACKED
        if number == 0 or chance.random() >= _SHARED[stacked]:
            stand = wall[int((number + chance.random()) / len(along) * len(wall))]
        receptacles[name].append(_standing(name, *stand, chance))
    for name in middle:
        receptacles[name].append(_standing(name, *inner.pop(), chance.randrange(4), chance))
    return {
        "receptacles": {name: sorted(receptacles[name]) for name in sorted(receptacles)},
        "starts": sorted(inner[:_STARTS]),
    }


def _side_by_side(counts: dict[str, int], chance: Random) -> list[str]:
    """All receptacles in the order of a walk along the walls; a few of one type stand together."""
    runs = [
        [name] * min(_TOGETHER, count - first) for name, count in counts.items() for first in range(0, count, _TOGETHER)
    ]
    chance.shuffle(runs)
    return [name for run in runs for name in run]


def _wall(west: int, east: int, south: int, north: int) -> list[tuple[int, int, int]]:
    """Where one can stand before a wall, all around the room: x, z and the quarter turns to face it."""
    return [
        *((x, north, 0) for x in range(west, east)),
        *((east, z, 1) for z in range(north, south, -1)),
        *((x, south, 2) for x in range(east, west, -1)),
        *((west, z, 3) for z in range(south, north)),
    ]


def _standing(name: str, x: int, z: int, turn: int, chance: Random) -> list[int]:
    """A receptacle within reach of where one stands: its place in centimetres, and the stand."""
    height = chance.randint(*_HEIGHTS.get(name, (0, 4)))
    reach, aside = chance.randint(50, 110), chance.randint(-20, 20)
    ahead_x, ahead_z = _AHEAD[turn]
    tilt = 30 if height < 120 else 0 if height < 160 else -30
    return [
        25 * x + reach * ahead_x + aside * ahead_z, height, 25 * z + reach * ahead_z + aside * ahead_x, x, z, turn, tilt
    ]  # fmt: skip


if __name__ == "__main__":
    text = rooms_text()
    jsonschema.validate(json.loads(text), json.loads((FOLDER / "rooms.schema.json").read_text(encoding="utf-8")))
    (FOLDER / "rooms.json").write_text(text, encoding="utf-8")
