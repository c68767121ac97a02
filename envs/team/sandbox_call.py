"""Calls by value between the two processes of a test: one that runs the program, one that runs the test.

The test never shares an interpreter with the program. What crosses between them is plain data, so an object that calls
itself equal to everything, a patched builtin or an exit handler has no one to deceive. What is no plain data stays
where it is and is spoken to through a :class:`Remote`.

This module is imported by the sandbox's supervisor before it shuts itself in: it uses the standard library alone.
"""

from __future__ import annotations

import builtins
import importlib
import json
import operator
import random
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from socket import socket
from typing import Any

_LONGEST_MESSAGE = 4 << 20
_LONGEST_ERROR = 500
_JSON_INTEGERS = 1 << 63
_EXACT = frozenset({type(None), bool, float, str})
_BY_TEXT: dict[str, Callable[[str], Any]] = {
    "int": lambda text: int(text, 16),
    "complex": complex,
    "bytes": bytes.fromhex,
    "Fraction": Fraction,
    "Decimal": Decimal,
}
_TO_TEXT: dict[type, Callable[[Any], str]] = {
    complex: str,
    bytes: bytes.hex,
    Fraction: str,
    Decimal: str,
}
_BY_ITEMS: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": lambda pairs: dict(map(tuple, pairs)),
    "range": lambda bounds: range(*bounds),
}
_CONTAINERS = (list, tuple, set, frozenset)
_LIBRARY = frozenset((  # what published tests use without importing it, since the reference solution did
    "bisect", "cmath", "collections", "copy", "datetime", "decimal", "fractions", "functools", "heapq", "itertools",
    "json", "math", "operator", "random", "re", "statistics", "string", "sys", "typing",
))  # fmt: skip


def serve_program(tester: socket) -> None:
    """Run a program and answer the calls of its tester until the tester hangs up.

    Everything here may be overthrown by the program: it can answer its calls as it likes, and that is all it can do.
    """
    random.seed(0)
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    objects: list[Any] = []
    while (request := receive(tester)) is not None:
        try:
            reply = {"value": _answer(request, module, objects)}
        except BaseException as error:  # noqa: BLE001 - SystemExit and the like are answers of the program too
            reply = {"raise": [type(error).__name__, str(error)[:_LONGEST_ERROR]]}
        send(tester, reply)


def run_test(parent: socket, program: socket) -> None:
    """Read one test from the parent, run it against the program, and tell the parent how it went.

    The reply is ``{"error": None}`` for a test that passed, else what went wrong in words.
    """
    random.seed(0)
    job = receive(parent)
    if job is None:
        return
    try:
        error = _failure(job, Link(program))
    except BaseException as unexpected:  # noqa: BLE001 - whatever a test raises, it did not pass
        error = _shorten(unexpected) or type(unexpected).__name__
    send(parent, {"error": error})


def send(connection: socket, message: Any) -> None:
    """Send one message."""
    data = json.dumps(message, separators=(",", ":")).encode("utf-8", "surrogatepass")
    connection.sendall(len(data).to_bytes(4, "big") + data)


def receive(connection: socket) -> Any:
    """Return the next message, None at the end of the connection.

    Raises:
        ValueError: it is too long, or no message at all.
    """
    header = _read(connection, 4)
    if header is None:
        return None
    size = int.from_bytes(header, "big")
    if size > _LONGEST_MESSAGE:
        raise ValueError(f"a message of {size} bytes is longer than {_LONGEST_MESSAGE}")
    data = _read(connection, size)
    return None if data is None else json.loads(data.decode("utf-8", "surrogatepass"))


class ProgramError(Exception):
    """What the program raised, where it is no builtin exception, or its end."""


class Link:
    """The tester's side: asks the program for values."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection

    def ask(self, kind: str, *arguments: Any) -> Any:
        """Return the program's answer as plain data and remotes.

        Raises:
            ProgramError: the program raised an exception of its own, ended, or talks nonsense.
            Exception: the builtin exception that the program raised.
        """
        try:
            send(self._connection, [kind, *arguments])
            reply = receive(self._connection)
        except OSError:
            reply = None
        if reply is None:
            raise ProgramError("the program ended before it answered")
        if "raise" in reply:
            name, text = map(str, reply["raise"])
            known = getattr(builtins, name, None)
            if isinstance(known, type) and issubclass(known, Exception) and not issubclass(known, UnicodeError):
                raise known(text)
            raise ProgramError(f"{name}: {text}")
        return self.decode(reply["value"])

    def call(self, handle: int, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Call an object of the program; lists, dicts and sets among the arguments see what it did to them."""
        sent = [encode(argument) for argument in arguments]
        named = {name: encode(value) for name, value in options.items()}
        value, after = self.ask("call", handle, sent, named)
        for argument, change in zip(arguments, after, strict=True):
            _overwrite(argument, change)
        return value

    def decode(self, data: Any) -> Any:
        """Return the value of encoded plain data; :func:`encode` says how it looks."""
        if isinstance(data, list):
            return [self.decode(item) for item in data]
        if not isinstance(data, dict):
            return data
        ((tag, content),) = data.items()
        if tag in _BY_TEXT:
            return _BY_TEXT[tag](content)
        if tag == "array":
            return importlib.import_module("numpy").array(self.decode(content))
        if tag == "remote":
            return Remote(self, int(content))
        return _BY_ITEMS[tag](self.decode(content))


class Remote:
    """An object of the program, held by the tester. It equals nothing but what its own program says of its own kind."""

    def __init__(self, link: Link, handle: int) -> None:
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_handle", handle)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call it in the program; the answer is plain data, or another remote."""
        return self._link.call(self._handle, arguments, options)

    def __getattr__(self, name: str) -> Any:
        return self._link.ask("get", self._handle, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._link.ask("set", self._handle, name, encode(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and self._operate("eq", other) is True

    def __hash__(self) -> int:
        return hash(self._handle)

    def __bool__(self) -> bool:
        return self._operate("bool") is True

    def __len__(self) -> int:
        return int(self._operate("len"))

    def __str__(self) -> str:
        return str(self._operate("str"))

    def __repr__(self) -> str:
        return str(self._operate("repr"))

    def __getitem__(self, key: Any) -> Any:
        return self._operate("getitem", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._operate("setitem", key, value)

    def __contains__(self, item: Any) -> bool:
        return self._operate("contains", item) is True

    def __lt__(self, other: Any) -> bool:
        return self._operate("lt", other) is True

    def __next__(self) -> Any:
        return self._operate("next")

    def __iter__(self) -> Iterator[Any]:
        items = self._operate("iter")
        while True:
            try:
                yield next(items)
            except StopIteration:
                return

    def _operate(self, name: str, *arguments: Any) -> Any:
        return self._link.ask("operate", self._handle, name, [encode(argument) for argument in arguments])


def encode(value: Any, keep: Callable[[Any], int] | None = None) -> Any:
    """Return plain data as JSON: scalars and lists as they are, anything else as ``{tag: content}``.

    Args:
        value: None, a bool, number, text, bytes, list, tuple, set, dict, range or NumPy array, nested at will.
        keep: stores an object that is no plain data and returns its handle.

    Raises:
        TypeError: there is something that is no plain data and nowhere to keep it.
    """
    if type(value) in _EXACT:
        return value
    if isinstance(value, Remote):
        return {"remote": value._handle}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        number = int(value)
        return number if abs(number) < _JSON_INTEGERS else {"int": hex(number)}
    if isinstance(value, float):
        return float(value)
    if type(value) in _TO_TEXT:
        return {type(value).__name__: _TO_TEXT[type(value)](value)}
    if isinstance(value, range):
        return {"range": [value.start, value.stop, value.step]}
    if isinstance(value, dict):
        return {"dict": [[encode(key, keep), encode(item, keep)] for key, item in value.items()]}
    for kind in _CONTAINERS:
        if isinstance(value, kind):
            items = [encode(item, keep) for item in value]
            return items if kind is list else {kind.__name__: items}
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        plain = encode(value.tolist(), keep)
        return {"array": plain} if isinstance(plain, list) else plain
    if keep is None:
        raise TypeError(f"a test cannot hand a {type(value).__name__} to the program")
    return {"remote": keep(value)}


def _answer(request: list[Any], module: types.ModuleType, objects: list[Any]) -> Any:
    """Do what the tester asks; the answer is encoded, a pair for a call."""
    kind, *arguments = request

    def keep(value: Any) -> int:
        objects.append(value)
        return len(objects) - 1

    def decode(data: Any) -> Any:
        return _Local(objects).decode(data)

    if kind == "load":
        exec(compile(arguments[0], "solution.py", "exec"), module.__dict__)
        return None
    if kind == "names":
        found = [name for name in arguments[0] if name in module.__dict__]
        return {"dict": [[name, encode(module.__dict__[name], keep)] for name in found]}
    target = objects[arguments[0]]
    if kind == "call":
        values = [decode(item) for item in arguments[1]]
        result = target(*values, **{name: decode(item) for name, item in arguments[2].items()})
        after = [encode(value, keep) if isinstance(value, (list, dict, set)) else None for value in values]
        return {"tuple": [encode(result, keep), after]}
    if kind == "get":
        return encode(getattr(target, arguments[1]), keep)
    if kind == "set":
        return setattr(target, arguments[1], decode(arguments[2]))
    return encode(_OPERATIONS[arguments[1]](target, *map(decode, arguments[2])), keep)


class _Local(Link):
    """The program's side of decoding: a remote is an object of its own."""

    def __init__(self, objects: list[Any]) -> None:
        self._objects = objects

    def decode(self, data: Any) -> Any:
        if isinstance(data, dict) and "remote" in data:
            return self._objects[data["remote"]]
        return super().decode(data)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "bool": bool,
    "len": len,
    "str": str,
    "repr": repr,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "contains": operator.contains,
    "iter": iter,
    "next": next,
}


def _failure(job: Mapping[str, Any], link: Link) -> str | None:
    try:
        link.ask("load", job["source"])
    except Exception as error:  # noqa: BLE001 - any exception of the program is its failure
        return f"The program does not load: {_shorten(error)}"
    code = compile(f"{job['setup']}\n{job['test']}", "test.py", "exec")
    namespace: dict[str, Any] = {"__name__": "test"}
    for name in _names(code) & _LIBRARY:
        namespace[name] = importlib.import_module(name)
    namespace |= link.ask("names", job["names"])
    try:
        exec(code, namespace)
    except AssertionError as error:
        return f"An assertion does not hold. {_shorten(error, named=False)}".strip()
    return None


def _names(code: types.CodeType) -> set[str]:
    """Every name that a piece of code reads, its functions' included."""
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _overwrite(argument: Any, change: Any) -> None:
    """Give a list, dict or set of the test the content that the program left in its copy."""
    if type(argument) is type(change) and argument != change:
        if isinstance(argument, list):
            argument[:] = change
        elif isinstance(argument, (dict, set)):
            argument.clear()
            argument.update(change)


def _shorten(error: BaseException, *, named: bool = True) -> str:
    text = f"{type(error).__name__}: {error}" if named else str(error)
    return text[:_LONGEST_ERROR]


def _read(connection: socket, size: int) -> bytes | None:
    parts = []
    while size:
        part = connection.recv(min(size, 1 << 16))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
