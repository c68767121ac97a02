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
_ROUNDING = 1000  # decimals; there are no floating-point numbers left that it could round


def main() -> None:
    """Answer requests until the standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    logging.disable(logging.CRITICAL)
    if _reply({"reference": "\\frac{x}{2}", "answer": "0.5x", "number": False}) is not True:
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
    from math_verify import verify

    reference, answer = _parse(request["reference"]), _parse(request["answer"])
    if request["number"] and not all(map(_is_number, answer)):
        return False
    return bool(verify(reference, answer, float_rounding=_ROUNDING, timeout_seconds=None))


def _is_number(expression: Any) -> bool:
    """Whether an expression is a number, or an equation that says what number something is."""
    from sympy import Eq, Number

    return isinstance(expression.rhs if isinstance(expression, Eq) else expression, Number)


def _parse(text: str) -> list[Any]:
    """The expression of a LaTeX text, every decimal in it exact."""
    from math_verify import LatexExtractionConfig, parse
    from sympy import Basic, Float, MatrixBase, Rational

    config = (LatexExtractionConfig(boxed_match_priority=0),)
    parsed = parse(f"\\boxed{{{text}}}", config, fallback_mode="no_fallback", parsing_timeout=None)
    found = []
    for expression in parsed:
        if isinstance(expression, (Basic, MatrixBase)) and expression.has(Float):
            exact = {number: Rational(str(number)) for number in expression.atoms(Float)}
            expression = expression.xreplace(exact)
        found.append(expression)
    return found


if __name__ == "__main__":
    main()
