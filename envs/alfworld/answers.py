"""The texts of ALFWorld (``alfred.twl2``) for the native engine: how a game opens and how commands are answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from credit_gym.envs.alfworld.rules import EMPTY, Operator, members

if TYPE_CHECKING:
    from credit_gym.envs.alfworld.native_engine import NativeGame, State

_IN_THE_MIDDLE = "You are in the middle of a room. Looking quickly around you, you see "


def introduction(game: NativeGame) -> str:
    """Return the text that opens a game."""
    start, layout = game.start, game.layout
    room = _look(start, 0)
    if not layout.around[start.at]:
        receptacles = [f"a {name}" for r, name in enumerate(game.receptacle_names) if layout.location_of[r] >= 0]
        room = _IN_THE_MIDDLE + enumeration(receptacles) + "."
    return f"-= Welcome to TextWorld, ALFRED! =-\n\n{room}\n\n{layout.wording.task}"


def answer(state: State, operator: Operator) -> str:
    """Return the text that answers the operator that led to ``state``."""
    describe = _DESCRIPTIONS.get(operator.action)
    return operator.sentence if describe is None else operator.sentence + describe(state, operator.subject)


def enumeration(texts: list[str]) -> str:
    """Return ``a, b, and c``."""
    if len(texts) < 2:
        return texts[0] if texts else "nothing"
    return f"{', '.join(texts[:-1])}, and {texts[-1]}"


def _contents(state: State, receptacle: int) -> str:
    """``examineReceptacle.feedback``."""
    game = state.game
    name = game.receptacle_names[receptacle]
    inside = game.listing(state.bits >> game.inside + receptacle * game.width & game.everything)
    if not game.layout.openable >> receptacle & 1:
        return f"On the {name}, you see {inside}."
    if state.bits >> game.opened + receptacle & 1:
        return f"The {name} is open. In it, you see {inside}."
    return f"The {name} is closed."


def _look(state: State, _: int) -> str:
    """``look.feedback``; things are told that were taken from a receptacle here and put into another."""
    game = state.game
    receptacles = game.layout.around[state.at]
    if not receptacles:
        return f"{_IN_THE_MIDDLE}nothing."
    facing = enumeration([game.receptacle_names[receptacle] for receptacle in receptacles])
    around = [
        f"a {game.thing_names[thing]}"
        for thing in members(state.bits >> game.lying + state.at * game.width & game.everything)
        for receptacle in receptacles
        if state.lost >> game.inside + receptacle * game.width + thing & 1
    ]
    return f"You are facing the {facing}. Next to it, you see {enumeration(around)}."


def _carried(state: State, _: int) -> str:
    """``inventory.feedback``."""
    if state.held == EMPTY:
        return "You are not carrying anything."
    return f"You are carrying: a {state.game.thing_names[state.held]}."


def _inspected(state: State, thing: int) -> str:
    """``examineObject.feedback``."""
    game, layout = state.game, state.game.layout
    name = game.thing_names[thing]

    def has(fluent: str) -> bool:
        return bool(state.bits >> layout.blocks[fluent].start + thing & 1)

    if layout.traits["isreceptacleobject"] >> thing & 1:
        within = [f"a {game.thing_names[inner]}" for inner in layout.within.get(thing, ())]
        return f"This is a normal {name}. In it, you see {enumeration(within)}."
    for fluents, text in _CONDITIONS:
        if all(map(has, fluents)):
            return text.format(name)
    if layout.traits["toggleable"] >> thing & 1 and has("istoggled"):
        return f"This {name} is on."
    if layout.traits["sliceable"] >> thing & 1 and has("issliced"):
        return f"This is a sliced {name}."
    return f"There's nothing special about {name}."


_DESCRIPTIONS: dict[str, Callable[[State, int], str]] = {
    "gotolocation": _contents,
    "openobject": _contents,
    "examinereceptacle": _contents,
    "examineobject": _inspected,
    "inventory": _carried,
    "look": _look,
}
_CONDITIONS = (
    (("isclean", "ishot", "issliced"), "This is a hot and clean sliced {}."),
    (("isclean", "iscool", "issliced"), "This is a cool and clean sliced {}."),
    (("isclean", "issliced"), "This is a clean sliced {}."),
    (("ishot", "issliced"), "This is a hot sliced {}."),
    (("iscool", "issliced"), "This is a cool sliced {}."),
    (("isclean", "ishot"), "This is a hot and clean {}."),
    (("isclean", "iscool"), "This is a cool and clean {}."),
    (("ishot",), "This is a hot {}."),
    (("isclean",), "This is a clean {}."),
    (("iscool",), "This is a cold {}."),
)
