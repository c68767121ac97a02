"""The native engine: ALFWorld's rules and texts in plain Python, thousands of times faster than TextWorld.

A state is one integer: bit ``b`` says whether fact ``b`` of the game holds. What may be typed in a state depends on few
of its bits (what lies around the agent, and what it holds), so lists of commands are made once for each pattern of
those bits and then looked up. Everything else follows ``alfred.pddl`` and ``alfred.twl2`` to the letter, quirks
included.
"""

from __future__ import annotations

from bisect import bisect
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from credit_gym.envs.alfworld.answers import answer, enumeration, introduction
from credit_gym.envs.alfworld.keys import Replay
from credit_gym.envs.alfworld.layout import Layout
from credit_gym.envs.alfworld.problem import Facts, Row
from credit_gym.envs.alfworld.remembered import keep
from credit_gym.envs.alfworld.rules import (
    AS_BEFORE,
    EMPTY,
    Deed,
    Operator,
    members,
    operator,
    possible,
    visible,
)
from credit_gym.envs.alfworld.situation import Situation, Watch
from credit_gym.errors import ManifestError

Trail = tuple[Any, str] | None  # (the trail before, the last command)


class View(NamedTuple):
    """What can be typed at one place, ``go to`` aside.

    Attributes:
        before: the commands that sort before ``go to``, sorted.
        after: those that sort after it, sorted.
        operators: what each of them does.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    operators: dict[str, Operator]


class NativeGame:
    """A compiled game with what has been worked out so far; shared by all who play it.

    Args:
        layout: the game.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.width = len(layout.things)
        self.everything = (1 << self.width) - 1
        self.thing_names = layout.thing_names
        self.receptacle_names = layout.receptacle_names
        self.inside, self.lying = self.start_of("inreceptacle"), self.start_of("objectatlocation")
        self.at, self.opened = self.start_of("atlocation"), self.start_of("opened")
        self.holds, self.holdsany = self.start_of("holds"), self.start_of("holdsany")
        self.checked_agent: int = self.start_of("checked")
        self.checked_location: int = self.checked_agent + 1
        self.checked_receptacle: int = self.checked_location + len(layout.locations)
        self.checked_thing: int = self.checked_receptacle + len(layout.receptacles)
        located = [receptacle for receptacle, location in enumerate(layout.location_of) if location >= 0]
        walks = [("gotolocation", 0, receptacle) for receptacle in located]
        self.goto = {walk.command: walk for walk in (operator(self, deed) for deed in walks)}
        self.elsewhere = [
            tuple(sorted(command for command, walk in self.goto.items() if walk.change.goes != location))
            for location in range(len(layout.locations))
        ]
        self.visible = {
            holding: [visible(self, location, holding) for location in range(len(layout.locations))]
            for holding in (False, True)
        }
        self.views: dict[int, View] = {}
        self.operators: dict[Deed, Operator] = {}
        self.listings: dict[int, str] = {}
        self.marks: dict[int, int] = {}  # by the lengths of their bits: powers of two share a few dozen hashes
        self._watched: tuple[Watch | None, int] = (None, 0)
        self.standing = [1 << self.at + location for location in range(len(layout.locations))]
        self.goal = {1 << number: clauses for number, clauses in layout.goal.items()}
        won = self.fulfilled(layout.initial)
        self.start = State(self, layout.start, EMPTY, layout.initial, 0, int(layout.digest, 16), won, None)

    def start_of(self, predicate: str) -> int:
        """Return the number of a predicate's first fact."""
        return self.layout.blocks[predicate].start

    @cached_property
    def introduction(self) -> str:
        """The text that opens the game."""
        return introduction(self)

    def operator(self, deed: Deed) -> Operator:
        """Return the operator of a deed."""
        found = self.operators.get(deed)
        if found is None:
            found = keep(self.operators, deed, operator(self, deed))
        return found

    def fulfilled(self, facts: int) -> bool:
        """Return whether the goal holds."""
        return any(_all(facts, clause) for clauses in self.layout.goal.values() for clause in clauses)

    def mark(self, fact: int) -> int:
        """Return what a fact (one bit) adds to the key of a state."""
        length = fact.bit_length()
        mark = self.marks.get(length)
        if mark is None:
            mark = self.marks[length] = self.layout.mark(length - 1)
        return mark

    def watched(self, watch: Watch) -> int:
        """Return the facts that matter to a distance; those of the last question are remembered."""
        if self._watched[0] is watch:
            return self._watched[1]
        layout = self.layout
        things = sum(1 << i for i, thing in enumerate(layout.things) if thing in watch.things)
        facts = self.everything << self.holds | layout.openable << self.opened
        facts |= things << self.start_of("istoggled")
        if watch.treatment:
            facts |= things << self.start_of(watch.treatment)
        for receptacle in range(len(layout.receptacles)):
            facts |= things << self.inside + receptacle * self.width
        self._watched = (watch, facts)
        return facts

    def listing(self, things: int) -> str:
        """Return ``a mug 2, a mug 1, and a spoon 1`` for a set of objects."""
        text = self.listings.get(things)
        if text is None:
            text = enumeration([f"a {self.thing_names[thing]}" for thing in members(things)])
            keep(self.listings, things, text)
        return text


class State:
    """One state of a game: a value that can be kept, compared by ``key``, stepped from many times, and pickled.

    Never change one. A pickled state is replayed where it is restored.
    """

    __slots__ = ("at", "bits", "game", "held", "lost", "mark", "trail", "view", "won")

    def __init__(
        self, game: NativeGame, at: int, held: int, bits: int, lost: int, mark: int, won: bool, trail: Trail
    ) -> None:
        self.game = game
        self.at = at  # where the agent stands; both this and what is held can be read from the bits, but slower
        self.held = held
        self.bits = bits  # facts that hold
        self.lost = lost  # facts that actions made false
        self.mark = mark
        self.won = won
        self.trail = trail  # the commands that led here, the last one outside
        self.view: View | None = None

    @property
    def key(self) -> str:
        """Stable hash of the game and the true facts; equal for equal states in every process and on both engines."""
        return f"{self.mark:032x}"

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that led here from the start."""
        commands, trail = [], self.trail
        while trail is not None:
            trail, command = trail
            commands.append(command)
        return tuple(reversed(commands))

    @property
    def facts(self) -> Facts:
        """True facts, and as ``not_...`` those that actions made false."""
        layout = self.game.layout
        facts: dict[str, set[Row]] = {predicate: set(rows) for predicate, rows in _static_facts(layout).items()}
        for number in members(self.bits):
            predicate, row = layout.fact(number)
            facts.setdefault(predicate, set()).add(row)
        for number in members(self.lost):
            predicate, row = layout.fact(number)
            facts.setdefault(f"not_{predicate}", set()).add(row)
        return {predicate: frozenset(rows) for predicate, rows in facts.items()}

    @property
    def place(self) -> str:
        """Where the agent stands."""
        return self.game.layout.locations[self.at]

    def essence(self, watch: Watch) -> int:
        """Return what tells situations apart: the facts that matter to the distance."""
        return self.bits & self.game.watched(watch)

    def situation(self, watch: Watch) -> Situation:
        """Return the facts that matter to the distance."""
        game, layout = self.game, self.game.layout

        def things(start: int) -> frozenset[str]:
            return frozenset(layout.things[thing] for thing in members(self.bits >> start & game.everything))

        inside = {
            name: things(game.inside + receptacle * game.width) & watch.things
            for receptacle, name in enumerate(layout.receptacles)
            if layout.location_of[receptacle] >= 0
        }
        return Situation(
            held=None if self.held == EMPTY else layout.things[self.held],
            inside={name: here for name, here in inside.items() if here},
            closed=frozenset(
                layout.receptacles[receptacle]
                for receptacle in members(layout.openable & ~(self.bits >> game.opened))
                if layout.location_of[receptacle] >= 0
            ),
            treated=watch.things & things(game.start_of(watch.treatment)) if watch.treatment else frozenset(),
            lit=watch.things & things(game.start_of("istoggled")),
        )

    def __reduce__(self) -> tuple[type[Replay], tuple[tuple[str, ...], str]]:
        return Replay, (self.commands, self.key)


def commands(state: State) -> dict[str, Operator]:
    """Return the admissible commands of a state, sorted, each with what it does."""
    operators, goto = view(state).operators, state.game.goto
    return {command: operators.get(command) or goto[command] for command in admissible(state)}


def admissible(state: State) -> tuple[str, ...]:
    """Return everything that can be typed in a state, sorted."""
    here = view(state)
    return (*here.before, *state.game.elsewhere[state.at], *here.after)


def listed(state: State, position: int) -> str:
    """Return one of the admissible commands by its position; the empty text if there is none."""
    here, elsewhere = view(state), state.game.elsewhere[state.at]
    for commands in (here.before, elsewhere, here.after) if position >= 0 else ():
        if position < len(commands):
            return commands[position]
        position -= len(commands)
    return ""


def find(state: State, command: str) -> Operator | None:
    """Return what a command does in a state, None if it is not admissible."""
    operator = state.game.goto.get(command)
    if operator is not None:
        return None if operator.change.goes == state.at else operator
    return view(state).operators.get(command)


def step(state: State, operator: Operator) -> State:
    """Return the state after an admissible operator."""
    game, bits, lost, mark, at = state.game, state.bits, state.lost, state.mark, state.at
    adds, deletes, held, goes = operator.change
    trail = (state.trail, operator.command)
    if goes >= 0:
        deletes, at = (game.standing[at],), goes
    marks = game.marks
    for fact in deletes:
        if bits & fact:
            bits ^= fact
            mark ^= marks.get(fact.bit_length()) or game.mark(fact)
        lost |= fact
    won = state.won and (not deletes or game.fulfilled(bits))
    for fact in adds:
        if not bits & fact:
            bits |= fact
            mark ^= marks.get(fact.bit_length()) or game.mark(fact)
        if lost & fact:
            lost ^= fact
        if fact in game.goal and not won:
            won = any(_all(bits, clause) for clause in game.goal[fact])
    return State(game, at, state.held if held == AS_BEFORE else held, bits, lost, mark, won, trail)


def adopt(game: NativeGame, state: State | Replay) -> State:
    """Return the same state of a game, replaying its commands if it comes from elsewhere.

    Raises:
        ManifestError: the state belongs to another game.
    """
    if isinstance(state, State) and state.game is game:
        return state
    adopted = game.start
    for command in state.commands:
        operator = find(adopted, command)
        if operator is None:
            break
        adopted = step(adopted, operator)
    if adopted.key != state.key:
        raise ManifestError("The state cannot be restored here: it belongs to another game.")
    return adopted


def view(state: State) -> View:
    """Return what can be typed in a state."""
    found = state.view
    if found is None:
        game = state.game
        pattern = state.bits & game.visible[state.held != EMPTY][state.at]
        found = state.view = game.views.get(pattern) or keep(game.views, pattern, _made(state))
    return found


def _made(state: State) -> View:
    operators = {operator.command: operator for operator in map(state.game.operator, possible(state))}
    commands = sorted(operators)
    cut = bisect(commands, "go to ")
    return View(tuple(commands[:cut]), tuple(commands[cut:]), operators)


@lru_cache(maxsize=8)  # of the games that are compared with another engine's, one after another
def _static_facts(layout: Layout) -> dict[str, frozenset[Row]]:
    return layout.static_facts()


def _all(bits: int, numbers: frozenset[int]) -> bool:
    return all(bits >> number & 1 for number in numbers)


class NativeEngine:
    """Plays games compiled with :func:`~credit_gym.envs.alfworld.layout.compile_layout`; states outlive their game."""

    closed = False
    commands = staticmethod(commands)
    admissible = staticmethod(admissible)
    find = staticmethod(find)
    step = staticmethod(step)
    answer = staticmethod(answer)

    def load(self, game: NativeGame) -> State:
        """Make a game the current one; return its initial state."""
        self._game = game
        return game.start

    def introduction(self) -> str:
        """Return the text that opens the current game."""
        return self._game.introduction

    def adopt(self, state: State | Replay) -> State:
        """Return the same state of the current game, replaying its commands if it comes from elsewhere."""
        return adopt(self._game, state)

    def close(self) -> None:
        """Refuse to load more games."""
        self.closed = True
