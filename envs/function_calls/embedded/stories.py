"""Tasks made from a seed: parts of stories told in turns, and what a category leaves out of them."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from credit_gym import rng
from credit_gym.envs.function_calls.embedded.back_end import BackEnd
from credit_gym.envs.function_calls.embedded.brokerage import Brokerage
from credit_gym.envs.function_calls.embedded.calculator import Calculator
from credit_gym.envs.function_calls.embedded.car import Car
from credit_gym.envs.function_calls.embedded.folders import Folders
from credit_gym.envs.function_calls.embedded.messages import Messages
from credit_gym.envs.function_calls.embedded.money_parts import MONEY_PARTS
from credit_gym.envs.function_calls.embedded.office_parts import OFFICE_PARTS
from credit_gym.envs.function_calls.embedded.road_parts import ROAD_PARTS
from credit_gym.envs.function_calls.embedded.scene import Request, Scene
from credit_gym.envs.function_calls.embedded.tickets import Tickets
from credit_gym.envs.function_calls.embedded.trips import Trips
from credit_gym.envs.function_calls.tasks import CATEGORIES, Category, Task
from credit_gym.errors import CreditGymError, unknown

BACK_ENDS: dict[str, type[BackEnd]] = {
    kind.__name__: kind for kind in (Folders, Messages, Tickets, Brokerage, Trips, Car, Calculator)
}

_PARTS = (*MONEY_PARTS, *OFFICE_PARTS, *ROAD_PARTS)
_OWNERS = {tool: name for name, kind in BACK_ENDS.items() for tool in kind.TOOLS}
_STAND_INS = {  # a tool that is withheld is no loss while these do the same
    "append_line": ("create_file",),
    "copy_file": ("create_file",),
    "move_file": ("copy_file", "create_file"),
}
_ATTEMPTS = 1000
_MOST_PARTS = 3
_MOST_TURNS = 5


class _Turn(NamedTuple):
    request: Request
    calls: tuple[str, ...]

    @property
    def tools(self) -> set[str]:
        return {call.partition("(")[0] for call in self.calls}


def embedded_task(category: Category, index: int, seed: int) -> Task:
    """Return a task: a pure function of its arguments.

    Args:
        category: of the task.
        index: which one of it.
        seed: which tasks there are.

    Raises:
        UnknownNameError: there is no such category.
        CreditGymError: no story was found in which something can be left out, which is not to be expected.
    """
    if category not in CATEGORIES:
        raise unknown("category", category, CATEGORIES)
    for attempt in range(_ATTEMPTS):
        chance = Random(rng.derive(seed, CATEGORIES.index(category), index, attempt))
        scene = Scene(chance)
        turns = _told(scene, category)
        gap = _gap(category, turns, chance)
        if len(turns) > 1 and gap is not None:
            name = f"embedded_{seed}_{category}_{index}"
            classes = tuple(each for each in BACK_ENDS if each in scene.world)
            texts, gold, missed = _with_gap(category, turns, gap)
            return Task(name, category, texts, scene.world, classes, gold, missed)
    raise CreditGymError(f"No story of the category {category} was found in {_ATTEMPTS} attempts; take another seed.")


def _told(scene: Scene, category: Category) -> list[_Turn]:
    """Parts of a story told side by side; one that is not finished, or never told, lies in the world all the same."""
    chance = scene.chance
    parts = [part(scene) for part in chance.sample(_PARTS, chance.randint(1, _MOST_PARTS))]
    for part in parts:
        next(part)
    back_ends = {name: BACK_ENDS[name]() for name in scene.world}
    for name, back_end in back_ends.items():
        back_end.load(scene.world[name], category == "long_context")
    scene.begin({tool: back_ends[name] for tool, name in _OWNERS.items() if name in back_ends})
    most = chance.randint(2, _MOST_TURNS - (category in ("miss_func", "miss_param")))
    turns: list[_Turn] = []
    while parts and len(turns) < most:
        part = chance.choice(parts)
        request = next(part, None)
        if request is None:
            parts.remove(part)
        else:
            turns.append(_Turn(request, scene.take_calls()))
    return turns


def _gap(category: Category, turns: list[_Turn], chance: Random) -> int | None:
    """The turn where something is left out; 0 where nothing is, None where nothing can be."""
    if category == "miss_func":
        places = [place for place in range(len(turns)) if _withheld(turns[place]).isdisjoint(_used(turns[:place]))]
    elif category == "miss_param":
        places = [place for place, turn in enumerate(turns) if turn.request.value]
    else:
        places = [0]
    return chance.choice(places) if places else None


def _with_gap(
    category: Category, turns: list[_Turn], gap: int
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...], dict[int, tuple[str, ...]]]:
    """What is said and what is right turn by turn, and what is withheld."""
    texts: list[tuple[str, ...]] = [(turn.request.whole,) for turn in turns]
    gold = [turn.calls for turn in turns]
    if category == "miss_func":
        texts.insert(gap + 1, ())
        gold.insert(gap, ())
        return tuple(texts), tuple(gold), {gap + 1: tuple(sorted(_withheld(turns[gap])))}
    if category == "miss_param":
        request = turns[gap].request
        texts[gap : gap + 1] = [(request.lacking,), (request.later,)]
        gold.insert(gap, ())
    return tuple(texts), tuple(gold), {}


def _withheld(turn: _Turn) -> set[str]:
    """The tools without which nothing of a turn can be done: what changes something, and what can stand in for it."""
    changing = {tool for tool in turn.tools if tool not in BACK_ENDS[_OWNERS[tool]].READS}
    return changing.union(*(_STAND_INS.get(tool, ()) for tool in changing))


def _used(turns: list[_Turn]) -> set[str]:
    return set().union(*(turn.tools for turn in turns))
