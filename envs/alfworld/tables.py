"""ALFWorld's own tables and floor plans, read from the installed wheel without importing it.

``import alfworld`` creates a folder in the home directory and sets an environment variable; the two modules read here
hold constants only and are loaded by path.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np

from credit_gym.errors import missing_extra

TASK_TYPES = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
"""The six task types, in ALFWorld's order (its numbers 1 to 6)."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What the world is made of.

    Attributes:
        domain: the PDDL domain.
        grammar: TextWorld's grammar, with ``UNKNOWN GOAL`` for the goal sentence.
        goals: task type -> PDDL of the goal, with ``{obj}``, ``{recep}`` and ``{toggle}`` to fill in.
        sentences: task type -> templates of the goal sentence.
        contents: receptacle type -> object types that it can hold.
        properties: ``Cleanable``, ``Heatable``, ``Coolable``, ``Sliceable``, ``Toggleable`` -> object types.
        openable: receptacle types that can be opened.
        containers: object types that are receptacles too.
        rooms: task type -> room types that it is set in, sorted.
        scenes: room type -> scene numbers.
        held_out: scene numbers kept for ``valid_unseen``.
    """

    domain: str
    grammar: str
    goals: dict[str, str]
    sentences: dict[str, tuple[str, ...]]
    contents: dict[str, frozenset[str]]
    properties: dict[str, frozenset[str]]
    openable: frozenset[str]
    containers: frozenset[str]
    rooms: dict[str, tuple[str, ...]]
    scenes: dict[str, range]
    held_out: frozenset[int]


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """One scene of the simulator.

    Attributes:
        receptacles: id (``Drawer|-01.56|+00.66|-00.20``) -> where one stands to use it (x, z, rotation, horizon).
        objects: object types present, sorted.
        floor: reachable (x, z) points.
    """

    receptacles: dict[str, tuple[float, float, int, int]]
    objects: tuple[str, ...]
    floor: tuple[tuple[float, float], ...]


@cache
def tables() -> Tables:
    """Return the tables of the installed wheel.

    Raises:
        MissingExtraError: alfworld is not installed.
    """
    root = _wheel()
    constants, goals = _module(root / "gen" / "constants.py"), _module(root / "gen" / "goal_library.py")
    return Tables(
        domain=(root / "data" / "alfred.pddl").read_text(encoding="utf-8"),
        grammar=(root / "data" / "alfred.twl2").read_text(encoding="utf-8"),
        goals={task: goals.gdict[task]["pddl"].replace("#", "-") for task in TASK_TYPES},
        sentences={task: tuple(goals.gdict[task]["templates"]) for task in TASK_TYPES},
        contents={kind: frozenset(held) for kind, held in constants.VAL_RECEPTACLE_OBJECTS.items()},
        properties={name: frozenset(kinds) for name, kinds in constants.VAL_ACTION_OBJECTS.items()},
        openable=frozenset(constants.OPENABLE_CLASS_SET),
        containers=frozenset(constants.MOVABLE_RECEPTACLES),
        rooms={task: tuple(sorted(constants.GOALS_VALID[task])) for task in TASK_TYPES},
        scenes=dict(constants.SCENE_TYPE),
        held_out=frozenset(constants.TEST_SCENE_NUMBERS),
    )


@cache
def floor_plan(scene: int) -> FloorPlan:
    """Return a scene by its number (kitchens 1.., living rooms 201.., bedrooms 301.., bathrooms 401..)."""
    folder = _wheel() / "gen" / "layouts"
    receptacles = json.loads((folder / f"FloorPlan{scene}-openable.json").read_text(encoding="utf-8"))
    objects = json.loads((folder / f"FloorPlan{scene}-objects.json").read_text(encoding="utf-8"))
    floor = np.load(folder / f"FloorPlan{scene}-layout.npy", allow_pickle=False)
    return FloorPlan(
        receptacles={name: (x, z, int(r), int(h)) for name, (x, z, r, h) in sorted(receptacles.items())},
        objects=tuple(sorted(set(objects))),
        floor=tuple((float(x), float(z)) for x, z in floor),
    )


def _wheel() -> Path:
    spec = find_spec("alfworld")  # locates the package without importing it
    if spec is None or spec.origin is None:
        raise missing_extra("alfworld", "alfworld")
    return Path(spec.origin).parent


def _module(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"credit_gym_alfworld_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
