"""A user's own key: a function from an episode to one label a point; to a command it is ``module:function``.

A label is a text, a number, None, or a tuple or frozenset of such; points are one state if the texts of their labels
are equal. The function must return the same for the same episode whenever it is asked, which may be more than once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from numbers import Number
from typing import Any, TypeAlias

from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError, OptionError

KeyFunction: TypeAlias = Callable[[Episode], Sequence[Any]]


def given_labels(key: KeyFunction, episode: Episode) -> list[str]:
    """Return the labels that a function gives the points of an episode, as texts; (T+1,).

    Raises:
        BatchError: it fails, does not return one label a point, or one that is no label.
    """
    whose = f"The key {function_name(key)}"
    try:
        found = key(episode)
        labels = [found] if isinstance(found, str) else list(found)
        texts = [label if isinstance(label, str) else _text(label) for label in labels]
    except Exception as error:  # (somebody else's code may raise anything)
        reason = f"{type(error).__name__}: {error}"
        raise BatchError(f"{whose} fails for episode {episode.episode_id!r}: {reason}") from error
    if len(texts) != len(episode) + 1:
        raise BatchError(
            f"{whose} gives {len(texts)} labels for episode {episode.episode_id!r} of {len(episode)} steps; "
            f"it must give {len(episode) + 1}, one before each step and one after the last."
        )
    return texts


def function_name(key: KeyFunction) -> str:
    """Return how a function is written down: that it is one, and its qualified name (its type's, if it has none)."""
    while isinstance(key, partial):
        key = key.func
    named = key if hasattr(key, "__qualname__") else type(key)
    return f"function {named.__module__}:{named.__qualname__}"


def read_function(spec: str) -> KeyFunction:
    """Return the function that ``module:function`` names; the module may lie in the working folder.

    Raises:
        OptionError: it cannot be imported, or is no function.
    """
    module, _, name = spec.partition(":")
    sys.path.append("")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # (importing runs somebody else's code)
        raise OptionError(f"The key {spec!r} cannot be imported ({type(error).__name__}: {error}).") from error
    finally:
        sys.path.remove("")
    if not callable(found):
        raise OptionError(f"The key {spec!r} must name a function of an episode, not a {type(found).__name__}.")
    function: KeyFunction = found
    return function


def _text(label: Any) -> str:
    if isinstance(label, tuple):
        return f"({', '.join(map(_inner, label))})"
    if isinstance(label, frozenset):
        return f"{{{', '.join(sorted(map(_inner, label)))}}}"
    if label is None or isinstance(label, Number):
        return str(label)
    raise TypeError(f"a label is a text, a number, None, or a tuple or frozenset of such, not a {type(label).__name__}")


def _inner(label: Any) -> str:
    return json.dumps(label) if isinstance(label, str) else _text(label)
