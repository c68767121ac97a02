"""Agents of other people: ``module:Class``, ``module:function``, and those that a package names in an entry point.

What an import finds may be a class, which is made with the run's seed where it takes one; an agent that is made
already; or a function ``messages -> text``, which is asked as a language model is. Code is run by being named: only
whoever starts a run may name it.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeGuard

from credit_gym.agents.core import Agent, AsyncAgent, Player
from credit_gym.agents.llm.agent import BatchAgent, ServerAgent
from credit_gym.agents.llm.backends import Settings
from credit_gym.agents.llm.function import AsyncChatFunction, ChatFunction
from credit_gym.errors import CreditGymError, UnknownNameError

GROUP = "credit_gym.agents"
"""The group of entry points; the name of one is a spec."""


def find_agent(spec: str) -> Any:
    """Return what a spec names in a module or an entry point, None where it names neither.

    The working directory counts among the places of modules, as it does for ``python -m``.

    Args:
        spec: ``module:attribute``, the attribute dotted if need be, or the name of an entry point.

    Raises:
        UnknownNameError: the module has no such attribute.
        CreditGymError: it cannot be imported.
    """
    if spec in plugins():
        return _loaded(plugins()[spec].load, spec)
    module, colon, attribute = spec.partition(":")
    if not colon or not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
        return None
    look_here()
    try:
        found = _loaded(lambda: import_module(module), spec)
    except ModuleNotFoundError as error:
        if error.name is not None and module.startswith(error.name):
            return None
        raise CreditGymError(f"{module} cannot be imported: {error}.") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UnknownNameError(f"{module} has no {attribute}: name a class or a function in it.")
        found = getattr(found, part)
    return found


def look_here() -> None:
    """Let modules in the working directory be found, as ``python -m`` does."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def is_chat_function(found: object) -> TypeGuard[Callable[..., Any]]:
    """Return whether what a spec names is asked with a chat, so that a prompting and other settings apply to it."""
    return callable(found) and not inspect.isclass(found) and not isinstance(found, (Agent, AsyncAgent))


def make_imported(spec: str, found: object, seed: int, settings: Settings) -> Player:
    """Return the agent that :func:`find_agent` found.

    Args:
        spec: its name.
        found: a class, an agent or a function of a chat.
        seed: of its own draws; a class gets it as ``seed``, where it takes that.
        settings: how a function is asked.

    Raises:
        CreditGymError: it is no agent, or cannot be made.
    """
    if is_chat_function(found):
        if inspect.iscoroutinefunction(found):
            return ServerAgent(AsyncChatFunction(spec, found), settings.prompting, seed)
        return BatchAgent(ChatFunction(spec, found), settings.prompting, seed)
    agent = _made(spec, found, seed) if inspect.isclass(found) else found
    if not isinstance(agent, (Agent, AsyncAgent)) or not isinstance(agent.name, str):
        raise CreditGymError(
            f"{spec} is no agent: give it a name and act(contexts), or make it a function from messages to text."
        )
    return agent


@cache
def plugins() -> dict[str, EntryPoint]:
    """Return the agents of other packages by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _made(spec: str, found: type[Any], seed: int) -> object:
    try:
        takes_seed = "seed" in inspect.signature(found).parameters
        return found(seed=seed) if takes_seed else found()
    except CreditGymError:
        raise
    except Exception as error:
        raise CreditGymError(
            f"{spec} cannot be made with nothing but a seed: {type(error).__name__}: {error}"
        ) from error


def _loaded(load: Callable[[], Any], spec: str) -> Any:
    try:
        return load()
    except ModuleNotFoundError:
        raise
    except Exception as error:
        raise CreditGymError(f"{spec} cannot be imported: {type(error).__name__}: {error}") from error
