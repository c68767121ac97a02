"""One hostile program, what it is tested by, and the verdict that it is owed."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import NamedTuple

SQUARES = ("assert f(2) == 4", "assert f(3) == 9")
MARK = "MARK"  # stands in sources for a word that only one battle uses
_PRELUDE = """
import ctypes, gc, os, signal, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
column = ("x86_64", "aarch64").index(os.uname().machine)
def call(numbers, *arguments):
    return libc.syscall(numbers[column], *arguments)
def named(word):
    libc.prctl(15, word.encode(), 0, 0, 0)
def say(text):
    return len(text).to_bytes(4, "big") + text
def closed(number):
    try:
        return not os.fstat(number)
    except OSError:
        return True
def sockets():
    return [thing for thing in gc.get_objects() if type(thing) is socket.socket and not closed(thing.fileno())]
def module(name):
    return sys.modules["credit_gym.envs.team." + name]
"""


class Attack(NamedTuple):
    """A program, the tests it meets, and whether it should pass them.

    Attributes:
        kind: the class of attack, a row of the table.
        name: what it tries.
        source: the program; ``MARK`` in it is replaced by a word of the battle.
        tests: what it is tested by; one verdict each.
        passes: the right verdict: False for one that knows no answer, True for one that answers although it tried.
    """

    kind: str
    name: str
    source: str
    tests: tuple[str, ...]
    passes: bool


def forgers(kind: str, sources: Mapping[str, str], tests: tuple[str, ...] = SQUARES) -> list[Attack]:
    """Programs that know no answer and want a pass."""
    return [Attack(kind, name, _PRELUDE + source, tests, False) for name, source in sources.items()]


def intruders(kind: str, attempts: Mapping[str, str]) -> list[Attack]:
    """Programs that answer rightly unless their attempt, which returns whether it got through, succeeds."""
    return [
        Attack(kind, name, _PRELUDE + _INTRUDER.format(_body(body)), SQUARES, True) for name, body in attempts.items()
    ]


_INTRUDER = """
def attempt():
{}
def f(x):
    try:
        through = attempt()
    except Exception:
        through = False
    return f"through: {{through}}" if through else x * x
"""


def _body(text: str) -> str:
    return textwrap.indent(text.strip("\n"), "    ")
