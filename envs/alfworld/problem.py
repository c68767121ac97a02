"""The planning problem of a game file: its objects, its facts, its goal, and what ALFWorld calls each object."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from credit_gym.errors import ManifestError

Row = tuple[str, ...]
"""Arguments of a fact."""

Facts = Mapping[str, frozenset[Row]]
"""True facts: predicate -> argument tuples. ``not_p`` holds the facts of ``p`` that an action has made false."""

Tree = list["str | Tree"]
"""A parsed PDDL expression."""

NO_ROWS: frozenset[Row] = frozenset()

_FACT = re.compile(r"\(\s*+([^()\s=]++)([^()]*+)\)")
_NUMERIC = re.compile(r"\(\s*=\s*\([^()]*\)[^()]*\)")
_TOKEN = re.compile(r"[()]|[^()\s]+")
_COMMENT = re.compile(r";[^\n]*")


class UnsupportedGameError(ManifestError):
    """The native engine cannot play this game; the real one (``engine="textworld"``) may."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A PDDL problem, in lower case as planners read it.

    Attributes:
        objects: object -> its type.
        facts: the initial state; numeric values are left out.
        goal: the goal expression.
    """

    objects: dict[str, str]
    facts: dict[str, frozenset[Row]]
    goal: Tree


def parse_problem(text: str) -> Problem:
    """Parse the PDDL problem of a game.

    Raises:
        ManifestError: the text is not a PDDL problem.
        UnsupportedGameError: an object is declared twice, or a fact names an object that is not declared.
    """
    text = _COMMENT.sub("", text.lower())
    head, init, rest = text.partition("(:init")
    body, goal, last = rest.partition("(:goal")
    declared = head.partition("(:objects")[2].partition(")")[0]
    if not (init and goal and declared):
        raise ManifestError("The game cannot be compiled (its problem lacks objects, facts or a goal).")
    body = _NUMERIC.sub("", body)
    remains = _FACT.sub("", body).strip()
    if remains != ")":
        raise ManifestError(f"The game cannot be compiled (its facts are malformed near {remains[:40]!r}).")
    objects = _objects(declared.split())
    names = {name: name for name in objects}  # one copy of each name, however often it occurs
    facts: dict[str, set[Row]] = {}
    try:
        for predicate, arguments in _FACT.findall(body):
            facts.setdefault(sys.intern(predicate), set()).add(tuple([names[word] for word in arguments.split()]))
    except KeyError as error:
        raise UnsupportedGameError(f"its facts name {error.args[0]!r}, which is not declared") from error
    return Problem(objects, {predicate: frozenset(rows) for predicate, rows in facts.items()}, _tree(last))


def display_names(identifiers: set[str]) -> dict[str, str]:
    """Return what ALFWorld calls each object: instances of a kind are numbered downwards in sorted order."""
    kinds = {identifier: _kind(identifier) for identifier in sorted(identifiers)}
    left = Counter(kind for identifier, kind in kinds.items() if "_bar_" in identifier)
    names = {}
    for identifier, kind in kinds.items():
        if "_bar_" in identifier:
            names[identifier] = sys.intern(f"{kind} {left[kind]}")  # other games have a mug 1, too
            left[kind] -= 1
        else:
            names[identifier] = f"{identifier} "
    return names


def _kind(identifier: str) -> str:
    kind, bar, _ = identifier.partition("_bar_")
    return kind + "basin" if bar and "basin" in identifier else kind


def _objects(words: list[str]) -> dict[str, str]:
    """Read ``a b - type c - type``."""
    objects: dict[str, str] = {}
    waiting: list[str] = []
    after_dash = False
    for word in words:
        if after_dash:
            for name in waiting:
                if name in objects:
                    raise UnsupportedGameError(f"it declares {name!r} twice")
                objects[name] = word
            waiting, after_dash = [], False
        elif word == "-":
            after_dash = True
        else:
            waiting.append(word)
    return objects | dict.fromkeys(waiting, "object")


def _tree(text: str) -> Tree:
    """The first expression of a text; what closes the problem may follow."""
    stack: list[Tree] = []
    for token in _TOKEN.findall(text):
        if token == "(":
            stack.append([])
        elif not stack:
            break
        elif token == ")":
            done = stack.pop()
            if not stack:
                return done
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    raise ManifestError("The game cannot be compiled (its goal is cut off).")
