"""Families of actions: actions of one form, as a function that a model calls with arguments that are text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from credit_gym.errors import CreditGymError


@dataclass(frozen=True, slots=True)
class Family:
    """Actions of one form.

    Attributes:
        name: of the function.
        form: the action, ``{argument}`` in the place of each argument.
        does: one sentence that says what it does.
        arguments: name and meaning of each argument, in the order of the form.

    Raises:
        CreditGymError: the form has other places than there are arguments.
    """

    name: str
    form: str
    does: str
    arguments: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        places = [place for _, place, _, _ in Formatter().parse(self.form) if place is not None]
        if places != [name for name, _ in self.arguments]:
            raise CreditGymError(f"The family {self.name!r} must have the arguments of its form {self.form!r}.")


def write_action(family: Family, arguments: Mapping[str, Any]) -> str:
    """Return the action that a family makes of arguments.

    Raises:
        CreditGymError: an argument is no text.
    """
    for name, value in arguments.items():
        if not isinstance(value, str):
            raise CreditGymError(f"The argument {name} of {family.name} must be text, not {value!r:.80}.")
    return family.form.format(**arguments)


def describe_family(family: Family) -> dict[str, Any]:
    """Return a family as OpenAI's description of a function."""
    properties = {name: {"type": "string", "description": meaning} for name, meaning in family.arguments}
    return {
        "type": "function",
        "function": {
            "name": family.name,
            "description": family.does,
            "parameters": {"type": "object", "properties": properties, "required": list(properties)},
        },
    }
