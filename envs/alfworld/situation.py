"""What the distance to a goal needs of a state: the few facts that matter, whichever engine holds it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Watch:
    """What the distance depends on, beside where the agent stands, what it holds and what is open.

    Attributes:
        things: objects that matter wherever they are, and once they are turned on.
        treatment: the fact about them that matters too: ``isclean``, ``ishot``, ``iscool`` or nothing.
    """

    things: frozenset[str]
    treatment: str


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts that change, as far as they matter to a goal.

    Attributes:
        held: the object in the agent's hand.
        inside: receptacle -> watched objects in it. An object may be in several at once, as in the real data.
        closed: receptacles that must be opened before anything goes in or out.
        treated: objects that were cleaned, heated or cooled, whichever the goal asks for.
        lit: lamps that were turned on.
    """

    held: str | None
    inside: Mapping[str, frozenset[str]]
    closed: frozenset[str]
    treated: frozenset[str]
    lit: frozenset[str]


class Placed(Protocol):
    """A state of either engine."""

    @property
    def won(self) -> bool:
        """Whether the goal holds."""

    @property
    def place(self) -> str:
        """Where the agent stands."""

    def essence(self, watch: Watch) -> Hashable:
        """Return what tells situations apart; states with equal ones have equal situations."""

    def situation(self, watch: Watch) -> Situation:
        """Return the facts that matter."""


class Command(Protocol):
    """An operator of either engine."""

    @property
    def action(self) -> str:
        """Name of the action."""

    @property
    def place(self) -> str:
        """Where it takes the agent; empty if it stays."""
