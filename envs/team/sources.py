"""Problems from published files: GSM8K, MATH, CMATH, MBPP and HumanEval in their own JSONL, and from reasoning-gym."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from credit_gym.data.foreign_text import open_file, read_json
from credit_gym.envs.team.grade_math import extract_answer
from credit_gym.envs.team.problems import CodeProblem, MathProblem, Problem
from credit_gym.errors import ManifestError, missing_extra, unknown

BadRows = Literal["refuse", "skip"]
PathLike = str | os.PathLike[str]

_CALCULATION = re.compile(r"<<[^<>]*>>")


class ProblemFile(NamedTuple):
    """What a file holds.

    Attributes:
        problems: its good rows, in order.
        skipped: a sentence about each bad row, where bad rows may be skipped.
    """

    problems: tuple[Problem, ...]
    skipped: tuple[str, ...]


def read_problems(
    path: PathLike,
    *,
    format: str | None = None,
    split: str | None = None,
    bad_rows: BadRows = "refuse",
    expected_rows: int | None = None,
) -> ProblemFile:
    """Read a file of problems, one JSON object a line.

    A row is good when every field that the problem needs is there and not empty: a row without a question, an answer or
    tests would silently cost every answer its reward.

    Args:
        path: the file.
        format: one of :data:`FORMATS`; by default the one whose fields the first row has.
        split: which part of its source the file is. By default what a row says of itself in a field ``split`` or
            ``unique_id``; else the file's name, if it has one of the words train, test, dev, val, valid, validation and
            eval; else what the published numbers of MBPP and HumanEval mean; else ``train``.
        bad_rows: ``refuse`` raises at the first bad row, ``skip`` leaves it out.
        expected_rows: how many good rows there must be.

    Raises:
        ManifestError: the file cannot be read, its format is unknown, a row is bad, or their number is not as expected.
        UnknownNameError: there is no such format or way with bad rows.
    """
    if bad_rows not in get_args(BadRows):
        raise unknown("way with bad rows", bad_rows, get_args(BadRows))
    if format is not None and format not in FORMATS:
        raise unknown("problem format", format, FORMATS)
    problems: list[Problem] = []
    skipped: list[str] = []
    name = Path(path).name
    named = _split_of_name(Path(path).stem)
    found = format
    for number, text in _lines(path):
        try:
            row = _row(text)
            if found is None:
                found = _detect(row)
            part = split or _split_of_row(row) or named or FORMATS[found].split(row) or "train"
            problems.append(FORMATS[found].read(row, f"{found}-{part}-{number}", part))
        except _BadRow as bad:
            sentence = f"{name}, line {number}: {bad}"
            if bad_rows == "refuse":
                raise ManifestError(f"{sentence}; mend the row or skip it with bad_rows='skip'.") from None
            skipped.append(f"{sentence}.")
    if not problems:
        first = f" ({skipped[0].removesuffix('.')})" if skipped else ""
        raise ManifestError(f"{name} holds no problem{first}: give a file with one JSON object a line.")
    if expected_rows is not None and len(problems) != expected_rows:
        raise ManifestError(
            f"{name} holds {len(problems)} good problems, not the expected {expected_rows}: fetch the file again."
        )
    return ProblemFile(tuple(problems), tuple(skipped))


def reasoning_gym_problems(task: str, split: str, count: int, seed: int = 0) -> tuple[MathProblem, ...]:
    """Return problems of a reasoning-gym task, graded by their reference answer.

    Raises:
        MissingExtraError: reasoning-gym is not installed.
        UnknownNameError: it has no such task.
    """
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        raise missing_extra("reasoning-gym", "math") from error
    if task not in DATASETS:
        raise unknown("reasoning-gym task", task, DATASETS)
    entries = reasoning_gym.create_dataset(task, seed=seed, size=count)
    return tuple(
        MathProblem(f"{task}-{split}-{number}", split, str(entry["question"]), str(entry["answer"]))
        for number, entry in enumerate(entries)
    )


@dataclass(frozen=True)
class Format:
    """How a published file is read.

    Attributes:
        fields: what its rows have; a tuple stands for alternatives.
        read: makes a problem of a row, an id and a split.
        split: the split that the number of a row was published in, None where numbers mean nothing.
    """

    fields: tuple[str | tuple[str, ...], ...]
    read: Callable[[Mapping[str, Any], str, str], Problem]
    split: Callable[[Mapping[str, Any]], str | None] = lambda row: None


class _BadRow(Exception):
    """What is wrong with a row, without the full stop."""


def _lines(path: PathLike) -> Iterator[tuple[int, bytes]]:
    try:
        with open_file(path) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise ManifestError(f"The problem file {os.fspath(path)} cannot be read: {error}.") from error


def _row(line: bytes) -> Mapping[str, Any]:
    try:
        row = read_json(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _BadRow(f"it cannot be read as UTF-8 ({error.reason})") from None
    except (ValueError, RecursionError) as error:
        raise _BadRow(f"it is no JSON ({error})") from None
    if not isinstance(row, dict):
        raise _BadRow("it is no JSON object")
    return row


def _detect(row: Mapping[str, Any]) -> str:
    for name, known in FORMATS.items():
        if all(any(part in row for part in ((field,) if isinstance(field, str) else field)) for field in known.fields):
            return name
    raise _BadRow(f"its fields {', '.join(sorted(row))} belong to no known format ({', '.join(FORMATS)})")


def _text(row: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that the row has, which must hold text."""
    name = next((name for name in names if row.get(name) is not None), names[0])
    value = row.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise _BadRow(f"the field {name!r} is missing or empty")
    return value


def _texts(row: Mapping[str, Any], name: str, *, needed: bool) -> tuple[str, ...]:
    value = row.get(name)
    if not value and not needed:
        return ()
    if not isinstance(value, list) or not value or not all(isinstance(item, str) and item.strip() for item in value):
        raise _BadRow(f"the field {name!r} must be a list of texts, none of them empty")
    return tuple(value)


def _split_of_name(stem: str) -> str | None:
    """The one split that a file is called after, None where its name says nothing or several."""
    said = {word for word in re.findall("[a-z]+", stem.lower()) if word in _SPLIT_NAMES}
    return said.pop() if len(said) == 1 else None


def _split_of_row(row: Mapping[str, Any]) -> str | None:
    """A field of that name, or MATH-500's ``test/algebra/2.json``."""
    split, place = row.get("split"), str(row.get("unique_id") or "").partition("/")[0]
    if isinstance(split, str) and split.strip():
        return split.strip()
    return place if place in _SPLIT_NAMES else None


def _split_of_mbpp(row: Mapping[str, Any]) -> str | None:
    number = str(row.get("task_id"))
    known = int(number) if number.isascii() and number.isdecimal() and len(number) < 5 else 0
    return next((name for name, numbers in _MBPP.items() if known in numbers), None)


def _split_of_humaneval(row: Mapping[str, Any]) -> str | None:
    return "test" if str(row.get("task_id")).startswith("HumanEval/") else None


def _gsm8k(row: Mapping[str, Any], id: str, split: str) -> MathProblem:
    solution = _CALCULATION.sub("", _text(row, "answer"))
    answer = extract_answer(solution)
    if answer.method != "hashes":
        raise _BadRow("the field 'answer' has no line with ####")
    return MathProblem(id, split, _text(row, "question"), answer.text)


def _math(row: Mapping[str, Any], id: str, split: str) -> MathProblem:
    question = _text(row, "problem")
    if row.get("answer"):
        return MathProblem(id, split, question, _text(row, "answer"))
    answer = extract_answer(_text(row, "solution"))
    if answer.method != "boxed" or not answer.text:
        raise _BadRow("the field 'solution' has no \\boxed answer")
    return MathProblem(id, split, question, answer.text)


def _cmath(row: Mapping[str, Any], id: str, split: str) -> MathProblem:
    return MathProblem(id, split, _text(row, "question"), _text(row, "golden"))


def _mbpp(row: Mapping[str, Any], id: str, split: str) -> CodeProblem:
    tests = _texts(row, "test_list", needed=True)
    names = _defined(_text(row, "code"))
    imports = _texts(row, "test_imports", needed=False)
    setup = "\n".join([*imports, str(row.get("test_setup_code") or "")])
    shown = "\n".join(tests)
    return CodeProblem(
        f"mbpp-{split}-{_text(row, 'task_id')}",
        split,
        f"{_text(row, 'text', 'prompt')}\nYour program must pass these tests:\n{shown}",
        (*tests, *_texts(row, "challenge_test_list", needed=False)),
        names,
        setup,
    )


def _humaneval(row: Mapping[str, Any], id: str, split: str) -> CodeProblem:
    prompt, entry = _text(row, "prompt"), _text(row, "entry_point")
    others = [name for name in re.findall(r"^def (\w+)", prompt, re.MULTILINE) if name != entry]
    test = f"{_text(row, 'test')}\ncheck({entry})\n"
    question = f"Complete this Python function:\n{prompt}"
    return CodeProblem(f"{split}-{_text(row, 'task_id')}", split, question, (test,), (entry, *others), opening=prompt)


def _defined(source: str) -> tuple[str, ...]:
    """The names that a reference solution defines, which is what its tests may use."""
    names: dict[str, None] = {}
    with suppress(SyntaxError):
        for node in ast.parse(source).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names[node.name] = None
            elif isinstance(node, ast.Assign):
                names |= {target.id: None for target in node.targets if isinstance(target, ast.Name)}
    if not names:
        raise _BadRow("the field 'code' defines no function that the tests could use")
    return tuple(names)


_SPLIT_NAMES = frozenset(("train", "test", "dev", "val", "valid", "validation", "eval"))
_MBPP = {"prompt": range(1, 11), "test": range(11, 511), "validation": range(511, 601), "train": range(601, 975)}

FORMATS: dict[str, Format] = {
    "mbpp": Format(("task_id", "code", "test_list", ("text", "prompt")), _mbpp, _split_of_mbpp),
    "humaneval": Format(("task_id", "prompt", "entry_point", "test"), _humaneval, _split_of_humaneval),
    "math": Format(("problem", ("answer", "solution")), _math),
    "cmath": Format(("question", "golden"), _cmath),
    "gsm8k": Format(("question", "answer"), _gsm8k),
}
