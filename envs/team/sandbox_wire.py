"""The connection between a program and its test: messages, and questions that both sides may ask.

A question crosses with its values and is answered with what those have become
(:mod:`~credit_gym.envs.team.sandbox_values`). Whoever waits for an answer answers what the other side asks meanwhile.

This module is imported by the sandbox's supervisor before it shuts itself in: it uses the standard library alone.
"""

from __future__ import annotations

import builtins
import json
import math
from collections.abc import Mapping
from socket import socket
from typing import Any

from credit_gym.envs.team.sandbox_values import Shared, decode, decode_state, encode, encode_state

LONGEST_ERROR = 500
_LONGEST_MESSAGE = 64 << 20
_CONSTANTS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}  # one NaN, as in a program of its own


def send(connection: socket, message: Any) -> None:
    """Send one message.

    Raises:
        ValueError: it is too long.
    """
    data = json.dumps(message, separators=(",", ":")).encode("utf-8", "surrogatepass")
    _check_length(len(data))
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
    _check_length(size)
    data = _read(connection, size)
    return None if data is None else json.loads(data.decode("utf-8", "surrogatepass"), parse_constant=_CONSTANTS.get)


class ProgramError(Exception):
    """What the other side raised, where it is no builtin exception, or its end."""


class Peer:
    """One side of the connection: it asks the other, and answers the other's questions while it waits for a reply.

    A question is a list: its kind, its plain arguments, and the values that cross with it, positional and named. The
    reply is an object with a ``value`` or what was raised, and with the state of every value that can change.
    """

    def __init__(self, connection: socket) -> None:
        self._connection = connection
        self._objects: list[Any] = []
        self._handles: dict[int, int] = {}

    def serve(self) -> None:
        """Answer questions until the other side hangs up."""
        while (question := receive(self._connection)) is not None:
            self._reply(question)

    def ask(
        self, kind: str, *plain: Any, arguments: tuple[Any, ...] = (), options: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the other side's answer; arguments that can change see what it did to them.

        Raises:
            ProgramError: it raised an exception of its own, ended, or talks nonsense.
            ValueError: the arguments are too large.
            Exception: the builtin exception that it raised.
        """
        shared = Shared()
        sent = [encode(item, shared, self._keep) for item in arguments]
        named = {name: encode(item, shared, self._keep) for name, item in (options or {}).items()}
        mine = list(shared.values)
        reply = self._exchange([kind, *plain, sent, named])
        value = decode(reply.get("value"), shared, self._find)
        if "states" in reply:
            pairs = zip(mine, reply["states"], strict=True)
            for change in [decode_state(item, state, shared, self._find) for item, state in pairs]:
                change()
        if "raise" in reply:
            raise _raised(*map(str, reply["raise"]))
        return value

    def keep(self, value: Any) -> int:
        """Return the handle by which the other side may speak of an object; an object has one."""
        if id(value) not in self._handles:
            self._handles[id(value)] = len(self._objects)
            self._objects.append(value)
        return self._handles[id(value)]

    def _exchange(self, question: list[Any]) -> dict[str, Any]:
        try:
            send(self._connection, question)
            while isinstance(message := receive(self._connection), list):
                self._reply(message)
        except OSError:
            message = None
        if message is None:
            raise ProgramError("the program ended before it answered")
        if not isinstance(message, dict):
            raise ProgramError("the program answers nonsense")
        return message

    def _reply(self, question: list[Any]) -> None:
        shared = Shared()
        kind, *plain, sent, named = question
        reply: dict[str, Any] = {}
        try:
            arguments = [decode(item, shared, self._find) for item in sent]
            options = {name: decode(item, shared, self._find) for name, item in named.items()}
            theirs = list(shared.values)
            try:
                value = self._answer(kind, plain, arguments, options)
            except BaseException as error:  # noqa: BLE001 - SystemExit and the like are answers of a program too
                reply["raise"] = _described(error)
            else:
                reply["value"] = encode(value, shared, self._keep)
            reply["states"] = [encode_state(item, shared, self._keep) for item in theirs]
            send(self._connection, reply)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - an answer that cannot be sent; whatever its objects raise says why
            send(self._connection, {"raise": _described(error)})

    def _answer(self, kind: str, plain: list[Any], arguments: list[Any], options: dict[str, Any]) -> Any:
        raise NotImplementedError

    def _keep(self, value: Any) -> dict[str, Any]:
        raise NotImplementedError

    def _find(self, tag: str, content: Any) -> Any:
        raise NotImplementedError


def _raised(name: str, text: str) -> Exception:
    """The builtin exception that the other side raised, or what stands for one of its own."""
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, Exception) and not issubclass(known, UnicodeError):
        return known(text)
    return ProgramError(f"{name}: {text}")


def _described(error: BaseException) -> list[str]:
    """An exception as it crosses."""
    return [type(error).__name__, str(error)[:LONGEST_ERROR]]


def _check_length(size: int) -> None:
    if size > _LONGEST_MESSAGE:
        raise ValueError(
            f"Values of {size} bytes are more than the {_LONGEST_MESSAGE} that may pass between a program and its test."
        )


def _read(connection: socket, size: int) -> bytes | None:
    parts = []
    while size:
        part = connection.recv(min(size, 1 << 16))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
