"""The page's script: its modules put together into one, so that a page needs no other file and no build step.

A module imports by ``import { a, b } from "./name.mjs";`` and exports by ``export`` before ``const``, ``function``,
``async function`` or ``class``, each at the beginning of a line. Every module becomes a function that is called once,
after those it imports from, and what it exports is all that others see of it.
"""

from __future__ import annotations

import re
from functools import cache
from graphlib import TopologicalSorter
from importlib import resources

_IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.mjs";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:const|async function|function|class) (\w+))", re.MULTILINE)


def asset(name: str) -> str:
    """Return the text of a file beside this one."""
    return (resources.files("credit_gym.report.viewer") / name).read_text(encoding="utf-8")


@cache
def script(first: str = "main") -> str:
    """Return one script that does what a module and all that it imports do."""
    texts: dict[str, str] = {}
    unread = [first]
    while unread:
        name = unread.pop()
        if name not in texts:
            texts[name] = asset(f"{name}.mjs")
            unread += [found for _, found in _IMPORT.findall(texts[name])]
    order = TopologicalSorter({name: {found for _, found in _IMPORT.findall(text)} for name, text in texts.items()})
    return '"use strict";\n' + "".join(_as_function(name, texts[name]) for name in order.static_order())


def _as_function(name: str, text: str) -> str:
    exported = ", ".join(each for _, each in _EXPORT.findall(text))
    body = _IMPORT.sub(r"const { \1 } = \2_module;\n", _EXPORT.sub(r"\1", text))
    return f"const {name}_module = (() => {{\n{body}return {{ {exported} }};\n}})();\n"
