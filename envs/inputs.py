"""What a caller gives an environment: arguments, options of ``reset``, actions. They are checked here, alike for all.

``TextEnv`` and ``TextVectorEnv`` put these checks around every subclass, so that no environment repeats them. The
arguments of a constructor are what its annotations say (:mod:`credit_gym.scorers.signatures`): ``Count`` for 1 and
more, ``Whole`` for 0 and more, a ``Literal`` for a choice.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache, partialmethod, wraps
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import gymnasium as gym
import numpy as np

from credit_gym.errors import unknown

if TYPE_CHECKING:
    from credit_gym.scorers.signatures import Option

F = TypeVar("F", bound=Callable[..., Any])


def check_arguments(kind: type, arguments: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Refuse arguments of a constructor that its annotations do not allow.

    Args:
        kind: the class; where its ``__init__`` takes any keyword, those of its bases count too.
        arguments: by position.
        options: by name.

    Raises:
        UnknownNameError: there is no such argument, or no such choice.
        OptionError: a value is not of the argument's type, or outside its range.
    """
    options = _ours(options)
    if not arguments and not options:
        return
    from credit_gym.scorers.signatures import check_values

    constructors = _constructors(kind)
    known = _declared(constructors)
    if known is not None:
        named = dict(zip(list(inspect.signature(constructors[0]).parameters)[1:], arguments, strict=False))
        check_values(kind.__name__, known, {**named, **options})


def check_call(name: str, takes: Collection[str], makers: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Refuse options that neither a model nor the environment over it takes; see :func:`check_arguments`.

    Args:
        name: what errors call the environment.
        takes: the names of the options.
        makers: what makes the model, and the class of the environment: their annotations are those of the options.
        options: those of both, by name.
    """
    options = _ours(options)
    if options:
        from credit_gym.scorers.signatures import check_values, declared

        model, kind = makers
        known = {**declared(model, skip=0), **(_declared(_constructors(kind)) or {})}
        check_values(name, {each: known[each] for each in takes}, options)


def checked_step(step: F) -> F:
    """Return a ``step`` that refuses what is not text; one that :func:`refuses_itself` stays as it is."""
    if step in _REFUSE_THEMSELVES:
        return step

    @wraps(step)
    def checked(self: Any, action: str) -> Any:
        if not isinstance(action, str):
            raise not_text(action)
        return step(self, action)

    return checked  # type: ignore[return-value]


def refuses_itself(step: F) -> F:
    """Mark a ``step`` that raises :func:`not_text` itself: where a step takes a microsecond, one more call is much."""
    _REFUSE_THEMSELVES.add(step)
    return step


def checked_reset(start: F) -> F:
    """Return a ``reset`` that refuses options which its environment does not declare in ``reset_options``."""

    @wraps(start)
    def reset(self: Any, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if options:  # the name of this function stays "reset": a TimeLimit is found by the calls of that name
            check_options(options, self.reset_options)
        result = start(self, seed=seed, options=options)
        if self._step_limit is not None:
            self.tell_limit(result[1])
        return result

    return reset  # type: ignore[return-value]


def check_options(options: object, known: Collection[str]) -> None:
    """Refuse options of ``reset`` that do not exist.

    Raises:
        UnknownNameError: there is no such option.
        gymnasium.error.Error: the options are no mapping.
    """
    if not isinstance(options, Mapping):
        raise gym.error.Error(f'options of reset() are a mapping such as {{"task": 0}}, not {_shown(options)}.')
    for name in options:
        if name not in known:
            raise unknown("option of reset()", str(name), known)


def check_actions(actions: Any, count: int) -> None:
    """Refuse what is neither n texts nor n places in the lists of admissible actions.

    Raises:
        gymnasium.error.InvalidAction: it is.
    """
    if isinstance(actions, str | bytes) or not hasattr(actions, "__len__") or not hasattr(actions, "__getitem__"):
        raise gym.error.InvalidAction(f"step() needs {count} actions in a list or an array, not {_shown(actions)}.")
    if len(actions) != count:
        raise gym.error.InvalidAction(f"step() needs {count} actions, not {len(actions)}.")
    kinds = set(map(type, actions))
    if not (all(issubclass(kind, str) for kind in kinds) or all(map(_is_integer, kinds))):
        wrong = next((a for a in actions if not isinstance(a, str) and not _is_integer(type(a))), actions[0])
        raise gym.error.InvalidAction(f"Actions are all texts (str) or all integers, not {_shown(wrong)} among others.")


def not_text(action: object) -> gym.error.InvalidAction:
    """Return the error for an action that is not text."""
    hint = ": decode it first" if isinstance(action, bytes | bytearray) else ""
    return gym.error.InvalidAction(f"An action is text (str), not {_shown(action)}{hint}.")


def _ours(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options without ``max_episode_steps``, which is Gymnasium's own (-1 for none) and has a check of its own."""
    return {name: value for name, value in options.items() if name != "max_episode_steps"}


def _is_integer(kind: type) -> bool:
    return issubclass(kind, int | np.integer) and kind is not bool


def _shown(value: object) -> str:
    """What a value is, in few words."""
    text = repr(value) if isinstance(value, int | float | str | bytes) or value is None else type(value).__name__
    return text if len(text) <= _LONGEST else f"{type(value).__name__} of {len(text)} characters"


_LONGEST = 60
_REFUSE_THEMSELVES: set[Callable[..., Any]] = set()


@lru_cache(maxsize=256)
def _constructors(kind: type) -> tuple[Callable[..., Any], ...]:
    """``__init__`` of a class, followed by those of its bases as long as each takes any keyword."""
    found: list[Callable[..., Any]] = []
    for each in kind.__mro__:
        if "__init__" in vars(each):
            constructor = vars(each)["__init__"]
            found.append(constructor.func if isinstance(constructor, partialmethod) else constructor)
            if not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(found[-1]).parameters.values()):
                break
    return tuple(found)


@lru_cache(maxsize=256)
def _declared(constructors: tuple[Callable[..., Any], ...]) -> Mapping[str, Option] | None:
    """The arguments of constructors; None where an annotation means nothing at run time, and none can be checked."""
    from credit_gym.scorers.signatures import declared

    known: dict[str, Option] = {}
    for each in constructors:
        try:
            get_type_hints(each)
        except NameError:
            return None
        known = {**declared(each), **known}
    return known
