"""Values that cross between a program and its test, as plain data.

None, numbers, texts, containers and their relatives of the standard library cross by value, in their own type, which is
the receiver's: nothing that the sender defines comes along. Lists, sets, dicts and other values that can change are
numbered in the order in which they are met, so that one that occurs twice, or comes back from a call, stays one.

The encoding is JSON: scalars as they are, a list as a list, anything else as ``{tag: content}``.

This module is imported by the sandbox's supervisor before it shuts itself in: it uses the standard library alone.
"""

from __future__ import annotations

import collections
import importlib
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

_JSON_INTEGERS = 1 << 63
_EXACT = frozenset({type(None), bool, float, str})
_NUMPY_KINDS = "biufcUS"
_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range, object, type(None),
        Counter, OrderedDict, defaultdict, deque, Decimal, Fraction, date, datetime, time, timedelta,
    )
}  # fmt: skip


class Shared:
    """The values of one call that can change, numbered in the order in which both sides meet them."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[int, int] = {}

    def add(self, value: Any) -> Any:
        """Number a value and return it."""
        self._places[id(value)] = len(self.values)
        self.values.append(value)
        return value

    def place(self, value: Any) -> int | None:
        """Return the number of a value, None where it has none."""
        return self._places.get(id(value))


Keep = Callable[[Any], dict[str, Any]]
Find = Callable[[str, Any], Any]


def encode(value: Any, shared: Shared, keep: Keep) -> Any:
    """Return a value as JSON data.

    Args:
        value: what is sent.
        shared: the values of this call; new ones are added.
        keep: says how an object that is no plain value is sent.

    Raises:
        TypeError: ``keep`` has no way for it.
    """
    kind = type(value)
    if kind in _EXACT or (kind is int and -_JSON_INTEGERS < value < _JSON_INTEGERS):
        return value
    if isinstance(value, (str, int, float)):
        return _scalar(value)
    place = shared.place(value)
    if place is not None:
        return {"ref": place}

    def inner(item: Any) -> Any:
        return encode(item, shared, keep)

    changing = _changing_kind(value)
    if changing:
        shared.add(value)
        content = _CHANGING[changing].write(value, inner)
        return content if changing == "list" else {changing: content}
    if _fields(value):
        return _named_tuple(value, inner)
    known = kind if kind in _WRITERS else next((base for base in _DERIVABLE if isinstance(value, base)), None)
    if known:
        return _WRITERS[known](value, inner)
    name = type_name(value)
    if name:
        return {"type": name}
    return inner(value.tolist()) if _is_numpy(value) else keep(value)


def decode(data: Any, shared: Shared, find: Find) -> Any:
    """Return the value of JSON data.

    Args:
        data: what :func:`encode` made.
        shared: the values of this call; new ones are added.
        find: returns the object of a tag that stands for none of the plain values.

    Raises:
        Exception: of any kind; the data are no value.
    """

    def inner(item: Any) -> Any:
        return decode(item, shared, find)

    if isinstance(data, list):
        made = shared.add([])
        made.extend(map(inner, data))
        return made
    if not isinstance(data, dict):
        return data
    ((tag, content),) = data.items()
    if tag == "ref":
        return shared.values[content]
    if tag in _READERS:
        return _READERS[tag](content, inner)
    if tag in _CHANGING:
        kind = _CHANGING[tag]
        made = shared.add(kind.empty(content))
        kind.fill(made, content, inner)
        return made
    return find(tag, content)


def encode_state(value: Any, shared: Shared, keep: Keep) -> Any:
    """Return what a numbered value holds now, as JSON data."""
    kind = _changing_kind(value)
    return [kind, _CHANGING[kind].write(value, lambda item: encode(item, shared, keep))]


def decode_state(value: Any, state: Any, shared: Shared, find: Find) -> Callable[[], None]:
    """Return what gives a numbered value the state that its copy has on the other side."""
    tag, content = state
    if tag != _changing_kind(value):
        raise TypeError("a value came back as another kind")
    kind = _CHANGING[tag]
    fresh = kind.empty(content)
    kind.fill(fresh, content, lambda item: decode(item, shared, find))
    return lambda: kind.assign(value, fresh)


class _Changing:
    """How values of a kind that can change are written, made, filled and given another's content."""

    def __init__(
        self,
        write: Callable[[Any, Callable[[Any], Any]], Any],
        empty: Callable[[Any], Any],
        fill: Callable[[Any, Any, Callable[[Any], Any]], None],
        assign: Callable[[Any, Any], None],
    ) -> None:
        self.write, self.empty, self.fill, self.assign = write, empty, fill, assign


def _assign_slice(value: Any, fresh: Any) -> None:
    value[:] = fresh


def _assign_all(value: Any, fresh: Any) -> None:
    value.clear()
    value.update(fresh)


def _assign_deque(value: Any, fresh: Any) -> None:
    value.clear()
    value.extend(fresh)


def _assign_numpy(value: Any, fresh: Any) -> None:
    if value.shape != fresh.shape:
        raise TypeError("an array came back in another shape")
    if value.flags.writeable:
        value[...] = fresh


def _write_pairs(value: Any, inner: Callable[[Any], Any]) -> Any:
    return [[inner(key), inner(item)] for key, item in value.items()]


def _fill_pairs(made: Any, pairs: Any, inner: Callable[[Any], Any]) -> None:
    for key, item in pairs:
        made[inner(key)] = inner(item)


def _dict_kind(kind: type) -> _Changing:
    return _Changing(_write_pairs, lambda _: kind(), _fill_pairs, _assign_all)


def _read_numpy(content: Any) -> Any:
    dtype, shape, items = content
    numpy = importlib.import_module("numpy")
    kind = numpy.dtype(dtype).kind
    if kind not in _NUMPY_KINDS:
        raise TypeError(f"no array of {dtype} crosses")
    _, read = _NUMPY_ITEMS.get(kind, (None, None))
    return numpy.array(list(map(read, items)) if read else items, dtype=dtype).reshape(shape)


def _write_numpy(value: Any, _: Callable[[Any], Any]) -> Any:
    flat = value.ravel().tolist()
    write, _read = _NUMPY_ITEMS.get(value.dtype.kind, (None, None))
    return [value.dtype.str, list(value.shape), list(map(write, flat)) if write else flat]


_NUMPY_ITEMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "c": (str, complex),
    "S": (bytes.hex, bytes.fromhex),
}
_CHANGING: dict[str, _Changing] = {
    "list": _Changing(
        lambda value, inner: [inner(item) for item in value],
        lambda _: [],
        lambda made, items, inner: made.extend(map(inner, items)),
        _assign_slice,
    ),
    "Counter": _dict_kind(Counter),
    "OrderedDict": _dict_kind(OrderedDict),
    "defaultdict": _Changing(
        lambda value, inner: [type_name(value.default_factory), _write_pairs(value, inner)],
        lambda content: defaultdict(_TYPES.get(content[0])),
        lambda made, content, inner: _fill_pairs(made, content[1], inner),
        _assign_all,
    ),
    "dict": _dict_kind(dict),
    "set": _Changing(
        lambda value, inner: [inner(item) for item in value],
        lambda _: set(),
        lambda made, items, inner: made.update(map(inner, items)),
        _assign_all,
    ),
    "bytearray": _Changing(
        lambda value, _: value.hex(), bytearray.fromhex, lambda made, content, inner: None, _assign_slice
    ),
    "deque": _Changing(
        lambda value, inner: [value.maxlen, [inner(item) for item in value]],
        lambda content: deque(maxlen=content[0]),
        lambda made, content, inner: made.extend(map(inner, content[1])),
        _assign_deque,
    ),
    "numbers": _Changing(
        lambda value, _: [value.typecode, value.tolist()],
        lambda content: array(content[0], content[1]),
        lambda made, content, inner: None,
        _assign_slice,
    ),
    "numpy": _Changing(_write_numpy, _read_numpy, lambda made, content, inner: None, _assign_numpy),
}
_KINDS: dict[str, type] = {
    "list": list, "Counter": Counter, "OrderedDict": OrderedDict, "defaultdict": defaultdict, "dict": dict, "set": set,
    "bytearray": bytearray, "deque": deque, "numbers": array,
}  # fmt: skip


def _changing_kind(value: Any) -> str:
    """The kind of a value that can change, empty for any other; a subclass is what it derives from."""
    for name, kind in _KINDS.items():
        if isinstance(value, kind):
            return name
    is_array = _is_numpy(value) and hasattr(value, "dtype") and getattr(value, "shape", ()) != ()
    return "numpy" if is_array and value.dtype.kind in _NUMPY_KINDS else ""


def _scalar(value: Any) -> Any:
    """A text or number of a derived type, or a large integer."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__float__(value)
    number = int.__int__(value)
    return number if abs(number) < _JSON_INTEGERS else {"int": hex(number)}


def _zone(value: Any) -> Any:
    """A time zone as its offset in seconds, None for none."""
    if value is None:
        return None
    if type(value) is not timezone:
        raise TypeError("only fixed time zones cross between a program and its test")
    return value.utcoffset(None).total_seconds()


def _read_zone(content: Any) -> timezone | None:
    return None if content is None else timezone(timedelta(seconds=content))


def _read_time(hour: int, minute: int, second: int, microsecond: int, zone: Any, fold: int) -> time:
    return time(hour, minute, second, microsecond, _read_zone(zone), fold=fold)


_WRITERS: dict[type, Callable[[Any, Callable[[Any], Any]], Any]] = {
    bytes: lambda value, _: {"bytes": bytes.hex(value)},
    complex: lambda value, _: {"complex": [value.real, value.imag]},
    Fraction: lambda value, _: {"Fraction": str(value)},
    Decimal: lambda value, _: {"Decimal": str(value)},
    range: lambda value, inner: {"range": [inner(n) for n in (value.start, value.stop, value.step)]},
    slice: lambda value, inner: {"slice": [inner(n) for n in (value.start, value.stop, value.step)]},
    tuple: lambda value, inner: {"tuple": [inner(item) for item in tuple.__iter__(value)]},
    frozenset: lambda value, inner: {"frozenset": [inner(item) for item in value]},
    date: lambda value, _: {"date": [value.year, value.month, value.day]},
    timedelta: lambda value, _: {"timedelta": [value.days, value.seconds, value.microseconds]},
    timezone: lambda value, _: {"timezone": _zone(value)},
    time: lambda value, _: {
        "time": [value.hour, value.minute, value.second, value.microsecond, _zone(value.tzinfo), value.fold]
    },
    datetime: lambda value, _: {
        "datetime": [
            *(value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond),
            *(_zone(value.tzinfo), value.fold),
        ]
    },
}
_DERIVABLE = (bytes, tuple, frozenset)
_READERS: dict[str, Callable[[Any, Callable[[Any], Any]], Any]] = {
    "int": lambda content, _: int(content, 16),
    "bytes": lambda content, _: bytes.fromhex(content),
    "complex": lambda content, _: complex(*content),
    "Fraction": lambda content, _: Fraction(content),
    "Decimal": lambda content, _: Decimal(content),
    "range": lambda content, inner: range(*map(inner, content)),
    "slice": lambda content, inner: slice(*map(inner, content)),
    "tuple": lambda content, inner: tuple(map(inner, content)),
    "frozenset": lambda content, inner: frozenset(map(inner, content)),
    "date": lambda content, _: date(*content),
    "timedelta": lambda content, _: timedelta(*content),
    "timezone": lambda content, _: _read_zone(content),
    "time": lambda content, _: _read_time(*content),
    "datetime": lambda content, _: datetime.combine(date(*content[:3]), _read_time(*content[3:])),
    "namedtuple": lambda content, inner: _read_named_tuple(content, inner),
    "type": lambda content, _: _TYPES[content],
}


def type_name(value: Any) -> str | None:
    """Return the name of a type that both sides have, None for any other object."""
    name = getattr(value, "__name__", "") if isinstance(value, type) else ""
    return name if _TYPES.get(name) is value else None


def _fields(value: Any) -> tuple[str, ...]:
    """The fields of a named tuple, empty for any other."""
    fields = getattr(type(value), "_fields", ())
    is_named = isinstance(value, tuple) and isinstance(fields, tuple) and len(fields) == len(value)
    return fields if is_named and all(isinstance(field, str) for field in fields) else ()


def _named_tuple(value: Any, inner: Callable[[Any], Any]) -> Any:
    items = [inner(item) for item in tuple.__iter__(value)]
    return {"namedtuple": [type(value).__name__, list(_fields(value)), items]}


def _read_named_tuple(content: Any, inner: Callable[[Any], Any]) -> Any:
    name, fields, items = content
    return _tuple_type(name, tuple(fields))(*map(inner, items))


@lru_cache(maxsize=256)
def _tuple_type(name: str, fields: tuple[str, ...]) -> Callable[..., Any]:
    """A named tuple of the receiver's own; its maker refuses names that are no identifiers."""
    return collections.namedtuple(name, fields)


def _is_numpy(value: Any) -> bool:
    return type(value).__module__ == "numpy" and hasattr(value, "tolist")
