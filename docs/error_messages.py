"""Every message that the library raises, found in its source: text as it stands, with `…` for what it names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import credit_gym.errors as errors

ROOT = Path(__file__).resolve().parents[1]
_ROOMS = ("credit_gym", "envs", "wrappers", "agents")


def messages() -> dict[str, list[str]]:
    """Return error class -> the messages that are raised with it, each once, in the order of the alphabet."""
    known = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    found: dict[str, set[str]] = {name: set() for name in sorted(known)}
    for room in _ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if path.resolve().is_relative_to(ROOT / room):
                for name, text in _raised(ast.parse(path.read_text("utf-8"))):
                    if name in found and text:
                        found[name].add(text)
    return {name: sorted(texts) for name, texts in found.items() if texts}


def errors_page() -> str:
    """Return the page: a section an error, what it means, and what it says."""
    parts = [
        "# Errors\n\nWhat is wrong is said in one sentence that says what to do; commands print it and exit with 2. "
        "Unknown names are answered with the nearest known ones, and what is not installed with the extra that has it. "
        "A `…` stands for what the message names.\n"
    ]
    for name, texts in messages().items():
        about = (getattr(errors, name).__doc__ or "").strip().split("\n")[0]
        listed = "\n".join(f"- {_plain(text)}" for text in texts)
        parts.append(f"## {name}\n\n{_plain(about)}\n\n{listed}\n")
    return "\n".join(parts)


def _raised(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        call = node.exc if isinstance(node, ast.Raise) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args:
            yield call.func.id, _text(call.args[0])


def _text(node: ast.expr) -> str:
    """A message as it is written; empty where it is put together elsewhere."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>{}$#|" else letter for letter in " ".join(text.split()))
