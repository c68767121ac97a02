"""A goal in PDDL, turned into the sets of facts that fulfil it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, product

from credit_gym.envs.alfworld.problem import NO_ROWS, Problem, Row, Tree, UnsupportedGameError

Clause = frozenset[int]
"""Numbers of facts that fulfil the goal together."""

Bindings = dict[str, str]

_MOST_CLAUSES = 20_000


@dataclass(frozen=True, slots=True)
class Literal:
    """An atom of the goal over variables (``?o``) and objects; ``!=`` stands for ``(not (= ?a ?b))``."""

    predicate: str
    terms: Row


def goal_clauses(
    problem: Problem, fluents: frozenset[str], facts_of: Callable[[str, Row], Clause | None]
) -> frozenset[Clause]:
    """Return every way to fulfil the goal of a problem; no clause means that it cannot be fulfilled.

    Args:
        problem: the problem; its goal may use ``and``, ``exists``, atoms and ``(not (= ?a ?b))``, as ALFWorld's do.
        fluents: the predicates that actions change.
        facts_of: the number of an atom as a clause; the empty clause if the atom always holds, None if it never does.

    Raises:
        UnsupportedGameError: the goal uses something else, or too many sets of facts fulfil it.
    """
    types: dict[str, str] = {}
    literals = list(_literals(problem.goal, {}, types, count()))
    clauses = set()
    for answer in _answers(literals, types, problem, fluents):
        parts = [facts_of(p.predicate, _bound(p, answer)) for p in literals if p.predicate in fluents]
        needed = [part for part in parts if part is not None]
        if len(needed) == len(parts):
            clauses.add(frozenset().union(*needed))
        if len(clauses) > _MOST_CLAUSES:
            raise UnsupportedGameError("too many states fulfil its goal")
    return frozenset(clauses)


def _literals(tree: Tree, scope: Bindings, types: dict[str, str], fresh: Iterator[int]) -> Iterator[Literal]:
    """Flatten conjunctions and quantifiers; each quantified variable gets a name and a type of its own."""
    match tree:
        case ["and", *parts]:
            for part in parts:
                if isinstance(part, str):
                    raise UnsupportedGameError(f"its goal has {part!r} where an expression belongs")
                yield from _literals(part, scope, types, fresh)
        case ["exists", list(declared), list(body)]:
            inner = dict(scope)
            for name, kind in _typed([word for word in declared if isinstance(word, str)]):
                inner[name] = f"{name}{next(fresh)}"
                types[inner[name]] = kind
            yield from _literals(body, inner, types, fresh)
        case ["not", ["=", str(first), str(second)]]:
            yield Literal("!=", (scope.get(first, first), scope.get(second, second)))
        case [str(predicate), *terms] if predicate not in ("or", "not", "forall", "imply", "="):
            names = tuple(scope.get(term, term) for term in terms if isinstance(term, str))
            if len(names) != len(terms) or any(name[0] == "?" and name not in types for name in names):
                raise UnsupportedGameError(f"its goal uses {predicate!r} in an unknown way")
            yield Literal(predicate, names)
        case _:
            raise UnsupportedGameError(f"its goal uses {tree[0] if tree else 'nothing'!r}")


def _typed(words: list[str]) -> Iterator[tuple[str, str]]:
    """Read ``?a ?b - type``."""
    waiting: list[str] = []
    following = iter(words)
    for word in following:
        if word == "-":
            kind = next(following, "object")
            yield from ((name, kind) for name in waiting)
            waiting = []
        else:
            waiting.append(word)
    yield from ((name, "object") for name in waiting)


def _answers(
    literals: list[Literal], types: dict[str, str], problem: Problem, fluents: frozenset[str]
) -> Iterator[Bindings]:
    """Yield every assignment of objects to variables that agrees with the literals that never change."""
    of_type: dict[str, list[str]] = {}
    for name, kind in problem.objects.items():
        of_type.setdefault(kind, []).append(name)
    of_type["object"] = list(problem.objects)  # in PDDL everything is an object
    static = [p for p in literals if p.predicate not in fluents and p.predicate != "!="]
    answers: list[Bindings] = [{}]
    for literal in sorted(static, key=lambda p: len(problem.facts.get(p.predicate, NO_ROWS))):
        rows = problem.facts.get(literal.predicate, NO_ROWS)
        joined = (_joined(answer, literal.terms, row) for answer in answers for row in rows)
        answers = [answer for answer in joined if answer is not None]
        if len(answers) > _MOST_CLAUSES:
            raise UnsupportedGameError("too many states fulfil its goal")
    allowed = {name: frozenset(of_type.get(kind, ())) for name, kind in types.items()}
    for answer in answers:
        choices = [(name, {answer[name]} & allowed[name] if name in answer else allowed[name]) for name in types]
        for values in product(*(sorted(choice) for _, choice in choices)):
            full = dict(zip(types, values, strict=True))
            if all(len(set(_bound(p, full))) == 2 for p in literals if p.predicate == "!="):
                yield full


def _joined(answer: Bindings, terms: Row, row: Row) -> Bindings | None:
    """The answer extended so that the terms stand for the row; None if they cannot."""
    if len(terms) != len(row):
        return None
    extended = dict(answer)
    for term, value in zip(terms, row, strict=True):
        known = extended.setdefault(term, value) if term[0] == "?" else term
        if known != value:
            return None
    return extended


def _bound(literal: Literal, answer: Bindings) -> Row:
    return tuple(answer.get(term, term) for term in literal.terms)
