"""The calculator that service agents have, with tau2's answers, and without evaluating anybody's code.

tau2 hands the expression to Python, so that ``**`` and ``//``, which its letters allow, are operators too, and whole
numbers are exact until the end.
"""

# ruff: noqa: D417 - the first argument of every tool is the draft it works on; the rest is what an agent reads

from __future__ import annotations

import ast
import operator
from collections.abc import Callable

from credit_gym.envs.tau2.database import Draft
from credit_gym.envs.tau2.toolkit import Refused

Number = int | float

_ALLOWED = frozenset("0123456789+-*/(). ")
_LONGEST = 2_000  # characters
_WIDEST = 1 << 14  # bits of a whole number on the way; a result of more than 1024 is refused anyway


def calculate(db: Draft, expression: str) -> str:
    """Calculate the result of a mathematical expression.

    Args:
        expression: Numbers, the operators + - * /, brackets and spaces, such as '2 + 2'.
    """
    if len(expression) > _LONGEST or not _ALLOWED.issuperset(expression):
        raise Refused("Invalid characters in expression")
    try:
        value = round(float(_value(ast.parse(expression.strip(), mode="eval").body)), 2)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
        raise Refused("The expression cannot be calculated") from error
    return str(value)


def _value(node: ast.expr) -> Number:
    """The value of an expression; a long sum leans to the left and is walked down, not recursed into."""
    following = []
    while isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        following.append((_OPERATIONS[type(node.op)], node.right))
        node = node.left
    value = _operand(node)
    for operation, right in reversed(following):
        value = operation(value, _value(right))
        if isinstance(value, int) and value.bit_length() > _WIDEST:
            raise OverflowError("the number is too large")
    return value


def _operand(node: ast.expr) -> Number:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
        return _SIGNS[type(node.op)](_value(node.operand))
    raise Refused("Only numbers and the operators + - * / // ** can be calculated")


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int) and exponent * (base.bit_length() - 1) > _WIDEST:
        raise OverflowError("the power is too large")
    value = base**exponent
    if isinstance(value, complex):
        raise ArithmeticError("a root of a negative number is no number")
    return value


_SIGNS: dict[type[ast.AST], Callable[[Number], Number]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_OPERATIONS: dict[type[ast.AST], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: _power,
}
