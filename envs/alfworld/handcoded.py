"""ALFWorld's own handcoded expert, played through its own package: what the published imitation data come from.

It searches receptacles by prior knowledge of where things lie, and is neither optimal nor sure to succeed. Its modules
are loaded a second time, for this file alone: whoever imports ``alfworld`` finds it as it was installed.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from importlib import import_module
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from credit_gym import rng
from credit_gym.envs.alfworld.games import Game
from credit_gym.envs.alfworld.problem import NO_ROWS, Facts, display_names
from credit_gym.errors import missing_extra

T = TypeVar("T")

_PREDICATES = ("holds", "inreceptacle", "ishot", "iscool", "isclean")
_PATIENCE = 200  # steps after which the package gives up
_NO_PLAN = "look"


class _Fact(NamedTuple):
    """A fact as TextWorld shows it."""

    name: str
    names: tuple[str, ...]


class HandcodedExpert:
    """The expert's memory of one episode.

    Args:
        game: what is played.
        facts: the facts of its initial state, by predicate.
        seed: fixes its draws; the package itself takes them from the global generator.
        upstream: keep the package's defect: it still waits for ``put``, a command that is now called ``move``, so it
            never notices that its hands are empty again.

    Raises:
        MissingExtraError: the package is not installed.
    """

    def __init__(self, game: Game, facts: Facts, seed: int, *, upstream: bool = False) -> None:
        parameters = {"object_target": game.target, "parent_target": game.parent, "toggle_target": game.toggle}
        self._agent = _package().HandCodedTWAgent(max_steps=_PATIENCE)
        self._agent.task_params = {name: value.lower() for name, value in parameters.items()}
        self._agent.task_params["task_type"] = game.task_type
        policy = self._agent.get_task_policy(self._agent.task_params)
        self._agent.policy = policy(self._agent.task_params, max_steps=_PATIENCE)
        self._names = display_names({identifier for rows in facts.values() for row in rows for identifier in row})
        self._upstream = upstream
        self._draws = _Draws(seed)

    def copy(self) -> HandcodedExpert:
        """Return an expert that remembers the same."""
        return deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        agent = vars(self._agent).copy()
        policy = agent.pop("policy")
        return {**vars(self), "_agent": (agent, type(policy).__name__, vars(policy))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        agent, name, policy = state["_agent"]
        vars(self).update(state)
        self._agent = _package().HandCodedTWAgent.__new__(_package().HandCodedTWAgent)
        vars(self._agent).update(agent)
        kind = _package().policies[name]
        self._agent.policy = kind.__new__(kind)
        vars(self._agent.policy).update(policy)

    def start(self, introduction: str) -> str:
        """Read the first text of an episode; the first action is always to look."""
        self._agent.observe(introduction)
        return _NO_PLAN

    def next(self, command: str, feedback: str, facts: Facts, admissible: Sequence[str]) -> str:
        """Return the next action.

        Args:
            command: the last command sent.
            feedback: what it was answered.
            facts: the facts that hold now, by predicate.
            admissible: the commands that are possible now.

        Returns:
            An admissible action: ``look`` where the expert is at a loss, as in ALFWorld's wrapper.
        """
        if not self._upstream and command.startswith("move "):
            command = command.replace("move", "put", 1)
        shown = [
            _Fact(predicate, tuple(self._names[identifier] for identifier in row))
            for predicate in _PREDICATES
            for row in sorted(facts.get(predicate, NO_ROWS))
        ]
        state = {"feedback": feedback, "facts": shown, "admissible_commands": list(admissible)}
        _CURRENT.draws = self._draws
        try:
            action = self._agent.act(state, 0, False, command)
        except (_package().HandCodedAgentFailed, _package().HandCodedAgentTimeout, LookupError):
            return _NO_PLAN
        return action if action in admissible else _NO_PLAN


class _Draws:
    """The random choices of one episode."""

    def __init__(self, seed: int) -> None:
        self._stream = seed

    def choice(self, options: Sequence[T]) -> T:
        self._stream = rng.advance(self._stream)
        return options[rng.mix(self._stream) * len(options) >> 64]


class _Current(threading.local):
    """The draws of the expert that is asked in this thread."""

    draws: _Draws

    def choice(self, options: Sequence[T]) -> T:
        return self.draws.choice(options)


_CURRENT = _Current()


class _Package(NamedTuple):
    HandCodedTWAgent: Any
    HandCodedAgentFailed: type[Exception]
    HandCodedAgentTimeout: type[Exception]
    policies: Mapping[str, Any]


_LOADING = threading.Lock()


def _package() -> _Package:
    with _LOADING:
        return _loaded()


@cache
def _loaded() -> _Package:
    """The expert's classes, its random choices taken from the asking expert in place of the global generator."""
    try:
        with _no_data_folder(), _apart("alfworld"):
            classes = import_module("alfworld.agents.expert.handcoded_expert_tw")
            policies = import_module("alfworld.agents.expert.handcoded_expert")
    except ImportError as error:
        raise missing_extra("alfworld", "alfworld") from error
    vars(policies)["random"] = _CURRENT
    failed, timeout = policies.HandCodedAgentFailed, policies.HandCodedAgentTimeout
    return _Package(classes.HandCodedTWAgent, failed, timeout, vars(classes))


@contextmanager
def _apart(package: str) -> Iterator[None]:
    """Let a package be imported afresh, as a copy that nobody else sees."""
    theirs = _taken(package)
    try:
        yield
    finally:
        _taken(package)
        sys.modules.update(theirs)


def _taken(package: str) -> dict[str, ModuleType]:
    """Take a package and all inside it out of the list of what is imported."""
    names = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
    return {name: sys.modules.pop(name) for name in names}


@contextmanager
def _no_data_folder() -> Iterator[None]:
    """Keep the package's import from making a folder in the home directory and from setting ``ALFWORLD_DATA``."""
    before = os.environ.get("ALFWORLD_DATA")
    with TemporaryDirectory() as folder:
        os.environ["ALFWORLD_DATA"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["ALFWORLD_DATA"]
            else:
                os.environ["ALFWORLD_DATA"] = before
