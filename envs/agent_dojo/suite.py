"""What a suite offers: a world that tools change, tasks of a user, goals that an attacker injects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from credit_gym.envs.agent_dojo.effects import Facts

World: TypeAlias = Any
"""Everything that tools can change. It is never changed in place, so an old one stays good."""


class Call(NamedTuple):
    """A call of a tool."""

    name: str
    arguments: Mapping[str, Any]


class Answer(NamedTuple):
    """What a call gave: the world after it, the text that the agent reads, and whether it was refused."""

    world: World
    content: str
    error: bool


class UserTask(NamedTuple):
    """What the user wants.

    Attributes:
        id: within the suite.
        prompt: in the user's words.
        answer: what the ground truth says at the end.
    """

    id: str
    prompt: str
    answer: str


class InjectionTask(NamedTuple):
    """What an attacker wants: its id within the suite, and the goal in words."""

    id: str
    goal: str


class Suite(Protocol):
    """User tasks and injection tasks over one kind of world."""

    @property
    def name(self) -> str:
        """Of the suite."""
        ...

    @property
    def schemas(self) -> Sequence[Mapping[str, Any]]:
        """OpenAI's descriptions of the tools."""
        ...

    @property
    def user_tasks(self) -> Mapping[str, UserTask]:
        """By id, in the suite's order."""
        ...

    @property
    def injection_tasks(self) -> Mapping[str, InjectionTask]:
        """By id, in the suite's order."""
        ...

    @property
    def repertoire(self) -> Sequence[Call]:
        """Calls to choose from, the same for every task; empty where nobody lists them."""
        ...

    def begin(self, user: str, injections: Mapping[str, str]) -> World:
        """Return the world in which a user task begins, with texts standing at places of injection."""
        ...

    def injections(self, user: str, injection: str, attack: str) -> Mapping[str, str]:
        """Return what an attack writes at the places that the user task's ground truth reads."""
        ...

    def call(self, world: World, call: Call) -> Answer:
        """Make a call; what it is given may be anything at all."""
        ...

    def gold(self, task: str, world: World) -> Sequence[Call]:
        """Return the ground truth of a user task or an injection task, which begins in a world."""
        ...

    def utility(self, user: str, message: str, before: World, after: World, calls: Sequence[Call]) -> bool:
        """Whether a user task is done."""
        ...

    def security(self, injection: str, message: str, before: World, after: World, calls: Sequence[Call]) -> bool:
        """Whether an injected goal is reached: the published sense of the word."""
        ...

    def facts(self, before: World, after: World) -> Facts:
        """Return what changed between two worlds."""
        ...

    def digest(self, world: World) -> str:
        """Return a stable hash of a world."""
        ...

    def packed(self, world: World) -> Any:
        """Return a world as a value that can be pickled."""
        ...

    def unpacked(self, beginning: World, packed: Any) -> World:
        """Return the world that was packed, which came of a beginning."""
        ...
