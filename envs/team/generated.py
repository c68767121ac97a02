"""The embedded problems: invented here from a seed, with every step of the way to the answer known."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from credit_gym import rng
from credit_gym.envs.team.grade_math import plain_number
from credit_gym.envs.team.problems import CodeProblem, MathProblem
from credit_gym.errors import CreditGymError, unknown

SPLITS = ("train", "eval", "test")

_PEOPLE = ("Ada", "Bo", "Chidi", "Dora", "Emre", "Farid", "Greta", "Hana", "Ivo", "Jun")
_SUM = re.compile(  # name = 30, or name = 3 * 10 = 30, but not name = 3 * 10
    r"\b([a-z]++)\s*+=\s*+(?:[\d\s+*/().×-]*+=\s*+)*\$?(-?\d[\d,]*+(?:\.\d++)?+)(?!\s*[+*/×-])"
)
_OPTION = re.compile(r"\b([a-z]++)\s*+=\s*+([a-z]+)")
_OPERATORS: dict[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


class Fact(NamedTuple):
    """A quantity and how it follows from two others, each a number or the name of an earlier fact."""

    name: str
    left: int | str
    sign: str
    right: int | str


@dataclass(frozen=True)
class Sums:
    """The draft of a word problem: integers that follow from each other by arithmetic; the last is the answer."""

    facts: tuple[Fact, ...]

    @cached_property
    def truth(self) -> Mapping[str, str]:
        """The true quantities."""
        return self.derive({})

    def stated(self, messages: Sequence[str]) -> dict[str, str]:
        """Return the quantities that messages state, right or wrong, as they state them last."""
        names = {fact.name for fact in self.facts}
        found = {}
        for name, text in _SUM.findall("\n".join(messages)):
            number = plain_number(text.rstrip(",")) if name in names else None
            if number is not None:
                found[name] = str(number)
        return found

    def derive(self, stated: Mapping[str, str]) -> dict[str, str]:
        """Return every quantity: the stated one, else the result of its sum over the others.

        A stated one that is no integer is worked out again.
        """
        values: dict[str, int] = {}
        for name, left, sign, right in self.facts:
            operands = [values[side] if isinstance(side, str) else side for side in (left, right)]
            told = stated.get(name, "")
            values[name] = int(told) if re.fullmatch(r"-?\d+", told) else _OPERATORS[sign](*operands)
        return {name: str(value) for name, value in values.items()}

    def slip(self, name: str, value: str) -> str:
        """Return the result of another operator, or the next integer where that is no different."""
        fact = next(fact for fact in self.facts if fact.name == name)
        values = {key: int(number) for key, number in self.truth.items()}
        operands = [values[side] if isinstance(side, str) else side for side in (fact.left, fact.right)]
        wrong = str(_OPERATORS["+" if fact.sign == "*" else "-" if fact.sign == "+" else "+"](*operands))
        return wrong if wrong != value else str(int(value) + 1)

    def answer(self, values: Mapping[str, str]) -> str:
        """Return the last quantity in a box."""
        last = self.facts[-1].name
        return f"The answer is \\boxed{{{values[last]}}}"


class Option(NamedTuple):
    """One way to do one stage of a program: in English, in Python, and done."""

    phrase: str
    source: str
    run: Callable[[list[int]], list[int]]


@dataclass(frozen=True)
class Stages:
    """The draft of a programming problem: which option each of its three stages takes."""

    keep: str
    change: str
    combine: str

    @property
    def truth(self) -> Mapping[str, str]:
        """The right options."""
        return {"keep": self.keep, "change": self.change, "combine": self.combine}

    def stated(self, messages: Sequence[str]) -> dict[str, str]:
        """Return the options that messages state, right or wrong, as they state them last."""
        found = {}
        for name, option in _OPTION.findall("\n".join(messages)):
            if option in _STAGES.get(name, ()):
                found[name] = option
        return found

    def derive(self, stated: Mapping[str, str]) -> dict[str, str]:
        """Return the stated options, and the right ones for the stages of which nothing is stated."""
        return {**self.truth, **stated}

    def slip(self, name: str, value: str) -> str:
        """Return the next option of the stage."""
        options = list(_STAGES[name])
        return options[(options.index(value) + 1) % len(options)]

    def answer(self, values: Mapping[str, str]) -> str:
        """Return the program that takes these options."""
        lines = "\n".join(f"    values = {_STAGES[name][values[name]].source}" for name in ("keep", "change"))
        return f"```python\ndef solve(values):\n{lines}\n    return {_STAGES['combine'][values['combine']].source}\n```"


@lru_cache(maxsize=16)
def math_problems(split: str, count: int, seed: int = 0) -> tuple[MathProblem, ...]:
    """Return invented word problems of five steps each.

    Raises:
        UnknownNameError: there is no such split.
        CreditGymError: the count is not positive.
    """
    return tuple(_math_problem(split, number, bits) for number, bits in enumerate(_seeds(split, count, seed)))


@lru_cache(maxsize=16)
def code_problems(split: str, count: int, seed: int = 0) -> tuple[CodeProblem, ...]:
    """Return invented programming problems of three stages each, with tests that tell every single slip.

    Raises:
        UnknownNameError: there is no such split.
        CreditGymError: the count is not positive.
    """
    return tuple(_code_problem(split, number, bits) for number, bits in enumerate(_seeds(split, count, seed)))


def _seeds(split: str, count: int, seed: int) -> list[int]:
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if count < 1:
        raise CreditGymError(f"num_problems must be at least 1, not {count}.")
    return [rng.derive(seed, SPLITS.index(split), number) for number in range(count)]


class _Draws:
    """Integers of a stream of their own."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def between(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        self._state = rng.advance(self._state)
        return low + (rng.mix(self._state) * (high - low + 1) >> 64)

    def of(self, choices: Sequence[str]) -> str:
        """Return one of the choices."""
        return choices[self.between(0, len(choices) - 1)]


def _math_problem(split: str, number: int, seed: int) -> MathProblem:
    draws = _Draws(seed)
    story, facts = _STORIES[draws.between(0, len(_STORIES) - 1)](draws)
    draft = Sums(facts)
    names = ", ".join(fact.name for fact in facts)
    last = facts[-1].name
    question = f"{story}\nWork through these quantities, stating each as `name = value`: {names}. How much is {last}?"
    return MathProblem(f"math-{split}-{number}", split, question, draft.truth[last], draft)


def _marbles(draws: _Draws) -> tuple[str, tuple[Fact, ...]]:
    start, bags, each, friends, stamps = (draws.between(*b) for b in ((40, 90), (2, 9), (3, 12), (2, 5), (2, 6)))
    gift = draws.between(2, 8)
    story = (
        f"{draws.of(_PEOPLE)} has {start} marbles and buys {bags} bags of {each} marbles. Then {friends} friends get "
        f"{gift} marbles each, and every marble that is left is swapped for {stamps} stamps."
    )
    return story, (
        Fact("bought", bags, "*", each),
        Fact("total", start, "+", "bought"),
        Fact("given", friends, "*", gift),
        Fact("left", "total", "-", "given"),
        Fact("stamps", "left", "*", stamps),
    )


def _bakery(draws: _Draws) -> tuple[str, tuple[Fact, ...]]:
    trays, loaves, price, sacks, cost = (draws.between(*b) for b in ((4, 12), (8, 20), (3, 6), (2, 6), (5, 15)))
    story = (
        f"{draws.of(_PEOPLE)} bakes {trays} trays of {loaves} loaves and sells every loaf for {price} dollars. The "
        f"flour took {sacks} sacks at {cost} dollars a sack, and the rent is {2 * cost} dollars."
    )
    return story, (
        Fact("loaves", trays, "*", loaves),
        Fact("income", "loaves", "*", price),
        Fact("flour", sacks, "*", cost),
        Fact("costs", "flour", "+", 2 * cost),
        Fact("profit", "income", "-", "costs"),
    )


def _journey(draws: _Draws) -> tuple[str, tuple[Fact, ...]]:
    speed, hours, slow, later, back = (draws.between(*b) for b in ((50, 90), (2, 6), (20, 40), (2, 5), (5, 30)))
    story = (
        f"{draws.of(_PEOPLE)} drives {hours} hours at {speed} kilometres an hour, then {later} hours at {slow} "
        f"kilometres an hour, turns round and comes {back} kilometres back. A second car starts from the same place "
        "and drives twice as far as the first one is away by now."
    )
    return story, (
        Fact("motorway", speed, "*", hours),
        Fact("hills", slow, "*", later),
        Fact("out", "motorway", "+", "hills"),
        Fact("away", "out", "-", back),
        Fact("second", "away", "*", 2),
    )


_STORIES = (_marbles, _bakery, _journey)


def _code_problem(split: str, number: int, seed: int) -> CodeProblem:
    draws = _Draws(seed)
    draft = Stages(*(draws.of(tuple(options)) for options in _STAGES.values()))
    truth = draft.truth
    others = [
        {**truth, name: option} for name, options in _STAGES.items() for option in options if option != truth[name]
    ]
    inputs: list[list[int]] = [[]]
    while others or len(inputs) < 4:  # every input must catch a slip that was not caught, until none is left
        values = [draws.between(-9, 9) for _ in range(draws.between(5, 9))]
        uncaught = [other for other in others if _result(other, values) == _result(truth, values)]
        if len(uncaught) < len(others) or not others:
            inputs.append(values)
        others = uncaught
    tests = tuple(f"assert solve({values}) == {_result(truth, values)}" for values in inputs)
    phrases = {name: _STAGES[name][option].phrase for name, option in truth.items()}
    options = "; ".join(f"{name}: {', '.join(own)}" for name, own in _STAGES.items())
    question = (
        "Write a Python function `solve(values)` that takes a list of integers, keeps "
        f"{phrases['keep']}, {phrases['change']}, and returns {phrases['combine']}.\n"
        f"Its stages are stated as `name = option`. The options of each: {options}."
    )
    return CodeProblem(f"code-{split}-{number}", split, question, tests, ("solve",), draft=draft)


def _result(options: Mapping[str, str], values: list[int]) -> int:
    for name, option in options.items():
        values = _STAGES[name][option].run(values)
    return values[0]


_STAGES: dict[str, dict[str, Option]] = {
    "keep": {
        "even": Option("the even ones", "[v for v in values if v % 2 == 0]", lambda v: [x for x in v if x % 2 == 0]),
        "odd": Option("the odd ones", "[v for v in values if v % 2]", lambda v: [x for x in v if x % 2]),
        "positive": Option("those above 0", "[v for v in values if v > 0]", lambda v: [x for x in v if x > 0]),
        "negative": Option("those below 0", "[v for v in values if v < 0]", lambda v: [x for x in v if x < 0]),
        "first": Option("the first three", "values[:3]", lambda v: v[:3]),
    },
    "change": {
        "square": Option("squares each of them", "[v * v for v in values]", lambda v: [x * x for x in v]),
        "double": Option("doubles each of them", "[v * 2 for v in values]", lambda v: [x * 2 for x in v]),
        "negate": Option("negates each of them", "[-v for v in values]", lambda v: [-x for x in v]),
        "increment": Option("adds 1 to each of them", "[v + 1 for v in values]", lambda v: [x + 1 for x in v]),
    },
    "combine": {
        "sum": Option("their sum", "sum(values)", lambda v: [sum(v)]),
        "largest": Option("the largest, 0 if there is none", "max(values, default=0)", lambda v: [max(v, default=0)]),
        "smallest": Option("the smallest, 0 if there is none", "min(values, default=0)", lambda v: [min(v, default=0)]),
        "last": Option("the last, 0 if there is none", "values[-1] if values else 0", lambda v: [0, *v][-1:]),
    },
}
