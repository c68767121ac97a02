"""Calls by value between the two processes of a test: one that runs the program, one that runs the test.

The test never shares an interpreter with the program. What crosses between them is plain data
(:mod:`~credit_gym.envs.team.sandbox_values`), so an object that calls itself equal to everything, a patched builtin or
an exit handler has no one to deceive. What is no plain data stays where it is. The test speaks to an object of the
program through a :class:`Remote`, which never says how that object compares with a value of the test; the program
speaks to a function or an iterator of the test through a :class:`Callback`, which can be called and nothing else.

This module is imported by the sandbox's supervisor before it shuts itself in: it uses the standard library alone.
"""

from __future__ import annotations

import importlib
import operator
import random
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from socket import socket
from typing import Any

from credit_gym.envs.team.sandbox_wire import LONGEST_ERROR, Peer, ProgramError, receive, send

_LIBRARY = frozenset((  # what published tests use without importing it, since the reference solution did
    "bisect", "cmath", "collections", "copy", "datetime", "decimal", "fractions", "functools", "heapq", "itertools",
    "json", "math", "operator", "random", "re", "statistics", "string", "sys", "typing",
))  # fmt: skip
_READABLE = frozenset((  # the special attributes of an object that are no answer to a question of the test
    "__name__", "__qualname__", "__doc__", "__module__", "__dict__", "__annotations__", "__version__",
))  # fmt: skip
_QUESTIONS = frozenset(  # methods of plain values that compare them with something: only a plain value answers those
    name for kind in (str, set) for name in dir(kind) if name.startswith(("is", "startswith", "endswith"))
)


def serve_program(tester: socket) -> None:
    """Run a program and answer the calls of its tester until the tester hangs up.

    Everything here may be overthrown by the program: it can answer its calls as it likes, and that is all it can do.
    """
    random.seed(0)
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    Program(tester, module).serve()


def run_test(parent: socket, program: socket) -> None:
    """Read one test from the parent, run it against the program, and tell the parent how it went.

    The reply is ``{"error": None}`` for a test that passed, else what went wrong in words.
    """
    random.seed(0)
    job = receive(parent)
    if job is None:
        return
    try:
        error = _failure(job, Tester(program))
    except BaseException as unexpected:  # noqa: BLE001 - whatever a test raises, it did not pass
        error = _shorten(unexpected) or type(unexpected).__name__
    send(parent, {"error": error})


class Tester(Peer):
    """The test's side. It is asked for nothing but calls of the functions that the test has handed over."""

    def __init__(self, connection: socket) -> None:
        super().__init__(connection)
        self._remotes: dict[int, Remote] = {}

    def ask(
        self, kind: str, *plain: Any, arguments: tuple[Any, ...] = (), options: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the program's answer; it can end an iteration of its own, and none of the test's."""
        try:
            return super().ask(kind, *plain, arguments=arguments, options=options)
        except StopIteration as end:
            if "next" in plain:
                raise
            raise ProgramError(f"StopIteration: {end}") from None

    def _answer(self, kind: str, plain: list[Any], arguments: list[Any], options: dict[str, Any]) -> Any:
        if kind != "call":
            raise ProgramError("a program can only call what it was given")
        return self._objects[plain[0]](*arguments, **options)

    def _keep(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Remote):
            return {"remote": value._handle}
        if callable(value):
            return {"call": self.keep(value)}
        if hasattr(type(value), "__next__"):
            return {"iterator": self.keep(value.__next__)}
        raise TypeError(f"a test cannot hand a {type(value).__name__} to the program")

    def _find(self, tag: str, content: Any) -> Any:
        if tag == "call":
            return self._objects[content]
        if tag != "remote" or type(content) is not int:
            raise ProgramError("the program answers nonsense")
        if content not in self._remotes:
            self._remotes[content] = Remote(self, content)
        return self._remotes[content]


class Remote:
    """An object of the program, held by the test.

    It can be called, looked into and gone through: what it answers is plain data, or another remote. It has no order,
    and is never asked how it compares: the program would decide its own verdict. It equals itself, and an object of the
    same class whose attributes hold the same, which the test compares; one without attributes equals nothing else.
    """

    def __init__(self, link: Tester, handle: int) -> None:
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_handle", handle)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call it in the program; the answer is plain data, or another remote."""
        return self._link.ask("call", self._handle, arguments=arguments, options=options)

    def __getattr__(self, name: str) -> Any:
        if name in _QUESTIONS or (name.startswith("__") and name not in _READABLE):
            raise AttributeError(f"an object of the program cannot be asked for {name}, only a plain value")
        return self._link.ask("get", self._handle, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._link.ask("set", self._handle, name, arguments=(value,))

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, Remote):
            return self is other
        (kind, held), (other_kind, other_held) = self._operate("state"), other._operate("state")
        return kind is other_kind and type(held) is type(other_held) is dict and held != {} and held == other_held

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
        return any(item is other or item == other for other in self)

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
        return self._link.ask("operate", self._handle, name, arguments=arguments)


class Program(Peer):
    """The program's side."""

    def __init__(self, connection: socket, module: types.ModuleType) -> None:
        super().__init__(connection)
        self._module = module
        self._callbacks: dict[int, Callback] = {}

    def _answer(self, kind: str, plain: list[Any], arguments: list[Any], options: dict[str, Any]) -> Any:
        return _ANSWERS[kind](self, *plain, *arguments, **options)

    def _keep(self, value: Any) -> dict[str, Any]:
        return {"call": value.handle} if type(value) is Callback else {"remote": self.keep(value)}

    def _find(self, tag: str, content: Any) -> Any:
        if tag == "remote":
            return self._objects[content]
        if content not in self._callbacks:
            self._callbacks[content] = _CALLBACKS[tag](self, content)
        return self._callbacks[content]

    def _load(self, source: str) -> None:
        exec(compile(source, "solution.py", "exec"), self._module.__dict__)

    def _names(self, names: list[str]) -> dict[str, Any]:
        return {name: self._module.__dict__[name] for name in names if name in self._module.__dict__}

    def _call(self, handle: int, /, *arguments: Any, **options: Any) -> Any:
        return self._objects[handle](*arguments, **options)

    def _get(self, handle: int, name: str) -> Any:
        return getattr(self._objects[handle], name)

    def _set(self, handle: int, name: str, value: Any) -> None:
        setattr(self._objects[handle], name, value)

    def _operate(self, handle: int, name: str, *arguments: Any) -> Any:
        return _OPERATIONS[name](self._objects[handle], *arguments)


class Callback:
    """A function of the test, held by the program."""

    def __init__(self, link: Program, handle: int) -> None:
        self._link = link
        self.handle = handle

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call it in the test."""
        return self._link.ask("call", self.handle, arguments=arguments, options=options)


class Stream(Callback):
    """An iterator of the test, held by the program."""

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        return self()


_CALLBACKS: dict[str, type[Callback]] = {"call": Callback, "iterator": Stream}
_ANSWERS: dict[str, Callable[..., Any]] = {
    "load": Program._load,
    "names": Program._names,
    "call": Program._call,
    "get": Program._get,
    "set": Program._set,
    "operate": Program._operate,
}


def _state(value: Any) -> tuple[type, dict[str, Any]]:
    """What two objects are compared by; a class, like any object without attributes, has nothing to compare."""
    return type(value), {} if isinstance(value, type) else dict(getattr(value, "__dict__", {}))


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "state": _state,
    "bool": bool,
    "len": len,
    "str": str,
    "repr": repr,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "iter": iter,
    "next": next,
}


def _failure(job: Mapping[str, Any], link: Tester) -> str | None:
    try:
        link.ask("load", job["source"])
    except Exception as error:  # noqa: BLE001 - any exception of the program is its failure
        return f"The program does not load: {_shorten(error)}"
    code = compile(f"{job['setup']}\n{job['test']}", "test.py", "exec")
    namespace: dict[str, Any] = {"__name__": "test"}
    for name in _names(code) & _LIBRARY:
        namespace[name] = importlib.import_module(name)
    found = link.ask("names", job["names"])
    namespace |= {name: found[name] for name in job["names"] if name in found}  # whatever else it reports
    try:
        exec(code, namespace)
    except AssertionError as error:
        return f"An assertion does not hold. {_shorten(error, named=False)}".strip()
    return None


def _names(code: types.CodeType) -> set[str]:
    """Every name that a piece of code reads, its functions' included."""
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _shorten(error: BaseException, *, named: bool = True) -> str:
    text = f"{type(error).__name__}: {error}" if named else str(error)
    return text[:LONGEST_ERROR]
