"""The real ALFWorld engine: Fast Downward's library holds the state, TextWorld's grammar writes the text.

The transition system is the one TextWorld plays (``libdownward``, on the planning task that its own translator writes),
and so is every byte of text; what is saved is work that TextWorld repeats: translating the game four times per reset
and parsing templates at every step. A state is an immutable value, so forking an episode costs nothing.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import weakref
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from importlib import import_module
from typing import Any

from credit_gym.envs.alfworld.grammar import Grammar, parse_grammar, predicates
from credit_gym.envs.alfworld.keys import Replay, fact_mark, game_digest, rules_digest
from credit_gym.envs.alfworld.problem import NO_ROWS, Facts, display_names
from credit_gym.envs.alfworld.situation import Situation, Watch
from credit_gym.errors import ManifestError, missing_extra

Effect = tuple[str, tuple[str, ...]]

_TRANSLATOR = threading.Lock()
_IDLE_LIBRARIES: list[Any] = []  # unloading one copy of libdownward breaks the others, so they are kept for reuse


@dataclass(frozen=True, slots=True)
class CompiledGame:
    """One game, ready to be loaded.

    Attributes:
        digest: content hash of the planning problem.
        sas: the planning task in Fast Downward's format.
        facts: the facts of the initial state.
        fluents: the predicates that tell states apart, sorted: those that actions change unconditionally.
        parameters: action -> names of its parameters, in the order of an operator's arguments.
        names: identifier -> display name (``apple_bar_... -> "apple 2"``).
        grammar: the texts.
    """

    digest: str
    sas: bytes
    facts: Facts
    fluents: tuple[str, ...]
    parameters: Mapping[str, tuple[str, ...]]
    names: Mapping[str, str]
    grammar: Grammar


@dataclass(frozen=True, slots=True)
class Operator:
    """One ground action of the loaded game."""

    id: int
    action: str
    bound: Mapping[str, str]
    command: str
    effects: tuple[Effect, ...]

    @property
    def place(self) -> str:
        """Where it takes the agent; empty if it stays."""
        return self.bound.get("lend", "")

    def applied(self, facts: Facts) -> Facts:
        """Return the facts after this operator; the library itself is not asked."""
        changed = dict(facts)
        for predicate, arguments in self.effects:
            opposite = predicate.removeprefix("not_") if predicate.startswith("not_") else f"not_{predicate}"
            row = {arguments}
            changed[opposite] = changed.get(opposite, NO_ROWS) - row
            changed[predicate] = changed.get(predicate, NO_ROWS) | row
        return changed


@dataclass(frozen=True, slots=True)
class State:
    """One state of a game: a value that can be kept, compared by ``key``, stepped from many times, and pickled.

    Attributes:
        commands: the commands that led here from the start; with the key, all that is pickled.
        facts: true facts, and as ``not_...`` those that actions made false.
        key: stable hash of the game and the true fluents; equal for equal states in every process.
        won: whether the goal holds.
        id: Fast Downward's number of the state, valid while ``origin`` is loaded.
        origin: marks one loading of one game in one engine; None after unpickling.
    """

    commands: tuple[str, ...]
    facts: Facts = field(default_factory=dict, repr=False)
    key: str = ""
    won: bool = False
    id: int = -1
    origin: object = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """Where the agent stands."""
        ((_, place),) = self.facts["atlocation"]
        return place

    def essence(self, watch: Watch) -> Hashable:
        """Return what tells situations apart."""
        fluents = ("holds", "opened", "inreceptacle", "istoggled", watch.treatment)
        return tuple(self.facts.get(predicate, NO_ROWS) for predicate in fluents)

    def situation(self, watch: Watch) -> Situation:
        """Return the facts that matter to the distance."""
        facts = self.facts
        inside: defaultdict[str, set[str]] = defaultdict(set)
        located = {row[0] for row in facts.get("receptacleatlocation", NO_ROWS)}
        for item, receptacle in facts.get("inreceptacle", NO_ROWS):
            if item in watch.things and receptacle in located:
                inside[receptacle].add(item)
        openable, opened = (frozenset(row[0] for row in facts.get(p, NO_ROWS)) for p in ("openable", "opened"))
        return Situation(
            held=next((row[1] for row in facts.get("holds", NO_ROWS)), None),
            inside={receptacle: frozenset(items) for receptacle, items in inside.items()},
            closed=openable & located - opened,
            treated=watch.things & {row[0] for row in facts.get(watch.treatment, NO_ROWS)},
            lit=watch.things & {row[0] for row in facts.get("istoggled", NO_ROWS)},
        )

    def __reduce__(self) -> tuple[type[Replay], tuple[tuple[str, ...], str]]:
        return Replay, (self.commands, self.key)


class Engine:
    """Plays one game at a time on its own copy of ``libdownward``.

    Raises:
        MissingExtraError: TextWorld is not installed.
    """

    def __init__(self) -> None:
        require("textworld.envs.pddl")
        self._downward = require("fast_downward")
        self._library: Any = _library()
        self._release = weakref.finalize(self, _IDLE_LIBRARIES.append, self._library)
        self._origin: object = None

    def load(self, game: CompiledGame) -> State:
        """Load a game and return its initial state; states of the game loaded before are replayed when they return."""
        self._game = game
        self._library.load_sas(game.sas)
        self._origin = object()
        self._last: tuple[State, dict[str, Operator]] | None = None
        self._operators: dict[int, Operator] = {}
        self._mark = cache(partial(fact_mark, game.digest))
        self._initial = self._state((), game.facts)
        return self._initial

    def introduction(self) -> str:
        """Return the text that opens the loaded game."""
        return self._game.grammar.rule("intro", {}, self._game.facts, self._game.names)

    def commands(self, state: State) -> dict[str, Operator]:
        """Return the admissible commands of a state, sorted, each with the operator that it stands for."""
        self._enter(state)
        count = self._library.get_applicable_operators_count()
        found = (self._downward.Operator * count)()
        self._library.get_applicable_operators(found)
        commands: dict[str, Operator] = {}
        for raw in found:
            operator = self._operators.get(raw.id) or self._describe(raw)
            commands.setdefault(operator.command, operator)
        return dict(sorted(commands.items()))

    def admissible(self, state: State) -> Sequence[str]:
        """Return everything that can be typed in a state, sorted."""
        return tuple(self._commands_of(state))

    def find(self, state: State, command: str) -> Operator | None:
        """Return the operator of a command, None if it is not admissible."""
        return self._commands_of(state).get(command)

    def step(self, state: State, operator: Operator) -> State:
        """Return the state after an applicable operator; ``state`` itself stays as it was."""
        self._enter(state)
        self._library.apply_operator(operator.id, None)
        return self._state((*state.commands, operator.command), operator.applied(state.facts))

    def answer(self, state: State, operator: Operator) -> str:
        """Return the text that answers the operator that led to ``state``."""
        feedback = self._game.grammar.actions[operator.action].feedback
        return self._game.grammar.render(feedback, operator.bound, state.facts, self._game.names)

    def adopt(self, state: State | Replay) -> State:
        """Return the same state of the loaded game, replaying its commands if it comes from elsewhere.

        Raises:
            ManifestError: the state belongs to another game.
        """
        if isinstance(state, State) and state.origin is self._origin:
            return state
        adopted = self._initial
        for command in state.commands:
            operator = self.commands(adopted).get(command)
            if operator is None:
                break
            adopted = self.step(adopted, operator)
        if adopted.key != state.key:
            raise ManifestError("The state cannot be restored here: it belongs to another game.")
        return adopted

    @property
    def closed(self) -> bool:
        """Whether the engine has been closed; it must not be used any more."""
        return not self._release.alive

    def close(self) -> None:
        """Give the library to the next engine; closing twice is harmless."""
        self._release()
        self._origin = self._last = None

    def _commands_of(self, state: State) -> dict[str, Operator]:
        """The commands of a state; those of the last one are remembered."""
        if self._last is None or self._last[0] is not state:
            self._last = (state, self.commands(state))
        return self._last[1]

    def _enter(self, state: State) -> None:
        assert state.origin is self._origin, "adopt() a state of another game first"
        self._library.set_state_id(state.id)

    def _state(self, commands: tuple[str, ...], facts: Facts) -> State:
        library = self._library
        key, won, number = self._key(facts), bool(library.check_goal()), library.get_state_id()
        return State(commands, facts, key, won, number, self._origin)

    def _key(self, facts: Facts) -> str:
        game, key = self._game, int(self._game.digest, 16)
        for predicate in game.fluents:
            before, now = game.facts.get(predicate, NO_ROWS), facts.get(predicate, NO_ROWS)
            for row in () if before is now else before ^ now:
                key ^= self._mark(predicate, row)
        return f"{key:032x}"

    def _describe(self, raw: Any) -> Operator:
        """Read an operator for the first time: its effects are learnt by applying it and going back."""
        game, library = self._game, self._library
        action, *arguments = raw.name.split()
        bound = dict(zip(game.parameters[action], arguments, strict=True))
        command = game.grammar.render(game.grammar.actions[action].command, bound, game.facts, game.names)
        here = library.get_state_id()
        atoms = (self._downward.Atom * raw.nb_effect_atoms)()
        library.apply_operator(raw.id, atoms)
        library.set_state_id(here)
        operator = Operator(raw.id, action, bound, command, tuple(_effect(atom.name) for atom in atoms))
        self._operators[raw.id] = operator
        return operator


@lru_cache(maxsize=128)
def compile_game(domain: str, problem: str, grammar: str) -> CompiledGame:
    """Translate a game (a third of a second; remembered for the last 128 games).

    Args:
        domain: the PDDL domain.
        problem: the PDDL problem.
        grammar: TextWorld's grammar of the game.

    Raises:
        ManifestError: one of the three is malformed or does not fit the others.
    """
    try:
        task, sas = _translate(domain, problem)
        texts = parse_grammar(grammar)
    except (Exception, SystemExit) as error:
        reason = str(error).partition("\n")[0]
        raise ManifestError(f"The game cannot be compiled ({type(error).__name__}: {reason}).") from error
    facts: dict[str, set[tuple[str, ...]]] = {}
    for atom in task.init:
        if hasattr(atom, "predicate") and atom.predicate != "=":
            facts.setdefault(atom.predicate, set()).add(tuple(atom.args))
    effects = [effect for action in task.actions for effect in action.effects]
    fluents = {effect.literal.predicate for effect in effects}
    # TextWorld tracks conditional effects wrongly. The only ones are on isOn, which no action, goal or text reads.
    conditional = {e.literal.predicate for e in effects if type(e.condition).__name__ != "Truth"}
    for action in task.actions:
        if action.name not in texts.actions:
            raise ManifestError(f"The game's grammar has no text for the action {action.name!r}.")
        if predicates(texts.actions[action.name].command) & fluents:
            raise ManifestError(f"The command of the action {action.name!r} changes with the state; it must not.")
    return CompiledGame(
        digest=game_digest(rules_digest(domain), problem),
        sas=sas.encode(),
        facts={predicate: frozenset(rows) for predicate, rows in facts.items()},
        fluents=tuple(sorted(fluents - conditional)),
        parameters={a.name: _parameters(a) for a in task.actions},
        names=display_names({argument for rows in facts.values() for row in rows for argument in row}),
        grammar=texts,
    )


def require(module: str) -> Any:
    """Import a module of the ``alfworld`` extra.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise missing_extra("textworld", "alfworld") from error


def _translate(domain: str, problem: str) -> tuple[Any, str]:
    """Run Fast Downward's translator, which overwrites ``sys.argv`` and swaps ``sys.stdout`` of the whole process."""
    with _TRANSLATOR:
        arguments, output = sys.argv, sys.stdout
        try:
            task, sas = require("fast_downward").pddl2sas(domain, problem)
        finally:
            sys.argv, sys.stdout = arguments, output
    return task, sas


def _library() -> Any:
    """An idle copy of ``libdownward``, or a new one with the functions declared that its Python binding leaves out."""
    with suppress(IndexError):
        return _IDLE_LIBRARIES.pop()
    library = require("fast_downward").load_lib()
    library.get_state_id.argtypes = []
    library.get_state_id.restype = ctypes.c_int
    library.set_state_id.argtypes = [ctypes.c_int]
    library.set_state_id.restype = None
    return library


def _parameters(action: Any) -> tuple[str, ...]:
    """The declared parameters; the translator appends those of quantifiers, which operators do not name."""
    return tuple(p.name.lstrip("?") for p in action.parameters[: action.num_external_parameters])


def _effect(name: str) -> Effect:
    sign, _, atom = name.partition(" ")
    predicate, _, arguments = atom.rstrip(")").partition("(")
    prefix = "not_" if sign == "NegatedAtom" else ""
    return prefix + predicate, tuple(arguments.split(", ")) if arguments else ()
