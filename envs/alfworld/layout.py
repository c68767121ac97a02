"""A game compiled for the native engine: every fact that can change has a number, what never changes has its place."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from credit_gym.envs.alfworld.games import Game
from credit_gym.envs.alfworld.goal import Clause, goal_clauses
from credit_gym.envs.alfworld.keys import ALFWORLD_RULES, fact_mark, game_digest, rules_digest
from credit_gym.envs.alfworld.problem import (
    NO_ROWS,
    Facts,
    Problem,
    Row,
    UnsupportedGameError,
    display_names,
    parse_problem,
)
from credit_gym.envs.alfworld.wording import Wording, own_wording, read_wording

_TYPES = {
    "atlocation": ("agent", "location"),
    "receptacleatlocation": ("receptacle", "location"),
    "receptacletype": ("receptacle", "rtype"),
    "inreceptacle": ("object", "receptacle"),
    "objectatlocation": ("object", "location"),
    "objecttype": ("object", "otype"),
    "cancontain": ("rtype", "otype"),
    "inreceptacleobject": ("object", "object"),
}
"""The relations that rules or texts read, and the types of their arguments. Properties are not checked: those of a
thing that is in none of these relations are never read."""

TREATMENTS = {
    "cleanobject": ("sinkbasintype", "cleanable", "isclean"),
    "heatobject": ("microwavetype", "heatable", "ishot"),
    "coolobject": ("fridgetype", "coolable", "iscool"),
}
"""Action -> the type of receptacle that it needs, the trait of what it is done to, and what it makes of it."""

_THING_FLUENTS = ("isclean", "ishot", "iscool", "issliced", "istoggled", "ison")


@dataclass(frozen=True, slots=True)
class Block:
    """The facts of one predicate: fact ``(first[i], second[j])`` has the number ``start + j * len(first) + i``.

    Attributes:
        start: number of the first fact.
        first: the objects that can be the first argument, or the agent where it is always the agent.
        second: those that can be the second argument; None for a predicate of one argument.
    """

    start: int
    first: tuple[str, ...]
    second: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.first) * (1 if self.second is None else len(self.second))

    def row(self, number: int) -> Row:
        """Return the arguments of the fact of that number."""
        column, line = (number - self.start) % len(self.first), (number - self.start) // len(self.first)
        return (self.first[column],) if self.second is None else (self.first[column], self.second[line])


class Layout:
    """Everything about a game that no action changes.

    Objects, receptacles and locations go by their index in sorted order; a set of objects is an integer with one bit
    for each.

    Attributes:
        digest: content hash of the game.
        wording: its texts.
        things: objects that can be seen, sorted.
        receptacles: receptacles, sorted.
        thing_names: what ALFWorld calls the objects.
        receptacle_names: what it calls the receptacles.
        locations: locations, sorted.
        blocks: predicate -> the numbers of its facts.
        initial: the facts that hold at the start, one bit for each number.
        start: where the agent stands at the start.
        around: location -> receptacles there.
        location_of: receptacle -> its location, -1 if it has none.
        fits: receptacle -> objects that it can contain.
        openable: receptacles that can be opened.
        traits: ``pickupable``, ``sliceable``, ``knife`` ... -> objects.
        appliances: action -> receptacles that clean, heat or cool.
        obtainable: objects that the agent can get hold of.
        reachable: facts that may ever turn true, one bit each; TextWorld tells of no other that it turned false.
        within: object -> what is inside it, for good; only objects that have something inside are listed.
        goal: fact -> the sets of facts with it that fulfil the goal.
    """

    def __init__(self, source: str, problem: Problem, wording: Wording, digest: str) -> None:
        _check(problem)
        facts = problem.facts
        mentioned = {name for rows in facts.values() for row in rows for name in row}
        self.digest, self.wording = digest, wording
        self._source = zlib.compress(source.encode(), level=1)
        names = display_names(mentioned)
        self.things, self.receptacles, self.locations = (
            tuple(sorted(name for name in mentioned if problem.objects[name] == kind))
            for kind in ("object", "receptacle", "location")
        )
        ((self.agent, start),) = facts["atlocation"]
        self.start = self.locations.index(start)
        self.thing_names = tuple(names[thing] for thing in self.things)
        self.receptacle_names = tuple(names[receptacle] for receptacle in self.receptacles)
        self.blocks = self._numbered()
        initial = [self.number(p, row) for p in self.blocks for row in facts.get(p, NO_ROWS)]
        self.initial = sum(1 << number for number in initial if number >= 0)
        self._place(facts)
        self.goal = self._goal(problem)

    def number(self, predicate: str, row: Row) -> int:
        """Return the number of a fact, -1 if it has none."""
        block = self.blocks[predicate]
        try:
            first = block.first.index(row[0])
            second = 0 if block.second is None else block.second.index(row[1])
        except (ValueError, IndexError):
            return -1
        return block.start + second * len(block.first) + first

    def fact(self, number: int) -> tuple[str, Row]:
        """Return the predicate and the arguments of a numbered fact."""
        for predicate, block in self.blocks.items():
            if number < block.start + len(block):
                return predicate, block.row(number)
        raise IndexError(number)

    def static_facts(self) -> dict[str, frozenset[Row]]:
        """Return the facts that no action changes, read again from the source: nothing in play needs them."""
        facts = parse_problem(zlib.decompress(self._source).decode()).facts
        return {
            predicate: frozenset(row for row in rows if predicate not in self.blocks or self.number(predicate, row) < 0)
            for predicate, rows in facts.items()
        }

    def mark(self, number: int) -> int:
        """Return what the fact adds to the key of a state. Nothing reads ``isOn``, so it adds nothing."""
        predicate, row = self.fact(number)
        return 0 if predicate == "ison" else fact_mark(self.digest, predicate, row)

    def _numbered(self) -> dict[str, Block]:
        agent, things, receptacles, locations = (self.agent,), self.things, self.receptacles, self.locations
        everything = (self.agent, *locations, *receptacles, *things)
        blocks: dict[str, Block] = {}
        start = 0
        for predicate, first, second in (
            ("atlocation", agent, locations),  # what changes most has the lowest bits, which cost least
            ("holdsany", agent, None),
            ("opened", receptacles, None),
            ("holds", agent, things),
            ("checked", everything, None),
            *((predicate, things, None) for predicate in _THING_FLUENTS),
            ("inreceptacle", things, receptacles),
            ("objectatlocation", things, locations),
        ):
            blocks[predicate] = Block(start, first, second)
            start += len(blocks[predicate])
        return blocks

    def _place(self, facts: Facts) -> None:
        """Find what is where, what fits where, and what can be done with it."""
        thing_index = {name: i for i, name in enumerate(self.things)}
        receptacle_index = {name: i for i, name in enumerate(self.receptacles)}
        place = dict(_pairs(facts, "receptacleatlocation"))
        self.location_of = [self.locations.index(place[r]) if r in place else -1 for r in self.receptacles]
        around: list[list[int]] = [[] for _ in self.locations]
        for receptacle, location in enumerate(self.location_of):
            if location >= 0:
                around[location].append(receptacle)
        self.around = [tuple(receptacles) for receptacles in around]
        self.openable = self._set(receptacle_index, facts, "openable")
        traits = ("pickupable", "toggleable", "sliceable", "cleanable", "heatable", "coolable", "isreceptacleobject")
        self.traits = {trait: self._set(thing_index, facts, trait) for trait in traits}

        of_kind: defaultdict[str, int] = defaultdict(int)
        for thing, kind in _pairs(facts, "objecttype"):
            of_kind[kind] |= 1 << thing_index[thing]
        self.traits["knife"] = of_kind["knifetype"] | of_kind["butterknifetype"]
        contents: defaultdict[str, int] = defaultdict(int)
        for kind, held in _pairs(facts, "cancontain"):
            contents[kind] |= of_kind[held]
        self.fits = [0] * len(self.receptacles)
        appliances: defaultdict[str, set[int]] = defaultdict(set)
        for name, kind in _pairs(facts, "receptacletype"):
            index = receptacle_index[name]
            self.fits[index] |= contents[kind]
            appliances[kind].add(index)
        self.appliances = {action: appliances[kind] for action, (kind, _, _) in TREATMENTS.items()}
        takeable = [t for t, r in _pairs(facts, "inreceptacle") if r in place]
        self.obtainable = self.traits["pickupable"] & sum(1 << thing_index[thing] for thing in set(takeable))

        within: defaultdict[int, list[int]] = defaultdict(list)
        for inner, outer in _pairs(facts, "inreceptacleobject"):
            if inner != outer:  # in TextWorld's queries, different placeholders stand for different objects
                within[thing_index[outer]].append(thing_index[inner])
        self.within = dict(within)
        self.reachable = self._reachable()

    def _reachable(self) -> int:
        """The facts that hold at the start or that a planner expects to come true some day.

        TextWorld reports that a fact turned false only if it is one of these.
        """
        facts = self.initial
        lying = self.blocks["objectatlocation"].start
        for location, receptacles in enumerate(self.around):
            for receptacle in receptacles:
                facts |= (self.fits[receptacle] & self.obtainable) << lying + location * len(self.things)
        for action, (_, trait, result) in TREATMENTS.items():
            if any(self.location_of[receptacle] >= 0 for receptacle in self.appliances[action]):
                facts |= (self.traits[trait] & self.obtainable) << self.blocks[result].start
        return facts

    def _goal(self, problem: Problem) -> dict[int, list[Clause]]:
        frozen = ("inreceptacle", "objectatlocation")

        def facts_of(predicate: str, row: Row) -> Clause | None:
            number = self.number(predicate, row)
            fixed = predicate in frozen and number >= 0 and not self.obtainable >> self.things.index(row[0]) & 1
            if number < 0 or (fixed and not self.initial >> number & 1):
                return None
            return frozenset() if fixed else frozenset((number,))

        goal: dict[int, list[Clause]] = {}
        for clause in sorted(goal_clauses(problem, frozenset(self.blocks), facts_of), key=sorted):
            if not clause:
                raise UnsupportedGameError("its goal holds whatever happens")
            for number in clause:
                goal.setdefault(number, []).append(clause)
        return goal

    @staticmethod
    def _set(index: Mapping[str, int], facts: Facts, predicate: str) -> int:
        return sum(1 << index[name] for (name,) in facts.get(predicate, NO_ROWS) if name in index)


def compile_layout(game: Game, problem: Problem | None = None) -> Layout:
    """Compile a game for the native engine (about a millisecond).

    Args:
        game: a game made here, or one with texts of its own.
        problem: its problem, where that has been parsed already.

    Raises:
        ManifestError: the problem or the grammar is malformed.
        UnsupportedGameError: it is a kind of game that only the real engine can play.
    """
    if game.texts is not None and rules_digest(game.texts.domain) != ALFWORLD_RULES:
        raise UnsupportedGameError("its planning domain is not ALFWorld's")
    problem = problem or parse_problem(game.problem)
    wording = own_wording(game.goal) if game.texts is None else read_wording(game.texts.grammar)
    return Layout(game.problem, problem, wording, game_digest(ALFWORLD_RULES, game.problem))


def _check(problem: Problem) -> None:
    """Refuse what would need rules that the native engine does not have."""
    objects, facts = problem.objects, problem.facts
    for predicate, types in _TYPES.items():
        for row in facts.get(predicate, NO_ROWS):
            if tuple(objects[name] for name in row) != types:
                raise UnsupportedGameError(f"it says ({predicate} {' '.join(row)}), which has other types than usual")
    if facts.keys() & {"holds", "holdsany"}:
        raise UnsupportedGameError("something is held at the start")
    if len(facts.get("atlocation", NO_ROWS)) != 1 or sum(kind == "agent" for kind in objects.values()) != 1:
        raise UnsupportedGameError("it does not have exactly one agent in one place")
    located = facts.get("receptacleatlocation", NO_ROWS)
    if len({row[0] for row in located}) < len(located):
        raise UnsupportedGameError("a receptacle is in two places")
    if not located or not facts.get("inreceptacle", NO_ROWS):
        raise UnsupportedGameError("it has no receptacles or nothing in them")


def _pairs(facts: Facts, predicate: str) -> list[tuple[str, str]]:
    """The rows of a predicate of two arguments, sorted."""
    return [(first, second) for first, second in sorted(facts.get(predicate, NO_ROWS))]
