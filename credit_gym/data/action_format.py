"""How long an action is: what an environment declares, and prompting and decoding follow."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator

from credit_gym.data.action_families import Family
from credit_gym.errors import CreditGymError, unknown

Kind = Literal["line", "message", "program", "tool_call"]
"""``line`` is one line of text, ``message`` any number of them, ``program`` a message with a program in it, whose
blanks count, and ``tool_call`` a call of a tool or a message to whoever is served."""


@dataclass(frozen=True, slots=True)
class ActionFormat:
    """What an action looks like.

    Attributes:
        kind: how much of a reply it takes.
        how: one sentence that says what to write.
        examples: actions in that form.
        result: what begins the result of each tool call in an observation, such as ``"tool: "``; empty where an
            observation after a call is its result.
        listed: whether nothing but an admissible action is understood, so that whoever is to write one must see them.
        families: the actions as functions, for whoever calls tools; None takes those of the kind. Tools that an
            environment has of its own (``info["tools"]``) stand beside them.

    Raises:
        UnknownNameError: there is no such kind.
    """

    kind: Kind = "line"
    how: str = "Write the action on one line."
    examples: tuple[str, ...] = ()
    result: str = ""
    listed: bool = False
    families: tuple[Family, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise unknown("kind of action", self.kind, get_args(Kind))


FORMATS: dict[str, ActionFormat] = {
    "line": ActionFormat(),
    "message": ActionFormat("message", "Write your message, in any number of lines."),
    "program": ActionFormat("program", "Write the whole program."),
    "tool_call": ActionFormat("tool_call", "Make a tool call, or write a message."),
}
"""What an environment has that says no more than a kind."""

LINE = FORMATS["line"]
"""What an environment has that declares nothing."""

_TEXT = "The text, word for word."
FAMILIES: dict[Kind, tuple[Family, ...]] = {
    "line": (Family("act", "{action}", "Do one thing.", (("action", "What to do, on one line."),)),),
    "message": (Family("say", "{message}", "Say something.", (("message", _TEXT),)),),
    "program": (Family("write_program", "{program}", "Write the whole program.", (("program", _TEXT),)),),
    "tool_call": (Family("say", "{message}", "Say something to whoever is served.", (("message", _TEXT),)),),
}
"""The families of a kind of action."""

CHOICE = (Family("choose", "{action}", "Do one of the actions on offer.", (("action", "The action, word for word."),)),)
"""The family where nothing but an action on offer is understood."""

ON_OFFER = "You can do one of these:"
"""What stands above a list of actions."""


def families(form: ActionFormat) -> tuple[Family, ...]:
    """Return the actions of a format as functions: its own families, or what others of its kind have."""
    if form.families is not None:
        return form.families
    return CHOICE if form.listed else FAMILIES[form.kind]


def list_offered(form: ActionFormat, offered: Sequence[str], observation: str) -> str:
    """Return the list of actions on offer; empty where none must be seen, or the observation names them all."""
    named = not form.listed or all(action in observation for action in offered)
    return "" if named else "\n".join((ON_OFFER, *offered))


def describe(form: ActionFormat) -> str:
    """Return what a model is told of a format: its sentence, and its examples, one a line."""
    if not form.examples:
        return form.how
    return "\n".join([form.how, "For example:", *form.examples])


def declared_format(env_id: str) -> ActionFormat:
    """Return what an environment declares, without making it; a line where Gymnasium knows no such id.

    Args:
        env_id: its Gymnasium id.
    """
    return format_at(declaring_class(env_id), {})


def declaring_class(env_id: str) -> object:
    """Return the class that an id makes, whose attributes are what the environment declares.

    Args:
        env_id: its Gymnasium id.

    Returns:
        What its entry point is, or is annotated to return; None where Gymnasium knows no such id.
    """
    entry_point = gym.registry[env_id].entry_point if env_id in gym.registry else None
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    return creator if creator is None or inspect.isclass(creator) else inspect.signature(creator).return_annotation


def format_at(env: object, info: Mapping[str, Any]) -> ActionFormat:
    """Return the format of the next action: the kind in ``info["action_format"]``, else what the environment declares.

    Args:
        env: the environment without its wrappers; anything at all.
        info: its last info.

    Raises:
        UnknownNameError: there is no such kind.
        CreditGymError: what was declared is neither a kind nor an ActionFormat.
    """
    form = info.get("action_format") or getattr(env, "action_format", None) or LINE
    if isinstance(form, ActionFormat):
        return form
    if not isinstance(form, str):
        raise CreditGymError(f"action_format must be a kind of action or an ActionFormat, not {form!r:.80}.")
    if form not in FORMATS:
        raise unknown("kind of action", form, FORMATS)
    return FORMATS[form]
