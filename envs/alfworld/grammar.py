"""TextWorld's context-sensitive grammar: parsed by TextWorld once, rendered here thousands of times faster.

TextWorld parses every template again at every step and evaluates ``{...}`` with Python's ``eval``. Here a template is
parsed once, by TextWorld's own parser, into a small tree; expressions are limited to what the grammar language is
used for (names, attributes of an entity, string literals, ``+`` and ``or``), so a game file can run no code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

from credit_gym.data.foreign_text import read_json
from credit_gym.envs.alfworld.problem import NO_ROWS, Facts
from credit_gym.errors import ManifestError

Bound = Mapping[str, str]
"""Placeholder -> identifier of the object that it stands for."""

_TASK = re.compile(r'("rhs": *"Your task is to: )((?:[^"\\]|\\.)*)"')
_LONGEST_EXPRESSION = 500  # characters, which nest no deeper than can be walked


@dataclass(frozen=True, slots=True)
class Atom:
    """One predicate of a conjunctive query, over placeholders."""

    predicate: str
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """``#rule#``: the text of another rule."""

    rule: str


@dataclass(frozen=True, slots=True)
class Expression:
    """``{expression}``: a string made from the names of bound objects."""

    evaluate: Callable[[Bound, Mapping[str, str]], str]


@dataclass(frozen=True, slots=True)
class ForEach:
    """``{part | query}``: one text for each answer of the query, in sorted order."""

    part: Node
    query: tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """``[part]``: the texts of a part as an English enumeration."""

    part: Node


Node = str | Reference | Expression | ForEach | Listing
Template = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternative:
    """One right-hand side of a rule, used where its condition has an answer."""

    condition: tuple[Atom, ...]
    template: Template


@dataclass(frozen=True, slots=True)
class ActionText:
    """How an action is typed and how it is answered."""

    command: Template
    feedback: Template


@dataclass(frozen=True, slots=True)
class Grammar:
    """The rules of a game's text and the texts of its actions."""

    rules: Mapping[str, tuple[Alternative, ...]]
    actions: Mapping[str, ActionText]

    def render(self, template: Template, bound: Bound, facts: Facts, names: Mapping[str, str]) -> str:
        """Return the text of a template.

        Args:
            template: what to say.
            bound: objects that the placeholders of the acting operator stand for.
            facts: the facts of the state, after the action.
            names: identifier -> display name of every object.
        """
        return "".join(text for node in template for text in self._texts(node, bound, facts, names))

    def rule(self, name: str, bound: Bound, facts: Facts, names: Mapping[str, str]) -> str:
        """Return the text of the first alternative of a rule whose condition holds."""
        for alternative in self.rules.get(name, ()):
            if next(answers(alternative.condition, bound, facts), None) is not None:
                return self.render(alternative.template, bound, facts, names)
        raise ManifestError(f"The game's grammar has no rule {name!r} that applies here.")

    def _texts(self, node: Node, bound: Bound, facts: Facts, names: Mapping[str, str]) -> list[str]:
        match node:
            case str():
                return [node]
            case Reference(rule):
                return [self.rule(rule, bound, facts, names)]
            case Expression(evaluate):
                return [evaluate(bound, names)]
            case ForEach(part, query):
                found = list(answers(query, bound, facts))
                return [text for answer in found for text in self._texts(part, answer, facts, names)]
            case Listing(part):
                return [self._enumeration(self._texts(part, bound, facts, names), bound, facts, names)]

    def _enumeration(self, texts: list[str], bound: Bound, facts: Facts, names: Mapping[str, str]) -> str:
        if not texts:
            return self.rule("list_empty", bound, facts, names)
        if len(texts) == 1:
            return texts[0]
        comma = self.rule("list_separator", bound, facts, names)
        conjunction = self.rule("list_last_separator", bound, facts, names)
        return comma.join(texts[:-1]) + conjunction + texts[-1]


def answers(query: tuple[Atom, ...], bound: Bound, facts: Facts) -> Iterator[Bound]:
    """Yield every extension of ``bound`` that makes all atoms true, in the order of sorted facts.

    As in TextWorld, distinct placeholders stand for distinct objects.
    """
    if not query:
        yield bound
        return
    atom, rest = query[0], query[1:]
    known = tuple(bound.get(term) for term in atom.terms)
    rows = facts.get(atom.predicate, NO_ROWS)
    if None not in known:
        if known in rows:
            yield from answers(rest, bound, facts)
        return
    taken = set(bound.values())
    matching = [
        row for row in rows if all(k == v or (k is None and v not in taken) for k, v in zip(known, row, strict=True))
    ]
    for row in sorted(matching):
        fresh = {term: value for term, value, k in zip(atom.terms, row, known, strict=True) if k is None}
        if len(set(fresh.values())) == known.count(None):
            yield from answers(rest, {**bound, **fresh}, facts)


def predicates(template: Template) -> set[str]:
    """Return the predicates that a template queries directly."""
    found: set[str] = set()
    for node in template:
        while isinstance(node, (Listing, ForEach)):
            if isinstance(node, ForEach):
                found |= {atom.predicate for atom in node.query}
            node = node.part
    return found


def parse_grammar(text: str) -> Grammar:
    """Parse the grammar of a game file.

    Games differ in the goal sentence only, so the rest is parsed once per process.

    Raises:
        ManifestError: the text is not a TextWorld grammar, or uses an expression that could run code.
    """
    task = _TASK.search(text)
    if task is None:
        return _parse(text)
    shared = _parse(text[: task.start(2)] + text[task.end(2) :])
    try:
        sentence = "Your task is to: " + read_json(f'"{task[2]}"')
    except ValueError as error:
        raise ManifestError("The game's grammar has a malformed task sentence.") from error
    return Grammar({**shared.rules, "task": (Alternative((), _parse_template(sentence)),)}, shared.actions)


@lru_cache(maxsize=8)
def _parse(text: str) -> Grammar:
    logic = import_module("textworld.envs.pddl.logic").GameLogic(domain="", grammar=text)
    rules = {
        name: tuple(Alternative(_query(rule.condition), _template(rule.rhs)) for rule in alternatives)
        for name, alternatives in logic.grammar._rules.items()
    }
    actions = {
        name: ActionText(_parse_template(action.template), _parse_template(action.feedback_rule))
        for name, action in logic.actions.items()
    }
    return Grammar(rules, actions)


def _parse_template(text: str) -> Template:
    return _template(import_module("textworld.envs.pddl.textgen")._parse_and_convert(text, rule_name="symbols"))


def _template(symbols: list[Any]) -> Template:
    return tuple(_node(symbol) for symbol in symbols)


def _node(symbol: Any) -> Node:
    return _CONVERTERS[type(symbol).__name__](symbol)


_CONVERTERS: dict[str, Callable[[Any], Node]] = {
    "TerminalSymbol": lambda symbol: str(symbol.symbol),
    "NonterminalSymbol": lambda symbol: Reference(symbol.symbol),
    "EvalSymbol": lambda symbol: Expression(_expression(symbol.expression)),
    "ConditionalSymbol": lambda symbol: ForEach(_node(symbol.expression), _query(symbol.given)),
    "ListSymbol": lambda symbol: Listing(_node(symbol.symbol)),
}


def _query(text: str | None) -> tuple[Atom, ...]:
    if not text:
        return ()
    rule = import_module("textworld.logic").Rule.parse_conjunctive_query(text)
    return tuple(Atom(p.name, tuple(parameter.name for parameter in p.parameters)) for p in rule.preconditions)


def _expression(text: str) -> Callable[[Bound, Mapping[str, str]], str]:
    if len(text) > _LONGEST_EXPRESSION:
        raise ManifestError(f"The game's grammar has an expression of {len(text)} characters, {text[:99]!r}.")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError) as error:
        raise ManifestError(f"The game's grammar has a malformed expression {text[:99]!r}.") from error
    return _compile(tree, text)


def _compile(tree: ast.expr, text: str) -> Callable[[Bound, Mapping[str, str]], str]:
    match tree:
        case ast.Constant(value=str(value)):
            return lambda bound, names: value
        case ast.Name(id=term) | ast.Attribute(value=ast.Name(id=term), attr="name"):
            return lambda bound, names: names[bound[term]]
        case ast.Attribute(value=ast.Name(id=term), attr="id"):
            return lambda bound, names: bound[term]
        case ast.Attribute(value=ast.Name(), attr="indefinite"):
            return lambda bound, names: "a"
        case ast.Attribute(value=ast.Name(), attr="definite"):
            return lambda bound, names: "the"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = _compile(left, text), _compile(right, text)
            return lambda bound, names: first(bound, names) + second(bound, names)
        case ast.BoolOp(op=ast.Or(), values=values):
            parts = [_compile(value, text) for value in values]
            return lambda bound, names: next((t for part in parts if (t := part(bound, names))), "")
    raise ManifestError(f"The game's grammar has an expression that is not allowed here: {text[:99]!r}.")
