"""The back ends of one conversation: calls are made, answers become text, and what has changed is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeAlias

from credit_gym.envs.function_calls.gold import Call
from credit_gym.envs.function_calls.state import Mark, State, compared, mark, mark_rows
from credit_gym.envs.function_calls.tasks import Task

Document = Mapping[str, Any]
"""Name, description and parameters of a tool, as JSON schema."""


class BackEnd(Protocol):
    """What :class:`BackEnds` makes of a class: its public methods but this one are tools."""

    def load(self, scenario: dict[str, Any], long_context: bool) -> None:
        """Begin where a scenario says."""


Refusal = Callable[[Callable[..., Any], Call], str | None]
"""Told a tool and a call of it; says why it is not made, None where it is."""


@dataclass(frozen=True)
class Library:
    """Back ends that there are.

    Attributes:
        classes: by name; each is made without arguments.
        documents: returns the documents of the tools of some classes, in order.
        in_place: whether a call may change a value inside; else every change is a new value of an attribute.
        fence: stands around every call.
        refusal: what is not made at all, if anything.
    """

    classes: Mapping[str, type[BackEnd]]
    documents: Callable[[Sequence[str]], Sequence[Document]]
    in_place: bool = True
    fence: Callable[[], AbstractContextManager[Any]] = nullcontext
    refusal: Refusal | None = None


class Answer(NamedTuple):
    """What a call gave.

    Attributes:
        text: the value as text, JSON where it is an object.
        error: whether nothing came of it but an error.
        changed: the class that the call changed; empty for none.
    """

    text: str
    error: bool = False
    changed: str = ""


Marks: TypeAlias = Mapping[str, Mapping[str, Mark]]


class Running:
    """The back ends of one task.

    Attributes:
        digest: what all back ends come down to, private attributes included.
        marks: class -> attribute -> its mark; where calls change values inside, one for all, under no name.

    Args:
        library: where they are from.
        task: what is loaded into them.
        marks: what :attr:`marks` were at the beginning of another one of the same task.
    """

    def __init__(self, library: Library, task: Task, marks: Marks | None = None) -> None:
        self._library = library
        self._back_ends: dict[str, Any] = {}
        self._methods: dict[str, tuple[str, Callable[..., Any]]] = {}
        for name in task.involved_classes:
            back_end = self._back_ends[name] = library.classes[name]()
            scenario = dict(task.initial_config.get(name, {}))
            back_end.load(deepcopy(scenario) if library.in_place else scenario, task.long_context)
            self._methods |= {tool: (name, getattr(back_end, tool)) for tool in tools_of(type(back_end))}
        self._held = {name: dict(vars(back_end)) for name, back_end in self._back_ends.items()}
        self.marks = {name: self._marked(name) for name in self._back_ends} if marks is None else {**marks}
        self.digest = _digest(self.marks)

    def states(self) -> dict[str, State]:
        """Return the state of each back end as it is: to be looked at before the next call."""
        return {name: compared(back_end) for name, back_end in self._back_ends.items()}

    def state(self, name: str) -> State:
        """Return the state of one back end, to be looked at before the next call."""
        return compared(self._back_ends[name])

    def kept(self, name: str) -> State:
        """Return the state of one back end as it stays whatever is called."""
        state = self.state(name)
        return deepcopy(state) if self._library.in_place else state

    def call(self, call: Call) -> Answer:
        """Make a call. Whatever it is, there is an answer: errors are told in the published words."""
        name, method = self._methods.get(call.name, ("", None))
        if method is None:
            return _failed(f"There is no tool called {call.name[:80]!r}.")
        if any(mark.overgrown for mark in self.marks[name].values()):
            return _failed(f"{name} holds more than it can: it takes no more calls.")
        refusal = self._library.refusal
        if refusal is not None and (reason := refusal(method, call)):
            return _failed(reason)
        try:
            with self._library.fence():
                made = deepcopy(call) if self._library.in_place else call  # what was stored is changed in place
                value = method(*made.positional, **made.named)
                answer = Answer(_text(value), isinstance(value, dict) and "error" in value)
        except Exception as error:  # noqa: BLE001 (whatever a stranger's code raises is its answer)
            answer = _failed(str(error))
        if not self._notes(name):
            return answer
        self.digest = _digest(self.marks)
        return answer._replace(changed=name)

    def _notes(self, name: str) -> bool:
        """See whether a back end has changed."""
        before = self.marks[name]
        if self._library.in_place:
            self.marks[name] = self._marked(name)
            return before != self.marks[name]
        held, now = self._held[name], vars(self._back_ends[name])
        new = {each: value for each, value in now.items() if held.get(each, held) is not value}
        if new:
            self._held[name] = dict(now)
            marked = {each: mark_rows(value, held.get(each), before.get(each)) for each, value in new.items()}
            self.marks[name] = {**before, **marked}
        return bool(new)

    def _marked(self, name: str) -> Mapping[str, Mark]:
        held = vars(self._back_ends[name])
        return {"": mark(held)} if self._library.in_place else {each: mark_rows(value) for each, value in held.items()}


@lru_cache(256)
def tools_of(kind: type) -> tuple[str, ...]:
    """Return the names of the tools of a class: its public methods, but for the one that begins."""
    return tuple(name for name in dir(kind) if name[0] != "_" and name != "load" and callable(getattr(kind, name)))


def _digest(marks: Marks) -> bytes:
    return b"".join(mark.digest for each in marks.values() for mark in each.values())


def _failed(reason: str) -> Answer:
    return Answer(f"Error during execution: {reason}", error=True)


def _text(value: Any) -> str:
    """An answer as the published checker compares it."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        try:
            return json.dumps(value)
        except (TypeError, ValueError, RecursionError):
            return str(value)
    return str(value)
