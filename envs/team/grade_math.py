r"""Grade answers to mathematical problems: strictly, with a record of how the answer was found.

An answer is right when it is the same value as the reference: there is no tolerance, so 0.333333 is no third and 17.6
is not 18. What it may differ in is form: ``1/2``, ``0.5`` and ``\frac12``; ``1,234`` and ``1234``; a unit, a currency
or a percent sign, which is dropped on both sides; terms in another order. A list in brackets needs the brackets of the
reference, and a reference that is a number wants a number: the sum that makes it is no answer.

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
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from credit_gym.envs.team.pool import WorkerPool
from credit_gym.errors import missing_extra, unknown

Mode = Literal["default", "upstream"]

_WORKER = Path(__file__).with_name("math_worker.py")
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
_START_SECONDS = 60.0
_UPSTREAM_TOLERANCE = 0.04
_LONGEST_ANSWER = 4000
_LONGEST_NUMBER = 300
_CHAT_TOKEN = re.compile(
    r"<\|[^<>|\s]{1,40}\|>|<｜[^<>\s]{1,40}｜>|</?s>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|\[/?INST\]"
)
_HASHES = re.compile(r"####[ \t]*(\S[^\n]*)")
_ANCHOR = re.compile(
    r"(?:\banswer\s+is\s*[:：]?|\banswer\s*[:：]|答案是\s*[:：]?|答案\s*[:：])\s*(\S[^\n]*)", re.IGNORECASE
)
_UNIT = re.compile(r"\\(?:text|mbox|mathrm)\s*\{\s*([a-zA-Z][a-zA-Z .]*)\}(?:\^\{?\d\}?)?$|(?<=\d)\s+[a-zA-Z]{2,}$")
_MEMBER = re.compile(r"^[a-zA-Z]\s*\\in\s*")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)")
_RATIO = re.compile(r"([+-]?)(?:\\[dt]?frac\s*\{(-?\d+)\}\s*\{(\d+)\}|\\[dt]?frac\s*(\d)\s*(\d)|(\d+)\s*/\s*(\d+))")
_BRACKETS = {"(": ")", "[": "]"}
_DROPPED = (
    "\\!", "\\,", "\\;", "\\ ", "\\left", "\\right", "\\displaystyle",
    "\\$", "$", "€", "£", "\\%", "%", "^\\circ", "^{\\circ}", "°",
)  # fmt: skip


class Answer(NamedTuple):
    """What a message gives as its answer.

    Attributes:
        text: the answer, empty where there is none.
        method: how it was marked: ``boxed``, ``hashes`` (``#### 5``), ``anchor`` ("the answer is 5") or ``none``.
    """

    text: str
    method: str


class MathGrade(NamedTuple):
    """The verdict on a message.

    Attributes:
        correct: whether its answer is the reference's value.
        answer: the answer that was found in it.
        method: how the answer was marked (:class:`Answer`).
        decided_by: ``text``, ``number``, ``symbols`` (math-verify), ``brackets``, ``timeout``, ``tolerance`` (upstream
            alone), or ``none`` where there was no answer.
    """

    correct: bool
    answer: str
    method: str
    decided_by: str


def extract_answer(message: str) -> Answer:
    r"""Return the answer that a message marks as one.

    The last balanced ``\boxed{}`` counts, else the last ``####`` line, else what follows the last "answer is" or
    "answer:" on its line. A message that marks none gives no answer: its last line is not one.
    """
    text = strip_chat_tokens(message)
    for method, find in _MARKS.items():
        found = find(text)
        if found is not None:
            return Answer(found.strip(), method)
    return Answer("", "none")


def strip_chat_tokens(text: str) -> str:
    """Return a text without the control tokens of chat templates, such as ``<|im_end|>``."""
    return _CHAT_TOKEN.sub("", text)


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
    """Return the exact value of an integer, decimal or fraction in any usual form, None for anything else."""
    text = _normalise(text)
    if len(text) > _LONGEST_NUMBER:
        return None
    text = text.replace("{,}", ",")
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    if _DECIMAL.fullmatch(text):
        return Fraction(text)
    ratio = _RATIO.fullmatch(text)
    if ratio is None:
        return None
    sign, *parts = ratio.groups()
    top, bottom = (int(part) for part in parts if part is not None)
    return None if bottom == 0 else Fraction(-top if sign == "-" else top, bottom)


def _last_boxed(text: str) -> str | None:
    """The content of the last box whose braces balance."""
    starts = [match.end() for match in re.finditer(r"\\(?:boxed|fbox)\s*\{", text)]
    for start in reversed(starts):
        depth = 1
        for position in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[position], 0) if text[position - 1] != "\\" else 0
            if depth == 0:
                return text[start:position]
    return None


def _last_hashes(text: str) -> str | None:
    found = _HASHES.findall(text)
    return found[-1] if found else None


def _last_anchor(text: str) -> str | None:
    found: list[str] = _ANCHOR.findall(text)
    return found[-1].rstrip(" *$.。").lstrip(" *$") if found else None


_MARKS: dict[str, Callable[[str], str | None]] = {
    "boxed": _last_boxed,
    "hashes": _last_hashes,
    "anchor": _last_anchor,
}


@lru_cache(maxsize=65_536)
def _equal(answer: str, reference: str, seconds: float) -> tuple[bool, str]:
    """Whether two answers are equal, and what decided it."""
    left, right = _normalise(answer), _normalise(reference)
    if left == right:
        return bool(left), "text"
    numbers = plain_number(left), plain_number(right)
    if None not in numbers:
        return numbers[0] == numbers[1], "number"
    if max(len(left), len(right)) > _LONGEST_ANSWER:
        return False, "text"
    if "," in left and "," in right and _outer_brackets(left) != _outer_brackets(right):
        return False, "brackets"
    return _symbols_equal({"answer": left, "reference": right, "number": numbers[1] is not None}, seconds)


def _normalise(text: str) -> str:
    text = text.strip().replace("−", "-").replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    for piece in _DROPPED:
        text = text.replace(piece, "")
    text = _MEMBER.sub("", text.strip().rstrip("."))
    bare = _UNIT.sub("", text)
    return " ".join((bare or text).split())


def _outer_brackets(text: str) -> str:
    """The round or square brackets around a list, empty where it has none."""
    inside = text[1:-1]
    if text[0] in _BRACKETS and text[-1] in ")]" and _is_balanced(inside):
        return text[0] + text[-1]
    return ""


def _is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if depth < 0:
            return False
    return depth == 0


def _close(answer: str, reference: str) -> bool:
    left, right = _value(answer), _value(reference)
    if left is None or right is None:
        return False
    if all(_RATIO.fullmatch(_normalise(text)) for text in (answer, reference)):
        return False
    both_integers = all(re.fullmatch(r"-?\d+", _normalise(text)) for text in (answer, reference))
    return not both_integers and math.isclose(left, right, rel_tol=_UPSTREAM_TOLERANCE)


def _value(text: str) -> float | None:
    number = plain_number(text)
    if number is not None:
        return float(number)
    try:
        value = _ask({"value": _normalise(text)}, 5.0)
    except TimeoutError:
        return None
    return value if isinstance(value, float) else None


def _symbols_equal(request: dict[str, Any], seconds: float) -> tuple[bool, str]:
    try:
        return _ask(request, seconds) is True, "symbols"
    except TimeoutError:
        return False, "timeout"


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
        self._stdin.write(json.dumps(request).encode() + b"\n")
        self._stdin.flush()
        line = self._line(seconds)
        if not line:
            raise TimeoutError("The worker of the math grader ended: it reached its limit on memory.")
        return json.loads(line)

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
