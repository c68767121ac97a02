"""Every regular expression of the project, found in its source, and text that is as bad for each as we can make it."""

from __future__ import annotations

import ast
import importlib
import re
import re._constants as op
import re._parser as regex  # the only reader of patterns that agrees with re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from builders import ROOT

_USES = ("search", "match", "fullmatch", "finditer", "findall", "split", "sub", "subn")


@dataclass(frozen=True)
class Use:
    """One way in which a file uses a pattern."""

    file: str
    expression: str
    pattern: re.Pattern[Any]
    method: str

    def __str__(self) -> str:
        return f"{self.file}: {self.method} {self.expression}"

    def run(self, text: str) -> None:
        """Do with a text what the file does, to the last match where it takes them all."""
        subject: Any = text if isinstance(self.pattern.pattern, str) else text.encode()
        if self.method in ("search", "match", "fullmatch"):
            getattr(self.pattern, self.method)(subject)
        else:
            for _ in self.pattern.finditer(subject):
                pass


def uses(path: Path, names: Mapping[str, Any], methods: Mapping[str, str]) -> list[Use]:
    """Return each pattern in a file with each method it is used by.

    Args:
        path: a file of the project.
        names: examples of what the names inside of functions stand for, for patterns made of them.
        methods: how patterns are used that go by another name there.

    Raises:
        NameError: a pattern is made of a name that has no example.
    """
    tree, file = ast.parse(path.read_text(encoding="utf-8")), str(path.relative_to(ROOT))
    known = {**vars(importlib.import_module(_module(path))), **names} if _calls(tree) else {}
    found = []
    for call, method in _calls(tree):
        pattern = _evaluated(call, known)
        used = [method] if method != "compile" else _methods(call, tree, path, methods)
        found += [Use(file, ast.unparse(call.args[0]), pattern, each) for each in used]
    return found


def unusual_imports(path: Path) -> list[str]:
    """Return imports in a file by which patterns could be used unseen."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.ImportFrom) and node.module in ("re", "regex"))
        or (
            isinstance(node, ast.Import)
            and any(name.name == "regex" or (name.name == "re" and name.asname) for name in node.names)
        )
    ]


def hostile(pattern: re.Pattern[Any]) -> list[tuple[str, str, str]]:
    """Return texts as (beginning, what is repeated, end).

    What is repeated: each character and literal of the pattern, each beginning of what it matches, the body of each
    repetition behind what leads to it, and pairs of characters. The ends match nothing.
    """
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = regex.parse(source, pattern.flags & ~re.DEBUG)
    whole = _sample(tree)
    atoms = sorted({*_atoms(tree), " ", "\n", "(", "a", "1"} - {""})
    leads = sorted(set(_bodies(tree, "")))
    repeated = [*atoms, *(lead + body for lead, body in leads), *(whole[:cut] for cut in range(1, len(whole)))]
    texts = {("", text, end) for text in repeated for end in ("", "\x00", "\n!")}
    texts |= {(lead, body, end) for lead, body in leads for end in ("", "\x00", "\n!")}
    short = [atom for atom in atoms if len(atom) < 9][:6]
    texts |= {pair for one in short for other in short for pair in (("", one + other, "\x00"), (one, other, "\x00"))}
    return sorted(text for text in texts if text[1])


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "credit_gym" else ("credit_gym", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _calls(tree: ast.Module) -> list[tuple[ast.Call, str]]:
    """The calls of the module re that take a pattern."""
    return [
        (node, node.func.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in ("compile", *_USES)
    ]


def _evaluated(call: ast.Call, known: Mapping[str, Any]) -> re.Pattern[Any]:
    """The pattern of a call, made as the file makes it."""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    place = {"compile": 1, "sub": 4, "subn": 4, "split": 3}.get(call.func.attr, 2)  # type: ignore[attr-defined]
    flags = named.get("flags", call.args[place] if len(call.args) > place else ast.Constant(0))
    source, flag = (
        eval(compile(ast.fix_missing_locations(ast.Expression(part)), "<pattern>", "eval"), dict(known))
        for part in (call.args[0], flags)
    )
    return re.compile(source, flag)


@cache
def _texts(room: str) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted((ROOT / room).rglob("*.py"))]


def _methods(call: ast.Call, tree: ast.Module, path: Path, methods: Mapping[str, str]) -> list[str]:
    """What is done with a compiled pattern, by its name; everything that searches where that cannot be seen."""
    name = next(
        (
            target.id if isinstance(target, ast.Name) else target.attr
            for node in ast.walk(tree)
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is call
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, (ast.Name, ast.Attribute))
        ),
        None,
    )
    if name is None:
        return ["finditer"]
    if name in methods:
        return [methods[name]]
    texts = [path.read_text(encoding="utf-8")]
    if not name.startswith("_"):
        texts += _texts(path.relative_to(ROOT).parts[0])
    found = {used for text in texts for used in re.findall(rf"\b{name}\.(\w+)\(", text)} & set(_USES)
    return sorted(found) or ["finditer"]


def _sample(tree: Any) -> str:
    """A short text that a pattern matches, or nearly."""
    return "".join(_samples(tree)[0])


def _samples(tree: Any) -> list[str]:
    """Texts that a sequence matches or nearly: with the first of every choice, then each other choice in its turn."""
    pieces = [_choices(operation, argument) for operation, argument in tree]
    first = "".join(piece[0] for piece in pieces)
    others = [
        "".join(choice if where == place else piece[0] for place, piece in enumerate(pieces))
        for where, choices in enumerate(pieces)
        for choice in choices[1:]
    ]
    return [first, *others[:12]]


def _choices(operation: Any, argument: Any) -> list[str]:
    match operation:
        case op.LITERAL:
            return [chr(argument)]
        case op.IN:
            return _members(argument)
        case op.NOT_LITERAL | op.ANY:
            return [next(sign for sign in "a .1" if ord(sign) != argument)]
        case op.MAX_REPEAT | op.MIN_REPEAT | op.POSSESSIVE_REPEAT:
            least, _, body = argument
            return [sample * max(1, min(least, 50)) for sample in _samples(body)]
        case op.SUBPATTERN:
            return _samples(argument[3])
        case op.ATOMIC_GROUP:
            return _samples(argument)
        case op.BRANCH:
            return [sample for branch in argument[1] for sample in _samples(branch)[:2]]
        case _:
            return [""]  # anchors, looks around and back


_KINDS = {
    op.CATEGORY_DIGIT: "1",
    op.CATEGORY_NOT_DIGIT: "a",
    op.CATEGORY_SPACE: " ",
    op.CATEGORY_NOT_SPACE: "a",
    op.CATEGORY_WORD: "a",
    op.CATEGORY_NOT_WORD: " ",
}


def _members(argument: Any) -> list[str]:
    """One character of each part of a class, or some that it leaves."""
    if argument[0][0] is op.NEGATE:
        return sorted(sign for sign in "a1 (.,-\n" if not _is_in(sign, argument[1:])) or ["a"]
    signs = []
    for kind, value in argument:
        if kind is op.LITERAL:
            signs.append(chr(value))
        elif kind is op.RANGE:
            signs.append(chr(value[0]))
        elif kind is op.CATEGORY:
            signs += [_KINDS[value], *("\n" if value is op.CATEGORY_SPACE else "")]
    return signs


def _is_in(sign: str, parts: Any) -> bool:
    for kind, value in parts:
        if kind is op.LITERAL and ord(sign) == value:
            return True
        if kind is op.RANGE and value[0] <= ord(sign) <= value[1]:
            return True
        if (
            kind is op.CATEGORY
            and {
                op.CATEGORY_DIGIT: sign.isdigit(),
                op.CATEGORY_NOT_DIGIT: not sign.isdigit(),
                op.CATEGORY_SPACE: sign.isspace(),
                op.CATEGORY_NOT_SPACE: not sign.isspace(),
                op.CATEGORY_WORD: sign.isalnum() or sign == "_",
                op.CATEGORY_NOT_WORD: not (sign.isalnum() or sign == "_"),
            }[value]
        ):
            return True
    return False


def _nested(argument: Any) -> Iterator[Any]:
    """The sequences inside an operation's argument."""
    if isinstance(argument, regex.SubPattern):
        yield argument
    elif isinstance(argument, (tuple, list)):
        for part in argument:
            yield from _nested(part)


def _bodies(tree: Any, lead: str) -> Iterator[tuple[str, str]]:
    """Each repetition's body with a text that leads to it."""
    for operation, argument in tree:
        if operation in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            for body in _samples(argument[2]):
                yield lead, body
        for inner in _nested(argument):
            yield from _bodies(inner, lead)
        lead += _choices(operation, argument)[0]


def _atoms(tree: Any) -> Iterator[str]:
    """Every character and run of literals."""
    run = ""
    for operation, argument in tree:
        if operation is op.LITERAL:
            run += chr(argument)
            yield chr(argument)
            continue
        yield run
        run = ""
        if operation in (op.IN, op.NOT_LITERAL, op.ANY):
            yield from _choices(operation, argument)
        for inner in _nested(argument):
            yield _sample(inner)
            yield from _atoms(inner)
    yield run
