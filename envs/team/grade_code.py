"""Grade programs: find the program in a message, run its tests in the sandbox, all of them or a share."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Literal, NamedTuple

from credit_gym.envs.team.grade_math import strip_chat_tokens
from credit_gym.envs.team.sandbox import Program, Sandbox

Reward = Literal["all", "fraction"]

_OPENING = re.compile(r"(`{3,}(?=[^`]*$)|~{3,})(.*)")
_LIST_ITEM = re.compile(r"(?:[-+*]|\d{1,9}[.)])(?=[ \t])")
_QUOTED = re.compile(r" {0,3}> ?")
_BEGIN = re.compile(r"^[ \t]{0,8}\[BEGIN\][ \t]*\n?", re.MULTILINE)
_DONE = re.compile(r"^[ \t]{0,8}\[DONE\]", re.MULTILINE)
_PYTHON = frozenset({"python", "py", "python3"})
_TAB = 4
_DEEPEST = 9  # list items, and quotations, that a line opens
_LONGEST_SEARCHED = 200_000  # characters in which fences are looked for


class Source(NamedTuple):
    """The program in a message.

    Attributes:
        text: Python source.
        method: where it was found: ``python`` (the first Python fence), ``fence`` (the first of any kind), ``marks``
            (between ``[BEGIN]`` and ``[DONE]``) or ``raw``.
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
        trusted: whether the sandbox holds what a program might do to its verdict.
    """

    correct: bool
    passed: int
    total: int
    method: str
    error: str
    trusted: bool = True


def extract_program(message: str) -> Source:
    """Return the program of a message, without the control tokens of chat templates.

    What stands between lines ``[BEGIN]`` and ``[DONE]``, MBPP's marks, is the message where they are. In it the first
    fenced block marked as Python counts, else the first of any kind, else the whole. Fences are those of CommonMark
    (0.31, section 4.5), in list items and quotations too: the fence's indent is taken off every line, the closing fence
    is as long as the opening one or longer and indented by three blanks at most, and a fence that is never closed
    reaches to the end. One departure: lines of a list item's block that lack its indent stay in the block. Fences are
    looked for in the first 200,000 characters.
    """
    text = strip_chat_tokens(message)
    marked = _between_marks(text)
    blocks = list(_fenced((text if marked is None else marked)[:_LONGEST_SEARCHED]))
    for language, code in blocks:
        if language in _PYTHON:
            return Source(code, "python")
    if blocks:
        return Source(blocks[0][1], "fence")
    return Source(text, "raw") if marked is None else Source(marked, "marks")


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
    return CodeGrade(passed == len(tests), passed, len(tests), method, error, sandbox.trusted)


def complete(opening: str, source: str, name: str) -> str:
    """Return a whole program from an opening and its completion.

    A source that defines ``name`` itself stands after the opening and replaces its unfinished definition; any other
    continues the opening's last function. A body that came without its leading blanks, on the first line (a reply that
    was stripped) or on every one, gets them back.
    """
    defines = re.search(rf"^(?:async[ \t]+def|def|class)[ \t]+{re.escape(name)}\b", source, re.MULTILINE)
    blanks = _body_indent(opening)
    if defines is None:
        return f"{opening.rstrip()}\n{_indented(source, blanks)}"
    unfinished = f"\n{blanks}pass" if opening.rstrip().endswith(":") else ""
    return f"{opening.rstrip()}{unfinished}\n\n\n{source}"


def _between_marks(text: str) -> str | None:
    """What stands between the first ``[BEGIN]`` and the ``[DONE]`` after it; either may be missing, not both."""
    begin = _BEGIN.search(text)
    start = begin.end() if begin else 0
    done = _DONE.search(text, start)
    return text[start : done.start() if done else None] if begin or done else None


def _fenced(text: str) -> Iterator[tuple[str, str]]:
    """The fenced blocks of a Markdown text, each as its language and its content."""
    items: list[int] = []  # columns at which the content of the list items around a line begins
    fence, language, indent, quotes = "", "", 0, 0
    block: list[str] = []
    said = -1  # the quotations that the line before stands in, if it is text and the next may go on with it
    for line in text.splitlines(keepends=True):
        depth, rest = _unquoted(line, quotes if fence else _DEEPEST)
        column, bare = _split_indent(rest)
        if fence and depth < quotes:
            yield language, "".join(block)
            fence, block = "", []
        if fence:
            run = bare.rstrip()
            if len(run) >= len(fence) and not run.strip(fence[0]) and column <= (items[-1] if items else 0) + 3:
                yield language, "".join(block)
                fence, block = "", []
            else:
                block.append(" " * max(column - indent, 0) + bare if column or bare else rest)
            continue
        if not bare.strip():
            said = -1
            continue
        inner = [content for content in items if content <= column]
        near = column - (inner[-1] if inner else 0) < _TAB
        begins = near and (_LIST_ITEM.match(bare) or _OPENING.match(bare.rstrip()))
        if begins or said != depth:  # else it goes on with the text of the item above, whatever its indent
            items = inner
        for _ in range(_DEEPEST):
            item = _LIST_ITEM.match(bare)
            if item is None or column - (items[-1] if items else 0) >= _TAB:
                break
            behind = column + item.end()
            column, bare = _split_indent(" " * behind + bare[item.end() :])
            items.append(column if column - behind <= _TAB else behind + 1)
        opening = _OPENING.match(bare.rstrip())
        said = depth if bare.strip() and not opening else -1
        if opening and column - (items[-1] if items else 0) < _TAB:
            fence, indent, quotes = opening[1], column, depth
            words = re.findall(r"[\w+#-]+", opening[2][:200])
            language = words[0].lower() if words else ""
    if fence:
        yield language, "".join(block)


def _unquoted(line: str, most: int) -> tuple[int, str]:
    """How many quotations a line stands in, ``most`` of them at the most, and the line without their marks."""
    depth = 0
    while depth < most and (mark := _QUOTED.match(line)):
        depth, line = depth + 1, line[mark.end() :]
    return depth, line


def _split_indent(line: str) -> tuple[int, str]:
    """The column at which a line's text begins, tabs counted to the next multiple of four, and the text."""
    bare = line.lstrip(" \t")
    return len(line[: len(line) - len(bare)].expandtabs(_TAB)), bare


def _body_indent(opening: str) -> str:
    """The blanks before the statements of an opening's last function."""
    last = opening.rstrip().rpartition("\n")[2]
    blanks = last[: len(last) - len(last.lstrip())]
    return f"{blanks}    " if last.rstrip().endswith(":") else blanks


def _indented(source: str, blanks: str) -> str:
    """A function's body with its leading blanks, which it may have lost on its first line or on all of them."""
    lines = [line for line in source.splitlines() if line.strip()]
    if not lines or lines[0][0].isspace():
        return source
    rest = lines[1:]
    at_margin = [line for line in rest if not line[0].isspace()]
    if lines[0].startswith(("def ", "class ", "async def ", "@")) and not any(
        x.startswith("return") for x in at_margin
    ):
        return source
    is_deeper = rest and len(rest[0]) - len(rest[0].lstrip()) > len(blanks)
    if at_margin or (lines[0].rstrip().endswith(":") and not is_deeper):
        return textwrap.indent(source, blanks)
    return blanks + source.lstrip("\n")
