"""The calculator that service agents have: four operations and brackets, without evaluating anybody's code."""

# ruff: noqa: D417 - the first argument of every tool is the draft it works on; the rest is what an agent reads

from __future__ import annotations

import ast
import operator
from collections.abc import Callable

from credit_gym.envs.tau2.database import Draft
from credit_gym.envs.tau2.toolkit import Refused

_ALLOWED = frozenset("0123456789+-*/(). ")
_LONGEST = 500  # characters


def calculate(db: Draft, expression: str) -> str:
    """Calculate the result of a mathematical expression.

    Args:
        expression: Numbers, the operators + - * /, brackets and spaces, such as '2 + 2'.
    """
    if len(expression) > _LONGEST or not _ALLOWED.issuperset(expression):
        raise Refused("Invalid characters in expression")
    try:
        value = round(_value(ast.parse(expression.strip(), mode="eval").body), 2)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
        raise Refused("The expression cannot be calculated") from error
    return str(value)


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
        return _SIGNS[type(node.op)](_value(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    raise Refused("Only the operators + - * / can be calculated")


_SIGNS: dict[type[ast.AST], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_OPERATIONS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
