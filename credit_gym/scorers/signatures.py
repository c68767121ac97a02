"""Options of scorers: what a signature declares of them (type, choices, range), and values or texts that must fit it.

The annotation is the whole declaration: ``float``, ``int``, ``bool``, ``str``, a ``Literal`` of choices, any of them in
``Annotated[..., Range("[0, 1]")]``, ``| None`` or ``| Callable[...]``; or a ``dict``, which as text is a JSON object. A
number without a range must be finite. What has no annotation is taken to be of its default's type; an annotation of any
other kind is the scorer's own to check.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np

from credit_gym.data.foreign_text import read_json
from credit_gym.data.key_functions import read_function
from credit_gym.data.keys import Key
from credit_gym.errors import OptionError, unknown
from credit_gym.estimation.ranges import Finite, Range


@dataclass(frozen=True, slots=True)
class Option:
    """One keyword option of a scorer.

    Attributes:
        name: its name.
        default: what it is if it is not given.
        kind: float, int, bool, str, dict, or None where its type is none of these.
        choices: the texts to choose from; empty where it is no choice.
        range: the numbers that it may be.
        optional: whether it may be None.
        function: whether it may be a function, which as text is ``module:function``.
    """

    name: str
    default: Any
    kind: type | None
    choices: tuple[str, ...] = ()
    range: Range = Finite
    optional: bool = False
    function: bool = False

    @property
    def takes(self) -> str:
        """What it may be, in words."""
        words = _listed(self.choices) if self.choices else _KINDS[self.kind].words if self.kind else "anything"
        if self.kind in (float, int) and self.range is not Finite:
            words = f"{words} in {self.range.text}"
        elif self.kind is float:
            words = f"{words} that is finite"
        words = f"{words}, or a function (as text, module:function)" if self.function else words
        return f"{words} or none" if self.optional else words


@lru_cache(maxsize=1024)
def declared(function: Callable[..., Any], skip: int = 1) -> Mapping[str, Option]:
    """Return the options that a scorer's signature declares, by name, in its order; the batch is none of them.

    Args:
        function: the scorer, or anything else that takes options.
        skip: parameters at its beginning that are none: the batch, or a method's self.
    """
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError:  # an annotation that only type checkers can resolve
        hints = {}
    named = list(inspect.signature(function).parameters.values())[skip:]
    return {
        p.name: _option(p.name, p.default, hints.get(p.name, type(p.default)))
        for p in named
        if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
    }


def check_options(
    scorer: str, function: Callable[..., Any], options: Mapping[str, Any], *, key: bool = False
) -> dict[str, Any]:
    """Return the options of a scorer, each a plain value of its declared type.

    Args:
        scorer: the scorer's name.
        function: the scorer.
        options: what was asked for; whole numbers are numbers too, truth values are not.
        key: whether ``key``, what states are pooled by, counts among the options.

    Raises:
        UnknownNameError: there is no such option, or no such choice.
        OptionError: a value is not of the option's type, or outside its range.
    """
    return check_values(scorer, _known(function, options, key), options) if options else {}


def check_values(owner: str, known: Mapping[str, Option], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by name, each a plain one of its declared type.

    Args:
        owner: whose options they are, as errors name it.
        known: what is declared.
        values: what was asked for; whole numbers are numbers too, truth values are not.

    Raises:
        UnknownNameError: there is no such option, or no such choice.
        OptionError: a value is not of the option's type, or outside its range.
    """
    return {name: _checked(owner, _named(owner, name, known), value) for name, value in values.items()}


def read_options(
    scorer: str, function: Callable[..., Any], options: Mapping[str, Any], *, key: bool = False
) -> dict[str, Any]:
    """Return the options of a scorer where some came as text: a text is read as what the option's type says.

    So ``1e-1`` is a number, ``none`` is None where that is allowed, and a text for anything else is refused.

    Args:
        scorer: the scorer's name.
        function: the scorer.
        options: texts, as a command line gives them, or values, as YAML does.
        key: whether ``key``, what states are pooled by, counts among the options.

    Raises:
        UnknownNameError: there is no such option, or no such choice.
        OptionError: a value cannot be read as the option's type, or is outside its range.
    """
    known = _known(function, options, key)
    read = {}
    for name, value in options.items():
        option = _named(scorer, name, known)
        read[name] = _checked(scorer, option, _parsed(scorer, option, value) if isinstance(value, str) else value)
    return read


class _Kind(NamedTuple):
    words: str
    fits: Callable[[Any], bool]
    plain: Callable[[Any], Any]
    read: Callable[[str], Any]


def _truth(text: str) -> bool:
    return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}[text.strip().lower()]


def _mapping(text: str) -> dict[str, Any]:
    value = read_json(text)
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


_KINDS: dict[type, _Kind] = {
    float: _Kind("a number", lambda v: isinstance(v, Real) and not _is_truth(v), float, float),
    int: _Kind("a whole number", lambda v: isinstance(v, Integral) and not _is_truth(v), int, int),
    bool: _Kind("true or false", _is_truth, bool, _truth),
    str: _Kind("a text", lambda v: isinstance(v, str), str, str),
    dict: _Kind("a mapping (as text, a JSON object)", lambda v: isinstance(v, Mapping), dict, _mapping),
}


def _known(function: Callable[..., Any], options: Iterable[str], key: bool) -> dict[str, Option]:
    """The options of a scorer; one that takes any (``**options``) takes what is given."""
    anything = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())
    loose = {name: Option(name, None, None) for name in options} if anything else {}
    return {**loose, **declared(function), **({"key": KEY} if key else {})}


def _option(name: str, default: Any, hint: Any) -> Option:
    optional, function, found = False, False, Finite
    while (origin := get_origin(hint)) in (Annotated, Union, UnionType):
        inner = get_args(hint)
        if origin is Annotated:
            found = next((each for each in inner[1:] if isinstance(each, Range)), found)
            hint = inner[0]
            continue
        rest = tuple(each for each in inner if each is not NoneType and get_origin(each) is not Callable)
        optional = optional or NoneType in inner
        function = function or any(get_origin(each) is Callable for each in inner)
        hint = rest[0] if len(rest) == 1 else Any
    choices = get_args(hint) if origin is Literal else ()
    if choices and all(isinstance(choice, str) for choice in choices):
        return Option(name, default, str, choices, optional=optional, function=function)
    kind = get_origin(hint) or hint
    return Option(name, default, kind if kind in _KINDS else None, range=found, optional=optional)


def _named(scorer: str, name: str, known: Mapping[str, Option]) -> Option:
    if name not in known:
        raise unknown(f"option of {scorer}", name, known)
    return known[name]


def _parsed(scorer: str, option: Option, text: str) -> Any:
    if option.function and ":" in text:
        return read_function(text)
    if option.optional and text not in option.choices and text.strip().lower() in ("none", "null", "~", ""):
        return None
    try:
        return _KINDS[option.kind].read(text) if option.kind else read_json(text)
    except (ValueError, KeyError):
        if option.kind is None:
            return text
        raise _refused(scorer, option, text) from None


def _checked(scorer: str, option: Option, value: Any) -> Any:
    """The plain value of an option, if it fits."""
    if option.kind is None or (value is None and option.optional) or (option.function and callable(value)):
        return value
    kind = _KINDS[option.kind]
    if option.choices and isinstance(value, str) and value not in option.choices:
        raise unknown(f"{option.name} of {scorer}", value, option.choices)
    if not kind.fits(value):
        raise _refused(scorer, option, value)
    try:
        plain = kind.plain(value)
    except OverflowError:  # a whole number that no float can hold
        raise _refused(scorer, option, value) from None
    if option.kind in (float, int) and plain not in option.range:
        raise _refused(scorer, option, plain)
    return plain


def _refused(scorer: str, option: Option, value: Any) -> OptionError:
    shown = f"{value:g}" if isinstance(value, float) else repr(value)
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
    return OptionError(f"The option {option.name} of {scorer} must be {option.takes}, not {shown}.")


def _listed(choices: tuple[str, ...]) -> str:
    names = [repr(choice) for choice in choices]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


_LONGEST = 60  # characters of a refused value that its error shows

KEY = _option("key", "state", Key)
"""What states are pooled by: an option of everything that makes a batch of episodes."""
