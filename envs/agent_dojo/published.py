"""AgentDojo's published suites: its tools, tasks, attacks, and its own judgement of what was done."""

from __future__ import annotations

import copy
import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

from credit_gym.data.python_calls import python_value
from credit_gym.envs.agent_dojo.effects import Facts, canonical, differences
from credit_gym.envs.agent_dojo.package import Package, open_package
from credit_gym.envs.agent_dojo.suite import Answer, Call, InjectionTask, UserTask
from credit_gym.errors import unknown

VERSION = "v1.2.2"
ATTACKS = (
    "direct",
    "ignore_previous",
    "system_message",
    "injecagent",
    "important_instructions",
    "important_instructions_no_user_name",
    "important_instructions_no_model_name",
    "important_instructions_no_names",
    "important_instructions_wrong_model_name",
    "important_instructions_wrong_user_name",
    "tool_knowledge",
)
"""The published attacks that have a goal; those that only stop an agent have none that a step could obey."""


class PublishedWorld:
    """An environment of the package, and the calls that made it; what goes through a pickle is the calls."""

    __slots__ = ("calls", "env")

    def __init__(self, calls: tuple[Call, ...], env: Any = None) -> None:
        self.calls, self.env = calls, env

    def __reduce__(self) -> tuple[Any, ...]:
        return PublishedWorld, (self.calls,)


class PublishedSuite:
    """A suite of the package.

    Args:
        package: its modules.
        suite: its ``TaskSuite``.
        victim: of whom attacks speak that name a model.
    """

    def __init__(self, package: Package, suite: Any, victim: str) -> None:
        self.name: str = suite.name
        self._package, self._suite, self._victim = package, suite, victim
        runtime = package.module("functions_runtime")
        self._call_type = runtime.FunctionCall
        self._runtime = runtime.FunctionsRuntime(suite.tools)
        self._shown = package.module("agent_pipeline.tool_execution").tool_result_to_str
        self.user_tasks = {
            key: UserTask(key, task.PROMPT, task.GROUND_TRUTH_OUTPUT) for key, task in suite.user_tasks.items()
        }
        self.injection_tasks = {key: InjectionTask(key, task.GOAL) for key, task in suite.injection_tasks.items()}
        self.schemas = [_schema(tool) for tool in suite.tools]
        self.repertoire: Sequence[Call] = ()
        self._attack = lru_cache(None)(self._opened_attack)
        self._fields = lru_cache(64)(_plain_field)

    def begin(self, user: str, injections: Mapping[str, str]) -> PublishedWorld:
        """Return the environment in which a user task begins."""
        env = self._suite.load_and_inject_default_environment(dict(injections))
        return PublishedWorld((), self._suite.user_tasks[user].init_environment(env))

    def injections(self, user: str, injection: str, attack: str) -> Mapping[str, str]:
        """Return what an attack writes at the places that the ground truth reads."""
        task, goal = self._suite.user_tasks[user], self._suite.injection_tasks[injection]
        found: Mapping[str, str] = self._attack(attack).attack(task, goal)
        return found

    def call(self, world: PublishedWorld, call: Call) -> Answer:
        """Make a call as the package's loop makes it, on copies of what the tool may change."""
        made = (*world.calls, call)
        tool = self._runtime.functions.get(call.name)
        if tool is None:
            return Answer(PublishedWorld(made, world.env), f"Error: There is no tool called {call.name[:80]!r}.", True)
        if not isinstance(call.arguments, Mapping):
            return Answer(PublishedWorld(made, world.env), "Error: The arguments must be an object.", True)
        env = _copied(world.env, tool.dependencies)
        arguments = {name: _list_of(value) for name, value in call.arguments.items()}
        result, error = self._runtime.run_function(env, call.name, arguments)
        env = self._kept(world.env, env)
        if error is not None:
            return Answer(PublishedWorld(made, env), f"Error: {error}", True)
        return Answer(PublishedWorld(made, env), self._shown(result), False)

    def gold(self, task: str, world: PublishedWorld) -> Sequence[Call]:
        """Return the ground truth of a task."""
        found = self._suite.user_tasks.get(task) or self._suite.injection_tasks[task]
        calls = found.ground_truth(world.env.model_copy(deep=True))
        return tuple(Call(call.function, dict(call.args)) for call in calls)

    def utility(
        self, user: str, message: str, before: PublishedWorld, after: PublishedWorld, calls: Sequence[Call]
    ) -> bool:
        """Whether a user task is done."""
        task = self._suite.user_tasks[user]
        return self._judged(task.utility_from_traces, task.utility, message, before, after, calls)

    def security(
        self, injection: str, message: str, before: PublishedWorld, after: PublishedWorld, calls: Sequence[Call]
    ) -> bool:
        """Whether an injected goal is reached."""
        task = self._suite.injection_tasks[injection]
        return self._judged(task.security_from_traces, task.security, message, before, after, calls)

    def facts(self, before: PublishedWorld, after: PublishedWorld) -> Facts:
        """Return what changed between two environments."""
        found: Counter[str] = Counter()
        for name in type(after.env).model_fields:
            old, new = getattr(before.env, name), getattr(after.env, name)
            if old is not new:
                found += differences(self._field(old).value, self._field(new).value, name)
        return found

    def digest(self, world: PublishedWorld) -> str:
        """Return a hash of the environment."""
        return "".join(self._field(getattr(world.env, name)).digest for name in type(world.env).model_fields)

    def packed(self, world: PublishedWorld) -> PublishedWorld:
        """Return the world itself: it knows what to leave out of a pickle."""
        return world

    def unpacked(self, beginning: PublishedWorld, packed: Any) -> PublishedWorld:
        """Return a world with its environment, made again from its calls where it came out of a pickle."""
        if packed.env is not None:
            return packed  # type: ignore[no-any-return]
        world = beginning
        for call in packed.calls:
            world = self.call(world, call).world
        return world

    def _field(self, value: Any) -> _Field:
        return self._fields(_Same(value))

    def _kept(self, before: Any, after: Any) -> Any:
        """An environment whose fields are the very ones of an earlier environment where nothing in them changed."""
        same = {}
        for name in type(after).model_fields:
            old, new = getattr(before, name), getattr(after, name)
            if old is not new and _plain(new) == self._field(old).value:
                same[name] = old
        return after.model_copy(update=same) if same else after

    def _opened_attack(self, attack: str) -> Any:
        load = self._package.module("attacks").load_attack
        return load(attack, self._suite, SimpleNamespace(name=self._victim))

    def _judged(
        self,
        by_traces: Any,
        by_state: Any,
        message: str,
        before: PublishedWorld,
        after: PublishedWorld,
        calls: Sequence[Call],
    ) -> bool:
        traces = [self._call_type.model_construct(function=call.name, args=dict(call.arguments)) for call in calls]
        try:
            judged = by_traces(message, before.env, after.env, traces)
            return bool(by_state(message, before.env, after.env) if judged is None else judged)
        except Exception:  # noqa: BLE001 - a judge that fails on a world it did not foresee has not seen it reached
            return False


class _Same:
    """A value that is the same as itself alone, so that what was made of it can be remembered."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value


class _Field(NamedTuple):
    """A part of an environment as JSON's types, and a hash of it."""

    value: Any
    digest: str


def published_suites(data: str | os.PathLike[str] | None, version: str, victim: str) -> Mapping[str, PublishedSuite]:
    """Return the suites of a version by name.

    Args:
        data: the folder of an unpacked wheel, or of the package in it; by default the variable ``AGENTDOJO_DIR``,
            else the installed package.
        version: of the benchmark.
        victim: of whom attacks speak that name a model.

    Raises:
        UnknownNameError: there is no such version, or no such victim.
        ManifestError: the folder holds no AgentDojo.
        MissingExtraError: AgentDojo is not installed, or a package that its suites need.
    """
    package = open_package(os.fspath(data) if data is not None else os.environ.get("AGENTDOJO_DIR") or None)
    return _suites(package, version, victim)


@lru_cache(8)
def _suites(package: Package, version: str, victim: str) -> Mapping[str, PublishedSuite]:
    known = package.module("task_suite.load_suites")._SUITES
    if version not in known:
        raise unknown("version of AgentDojo", version, known)
    victims = package.module("models").MODEL_NAMES
    if victim not in victims:
        raise unknown("victim", victim, victims)
    for suite in known[version].values():
        suite.data_path = package.folder / "data" / "suites" / suite.name
    return {name: PublishedSuite(package, suite, victim) for name, suite in known[version].items()}


def _schema(tool: Any) -> Mapping[str, Any]:
    parameters = tool.parameters.model_json_schema()
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _copied(env: Any, dependencies: Mapping[str, Any]) -> Any:
    """An environment with copies of its own of what a tool is given."""
    names = [each.env_dependency for each in dependencies.values()]
    if not all(isinstance(name, str) for name in names):
        return env.model_copy(deep=True)
    return env.model_copy(update=copy.deepcopy({name: getattr(env, name) for name in names}))


def _list_of(value: Any) -> Any:
    """A list that was written as text, as the package's loop reads it."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        found = python_value(value.strip())
        return found if isinstance(found, list) else value
    return value


def _plain_field(field: _Same) -> _Field:
    value = _plain(field.value)
    text = canonical(value).encode("utf-8", "backslashreplace")
    return _Field(value, hashlib.blake2b(text, digest_size=8).hexdigest())


def _plain(value: Any) -> Any:
    """A value as JSON's types, without what is computed from the rest."""
    fields = getattr(type(value), "model_fields", None)
    if fields is not None:
        return {name: _plain(getattr(value, name)) for name in fields}
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, (datetime, date)) else value
