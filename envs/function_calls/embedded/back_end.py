"""What a back end is: tools on plain data.

The data is what has no underscore before its name. It is never changed in place: a tool that changes something puts new
values into the attributes, at its end. So a copy is its attributes, costs the same however much is stored, and a call
that is refused has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ClassVar, ParamSpec, Self, cast

from credit_gym.envs.tool_arguments import Described, Refused, checked, describe

Row = Mapping[str, Any]
Table = Mapping[str, Row]
Answer = dict[str, Any]
P = ParamSpec("P")

LONGEST_TEXT = 2000  # characters of a text that is kept
MOST_ROWS = 1000  # of a table


class BackEnd:
    """Tools on plain data; a subclass marks its tools with :func:`reads` and :func:`changes`.

    Attributes:
        TOOLS: name -> what each tool takes, in the order of their definition.
        READS: the names of those that never change anything.
    """

    TOOLS: ClassVar[Mapping[str, Described]] = {}
    READS: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        marked = [method for method in vars(cls).values() if hasattr(method, "_described")]
        cls.TOOLS = {method.__name__: method._described for method in marked}
        cls.READS = frozenset(method.__name__ for method in marked if method._reads)

    def load(self, scenario: Mapping[str, Any], long_context: bool = False) -> None:
        """Begin where a scenario says.

        Args:
            scenario: the data by the names of the attributes; what is left out is empty.
            long_context: whether much that nobody asks for lies beside it.
        """
        raise NotImplementedError

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin


def reads(function: Callable[P, Answer]) -> Callable[P, Answer]:
    """Mark a tool that only looks."""
    return _tool(function, reading=True)


def changes(function: Callable[P, Answer]) -> Callable[P, Answer]:
    """Mark a tool that changes something."""
    return _tool(function, reading=False)


def row_of(table: Table, key: str | int, what: str) -> Row:
    """Return a row of a table.

    Raises:
        Refused: there is none of that key.
    """
    try:
        return table[str(key)]
    except KeyError:
        raise Refused(f"There is no {what} {shown(key)}.") from None


def put(table: Mapping[str, Any], key: str | int, value: Any) -> dict[str, Any]:
    """Return a table with a value added or replaced.

    Raises:
        Refused: there is no room for more.
    """
    if len(table) >= MOST_ROWS and str(key) not in table:
        raise Refused(f"There is no room for more than {MOST_ROWS} entries; nothing was added.")
    return {**table, str(key): value}


def without(table: Mapping[str, Any], key: str | int) -> dict[str, Any]:
    """Return a table without a key."""
    gone = str(key)
    return {name: value for name, value in table.items() if name != gone}


def kept(text: str, what: str, most: int = LONGEST_TEXT) -> str:
    """Return a text that may be stored.

    Raises:
        Refused: it is blank or too long, or holds half characters that no file can.
    """
    if not text.strip() or len(text) > most:
        raise Refused(f"The {what} must have 1 to {most} characters.")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Refused(f"The {what} must be text that can be written as UTF-8.")
    return text


def between(number: float, least: float, most: float, what: str) -> float:
    """Return a number that lies within bounds.

    Raises:
        Refused: it does not.
    """
    if not least <= number <= most:
        raise Refused(f"The {what} must be from {least} to {most}.")
    return number


def shown(value: str | int) -> str:
    """Return how a sentence quotes a value."""
    return repr(value[:60]) if isinstance(value, str) else str(value)


def cents(amount: float) -> float:
    """Return an amount of money, exact to the cent."""
    return round(float(amount), 2) + 0.0


def _tool(function: Callable[P, Answer], *, reading: bool) -> Callable[P, Answer]:
    takes = describe(function)
    names = tuple(takes.arguments)

    @wraps(function)
    def call(itself: BackEnd, /, *values: Any, **named: Any) -> Answer:
        try:
            return cast("Callable[..., Answer]", function)(itself, **checked(takes, _by_name(names, values, named)))
        except Refused as refusal:
            return {"error": str(refusal)}

    call._described, call._reads = takes, reading  # type: ignore[attr-defined]
    return cast("Callable[P, Answer]", call)


def _by_name(names: tuple[str, ...], values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    if len(values) > len(names):
        raise Refused(f"There are {len(values)} values for {len(names)} arguments.")
    if twice := named.keys() & names[: len(values)]:
        raise Refused(f"The argument {min(twice)!r} has two values.")
    return {**dict(zip(names, values, strict=False)), **named}
