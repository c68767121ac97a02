r"""Grade answers to mathematical problems: strictly, with a record of how the answer was found.

An answer is right when it is the same value as the reference: there is no tolerance, so 0.333333 is no third and 17.6
is not 18. What it may differ in is form: ``1/2``, ``0.5``, ``½`` and ``\frac12``; ``3 1/2``, read as three and a half;
``0.\overline{3}``, a third; ``1,234``, ``1 234`` and ``1234``; the sign of a percentage or a currency; terms in another
order; a name (``x = 5``) or a sum that holds (``3*4 = 12``, while ``4=5`` is no 5). A unit or a base may be left out on
either side; where both sides have one it must be the same. What the grader does *not* take for equal:

- a list in other brackets or, within brackets, in another order;
- the sum that makes a number (``2+3``), where the reference is a number;
- words and letters in another order: BCA is not ABC, whatever factors would do;
- a decimal comma, unless the reference is one number: ``3,14`` is 3.14 there, and a list of two elsewhere;
- a scale word as a unit: 2 hundred is 200, not 2.

Plain numbers are compared here; everything else by math-verify in a worker process that is killed when it takes too
long, whatever thread asks.
"""

from __future__ import annotations

import json
import math
import os
import re
import select
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from credit_gym.envs.remembering import remember_short
from credit_gym.envs.team.math_answer import Answer, extract_answer, strip_chat_tokens
from credit_gym.envs.team.math_form import Form, Items, form, items
from credit_gym.envs.team.math_number import ratio, with_decimal_comma
from credit_gym.envs.team.pool import WorkerPool
from credit_gym.errors import missing_extra, unknown

__all__ = [
    "Answer",
    "MathGrade",
    "Mode",
    "extract_answer",
    "grade_math",
    "grade_math_many",
    "plain_number",
    "strip_chat_tokens",
]

Mode = Literal["default", "upstream"]

_WORKER = Path(__file__).with_name("math_worker.py")
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
_START_SECONDS = 60.0
_UPSTREAM_TOLERANCE = 0.04
_LONGEST_ANSWER = 4000
_LONGEST_LIST = 60
_DEEPEST_LIST = 5
_DRAWN = re.compile(r"\\(?:angle|triangle|overline|overrightarrow|overleftrightarrow|vec|widehat|overarc)(?![a-zA-Z])")
_NAME = re.compile(r"\\?[^\W\d_]+(?:_\{?\w+\}?)?(?:\([^()]*\))?|\([a-zA-Z](?:,[a-zA-Z])+\)")
_WORDS = re.compile(r"[^\W\d_][^\W\d_' -]+")
_UNSPACED = re.compile(r"[+-]?[\d.,]+[a-zA-Z]")


class MathGrade(NamedTuple):
    """The verdict on a message.

    Attributes:
        correct: whether its answer is the reference's value.
        answer: the answer that was found in it.
        method: how the answer was marked (:class:`Answer`).
        decided_by: ``text``, ``number``, ``unit``, ``sum`` (an equation that does not hold), ``brackets``, ``list``,
            ``symbols`` (math-verify), ``timeout``, ``tolerance`` (upstream alone), or ``none`` where there was no
            answer.
    """

    correct: bool
    answer: str
    method: str
    decided_by: str


def grade_math(message: str, reference: str, *, mode: Mode = "default", seconds: float = 5.0) -> MathGrade:
    """Grade a message against a reference answer.

    Args:
        message: what the last role said.
        reference: the right answer, without any mark.
        mode: ``upstream`` takes numbers within 4 % for equal unless both are fractions or both integers, as the
            grader of the published C3 code was found to (Chen et al., 2026, arXiv 2603.06859); it is there to measure
            what that is worth, and never to train on.
        seconds: wall-clock time that math-verify may take.

    Raises:
        UnknownNameError: there is no such mode.
        MissingExtraError: the answer is no plain number and math-verify is not installed.
    """
    if mode not in ("default", "upstream"):
        raise unknown("grading mode", mode, ("default", "upstream"))
    answer = extract_answer(message)
    if not answer.text:
        return MathGrade(False, "", answer.method, "none")
    correct, decided_by = _equal(answer.text, reference, seconds)
    if not correct and mode == "upstream" and _close(answer.text, reference):
        correct, decided_by = True, "tolerance"
    return MathGrade(correct, answer.text, answer.method, decided_by)


def grade_math_many(pairs: Iterable[tuple[str, str]], *, seconds: float = 5.0) -> list[MathGrade]:
    """Grade many (message, reference) pairs on every core; the grades come in the order of the pairs."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(lambda pair: grade_math(*pair, seconds=seconds), pairs))


def plain_number(text: str) -> Fraction | None:
    """Return the exact value of an integer, decimal or fraction in any usual form, its unit dropped; else None."""
    return form(text).amount if len(text) <= _LONGEST_ANSWER else None


Claim = dict[str, Any]


class _Unequal(Exception):
    """Two answers are unequal; the argument says what decided it."""


@remember_short(1 << 12, 400)
def _equal(answer: str, reference: str, seconds: float) -> tuple[bool, str]:
    """Whether two answers are equal, and what decided it."""
    if max(len(answer), len(reference)) > _LONGEST_ANSWER:
        return " ".join(answer.split()) == " ".join(reference.split()), "text"
    try:
        decided_by, claims = _compare(answer, reference)
    except _Unequal as reason:
        return False, str(reason)
    if not claims:
        return True, decided_by
    try:
        return _ask({"claims": claims}, seconds) is True, "symbols"
    except TimeoutError:
        return False, "timeout"


def _compare(answer: str, reference: str, depth: int = 0) -> tuple[str, list[Claim]]:
    """What decides the equality of two answers, and what math-verify has yet to confirm of it.

    Raises:
        _Unequal: they are unequal already.
    """
    right = form(reference, attached=not _UNSPACED.fullmatch(reference.strip()))
    left = form(answer, attached=right.amount is not None)
    if not left.whole or not right.whole:
        raise _Unequal("text")
    if left.whole == right.whole:
        return "text", []
    if right.name and (left.name != right.name if left.name else not _NAME.fullmatch(right.name)):
        return "symbols", [_same(left.whole, right.whole)]
    members, wanted = _members(left), _members(right)
    if members and wanted:
        return _compare_lists(members, wanted, depth)
    if left.unit and right.unit and left.unit != right.unit:
        raise _Unequal("unit")
    sums = [claim for text in left.equals for claim in _compare_sum(text, left)]
    decided_by, claims = _compare_values(left, right, is_list=bool(members))
    return decided_by, [*sums, *claims]


def _compare_sum(text: str, whole: Form) -> list[Claim]:
    part = form(text)
    if part.amount is None or whole.amount is None:
        return [_same(part.value, whole.value)]
    if part.amount != whole.amount:
        raise _Unequal("sum")
    return []


def _compare_lists(left: Items, right: Items, depth: int) -> tuple[str, list[Claim]]:
    members = left.members
    if left.brackets != right.brackets:
        if (left.brackets, right.brackets) != ("", "()"):
            raise _Unequal("brackets")
        members = _by_name(members)
    if len(members) != len(right.members) or len(members) > _LONGEST_LIST or depth > _DEEPEST_LIST:
        raise _Unequal("list")
    if right.brackets:
        pairs = zip(members, right.members, strict=True)
        return "list", [claim for pair in pairs for claim in _compare(*pair, depth + 1)[1]]
    rest, missing = list(members), []
    for wanted in right.members:
        found = next((member for member in rest if _is_plainly(member, wanted, depth + 1)), None)
        if found is None:
            missing.append(wanted)
        else:
            rest.remove(found)
    sides = [[form(text) for text in side] for side in (rest, missing)]
    if any(part.amount is None for side in sides for part in side):
        answer, reference = ([part.value for part in side] for side in sides)
        return "list", [{"answer": answer, "reference": reference, "number": False}]
    if missing:
        raise _Unequal("number")
    return "list", []


def _is_plainly(answer: str, reference: str, depth: int) -> bool:
    """Whether two answers are equal as far as can be seen without math-verify."""
    try:
        return not _compare(answer, reference, depth)[1]
    except _Unequal:
        return False


def _by_name(members: tuple[str, ...]) -> tuple[str, ...]:
    """The values of ``y=2, x=1`` in the order of their names, as the coordinates of a point.

    Raises:
        _Unequal: they are no such values.
    """
    forms = {part.name: part.value for part in map(form, members)}
    if len(forms) < len(members) or "" in forms:
        raise _Unequal("brackets")
    return tuple(forms[name] for name in sorted(forms))


def _compare_values(left: Form, right: Form, *, is_list: bool) -> tuple[str, list[Claim]]:
    if left.base < 0 or right.base < 0:
        return _decided("number", left.value == right.value)
    if left.base or right.base:
        return _decided(
            "number", _digits(left) == _digits(right) and (left.base or right.base) == (right.base or left.base)
        )
    if left.amount is not None and right.amount is not None:
        return _decided("number", left.amount == right.amount)
    if right.amount is not None and is_list:
        value = None if "," in right.value else with_decimal_comma(left.value)
        return _decided("number", value == right.amount)
    words = _words(left.value), _words(right.value)
    if words[1] and (words[0] or words[1].isupper()):
        same = words[0] == words[1] or (len(words[1]) > 1 and words[0].casefold() == words[1].casefold())
        return _decided("text", same)
    return "symbols", [_same(left.value, right.value, number=right.amount is not None)]


def _decided(by: str, equal: bool) -> tuple[str, list[Claim]]:
    if not equal:
        raise _Unequal(by)
    return by, []


def _same(answer: str, reference: str, *, number: bool = False) -> Claim:
    return {"answer": [answer], "reference": [reference], "number": number}


def _members(part: Form) -> Items | None:
    return None if part.amount is not None else items(part.whole) or items(part.value)


def _digits(part: Form) -> str:
    return part.value.upper().replace("-", "-0").lstrip("+0") or "0"


def _words(value: str) -> str:
    """A word, a letter of a choice or the points of a figure, as they compare; empty for an expression."""
    drawn = "".join(_DRAWN.findall(value))
    bare = _DRAWN.sub("", value).replace("{", "").replace("}", "").strip()
    bare = bare[1:-1].strip() if bare.startswith("(") and bare.endswith(")") else bare
    is_words = _WORDS.fullmatch(bare) or (len(bare) == 1 and bare.isalpha())
    return drawn + "".join(bare.split()) if is_words else ""


def _close(answer: str, reference: str) -> bool:
    left, right = _value(answer), _value(reference)
    if left is None or right is None:
        return False
    values = [form(text).value for text in (answer, reference)]
    if all(ratio(value) is not None for value in values):
        return False
    both_integers = all(re.fullmatch(r"-?\d+", value) for value in values)
    return not both_integers and math.isclose(left, right, rel_tol=_UPSTREAM_TOLERANCE)


def _value(text: str) -> float | None:
    number = plain_number(text)
    if number is not None:
        return float(number)
    try:
        value = _ask({"value": form(text).value}, 5.0)
    except TimeoutError:
        return None
    return value if isinstance(value, float) else None


def _ask(request: dict[str, Any], seconds: float) -> Any:
    with _workers().lend() as worker:
        return worker.ask(request, seconds)


@lru_cache(maxsize=1)
def _workers() -> WorkerPool[_MathWorker]:
    return WorkerPool(_MathWorker, os.cpu_count() or 1)


class _MathWorker:
    """A process that has math-verify loaded: one line of JSON in, one out."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ} | {"PYTHONHASHSEED": "0"},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin: IO[bytes] = self._process.stdin
        self._stdout: IO[bytes] = self._process.stdout
        if self._line(_START_SECONDS) != b"ready\n":
            self.stop()
            raise missing_extra("math-verify", "math")

    def ask(self, request: dict[str, Any], seconds: float) -> Any:
        """Return the answer.

        Raises:
            TimeoutError: it takes longer.
        """
        try:
            self._stdin.write(json.dumps(request).encode() + b"\n")
            self._stdin.flush()
            line = self._line(seconds)
        except BrokenPipeError:
            line = b""
        if not line:
            raise TimeoutError("The worker of the math grader ended: it reached its limit on memory.")
        return json.loads(line)

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Kill the process."""
        if self._owner == os.getpid():
            self._process.kill()
            self._process.communicate()

    def _line(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self._stdout], [], [], seconds)
        if not ready:
            raise TimeoutError(f"The math grader takes longer than {seconds:g} s.")
        return self._stdout.readline()
