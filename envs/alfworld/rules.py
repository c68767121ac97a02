"""The rules of ALFWorld (``alfred.pddl``) for the native engine: what can be done in a state, and what it changes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from credit_gym.envs.alfworld.layout import TREATMENTS

if TYPE_CHECKING:
    from credit_gym.envs.alfworld.native_engine import NativeGame, State

EMPTY = -1
"""In place of the index of what is held."""

AS_BEFORE = -2

_BARE = frozenset({"look", "inventory", "help"})  # typed without naming anything

Deed = tuple[str, int, int]
"""An action with the indices of its object (or location) and of its receptacle (or knife), 0 where it has none."""

Effects = tuple[tuple[int, ...], tuple[int, ...]]
"""Numbers of the facts that an action makes true, and of those that it makes false."""


class Change(NamedTuple):
    """What becomes of a state.

    Attributes:
        adds: the facts that become true, one bit each.
        deletes: the facts that become false, that the agent leaves a location aside.
        held: what is in hand afterwards.
        goes: index of the location that the agent goes to, -1 if it stays.
    """

    adds: tuple[int, ...]
    deletes: tuple[int, ...]
    held: int
    goes: int


class Operator(NamedTuple):
    """What a command does, wherever it is admissible.

    Attributes:
        action: name of the action.
        command: how it is typed.
        sentence: how it is answered, or the beginning of the answer.
        subject: index of the object or receptacle that the answer goes on to describe.
        change: what it does to the state.
        place: identifier of the location that the agent goes to, empty if it stays.
    """

    action: str
    command: str
    sentence: str
    subject: int
    change: Change
    place: str


def possible(state: State) -> Iterator[Deed]:
    """Yield what can be done in a state, ``go to`` aside; a few deeds come twice under one command."""
    game, bits, held, at = state.game, state.bits, state.held, state.at
    layout, traits = game.layout, game.layout.traits
    in_hand = 0 if held == EMPTY else 1 << held
    yield "help", 0, 0
    yield "inventory", 0, 0
    yield "look", at, 0
    if in_hand:
        yield "examineobject", held, 0
    for receptacle in layout.around[at]:
        yield "examinereceptacle", 0, receptacle
        accessible = True
        if layout.openable >> receptacle & 1:
            accessible = bool(bits >> game.opened + receptacle & 1)
            yield ("closeobject" if accessible else "openobject"), 0, receptacle
        inside = bits >> game.inside + receptacle * game.width & game.everything
        for thing in members(inside & traits["toggleable"]):
            yield "toggleobject", thing, receptacle
        if accessible and not in_hand:
            for thing in members(inside & traits["pickupable"]):
                yield "pickupobject", thing, receptacle
        if accessible and layout.fits[receptacle] & in_hand:
            yield "putobject", held, receptacle
        for action, (_, trait, _) in TREATMENTS.items():
            if receptacle in layout.appliances[action] and traits[trait] & in_hand:
                yield action, held, receptacle
    if traits["knife"] & in_hand:
        for thing in members(traits["sliceable"] & bits >> game.lying + at * game.width):
            yield "sliceobject", thing, held


def visible(game: NativeGame, location: int, holding: bool) -> int:
    """Return the facts that :func:`possible` reads at a location, and the one that the agent is there.

    Args:
        game: the game.
        location: index of the location.
        holding: whether something is in hand: then nothing can be taken, and things lying around may be sliced.
    """
    layout = game.layout
    facts = 1 << game.at + location
    things = game.everything
    if holding:
        facts |= game.everything << game.holds | layout.traits["sliceable"] << game.lying + location * game.width
        things = layout.traits["toggleable"]
    for receptacle in layout.around[location]:
        facts |= things << game.inside + receptacle * game.width | 1 << game.opened + receptacle
    return facts


def operator(game: NativeGame, deed: Deed) -> Operator:
    """Return the operator of a deed; games share its texts."""
    action, first, second = deed
    wording, names = game.layout.wording, _names(game, deed)
    adds, deletes = _EFFECTS[action](game, first, second)
    goes = game.layout.location_of[second] if action == "gotolocation" else -1
    return Operator(
        action=action,
        command=sys.intern(wording.commands[action].format(**names)),
        sentence=sys.intern(wording.sentences.get(action, "").format(**names)),
        subject=first if action == "examineobject" else second,
        change=Change(
            adds=tuple(1 << number for number in adds),
            deletes=tuple(1 << number for number in deletes),
            held={"pickupobject": first, "putobject": EMPTY}.get(action, AS_BEFORE),
            goes=goes,
        ),
        place=game.layout.locations[goes] if goes >= 0 else "",
    )


def _names(game: NativeGame, deed: Deed) -> dict[str, str]:
    """What an action acts on, by the names that the grammar has for it."""
    action, first, second = deed
    if action in _BARE:
        return {}
    if action == "sliceobject":
        return {"co": game.thing_names[first], "ko": game.thing_names[second]}
    return {"o": game.thing_names[first], "r": game.receptacle_names[second]}


def members(things: int) -> Iterator[int]:
    """Yield the places of the ones of an integer, in rising order."""
    while things:
        lowest = things & -things
        yield lowest.bit_length() - 1
        things ^= lowest


def _go(game: NativeGame, _: int, receptacle: int) -> Effects:
    return (game.at + game.layout.location_of[receptacle],), ()


def _open(game: NativeGame, _: int, receptacle: int) -> Effects:
    return (game.opened + receptacle, game.checked_receptacle + receptacle), ()


def _close(game: NativeGame, _: int, receptacle: int) -> Effects:
    return (), (game.opened + receptacle,)


def _take(game: NativeGame, thing: int, receptacle: int) -> Effects:
    lying = game.lying + game.layout.location_of[receptacle] * game.width + thing
    left = (game.inside + receptacle * game.width + thing, lying)
    return (game.holds + thing, game.holdsany), left if game.layout.reachable >> lying & 1 else left[:1]


def _put(game: NativeGame, thing: int, receptacle: int) -> Effects:
    lying = game.lying + game.layout.location_of[receptacle] * game.width + thing
    return (game.inside + receptacle * game.width + thing, lying), (game.holds + thing, game.holdsany)


def _clean(game: NativeGame, thing: int, _: int) -> Effects:
    return (game.start_of("isclean") + thing,), ()


def _heat(game: NativeGame, thing: int, _: int) -> Effects:
    cool = game.start_of("iscool") + thing
    return (game.start_of("ishot") + thing,), (cool,) if game.layout.reachable >> cool & 1 else ()


def _cool(game: NativeGame, thing: int, _: int) -> Effects:
    hot = game.start_of("ishot") + thing
    return (game.start_of("iscool") + thing,), (hot,) if game.layout.reachable >> hot & 1 else ()


def _toggle(game: NativeGame, thing: int, _: int) -> Effects:
    return (game.start_of("istoggled") + thing,), (game.start_of("ison") + thing,)


def _slice(game: NativeGame, thing: int, _: int) -> Effects:
    return (game.start_of("issliced") + thing,), ()


_EFFECTS: dict[str, Callable[[NativeGame, int, int], Effects]] = {
    "gotolocation": _go,
    "openobject": _open,
    "closeobject": _close,
    "pickupobject": _take,
    "putobject": _put,
    "cleanobject": _clean,
    "heatobject": _heat,
    "coolobject": _cool,
    "toggleobject": _toggle,
    "sliceobject": _slice,
    "examineobject": lambda game, thing, _: ((game.checked_thing + thing,), ()),
    "examinereceptacle": lambda game, _, receptacle: ((game.checked_receptacle + receptacle,), ()),
    "look": lambda game, location, _: ((game.checked_location + location,), ()),
    "inventory": lambda game, *_: ((game.checked_agent,), ()),
    "help": lambda game, *_: ((game.checked_agent,), ()),
}
