"""Exact distance to the goal, in environment steps, in closed form.

Every command costs one step and any receptacle is one ``go to`` away, so an optimal plan is a short tour of
receptacles: put down what is in the way, fetch the target, treat it, bring it. The cheapest tour over all choices of
object, source, appliance and destination is the distance. What a tour costs *after* arriving at its first stop does
not depend on where the agent stands, so one enumeration gives the distance from every location at once, and with it
every optimal ``go to``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from math import inf
from typing import NamedTuple, TypeVar

from credit_gym.envs.alfworld.games import Game
from credit_gym.envs.alfworld.problem import NO_ROWS, Facts
from credit_gym.envs.alfworld.remembered import keep
from credit_gym.envs.alfworld.situation import Command, Placed, Situation, Watch

_TREATMENTS = {
    "pick_clean_then_place_in_recep": ("isclean", "cleanable", "sinkbasintype"),
    "pick_heat_then_place_in_recep": ("ishot", "heatable", "microwavetype"),
    "pick_cool_then_place_in_recep": ("iscool", "coolable", "fridgetype"),
}
_WALK = "gotolocation"
_LOOKING = frozenset({"look", "inventory", "help", "examinereceptacle", "examineobject", "sliceobject"})  # and slicing
_STILL = _LOOKING | {_WALK}  # nothing but the agent moves
_IDLE = _LOOKING | {"closeobject"}  # never brings the goal nearer


class Arrivals(NamedTuple):
    """Where the shortest plans begin. To walk there takes a step, so no longer plan is worth beginning elsewhere.

    Attributes:
        nearest: steps left there, infinity if there is no plan.
        places: the locations.
    """

    nearest: float
    places: tuple[str, ...]

    def left(self, place: str) -> float:
        """Return the steps left at a place: begin here, or walk to where a plan begins."""
        return self.nearest if place in self.places else 1.0 + self.nearest


@dataclass(frozen=True, slots=True)
class Tour:
    """A plan: receptacles in the order of the visits, what is done there, and which of them must be open.

    Attributes:
        stops: the receptacles; consecutive ones at one location need no walk between them.
        acts: how many commands other than ``go to`` and ``open`` the plan has.
        hands: the stops where something is taken or put, so that they must be open.
    """

    stops: tuple[str, ...]
    acts: int
    hands: frozenset[str]


AnyState = TypeVar("AnyState", bound=Placed)
AnyCommand = TypeVar("AnyCommand", bound=Command)
Step = Callable[[AnyState, AnyCommand], AnyState]


class Progress:
    """Measures how far a state of one game is from its goal.

    Attributes:
        watch: the facts that the distance depends on.

    Args:
        game: the game.
        facts: the facts of its initial state, for what never changes.
    """

    def __init__(self, game: Game, facts: Facts) -> None:
        self._where = dict(_pairs(facts, "receptacleatlocation"))
        kinds = _collected(facts, "objecttype")
        receptacle_kinds = {r: own for r, own in _collected(facts, "receptacletype").items() if r in self._where}
        pickupable, toggleable = (_names(facts, predicate) for predicate in ("pickupable", "toggleable"))

        self._two = game.task_type == "pick_two_obj_and_place"
        self._treatment, suitable, appliance = _TREATMENTS.get(game.task_type, ("", "", ""))
        self._targets = _of_kind(kinds, game.target)
        if suitable:
            self._targets &= _names(facts, suitable)
        self._takeable = self._targets & pickupable
        self._goals = sorted(_of_kind(receptacle_kinds, game.parent)) if game.parent else []
        self._lamps = _of_kind(kinds, game.toggle) & toggleable if game.toggle else frozenset()
        self._appliances = sorted(r for r, own in receptacle_kinds.items() if appliance in own)
        contents = _collected(facts, "cancontain")

        @cache
        def homes(kinds: frozenset[str]) -> tuple[str, ...]:
            return tuple(
                receptacle
                for receptacle, own in receptacle_kinds.items()
                if any(kinds & contents.get(kind, frozenset()) for kind in own)
            )

        self._homes = {item: homes(kinds.get(item, frozenset())) for item in sorted(pickupable)}
        self._fitting_goals = {
            item: tuple(home for home in self._homes.get(item, ()) if home in self._goals) for item in self._targets
        }
        self.watch = Watch(self._targets | self._lamps, self._treatment)
        self._known: dict[Hashable, Arrivals] = {}

    def distance(self, state: Placed) -> float:
        """Return the least number of steps to the goal; 0 where it holds, infinity where it cannot be reached."""
        return 0.0 if state.won else self.arrivals(state).left(state.place)

    def measured(self, state: Placed, before: Arrivals, operator: Command) -> tuple[Arrivals, float]:
        """Return what to pass as ``before`` the next time, and the distance.

        Args:
            state: the state that a command led to.
            before: :meth:`arrivals` of the state before it.
            operator: the command; most leave the arrivals as they were, so this is cheaper than :meth:`distance`.
        """
        arrivals = before if operator.action in _STILL else self.arrivals(state)
        return arrivals, 0.0 if state.won else arrivals.left(state.place)

    def distances(
        self, state: AnyState, commands: Mapping[str, AnyCommand], step: Step[AnyState, AnyCommand]
    ) -> dict[str, float]:
        """Return the distance after each command.

        Args:
            state: a state of either engine.
            commands: its admissible commands.
            step: plays one.
        """
        arrivals = self.arrivals(state)
        here = self.distance(state)

        def after(operator: AnyCommand) -> float:
            if operator.action in _LOOKING:
                return here
            if operator.action == _WALK and not state.won:
                return arrivals.left(operator.place)
            return self.distance(step(state, operator))

        return {command: after(operator) for command, operator in commands.items()}

    def optimal(
        self, state: AnyState, commands: Mapping[str, AnyCommand], step: Step[AnyState, AnyCommand]
    ) -> list[str]:
        """Return the commands that bring the goal one step nearer, in their order; arguments as above."""
        if state.won:
            return []
        useful = {command: operator for command, operator in commands.items() if operator.action not in _IDLE}
        distance = self.distance(state)
        return [command for command, after in self.distances(state, useful, step).items() if after < distance]

    def subgoals(self, state: Placed) -> dict[str, bool]:
        """Return which parts of the goal are met, of the object (or receptacle) that meets most of them."""
        s = state.situation(self.watch)
        if self._lamps:
            lights = {receptacle for receptacle, missing in self._lights(s) if not missing}
            here = any(self._where[receptacle] == state.place for receptacle in lights)
            return {"held": s.held in self._targets, "lit": bool(lights), "at the light": here}
        placed = [s.inside.get(goal, frozenset()) & self._targets for goal in self._goals]
        if self._two:
            most = max(map(len, placed), default=0)
            return {"one placed": most > 0, "two placed": most > 1}
        there = frozenset().union(*placed)
        if not self._treatment:
            return {"placed": bool(there)}
        treated = s.treated & self._targets
        best = there & treated or treated or there
        return {"treated": bool(best & treated), "placed": bool(best & there)}

    def arrivals(self, state: Placed) -> Arrivals:
        """Return the steps left over the plans that begin at each location; the last situations are remembered."""
        essence = state.essence(self.watch)
        arrivals = self._known.get(essence)
        if arrivals is None:
            arrivals = keep(self._known, essence, self._found(state.situation(self.watch)))
        return arrivals

    def _found(self, s: Situation) -> Arrivals:
        """Steps left over the plans that begin at each location."""
        arrivals: dict[str, float] = {}
        for tour in self._tours(s) if s.held is None else self._tours_with(s, s.held):
            place = self._where[tour.stops[0]]
            arrivals[place] = min(arrivals.get(place, inf), self._cost(tour, s.closed))
        if s.held is not None and self._in_the_way(s, s.held):
            for place, cost in self._put_down(s, s.held):
                arrivals[place] = min(arrivals.get(place, inf), cost)
        return _nearest(arrivals)

    def _tours(self, s: Situation) -> Iterator[Tour]:
        """Every plan worth considering with an empty hand."""
        sources = [(o, r) for r in sorted(s.inside) for o in s.inside[r] & self._takeable]
        if self._lamps:
            for _, source in sources:
                for stand, missing in self._lights(s):
                    yield Tour((source, stand), 1 + missing, frozenset({source}))
        elif self._two:
            yield from self._two_trips(s, sources)
        else:
            for item, source in sources:
                for tour in self._deliveries(s, item, source):
                    yield Tour((source, *tour.stops), tour.acts + 1, tour.hands | {source})

    def _tours_with(self, s: Situation, held: str) -> Iterator[Tour]:
        """Every plan worth considering that uses the held object."""
        if held not in self._targets:
            return
        if self._lamps:
            yield from (Tour((stand,), missing, frozenset()) for stand, missing in self._lights(s))
        elif self._two:
            for goal in self._fitting_goals[held]:
                there = s.inside.get(goal, frozenset()) & self._targets
                if len(there | {held}) > 1:
                    yield Tour((goal,), 1, frozenset({goal}))
                    continue
                for source, items in s.inside.items():
                    if items & self._takeable - {held}:
                        yield Tour((goal, source, goal), 3, frozenset({goal, source}))
        else:
            yield from self._deliveries(s, held, None)

    def _deliveries(self, s: Situation, item: str, source: str | None) -> Iterator[Tour]:
        """Ways to finish with the item in hand: treat it if need be, bring it to a goal."""
        treat = bool(self._treatment) and item not in s.treated
        appliances = [(a,) for a in self._appliances] if treat else [()]
        # Taken from one receptacle, a doubly listed object still lies in the other: treating it may be enough.
        lies_there = treat and any(item in s.inside.get(r, frozenset()) for r in self._goals if r != source)
        for stops in appliances:
            if lies_there:
                yield Tour(stops, 1, frozenset())
            for goal in self._fitting_goals[item]:
                yield Tour((*stops, goal), 1 + treat, frozenset({goal}))

    def _two_trips(self, s: Situation, sources: list[tuple[str, str]]) -> Iterator[Tour]:
        """Ways to bring as many objects to one goal as it lacks, two or one."""
        for goal in dict.fromkeys(self._alike(s).values()):
            there = s.inside.get(goal, frozenset()) & self._targets
            trips = [(item, r) for item, r in sources if item not in there and goal in self._fitting_goals[item]]
            for item, first in trips:
                if there:
                    yield Tour((first, goal), 2, frozenset({first, goal}))
                    continue
                for other, second in trips:
                    if other != item:
                        yield Tour((first, goal, second, goal), 4, frozenset({first, second, goal}))

    def _alike(self, s: Situation) -> dict[str, str]:
        """Goal -> one goal that costs every tour of two trips the same; many cabinets differ in nothing."""
        busy = {self._where[r] for r, items in s.inside.items() if items & self._targets}
        first: dict[tuple[bool, str], str] = {}
        return {
            goal: first.setdefault((goal in s.closed, self._where[goal] if self._where[goal] in busy else ""), goal)
            if not s.inside.get(goal, frozenset()) & self._targets
            else goal
            for goal in self._goals
        }

    def _in_the_way(self, s: Situation, held: str) -> bool:
        """Whether putting the held object down can be part of an optimal plan."""
        if held not in self._targets:
            return True
        brought = frozenset().union(*(s.inside.get(goal, frozenset()) for goal in self._goals)) & self._targets
        if self._two:
            return held in brought
        # Another target that is treated, or doubly listed and brought already, may be nearer to the goal.
        return held not in s.treated and bool((brought | self._targets & s.treated) - {held})

    def _put_down(self, s: Situation, held: str) -> Iterator[tuple[str, float]]:
        """Location -> steps left, over the plans that begin by putting down the held object there.

        Opening a receptacle to put something in it saves a step to later plans that open it anyway.
        """
        free = replace(s, held=None)
        alike = self._alike(free) if self._two else {}
        arrivals: dict[str, float] = {}
        through: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for tour in self._tours(free):
            place, cost = self._where[tour.stops[0]], self._cost(tour, s.closed)
            arrivals[place] = min(arrivals.get(place, inf), cost)
            for receptacle in tour.hands & s.closed:
                through[receptacle][place] = min(through[receptacle].get(place, inf), cost - 1)
        anywhere = _nearest(arrivals)
        for home in self._homes.get(held, ()):
            place = self._where[home]
            later = min(anywhere.left(place), _nearest(through.get(alike.get(home, home), {})).left(place))
            yield place, (home in s.closed) + 1 + later

    def _lights(self, s: Situation) -> list[tuple[str, int]]:
        """Receptacles that hold a lamp of the wanted kind, each with 1 if that lamp must still be turned on."""
        return [(r, int(lamp not in s.lit)) for r in sorted(s.inside) for lamp in s.inside[r] & self._lamps]

    def _cost(self, tour: Tour, closed: frozenset[str]) -> float:
        places = [self._where[stop] for stop in tour.stops]
        walks = sum(here != there for here, there in pairwise(places))
        return float(walks + tour.acts + len(tour.hands & closed))


def _nearest(costs: dict[str, float]) -> Arrivals:
    nearest = min(costs.values(), default=inf)
    return Arrivals(nearest, tuple(place for place, cost in costs.items() if cost == nearest))


def _pairs(facts: Facts, predicate: str) -> Iterator[tuple[str, str]]:
    """The rows of a predicate of two arguments."""
    return ((first, second) for first, second in facts.get(predicate, NO_ROWS))


def _collected(facts: Facts, predicate: str) -> dict[str, frozenset[str]]:
    """First argument -> all its second arguments."""
    table: dict[str, set[str]] = {}
    for first, second in sorted(_pairs(facts, predicate)):
        table.setdefault(first, set()).add(second)
    return {first: frozenset(seconds) for first, seconds in table.items()}


def _names(facts: Facts, predicate: str) -> frozenset[str]:
    """The objects that have a property."""
    return frozenset(row[0] for row in facts.get(predicate, NO_ROWS))


def _of_kind(kinds: Mapping[str, frozenset[str]], name: str) -> frozenset[str]:
    return frozenset(thing for thing, own in kinds.items() if f"{name.lower()}type" in own)
