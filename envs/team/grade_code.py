"""Grade programs: find the program in a message, run its tests in the sandbox, all of them or a share."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from credit_gym.envs.team.grade_math import strip_chat_tokens
from credit_gym.envs.team.sandbox import Program, Sandbox

Reward = Literal["all", "fraction"]

_FENCE = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_PYTHON = frozenset({"python", "py", "python3"})


class Source(NamedTuple):
    """The program in a message.

    Attributes:
        text: Python source.
        method: where it was found: ``python`` (the first Python fence), ``fence`` (the first of any kind) or ``raw``.
    """

    text: str
    method: str


class CodeGrade(NamedTuple):
    """The verdict on a program.

    Attributes:
        correct: whether every test passed.
        passed: tests that passed.
        total: tests.
        method: where the program was found (:class:`Source`).
        error: what went wrong first, in words; empty where nothing did.
    """

    correct: bool
    passed: int
    total: int
    method: str
    error: str


def extract_program(message: str) -> Source:
    """Return the program of a message, without the control tokens of chat templates.

    The first fenced block marked as Python counts, else the first of any kind, else the whole message. A fence that is
    never closed reaches to the end.
    """
    text = strip_chat_tokens(message)
    fences = [(match[2].lower(), match[3]) for match in _FENCE.finditer(text)]
    for language, code in fences:
        if language in _PYTHON:
            return Source(code, "python")
    return Source(fences[0][1], "fence") if fences else Source(text, "raw")


def grade_code(
    message: str,
    tests: tuple[str, ...],
    *,
    names: tuple[str, ...],
    sandbox: Sandbox,
    setup: str = "",
    opening: str = "",
    reward: Reward = "all",
) -> CodeGrade:
    """Run the tests of a message's program.

    Args:
        message: what the last role said.
        tests: Python sources with assertions.
        names: what the tests use of the program.
        sandbox: where it runs.
        setup: run before each test.
        opening: the beginning of the program, given with the problem (HumanEval's prompt); see :func:`complete`.
        reward: ``all`` stops at the first test that fails; ``fraction`` runs all of them, for the published reward
            ``passed / total``.
    """
    source, method = extract_program(message)
    if opening:
        source = complete(opening, source, names[0])
    results = sandbox.run(Program(source, tests, names, setup), stop_at_failure=reward == "all")
    passed = sum(result.passed for result in results)
    error = next((result.error for result in results if not result.passed), "")
    return CodeGrade(passed == len(tests), passed, len(tests), method, error)


def complete(opening: str, source: str, name: str) -> str:
    """Return a whole program from an opening and its completion.

    A source that defines ``name`` itself stands after the opening and replaces its unfinished definition; any other
    continues the opening's last function.
    """
    defines = re.search(rf"^(?:async[ \t]+def|def|class)[ \t]+{re.escape(name)}\b", source, re.MULTILINE)
    return f"{opening.rstrip()}\n{source}" if defines is None else f"{opening.rstrip()}\n\n\n{source}"
