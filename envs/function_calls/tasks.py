"""A task: what the user says turn by turn, where the back ends begin, and the calls that are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Category = Literal["base", "long_context", "miss_func", "miss_param"]
CATEGORIES: tuple[Category, ...] = ("base", "long_context", "miss_func", "miss_param")


@dataclass(frozen=True, slots=True)
class Task:
    """One conversation to be had.

    Attributes:
        id: ``<category>_<number>`` with whatever stands before it, as ``multi_turn_base_17``; unique in its split.
        category: ``base``; ``long_context``: the back ends are filled up with what nobody asks for; ``miss_func``: a
            tool is withheld until a later turn; ``miss_param``: a value that is needed is said a turn later.
        turns: the user's messages of each turn; none where the turn only brings withheld tools.
        initial_config: class name -> the scenario that its back end loads; one that is missing loads ``{}``.
        involved_classes: the back ends whose methods are the tools, in the order in which they are offered.
        missed_functions: turn (from 0) -> tools that are withheld until it begins.
        gold: the right calls of each turn, as ``name('value', other=1)``; none where nothing can be done yet.
    """

    id: str
    category: Category
    turns: tuple[tuple[str, ...], ...]
    initial_config: Mapping[str, Mapping[str, Any]]
    involved_classes: tuple[str, ...]
    gold: tuple[tuple[str, ...], ...]
    missed_functions: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def long_context(self) -> bool:
        """Whether the back ends are filled up."""
        return self.category == "long_context"
