"""Exact distance to the goal, in environment steps, in closed form.

Every command costs one step and any receptacle is one ``go to`` away, so an optimal plan is a short tour of
receptacles: put down what is in the way, fetch the target, treat it, bring it. The cheapest tour over all choices of
object, source, appliance and destination is the distance. What a tour costs *after* arriving at its first stop does
not depend on where the agent stands, so one enumeration gives the distance from every location at once, and with it
every optimal ``go to``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf

from credit_gym.envs.alfworld.engine import Operator
from credit_gym.envs.alfworld.games import Game
from credit_gym.envs.alfworld.grammar import Facts

_TREATMENTS = {
    "pick_clean_then_place_in_recep": ("isclean", "cleanable", "sinkbasintype"),
    "pick_heat_then_place_in_recep": ("ishot", "heatable", "microwavetype"),
    "pick_cool_then_place_in_recep": ("iscool", "coolable", "fridgetype"),
}
_IDLE = frozenset({"look", "inventory", "help", "examinereceptacle", "examineobject", "closeobject", "sliceobject"})
_NONE: frozenset[tuple[str, ...]] = frozenset()


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts that change, as far as they matter to a goal.

    Attributes:
        location: where the agent stands.
        held: the object in its hand.
        inside: receptacle -> objects in it. An object may be in several at once, as in the real data.
        closed: receptacles that must be opened before anything goes in or out.
        treated: objects that were cleaned, heated or cooled, whichever the goal asks for.
        lit: lamps that were turned on.
    """

    location: str
    held: str | None
    inside: Mapping[str, frozenset[str]]
    closed: frozenset[str]
    treated: frozenset[str]
    lit: frozenset[str]


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


class Progress:
    """Measures how far a state of one game is from its goal.

    Args:
        game: the game.
        facts: the facts of its initial state, for what never changes.
    """

    def __init__(self, game: Game, facts: Facts) -> None:
        self._where = dict(_pairs(facts, "receptacleatlocation"))
        self._kinds = _collected(facts, "objecttype")
        self._receptacle_kinds = {r: k for r, k in _collected(facts, "receptacletype").items() if r in self._where}
        self._contents = _collected(facts, "cancontain")
        self._openable = frozenset(row[0] for row in facts.get("openable", _NONE))
        self._pickupable = frozenset(row[0] for row in facts.get("pickupable", _NONE))

        self._two = game.task_type == "pick_two_obj_and_place"
        self._treatment, suitable, appliance = _TREATMENTS.get(game.task_type, ("", "", ""))
        toggleable = {row[0] for row in facts.get("toggleable", _NONE)}
        self._targets = self._of_kind(self._kinds, game.target)
        if suitable:
            self._targets &= {row[0] for row in facts.get(suitable, _NONE)}
        self._goals = sorted(self._of_kind(self._receptacle_kinds, game.parent)) if game.parent else []
        self._lamps = self._of_kind(self._kinds, game.toggle) & toggleable if game.toggle else frozenset()
        self._homes = {item: self._fits(item, self._receptacle_kinds) for item in self._pickupable}
        self._fitting_goals = {item: self._fits(item, self._goals) for item in self._targets}
        self._appliances = sorted(r for r, kinds in self._receptacle_kinds.items() if appliance in kinds)

    def distance(self, facts: Facts) -> float:
        """Return the least number of steps to the goal; 0 where it holds, infinity where it cannot be reached."""
        situation = self._situation(facts)
        if self._done(situation):
            return 0.0
        return _left(situation.location, self._arrivals(situation))

    def optimal(self, facts: Facts, commands: Mapping[str, Operator]) -> list[str]:
        """Return the admissible commands that bring the goal one step nearer, in their order.

        Args:
            facts: the facts of the state.
            commands: its admissible commands.
        """
        situation = self._situation(facts)
        if self._done(situation):
            return []
        arrivals = self._arrivals(situation)
        distance = _left(situation.location, arrivals)

        def improves(operator: Operator) -> bool:
            if operator.action == "gotolocation":
                return arrivals.get(operator.bound["lend"], inf) < distance
            return operator.action not in _IDLE and self.distance(operator.applied(facts)) < distance

        return [command for command, operator in commands.items() if improves(operator)]

    def _situation(self, facts: Facts) -> Situation:
        inside: defaultdict[str, set[str]] = defaultdict(set)
        for item, receptacle in _pairs(facts, "inreceptacle"):
            if receptacle in self._where:
                inside[receptacle].add(item)
        return Situation(
            location=next((place for _, place in _pairs(facts, "atlocation")), ""),
            held=next((item for _, item in _pairs(facts, "holds")), None),
            inside={receptacle: frozenset(items) for receptacle, items in inside.items()},
            closed=self._openable - {row[0] for row in facts.get("opened", _NONE)},
            treated=frozenset(row[0] for row in facts.get(self._treatment, _NONE)),
            lit=frozenset(row[0] for row in facts.get("istoggled", _NONE)),
        )

    def _done(self, s: Situation) -> bool:
        if self._lamps:
            here = (receptacle for receptacle, place in self._where.items() if place == s.location)
            return s.held in self._targets and any(self._lamps & s.lit & s.inside.get(r, frozenset()) for r in here)
        wanted = self._targets & s.treated if self._treatment else self._targets
        return any(len(wanted & s.inside.get(r, frozenset())) > self._two for r in self._goals)

    def _arrivals(self, s: Situation) -> dict[str, float]:
        """Location -> steps left after arriving there, over the plans whose first stop is there."""
        arrivals: dict[str, float] = {}
        for tour in self._tours(s) if s.held is None else self._tours_with(s, s.held):
            place = self._where[tour.stops[0]]
            arrivals[place] = min(arrivals.get(place, inf), self._cost(tour, s.closed))
        if s.held is not None and self._in_the_way(s, s.held):
            for place, cost in self._put_down(s, s.held):
                arrivals[place] = min(arrivals.get(place, inf), cost)
        return arrivals

    def _tours(self, s: Situation) -> Iterator[Tour]:
        """Every plan worth considering with an empty hand."""
        sources = [(o, r) for r in sorted(s.inside) for o in s.inside[r] & self._targets & self._pickupable]
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
                    if items & self._targets & self._pickupable - {held}:
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
        for home in self._homes.get(held, ()):
            place = self._where[home]
            later = min(_left(place, arrivals), _left(place, through.get(alike.get(home, home), {})))
            yield place, (home in s.closed) + 1 + later

    def _lights(self, s: Situation) -> list[tuple[str, int]]:
        """Receptacles that hold a lamp of the wanted kind, each with 1 if that lamp must still be turned on."""
        return [(r, int(lamp not in s.lit)) for r in sorted(s.inside) for lamp in s.inside[r] & self._lamps]

    def _cost(self, tour: Tour, closed: frozenset[str]) -> float:
        places = [self._where[stop] for stop in tour.stops]
        walks = sum(here != there for here, there in pairwise(places))
        return float(walks + tour.acts + len(tour.hands & closed))

    def _fits(self, item: str, receptacles: Iterable[str]) -> tuple[str, ...]:
        """The receptacles, of those given, that an object can be put into."""
        kinds = self._kinds.get(item, set())
        return tuple(
            r for r in receptacles if any(kinds & self._contents.get(k, set()) for k in self._receptacle_kinds[r])
        )

    @staticmethod
    def _of_kind(kinds: Mapping[str, set[str]], name: str) -> frozenset[str]:
        return frozenset(thing for thing, own in kinds.items() if f"{name.lower()}type" in own)


def _left(location: str, arrivals: Mapping[str, float]) -> float:
    """Steps left where the agent stands: begin here, or walk to where a plan begins."""
    return min(arrivals.get(location, inf), 1.0 + min(arrivals.values(), default=inf))


def _pairs(facts: Facts, predicate: str) -> Iterator[tuple[str, str]]:
    """The rows of a predicate of two arguments."""
    return ((first, second) for first, second in facts.get(predicate, _NONE))


def _collected(facts: Facts, predicate: str) -> dict[str, set[str]]:
    """First argument -> all its second arguments."""
    table: dict[str, set[str]] = {}
    for first, second in sorted(_pairs(facts, predicate)):
        table.setdefault(first, set()).add(second)
    return table
