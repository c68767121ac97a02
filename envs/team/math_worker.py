"""The worker process of the math grader: compares values with math-verify, one line of JSON in, one out.

math-verify's own timeouts need the main thread and cannot interrupt everything; here they are off, and whoever asks
kills this process when it takes too long.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
from typing import Any

_MEMORY = 2 << 30
_DIGITS = 200  # to which two expressions must agree
_ROUNDING = 1000  # decimals; there are no floating-point numbers left that it could round


def main() -> None:
    """Answer requests until the standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    logging.disable(logging.CRITICAL)
    if _holds({"reference": ["\\frac{x}{2}"], "answer": ["0.5x"], "number": False}) is not True:
        return  # without its parser math-verify is silent, and would find every answer wrong
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        try:
            reply = _reply(json.loads(line))
        except Exception:  # noqa: BLE001 - whatever symbolic algebra raises, the answer is not shown to be right
            reply = None
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


def _reply(request: dict[str, Any]) -> bool | float | None:
    if "value" in request:
        return float(_parse(request["value"])[0])
    return all(map(_holds, request["claims"]))


def _holds(claim: dict[str, Any]) -> bool:
    """Whether the expressions of an answer are those of the reference, in any order.

    Equality is an equivalence, so whichever equal partner an expression takes, the rest is none the worse.
    """
    references, answers = (list(map(_parse, claim[side])) for side in ("reference", "answer"))
    for answer in answers:
        if claim["number"] and not all(map(_is_number, answer)):
            return False
        partner = next((r for r in references if _same(r, answer)), None)
        if partner is None:
            return False
        references.remove(partner)
    return not references


def _same(references: list[Any], answers: list[Any]) -> bool:
    from math_verify import verify

    return any(
        verify(reference, answer, float_rounding=_ROUNDING, timeout_seconds=None) and not _differ(reference, answer)
        for reference in references
        for answer in answers
    )


def _differ(left: Any, right: Any) -> bool:
    """Whether two expressions that math-verify takes for equal differ all the same.

    It cuts off small numbers, so it finds 2^-99 equal to its negative. Here the difference is measured against the
    expressions themselves, at a point without meaning where they have variables.
    """
    from sympy import Eq, Expr, FiniteSet, Interval, MatrixBase, Rel, Tuple

    if isinstance(left, Rel) and isinstance(right, Rel):
        return _not_proportional(left.lhs - left.rhs, right.lhs - right.rhs)
    left, right = (side.rhs if isinstance(side, Eq) else side for side in (left, right))
    if isinstance(left, Interval) and isinstance(right, Interval):
        return _differ(left.start, right.start) or _differ(left.end, right.end)
    if isinstance(left, (FiniteSet, Tuple)) and isinstance(right, (FiniteSet, Tuple)):
        return any(all(_differ(a, b) for b in right.args) for a in left.args)
    if isinstance(left, MatrixBase) and isinstance(right, MatrixBase):
        return any(_differ(a, b) for a, b in zip(left, right, strict=True))
    if not isinstance(left, Expr) or not isinstance(right, Expr):
        return False
    left, right = _at_point(left), _at_point(right)
    if left.is_Rational and right.is_Rational:
        return bool(left != right)
    return _is_apart(left - right, left, right)


def _not_proportional(left: Any, right: Any) -> bool:
    """Whether two sides of a relation that is moved to zero are no multiples of each other; then their zeros decide."""
    from sympy import solveset

    shifted = [_at_point(side, shift) for side in (left, right) for shift in (0, 1)]
    if not _is_apart(shifted[0] * shifted[3] - shifted[1] * shifted[2], shifted[0] * shifted[3]):
        return False
    names = sorted(left.free_symbols | right.free_symbols, key=str)
    return len(names) != 1 or solveset(left, names[0]) != solveset(right, names[0])


def _at_point(expression: Any, shift: int = 0) -> Any:
    from sympy import Rational, prime

    names = sorted(expression.free_symbols, key=str)
    point = {name: Rational(prime(place + 5 + shift), prime(place + 2)) for place, name in enumerate(names)}
    return expression.xreplace(point).doit()


def _is_apart(difference: Any, *scales: Any) -> bool:
    from sympy import Float

    size, *sizes = (abs(number.evalf(_DIGITS)) for number in (difference, *scales))
    if not all(number.is_Float or number.is_Rational for number in (size, *sizes)):
        return False
    return bool(size > max(sizes) * Float(f"1e-{_DIGITS - 20}", _DIGITS))


def _is_number(expression: Any) -> bool:
    """Whether an expression is a number, or an equation that says what number something is."""
    from sympy import Eq, Number

    return isinstance(expression.rhs if isinstance(expression, Eq) else expression, Number)


def _parse(text: str) -> list[Any]:
    """The expression of a LaTeX text, every decimal in it exact."""
    from math_verify import LatexExtractionConfig, parse
    from sympy import Basic, Float, MatrixBase, Rational

    config = (LatexExtractionConfig(boxed_match_priority=0, normalization_config=_normalization()),)
    parsed = parse(f"\\boxed{{{text}}}", config, fallback_mode="no_fallback", parsing_timeout=None)
    found = []
    for expression in parsed:
        if isinstance(expression, (Basic, MatrixBase)) and expression.has(Float):
            exact = {number: Rational(str(number)) for number in expression.atoms(Float)}
            expression = expression.xreplace(exact)
        found.append(expression)
    return found


def _normalization() -> Any:
    """math-verify's own, but for units: whether those agree is decided before."""
    from dataclasses import replace

    from math_verify import LatexExtractionConfig

    return replace(LatexExtractionConfig().normalization_config, units=False)


if __name__ == "__main__":
    main()
